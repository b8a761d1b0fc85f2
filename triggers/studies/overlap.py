"""The overlap matrix: the weight of crossings that each pair of algorithms or groups keeps together."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.menu.word_bits import bit_count, lowest_bit
from triggers.studies.entities import N_ENTITIES

_COLUMN_ROWS: Final = 64


class OverlapTally:
    """Adds up the overlap matrix.

    Attributes:
        sums: sums of weights of crossings with both entities, `(576, 576) float64`; only entries with row ≤ column.
    """

    def __init__(self) -> None:
        self.sums = np.zeros((N_ENTITIES, N_ENTITIES))

    def add(self, words: NDArray[np.uint64], weights: NDArray[np.float64] | None) -> None:
        """Add crossings: their words `(n, 9)`, and weights `(n,)` unless all are 1."""
        if weights is None:
            columns = _transposed(words)
            active = np.flatnonzero(columns.any(axis=1))
            _add_counts(columns, active, self.sums)
        else:
            _add_pairs(words, weights, self.sums)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The whole symmetric matrix, `(576, 576) float64`."""
        return np.asarray(self.sums + np.triu(self.sums, 1).T)


@njit(nogil=True, cache=True)
def _transposed(words: Any) -> Any:
    """For each entity the crossings that have it, as bits: `(64 w, ceil(n / 64)) uint64`."""
    n_blocks = (len(words) + _COLUMN_ROWS - 1) // _COLUMN_ROWS
    columns = np.zeros((64 * words.shape[1], n_blocks), np.uint64)
    for k in range(len(words)):
        block, bit = k // _COLUMN_ROWS, np.uint64(1) << np.uint64(k % _COLUMN_ROWS)
        for w in range(words.shape[1]):
            rest = words[k, w]
            while rest:
                columns[64 * w + np.int64(lowest_bit(rest)), block] |= bit
                rest &= rest - np.uint64(1)
    return columns


@njit(nogil=True, cache=True)
def _add_counts(columns: Any, active: Any, sums: Any) -> None:
    n_blocks = columns.shape[1]
    for i in range(len(active)):
        for j in range(i, len(active)):
            both = np.uint64(0)
            for block in range(n_blocks):
                both += bit_count(columns[active[i], block] & columns[active[j], block])
            sums[active[i], active[j]] += np.float64(both)


@njit(nogil=True, cache=True)
def _add_pairs(words: Any, weights: Any, sums: Any) -> None:
    found = np.empty(64 * words.shape[1], np.int64)
    for k in range(len(words)):
        n = 0
        for w in range(words.shape[1]):
            rest = words[k, w]
            while rest:
                found[n] = 64 * w + np.int64(lowest_bit(rest))
                n += 1
                rest &= rest - np.uint64(1)
        for i in range(n):
            for j in range(i, n):
                sums[found[i], found[j]] += weights[k]
