"""Reads uGT test vectors, text with one crossing a line (`docs/formats.md`, section "Test vectors")."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import FileUnreadable
from triggers.events import packing, schema, vector_lines
from triggers.events.crossings import batch_of
from triggers.events.formats import files_name, first_bytes
from triggers.events.source import SourceInfo

_RUN: Final = 1
_LUMI_SECTION: Final = 1
_FIRST_ORBIT: Final = 1
_ORBITS_BETWEEN_FILES: Final = 3
_GZIP_MAGIC: Final = b"\x1f\x8b"
_XZ_MAGIC: Final = b"\xfd7zXZ\x00"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OPTIONAL: Final = ("expected", "expected_known", "context")
_MADE_TIMES: Final = "run, lumi section, orbit and event number are made: the text has only the BX number"
_SHORT_LINES: Final = "taus 8 to 11, ETMHF, HTMHF, CICADA and ZDC are zero: the lines have 36 object words"

_WORDS_OF_SHORT_LINES: Final = 4
_SHORT_LINES_LACK: Final = tuple(
    f"sums.{name}" for name, (word, _) in packing.SUMS.items() if word >= _WORDS_OF_SHORT_LINES
)


class TestVectorSource:
    """Test-vector files, plain, `.gz` or `.xz`; each is a cyclic sequence of crossings.

    `bx` is the line's own number; one that does not rise begins the next orbit. Two context rows on either side of a
    file, in the neighbouring slots, are its last and its first lines. Files are whole orbits apart.

    Example:
        >>> source = TestVectorSource([Path("TestVector_ttBar.txt.xz")])  # doctest: +SKIP
        >>> batch = next(source.batches(1000))  # doctest: +SKIP
    """

    __test__: ClassVar[bool] = False  # pytest takes every class called Test… for tests

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the files in the order given.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is empty or may not be read.
        """
        self._paths = tuple(paths)
        for path in self._paths:
            first_bytes(path)

    @cached_property
    def info(self) -> SourceInfo:
        """What the files hold; counting their lines reads them.

        Raises:
            FileUnreadable: a file is damaged, not text, or holds no crossing.
        """
        n_crossings, any_short = 0, False
        for path in self._paths:
            lines = _read_lines(path)
            n_crossings += len(lines)
            any_short |= len(lines[0][1].split()) == len(vector_lines.SHORT.digits)
        missing = (_MADE_TIMES, *([_SHORT_LINES] if any_short else []))
        return SourceInfo(
            files_name(self._paths), n_crossings, _OPTIONAL, missing, _SHORT_LINES_LACK if any_short else ()
        )

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of at most `n_rows` rows; no batch spans two files.

        Raises:
            FileUnreadable: a file is damaged, not text, or holds no crossing.
            BadWordCount, BadWord: a line is not as it must be.
        """
        position = _Position(orbit=_FIRST_ORBIT, event=1)
        for path in self._paths:
            rows, position = _rows(path, position)
            for start in range(0, rows.num_rows, n_rows):
                yield rows.slice(start, n_rows)


@dataclass(frozen=True)
class _Position:
    """Where the next file begins."""

    orbit: int
    event: int


def _rows(path: Path, position: _Position) -> tuple[pa.RecordBatch, _Position]:
    """A whole file with its context rows, and where the next file begins."""
    _, columns = vector_lines.decode(path, _read_lines(path))
    slot = _slots(columns.pop("bx"), position.orbit)
    n, margin = len(slot), schema.MAX_BX_OFFSET
    before, after = slot[0] - np.arange(margin, 0, -1), slot[-1] + np.arange(1, margin + 1)
    slot = np.concatenate([before, slot, after])
    line = np.arange(-margin, n + margin) % n
    context = np.ones(len(slot), np.bool_)
    context[margin:-margin] = False
    batch = batch_of(
        {
            "run": np.full(len(slot), _RUN, np.uint32),
            "lumi_section": np.full(len(slot), _LUMI_SECTION, np.uint32),
            "orbit": (slot // schema.SLOTS_PER_ORBIT).astype(np.uint32),
            "bx": (slot % schema.SLOTS_PER_ORBIT).astype(np.uint16),
            "event": (position.event + line).astype(np.uint64),
            **{name: values[line] for name, values in columns.items()},
            "expected_known": np.full((len(slot), schema.ALGORITHM_WORDS), np.iinfo(np.uint64).max, np.uint64),
            "context": context,
        }
    )
    last_orbit = int(slot[-1 - margin]) // schema.SLOTS_PER_ORBIT
    return batch, _Position(last_orbit + _ORBITS_BETWEEN_FILES, position.event + n)


def _slots(bx: NDArray[np.uint16], first_orbit: int) -> NDArray[np.int64]:
    """The absolute slot of each line; a BX number that does not rise begins the next orbit."""
    new_orbit = np.concatenate([[False], bx[1:] <= bx[:-1]])
    return (first_orbit + np.cumsum(new_orbit)) * schema.SLOTS_PER_ORBIT + bx.astype(np.int64)


def _read_lines(path: Path) -> list[tuple[int, bytes]]:
    """Number and text of a file's data lines, at least one."""
    content = _read(path).removeprefix(_BYTE_ORDER_MARK)
    if b"\0" in content or not (content.isascii() or _is_utf8(content)):
        raise FileUnreadable(path, "is not text", "give a uGT test vector, Parquet or Arrow IPC file")
    lines = list(vector_lines.data_lines(content))
    if not lines:
        raise FileUnreadable(path, "holds no test-vector line", "give a file with one crossing a line")
    return lines


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(path: Path) -> bytes:
    """The file's bytes, decompressed."""
    head = first_bytes(path)
    try:
        if head.startswith(_GZIP_MAGIC):
            return gzip.decompress(path.read_bytes())
        if head.startswith(_XZ_MAGIC):
            return lzma.decompress(path.read_bytes())
        return path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise FileUnreadable(path, f"is damaged or cut off ({str(error).rstrip('.')})") from error
    except OSError as error:
        raise FileUnreadable(path, f"cannot be read ({error.strerror})", "check the file and its permissions") from None
