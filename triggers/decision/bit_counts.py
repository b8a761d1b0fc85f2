"""Counts how often each bit is set in many rows of words, at a cost that does not depend on how many are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from triggers.menu.word_bits import lowest_bit

_BLOCK: Final = 8
_PLANES: Final = 12
_BLOCKS_PER_FLUSH: Final = (1 << (_PLANES - 3)) - 1
"""Plane p holds bit p of 64 counters side by side: they must be emptied before they overflow."""


@njit(nogil=True, cache=True)
def count_bits(words: Any, counts: Any) -> None:
    """Adds to `counts`, `(64 w,) int64`, how many of the rows of `words`, `(n, w) uint64`, have each bit set."""
    n_words = words.shape[1]
    planes = np.zeros((_PLANES, n_words), np.uint64)
    in_planes = 0
    n_blocks = len(words) // _BLOCK
    for block in range(n_blocks):
        first = block * _BLOCK
        for w in range(n_words):
            one, two_a = _add(planes[0, w], words[first, w], words[first + 1, w])
            one, two_b = _add(one, words[first + 2, w], words[first + 3, w])
            two, four_a = _add(planes[1, w], two_a, two_b)
            one, two_a = _add(one, words[first + 4, w], words[first + 5, w])
            one, two_b = _add(one, words[first + 6, w], words[first + 7, w])
            two, four_b = _add(two, two_a, two_b)
            four, carry = _add(planes[2, w], four_a, four_b)
            planes[0, w], planes[1, w], planes[2, w] = one, two, four
            for p in range(3, _PLANES):
                old = planes[p, w]
                planes[p, w] = old ^ carry
                carry &= old
        in_planes += 1
        if in_planes == _BLOCKS_PER_FLUSH:
            _flush(planes, counts)
            in_planes = 0
    _flush(planes, counts)
    for k in range(n_blocks * _BLOCK, len(words)):
        for w in range(n_words):
            _add_set_bits(words[k, w], w, 1, counts)


@njit(nogil=True, cache=True, inline="always")
def _add(a: Any, b: Any, c: Any) -> Any:
    """Sum and carry of three bits, 64 times side by side."""
    half = a ^ b
    return half ^ c, (a & b) | (half & c)


@njit(nogil=True, cache=True)
def _flush(planes: Any, counts: Any) -> None:
    for p in range(_PLANES):
        for w in range(planes.shape[1]):
            _add_set_bits(planes[p, w], w, 1 << p, counts)
            planes[p, w] = 0


@njit(nogil=True, cache=True, inline="always")
def _add_set_bits(word: Any, w: Any, value: Any, counts: Any) -> None:
    rest = np.uint64(word)
    while rest:
        counts[64 * w + np.int64(lowest_bit(rest))] += value
        rest &= rest - np.uint64(1)
