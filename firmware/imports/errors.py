"""Errors of imports; every message says what is wrong, where, and what to do.

FirmwareError (firmware.errors)
├── NotTrusted                   native code without the user's word that it may run
├── ProjectInvalid               a folder that is no hls4ml project that can be compiled, or not for certain
├── ProjectUnreadable            a project that compiles, but that no network description can express
└── ArchiveUnsafe                an archive that is damaged, hostile or too large
"""

from __future__ import annotations

from pathlib import Path

from firmware.errors import FirmwareError


class NotTrusted(FirmwareError):
    """Native code without the user's word that it may run."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            path, "is native code, which importing compiles and runs", "add --trust if you know where it is from"
        )


class ProjectInvalid(FirmwareError):
    """A folder that is no hls4ml project that can be compiled, or of which something must be stated."""


class ProjectUnreadable(FirmwareError):
    """A project, or a part of one, that a network description cannot express; it still compiles."""

    def __init__(self, where: str | Path, what: str) -> None:
        super().__init__(where, what, "the version runs with backend hls4ml only")


class ArchiveUnsafe(FirmwareError):
    """An archive that is damaged, hostile or too large; nothing of it was written."""

    def __init__(self, path: str | Path, what: str, remedy: str = "get the archive again from who made it") -> None:
        super().__init__(path, what, remedy)
