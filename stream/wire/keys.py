"""Keys of ZeroMQ CURVE as files: one pair for the servers of a run, one for each client (`docs/security.md`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from stream.errors import KeyUnusable
from triggers.errors import FileExists, FileMissing

SERVER: Final = "server"
PUBLIC_SUFFIX: Final = ".public"
SECRET_SUFFIX: Final = ".secret"  # noqa: S105 — a file name
NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
KEY_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
_FOLDER_MODE: Final = 0o700
_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_OTHERS: Final = 0o077


@dataclass(frozen=True)
class KeyPair:
    """A key pair; its secret half shows in no representation.

    Attributes:
        name: `server`, or the client's.
        public: 32 bytes; peers know it.
        secret: 32 bytes.
    """

    name: str
    public: bytes
    secret: bytes = field(repr=False)


def make_pair(folder: Path, name: str) -> str:
    """Make a key pair as `NAME.public` and `NAME.secret`; the public key, as 64 hexadecimal digits.

    The folder is made if it is not there, for this account only; the secret's file is never readable by others.

    Raises:
        KeyUnusable: a name that is not allowed, or a folder that cannot be written or that others may enter.
        FileExists: there is such a key.
    """
    _check_name(name)
    public, secret = (z85.decode(key).hex() for key in zmq.curve_keypair())
    with _writing(folder):
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if folder.stat().st_mode & _OTHERS:
            raise KeyUnusable(folder, "others may enter it", f"name a new folder, or `chmod 700 {folder}`")
        _write_new(folder / (name + SECRET_SUFFIX), secret, _SECRET_MODE)
        _write_new(folder / (name + PUBLIC_SUFFIX), public, _PUBLIC_MODE)
    return public


def write_public(folder: Path, name: str, key: str) -> None:
    """Take in a public key that was made elsewhere.

    Raises:
        KeyUnusable: a name or a key that is not allowed, or a folder that cannot be written.
        FileExists: there is a key of that name.
    """
    _check_name(name)
    if not KEY_PATTERN.fullmatch(key):
        raise KeyUnusable(f"key '{name}'", "no public key", "give the 64 hexadecimal digits of its file NAME.public")
    with _writing(folder):
        _write_new(folder / (name + PUBLIC_SUFFIX), key, _PUBLIC_MODE)


def refuse_existing(folder: Path, names: Iterable[str]) -> None:
    """Refuse to go on if a key of one of the names is there.

    Raises:
        FileExists: that is the case.
    """
    for name in names:
        for suffix in (SECRET_SUFFIX, PUBLIC_SUFFIX):
            if (folder / (name + suffix)).exists():
                raise FileExists(folder / (name + suffix))


def read_public(folder: Path, name: str) -> bytes:
    """The public key of that name.

    Raises:
        FileMissing, KeyUnusable: there is none, or its file holds something else.
    """
    return _read(folder / (name + PUBLIC_SUFFIX))


def read_pair(folder: Path, name: str) -> KeyPair:
    """The key pair of that name.

    Raises:
        FileMissing, KeyUnusable: there is none, its file holds something else, or others may read its secret.
    """
    path = folder / (name + SECRET_SUFFIX)
    secret = _read(path)
    if path.stat().st_mode & _OTHERS:
        raise KeyUnusable(path, "others may read it", f"make new keys if they did; else `chmod 600 {path}`")
    return KeyPair(name, z85.decode(zmq.curve_public(z85.encode(secret))), secret)


def key_names(folder: Path) -> list[str]:
    """The names of the keys in a folder.

    Raises:
        FileMissing: there is no such folder.
    """
    if not folder.is_dir():
        raise FileMissing(folder, "folder of keys")
    return sorted(path.name.removesuffix(PUBLIC_SUFFIX) for path in folder.glob(f"*{PUBLIC_SUFFIX}"))


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise KeyUnusable(f"key '{name}'", "no name for a key", "use at most 40 of a-z, 0-9, - and _")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise FileExists(error.filename) from None
    except OSError as error:
        raise KeyUnusable(folder, f"cannot be written ({error.strerror})", "name a folder that you may write") from None


def _write_new(path: Path, key: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")


def _read(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise FileMissing(path, "key") from None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not KEY_PATTERN.fullmatch(text):
        # The content is not shown: it may be a secret.
        raise KeyUnusable(path, "holds no key of 64 hexadecimal digits", "make keys with `l1chain keys make DIR`")
    return bytes.fromhex(text)
