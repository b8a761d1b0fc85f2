"""Damaged inputs from good ones, fast and repeatable: the same seed makes the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

MAX_BYTES: Final = 1 << 16
_NUMBERS: Final = [
    value.to_bytes(width, "little", signed=value < 0)
    for width in (2, 4, 8)
    for value in (0, 1, -1, 2, 7, 8, 2 ** (8 * width - 1) - 1, -(2 ** (8 * width - 1)), 2 ** (4 * width), 255)
    if -(2 ** (8 * width - 1)) <= value < 2 ** (8 * width)
]
_TEXTS: Final = [
    b"[", b"{", b"]", b"}", b'"', b",", b":", b"\\", b"null", b"true", b"-", b"1e999", b"NaN", b"Infinity", b"0" * 30,
    b'"\\ud800"', b'"\\u0000"', b"[" * 40, b'{"a":' * 40, b"9" * 5000, b"\xff\xfe", b"\xef\xbb\xbf", b'{"stage":1}',
    b"{}", b"[]", b"-1", b"1.5", b"18446744073709551616", b'""', b"\x00", b"\x1b[2J",
]  # fmt: skip
_TOKENS: Final = _NUMBERS + _TEXTS


def inputs(parents: Sequence[bytes], rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """`count` inputs, each one to four changes away from a parent."""
    chosen = rng.integers(0, len(parents), count).tolist()
    changes = rng.integers(1, 5, count).tolist()
    draws = rng.integers(0, 1 << 32, (count, 4, 4), dtype=np.uint32).tolist()
    for parent, number, draw in zip(chosen, changes, draws, strict=True):
        data = bytearray(parents[parent])
        for how, where, length, what in draw[:number]:
            _change(data, how, where, length, what, parents)
        yield bytes(data[:MAX_BYTES])


def _change(data: bytearray, how: int, where: int, length: int, what: int, parents: Sequence[bytes]) -> None:
    if not data:
        data += _TOKENS[what % len(_TOKENS)]
        return
    # Half of all changes go to the first 256 bytes: that is where headers and metadata are.
    place = where % (min(len(data), 256) if length & 1 else len(data))
    match how % 10:
        case 0 | 1:
            data[place] ^= 1 << (what & 7)
        case 2:
            data[place] = what & 0xFF
        case 3 | 4:
            number = _NUMBERS[what % len(_NUMBERS)]
            place -= place % len(number)
            data[place : place + len(number)] = number
        case 5:
            del data[place:]
        case 6:
            del data[place : place + 1 + length % 16]
        case 7:
            data[place:place] = data[place : place + 1 + length % 64]
        case 8:
            data[place:place] = _TOKENS[what % len(_TOKENS)]
        case _:
            other = parents[what % len(parents)]
            data[place:] = other[length % (len(other) + 1) :]
