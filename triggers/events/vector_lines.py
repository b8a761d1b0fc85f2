"""Lines of uGT test vectors ↔ columns of the event format (`docs/formats.md`, section "Test vectors")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadWord, BadWordCount
from triggers.events import schema
from triggers.events.crossings import zero_column

_BX_DIGITS: Final = 4
_EXTERNAL_DIGITS: Final = schema.N_EXTERNAL_WORDS * 16
_ALGORITHM_DIGITS: Final = schema.ALGORITHM_WORDS * 16
_HEX: Final = re.compile(rb"[0-9a-fA-F]+")
_SHOWN_DIGITS: Final = 24

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class LineLayout:
    """The columns of a line: BX, 8 muons, 12 EG, taus, 12 jets, sums, external, algorithms, final OR."""

    taus: int
    sums: int

    @cached_property
    def digits(self) -> tuple[int, ...]:
        """Digits of each column."""
        words = 2 * schema.N_CALO_OBJECTS + self.taus + self.sums
        return (_BX_DIGITS, *[16] * schema.N_MUONS, *[8] * words, _EXTERNAL_DIGITS, _ALGORITHM_DIGITS, 1)

    @property
    def length(self) -> int:
        """Characters of a line whose columns are one blank apart."""
        return sum(self.digits) + len(self.digits) - 1

    @cached_property
    def blanks(self) -> NDArray[np.int64]:
        """Where the blanks are in such a line."""
        return np.cumsum(np.array(self.digits[:-1]) + 1) - 1

    @cached_property
    def record(self) -> np.dtype[np.void]:
        """The bytes that the digits of a line spell, without the final OR: the first digit is the highest."""
        return np.dtype(
            [
                ("bx", "u1", _BX_DIGITS // 2),
                ("muon", ">u8", schema.N_MUONS),
                ("eg", ">u4", schema.N_CALO_OBJECTS),
                ("tau", ">u4", self.taus),
                ("jet", ">u4", schema.N_CALO_OBJECTS),
                ("sums", ">u4", self.sums),
                ("external", ">u8", schema.N_EXTERNAL_WORDS),
                ("expected", ">u8", schema.ALGORITHM_WORDS),
            ]
        )


LONG: Final = LineLayout(taus=schema.N_CALO_OBJECTS, sums=schema.N_SUMS)
SHORT: Final = LineLayout(taus=8, sums=4)
_LAYOUTS: Final = {len(layout.digits): layout for layout in (LONG, SHORT)}


def decode(path: Path, lines: Sequence[tuple[int, bytes]]) -> tuple[LineLayout, Columns]:
    """The data lines of one file as columns.

    Args:
        path: the file, for messages.
        lines: number in the file and text of each data line, at least one.

    Returns:
        The layout of the lines, and `bx` `(n,) uint16`, the object columns and `expected` as in the event format.

    Raises:
        BadWordCount: a line has a number of columns that no layout has, or not that of the first line.
        BadWord: a word has other digits, or another number of them, than its column.
    """
    number, first = lines[0]
    layout = _LAYOUTS.get(len(first.split()))
    if layout is None:
        raise BadWordCount(path, number, len(first.split()), _LAYOUTS)
    columns = _decode_regular([line for _, line in lines], layout)
    if columns is None:
        columns = _decode_regular([_regular(path, *line, layout) for line in lines], layout)
    if columns is None:
        raise RuntimeError(f"{path}: lines that were checked one by one do not decode")
    return layout, columns


def _decode_regular(lines: Sequence[bytes], layout: LineLayout) -> Columns | None:
    """The columns of lines with single blanks, or None if any line is anything else."""
    if set(map(len, lines)) != {layout.length}:
        return None
    characters = np.frombuffer(b"".join(lines), np.uint8).reshape(len(lines), layout.length)
    if (characters[:, layout.blanks] != ord(" ")).any() or (characters[:, -1] >> 1 != ord("0") >> 1).any():
        return None
    try:
        octets = bytes.fromhex(characters[:, :-2].tobytes().decode("ascii"))
    except ValueError:
        return None
    # Blanks inside a word would leave fewer digits than the lines must have.
    if len(octets) != len(lines) * layout.record.itemsize:
        return None
    record = np.frombuffer(octets, layout.record)
    nibbles = np.stack([record["bx"] >> 4, record["bx"] & 0xF], axis=-1).reshape(len(lines), _BX_DIGITS)
    bx = nibbles @ np.array([1000, 100, 10, 1], np.uint16)
    if nibbles.max() > 9 or bx.max() >= schema.SLOTS_PER_ORBIT:
        return None
    return {"bx": bx, **{name: _native(record[name], name) for name in layout.record.names or () if name != "bx"}}


def _native(words: NDArray[Any], name: str) -> NDArray[Any]:
    """Words as the event format has them: native byte order, full width, the lowest 64 bits first."""
    full = zero_column(name, len(words))
    full[:, : words.shape[1]] = words[:, ::-1] if name in ("external", "expected") else words
    return full


def _regular(path: Path, number: int, line: bytes, layout: LineLayout) -> bytes:
    """A line with single blanks, every word checked."""
    words = line.split()
    if len(words) != len(layout.digits):
        raise BadWordCount(path, number, len(words), [len(layout.digits)])
    if not (words[0].isdigit() and len(words[0]) <= _BX_DIGITS and int(words[0]) < schema.SLOTS_PER_ORBIT):
        raise BadWord(path, number, 1, _shown(words[0]), f"a BX number from 0 to {schema.SLOTS_PER_ORBIT - 1}")
    words[0] = words[0].zfill(_BX_DIGITS)
    for column, (word, digits) in enumerate(zip(words, layout.digits, strict=True), start=1):
        if len(word) != digits or not _HEX.fullmatch(word):
            raise BadWord(path, number, column, _shown(word), f"a word of {digits} hexadecimal digits")
    if words[-1] not in (b"0", b"1"):
        raise BadWord(path, number, len(words), _shown(words[-1]), "a final OR of 0 or 1")
    return b" ".join(words)


def _shown(word: bytes) -> str:
    text = word.decode("ascii", "backslashreplace")
    return text if len(text) <= _SHOWN_DIGITS else f"{text[:_SHOWN_DIGITS]}…"


def encode(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Long lines of `bx`, the object columns and `expected`, all as in the event format."""
    n = len(columns["bx"])
    record = np.zeros(n, LONG.record)
    bx = columns["bx"].astype(np.int64)
    thousands, hundreds, tens, ones = (bx // power % 10 for power in (1000, 100, 10, 1))
    record["bx"] = np.stack([thousands << 4 | hundreds, tens << 4 | ones], axis=-1)
    for name in ("muon", "eg", "tau", "jet", "sums"):
        record[name] = columns[name]
    for name in ("external", "expected"):
        record[name] = columns[name][:, ::-1]
    octets = record.view(np.uint8).reshape(n, LONG.record.itemsize)
    digits = np.frombuffer(octets.tobytes().hex().encode(), np.uint8).reshape(n, 2 * LONG.record.itemsize)
    lines = np.full((n, LONG.length + 1), ord(" "), np.uint8)
    lines[:, _word_positions()] = digits
    lines[:, -2] = np.where(columns["expected"].any(axis=1), ord("1"), ord("0"))
    lines[:, -1] = ord("\n")
    return lines.tobytes()


def _word_positions() -> NDArray[np.int64]:
    """Where the digits before the final OR stand in a long line."""
    positions: NDArray[np.int64] = np.setdiff1d(np.arange(LONG.length - 2), LONG.blanks)
    return positions


def data_lines(content: bytes) -> Iterable[tuple[int, bytes]]:
    """Number (from 1) and text of the lines that are crossings: no blank lines, no comments, no header.

    A comment begins with `#` or `//`. A header is any line before the first crossing that does not begin with a number
    and has no word as long as the external or algorithm bits.
    """
    in_header = True
    for number, raw in enumerate(content.split(b"\n"), start=1):
        line = raw.strip()
        if not line or line.startswith((b"#", b"//")):
            continue
        if in_header and not _is_crossing(line):
            continue
        in_header = False
        yield number, line


def _is_crossing(line: bytes) -> bool:
    words = line.split()
    return words[0].isdigit() or any(len(word) >= _EXTERNAL_DIGITS for word in words)
