"""Errors of the streaming layer.

L1ChainError (triggers.errors)
├── OverrideInvalid     --set with something that is no KEY=VALUE
├── AddressInUse        a port that another program has
├── FolderUnwritable    a folder that cannot be written
├── SourceEmpty         a source without crossings
├── RunFailed           a run that ended before its end: a service died or reported a bug
├── AddressOpen         an address that other hosts reach, without keys
├── KeyUnusable         a key file, or an entry of the allow-list, that cannot be used
└── ProtocolError       a message that the protocol does not allow
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from triggers.errors import L1ChainError


class OverrideInvalid(L1ChainError):
    """An override `--set KEY=VALUE` that is not of that form, or names no place in the configuration."""

    def __init__(self, override: str, what: str, remedy: str) -> None:
        super().__init__(f"--set {override}", what, remedy)


class AddressInUse(L1ChainError):
    """An address that cannot be listened on."""

    def __init__(self, setting: str, address: str, reason: str) -> None:
        super().__init__(setting, f"cannot listen on {address} ({reason})", "free the port or choose another one")


class FolderUnwritable(L1ChainError):
    """A folder that cannot be written."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(folder, what, "choose a folder that you may write")


class SourceEmpty(L1ChainError):
    """A source without crossings."""

    def __init__(self, source: str) -> None:
        super().__init__(source, "holds no crossings", "name files with crossings")


class RunFailed(L1ChainError):
    """A run that ended before its end."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(f"service {service}", what, "see the run's log, and report it as a bug if the input is good")


class AddressOpen(L1ChainError):
    """An address that other hosts reach, without keys that tell who may use it."""

    def __init__(self, where: str, address: str) -> None:
        remedy = "use 127.0.0.1, or make keys with `l1chain keys make DIR` and set security.keys"
        super().__init__(where, f"{address} is reached from other hosts, and the run has no keys", remedy)


class KeyUnusable(L1ChainError):
    """A key file, or an entry of the allow-list, that cannot be used."""

    def __init__(self, where: str | Path, what: str, remedy: str = "see docs/security.md") -> None:
        super().__init__(where, what, remedy)


class Refusal(StrEnum):
    """Why a message or a peer was refused; the label `reason` of the metric."""

    HEADER = "header"
    RUN = "run"
    FRAMES = "frames"
    JSON = "json"
    COLUMN = "column"
    OVERSIZED = "oversized"
    REPLAYED = "replayed"
    UNEXPECTED = "unexpected"
    UNAUTHENTICATED = "unauthenticated"
    NO_RIGHT = "no_right"


class ProtocolError(L1ChainError):
    """A message that the protocol does not allow.

    Attributes:
        reason: the kind of offence, as it is counted.
    """

    def __init__(self, where: str, what: str, reason: Refusal = Refusal.UNEXPECTED) -> None:
        self.reason = reason
        super().__init__(where, what, "use the same l1chain version on all sides of a run")
