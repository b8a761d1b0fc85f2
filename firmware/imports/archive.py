"""Archives from elsewhere, read into memory: no path, link, device or size of theirs reaches the disk."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Final

from firmware.imports.errors import ArchiveUnsafe
from triggers.errors import FileMissing, FileUnreadable

LARGEST_ARCHIVE: Final = 256 << 20
LARGEST_CONTENT: Final = 512 << 20
"""Of all files together, unpacked."""
LARGEST_RATIO: Final = 200
"""Unpacked to packed; honest archives of code and weights stay far below."""
_RATIO_FROM: Final = 16 << 20
MOST_FILES: Final = 20_000
_LONGEST_NAME: Final = 512
_XZ: Final = b"\xfd7zXZ\x00"


def read_archive(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The wanted files of a tar archive, packed by xz or not packed, by path.

    Args:
        path: of the archive.
        wanted: whether a file's content is needed; of the others only the entry is checked.

    Raises:
        FileMissing, FileUnreadable: there is no such file, or it cannot be read.
        ArchiveUnsafe: it is damaged or too large, or an entry is no plain file or folder within it.
    """
    if not path.is_file():
        raise FileMissing(path, "archive")
    try:
        size = path.stat().st_size
        if size > LARGEST_ARCHIVE:
            raise ArchiveUnsafe(path, f"has more than {LARGEST_ARCHIVE >> 20} MiB", "import a smaller one")
        with path.open("rb") as file:
            return dict(_files(path, file, size, wanted))
    except (lzma.LZMAError, tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise ArchiveUnsafe(path, f"is damaged ({' '.join(str(error).split()) or type(error).__name__})") from None
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error), "check the path") from None


def _files(path: Path, file: IO[bytes], size: int, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    packed = file.read(len(_XZ)) == _XZ
    file.seek(0)
    seen: set[str] = set()
    with ExitStack() as stack:
        stream = stack.enter_context(lzma.LZMAFile(file)) if packed else file
        archive = stack.enter_context(tarfile.open(fileobj=_Limited(stream, path, size), mode="r|"))
        for member in archive:
            name = _checked(member, path)
            if name in seen:
                raise ArchiveUnsafe(path, f"holds '{name[:80]}' twice")
            seen.add(name)
            if len(seen) > MOST_FILES:
                raise ArchiveUnsafe(path, f"holds more than {MOST_FILES} files")
            if member.isfile() and wanted(name):
                content = archive.extractfile(member)
                yield name, b"" if content is None else content.read()
    if not seen:
        raise ArchiveUnsafe(path, "holds no files")


def _checked(member: tarfile.TarInfo, path: Path) -> str:
    name = member.name
    parts = PurePosixPath(name)
    shown = name[:80].encode("unicode_escape").decode()
    if not name or len(name) > _LONGEST_NAME or "\0" in name or "\\" in name:
        raise ArchiveUnsafe(path, f"holds a file of the name '{shown}'")
    if parts.is_absolute() or ".." in parts.parts:
        raise ArchiveUnsafe(path, f"holds '{shown}', which is outside of it")
    if member.sparse is not None or not (member.isreg() or member.isdir()):
        raise ArchiveUnsafe(path, f"holds '{shown}', which is a link or device")
    return parts.as_posix()


class _Limited(io.RawIOBase):
    """A stream that ends in an error when it has given too much."""

    def __init__(self, stream: IO[bytes] | lzma.LZMAFile, path: Path, packed_bytes: int) -> None:
        self._stream, self._path = stream, path
        self._left = min(LARGEST_CONTENT, max(_RATIO_FROM, packed_bytes * LARGEST_RATIO))

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ArchiveUnsafe(self._path, "unpacks to far more than it should", "import a smaller one")
        return content
