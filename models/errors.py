"""Errors of the model layer; every message says what is wrong, where, and what to do.

L1ChainError (triggers.errors)
└── ModelError                   anything about a model, its version on disk or its backend
    ├── RepositoryMissing        a folder of versions that is not there
    ├── VersionMissing           a model, version or alias that the repository does not have
    ├── ManifestInvalid          a manifest or alias file that breaks the rules of `docs/models.md`
    ├── RepositoryReadOnly       a folder of versions that cannot be written, or a version that ships
    ├── VersionExists            a version that would be overwritten
    ├── VersionInUse             a version that cannot be removed while an alias points to it
    ├── FileNotListed            a file that is needed and that the manifest does not list
    ├── VersionFileMissing       a file of a version that is not there, or cannot be read
    ├── DigestMismatch           a file whose bytes are not those that the manifest lists
    ├── NetworkUnreadable        a file whose digest is right and which is no network, or no usable one
    ├── NetworkInvalid           a network description that breaks the rules of `docs/networks.md`
    ├── BackendMissing           a backend that nothing installed registers
    ├── BackendLimit             a network that a backend cannot compute exactly
    └── InputsInvalid            network inputs of the wrong name, shape or type
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from triggers.errors import L1ChainError


def _one_of(kind: str, names: Iterable[str]) -> str:
    return f"use one of the {kind}: {', '.join(sorted(names)) or '(none exist)'}"


class ModelError(L1ChainError):
    """An error about a model, its version on disk or its backend."""


class RepositoryMissing(ModelError):
    """A folder of versions that is not there."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder, "no such folder of model versions", "check the path")


class VersionMissing(ModelError):
    """A model, version or alias that the repository does not have."""

    def __init__(self, where: str | Path, kind: str, name: str, existing: Iterable[str]) -> None:
        super().__init__(where, f"no {kind} '{name}'", _one_of("existing ones", existing))


class ManifestInvalid(ModelError):
    """A manifest or alias file that breaks the rules of `docs/models.md`."""

    def __init__(
        self, path: str | Path, what: str, remedy: str = "correct the file or export the version again"
    ) -> None:
        super().__init__(path, what, remedy)


class RepositoryReadOnly(ModelError):
    """A folder of versions that cannot be written, or a version that ships with l1chain."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(path, f"cannot be changed ({why})", "name a folder of your own with --repository")


class VersionExists(ModelError):
    """A version that would be overwritten."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "exists already, and a version never changes", "choose another version")


class VersionInUse(ModelError):
    """A version that cannot be removed while an alias points to it."""

    def __init__(self, label: str, aliases: Iterable[str]) -> None:
        named = ", ".join(f"'{alias}'" for alias in aliases)
        super().__init__(label, f"is what {named} means", "let the alias mean another version first, or remove it")


class FileNotListed(ModelError):
    """A file that is needed and that the manifest does not list, so that it is not loaded."""

    def __init__(self, manifest: str | Path, file: str, purpose: str) -> None:
        super().__init__(manifest, f"lists no '{file}', which {purpose} needs", "export the version with that file")


class VersionFileMissing(ModelError):
    """A file of a version that is not there, or cannot be read."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(path, f"cannot be read ({why})", "copy the whole version folder again")


class DigestMismatch(ModelError):
    """A file whose bytes are not those that the manifest lists."""

    def __init__(self, path: str | Path, found: str, expected: str) -> None:
        super().__init__(
            path,
            f"its SHA-256 is {found[:12]}…, the manifest lists {expected[:12]}…",
            "copy the version folder again, or export it again if the file was changed on purpose",
        )


class NetworkUnreadable(ModelError):
    """A file whose digest is right and which is no network, or none that fits the manifest."""

    def __init__(self, path: str | Path, what: str) -> None:
        super().__init__(path, what, "export the version again")


class NetworkInvalid(ModelError):
    """A network description that breaks the rules of `docs/networks.md`, or that cannot be expressed."""

    def __init__(self, source: str | Path, place: str, what: str, remedy: str) -> None:
        super().__init__(f"{source}, {place}" if place else source, what, remedy)


class BackendMissing(ModelError):
    """A backend that nothing installed registers under the entry point `l1chain.backends`."""

    def __init__(self, name: str, existing: Iterable[str]) -> None:
        super().__init__("backend", f"no backend '{name}' is installed", _one_of("installed backends", existing))


class BackendLimit(ModelError):
    """A network that a backend cannot compute exactly."""

    def __init__(self, backend: str, what: str, other: str) -> None:
        super().__init__(f"backend {backend}", f"{what} not supported", f"use backend {other}")


class InputsInvalid(ModelError):
    """Network inputs of the wrong name, shape or type."""

    def __init__(self, where: str | Path, found: str, expected: str) -> None:
        super().__init__(where, f"found {found}, expected {expected}", "convert the inputs")
