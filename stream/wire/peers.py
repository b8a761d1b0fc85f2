"""The allow-list: which public keys may come in, and what they may do (`docs/security.md`, section "Rights")."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, model_validator

from stream.errors import KeyUnusable
from stream.wire.keys import KEY_PATTERN, NAME_PATTERN, PUBLIC_SUFFIX, read_public
from triggers.errors import FileMissing, FileUnreadable, L1ChainError, UnknownName
from triggers.strict_yaml import StrictModel, read_yaml

ALLOW_LIST_FILE: Final = "peers.yaml"
REREAD_S: Final = 0.5
_log = logging.getLogger("l1chain.stream.peers")


class Right(StrEnum):
    """What a peer may do."""

    DATA = "data"
    CONTROL = "control"
    READ = "read"


class Domain(StrEnum):
    """What a socket is for: each admits the peers that have one of its rights."""

    SERVICES = "services"
    COMMANDS = "commands"
    WATCH = "watch"

    @property
    def admits(self) -> frozenset[Right]:
        """The rights of which a peer needs one."""
        return _ADMITS[self]


_ADMITS: Final = {
    Domain.SERVICES: frozenset({Right.DATA}),
    # Commands need `control`, which the receiver of each command checks; questions need only `read`.
    Domain.COMMANDS: frozenset({Right.CONTROL, Right.READ}),
    Domain.WATCH: frozenset({Right.READ, Right.CONTROL}),
}


@dataclass(frozen=True)
class Peer:
    """A client that may come in.

    Attributes:
        name: of its key.
        key: its public key, 64 hexadecimal digits.
        rights: what it may do.
    """

    name: str
    key: str
    rights: frozenset[Right]

    def may(self, *rights: Right) -> bool:
        """Whether it has one of the rights."""
        return not self.rights.isdisjoint(rights)


class _PeerEntry(StrictModel):
    model_config = ConfigDict(strict=False)

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
    key: Annotated[str, Field(pattern=f"^{KEY_PATTERN.pattern}$")]
    rights: Annotated[tuple[Right, ...], Field(min_length=1)]


class _AllowListFile(StrictModel):
    model_config = ConfigDict(strict=False)

    peers: tuple[_PeerEntry, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> _AllowListFile:
        for kind, values in (("names", [p.name for p in self.peers]), ("keys", [p.key for p in self.peers])):
            if len(set(values)) < len(values):
                raise ValueError(f"two equal {kind}; leave one out")
        return self


def read_peers(folder: Path) -> list[Peer]:
    """The peers that the allow-list of a key folder names.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: there is no allow-list, or it is not one.
    """
    path = folder / ALLOW_LIST_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileMissing(path, "allow-list") from None
    except OSError as error:
        raise FileUnreadable(path, f"cannot be read ({error.strerror})") from None
    entries = read_yaml(content, str(path), _AllowListFile).peers
    return [Peer(entry.name, entry.key, frozenset(entry.rights)) for entry in entries]


def write_peers(folder: Path, peers: Iterable[Peer]) -> None:
    """Write the allow-list, whole or not at all.

    Raises:
        KeyUnusable: it cannot be written.
    """
    lines = ["# Who may come in: see docs/security.md. A running chain notices changes.\n", "peers:\n"]
    for peer in sorted(peers, key=lambda peer: peer.name):
        rights = ", ".join(sorted(peer.rights))
        lines.append(f'  - {{name: "{peer.name}", key: "{peer.key}", rights: [{rights}]}}\n')
    text = "".join(lines) if len(lines) > 2 else "peers: []\n"
    path, part = folder / ALLOW_LIST_FILE, folder / f".{ALLOW_LIST_FILE}.part"
    try:
        part.write_text(text, encoding="ascii")
        os.replace(part, path)
    except OSError as error:
        raise KeyUnusable(path, f"cannot be written ({error.strerror})", "choose a folder that you may write") from None


def allow(folder: Path, name: str, rights: Iterable[Right]) -> Peer:
    """Give rights to the key `NAME.public` of the folder; they replace those it had.

    Raises:
        FileMissing, KeyUnusable: there is no such key, or the allow-list cannot be written.
    """
    peer = Peer(name, read_public(folder, name).hex(), frozenset(rights))
    listed = read_peers(folder) if (folder / ALLOW_LIST_FILE).exists() else []
    for other in listed:
        if other.name != name and other.key == peer.key:
            raise KeyUnusable(folder / (name + PUBLIC_SUFFIX), f"is the key of '{other.name}'", f"use '{other.name}'")
    write_peers(folder, [*(other for other in listed if other.name != name), peer])
    return peer


def revoke(folder: Path, name: str) -> None:
    """Take all rights from the key of that name; its connections carry no message from then on.

    Raises:
        UnknownName: it has none.
        FileMissing, KeyUnusable: there is no allow-list, or it cannot be written.
    """
    listed = read_peers(folder)
    if name not in {peer.name for peer in listed}:
        raise UnknownName(str(folder / ALLOW_LIST_FILE), "peer", name, [peer.name for peer in listed])
    write_peers(folder, [peer for peer in listed if peer.name != name])


class AllowList:
    """The allow-list of a key folder as it is now; changes of the file are noticed. Any thread may ask.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: on making; later a damaged file leaves the list as it was.
    """

    def __init__(self, folder: Path, reread_s: float = REREAD_S) -> None:
        self._folder, self._reread_s = folder, reread_s
        self._lock = threading.Lock()
        self._stamp = self._stamp_now()
        self._peers = {peer.key: peer for peer in read_peers(folder)}
        self._next_look_s = time.monotonic() + reread_s

    def peer(self, key: str | None) -> Peer | None:
        """The peer with that public key, if it may come in."""
        if time.monotonic() >= self._next_look_s:
            self._look()
        return self._peers.get(key) if key else None

    def admitted(self, domain: Domain) -> frozenset[str]:
        """The keys that may come in to a domain now."""
        if time.monotonic() >= self._next_look_s:
            self._look()
        return frozenset(key for key, peer in self._peers.items() if peer.may(*domain.admits))

    def _look(self) -> None:
        with self._lock:
            self._next_look_s = time.monotonic() + self._reread_s
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._peers = {peer.key: peer for peer in read_peers(self._folder)}
            except L1ChainError as error:
                _log.error("the allow-list stays as it was: %s", error)

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._folder / ALLOW_LIST_FILE)
        except OSError:
            return ()
        return (status.st_mtime_ns, status.st_size, status.st_ino)
