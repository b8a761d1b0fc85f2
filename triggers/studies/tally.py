"""Sums of weights by bin and entity, added up crossing by crossing, so that no chunking changes a digit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.word_bits import bit_count, lowest_bit
from triggers.studies.entities import FINAL_OR, FIRST_GROUP, N_ENTITIES


class Tally:
    """Weights of crossings in which entities are set, by bin.

    Attributes:
        sums: sums of weights, `(n_bins, 576) float64`.
        squares: sums of squared weights, as `sums`.
    """

    def __init__(self, n_bins: int = 1) -> None:
        self.sums = np.zeros((n_bins, N_ENTITIES))
        self.squares = np.zeros((n_bins, N_ENTITIES))

    def add(self, words: NDArray[np.uint64], bins: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Add crossings: their words `(n, 9)`, bins `(n,)` and weights `(n,)`."""
        self.grow(int(bins.max(initial=-1)) + 1)
        _add(words, bins, weights, self.sums, self.squares)

    def grow(self, n_bins: int) -> None:
        """Make room for that many bins."""
        if n_bins > len(self.sums):
            more = max(n_bins, 2 * len(self.sums)) - len(self.sums)
            self.sums = np.pad(self.sums, ((0, more), (0, 0)))
            self.squares = np.pad(self.squares, ((0, more), (0, 0)))

    @property
    def total(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sums and squares over all bins, `(576,)` each."""
        return self.sums.sum(axis=0), self.squares.sum(axis=0)


class ShareTally:
    """Pure and proportional weights of algorithms and groups.

    Attributes:
        pure, pure_squares: of crossings that nothing else keeps, `(576,) float64`.
        proportional, proportional_squares: each crossing shared equally among the algorithms that keep it, `(576,)`.
    """

    def __init__(self) -> None:
        self.pure, self.pure_squares = np.zeros(N_ENTITIES), np.zeros(N_ENTITIES)
        self.proportional, self.proportional_squares = np.zeros(N_ENTITIES), np.zeros(N_ENTITIES)

    def add(self, words: NDArray[np.uint64], groups: NDArray[np.uint64], weights: NDArray[np.float64]) -> None:
        """Add crossings: their words `(n, 9)` and weights `(n,)`; `groups` has the groups' bits, `(g, 8)`."""
        _add_shares(
            words,
            groups,
            weights,
            self.pure,
            self.pure_squares,
            self.proportional,
            self.proportional_squares,
        )


class CrossingTally:
    """Weights of all crossings by bin.

    Attributes:
        sums, squares: sums of weights and of squared weights, `(n_bins,) float64`.
        counts: crossings, `(n_bins,) int64`.
    """

    def __init__(self) -> None:
        self.sums, self.squares, self.counts = np.zeros(1), np.zeros(1), np.zeros(1, np.int64)

    def add(self, bins: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Add crossings: bins and weights, `(n,)` each."""
        more = int(bins.max(initial=-1)) + 1 - len(self.sums)
        if more > 0:
            self.sums, self.squares = np.pad(self.sums, (0, more)), np.pad(self.squares, (0, more))
            self.counts = np.pad(self.counts, (0, more))
        _add_crossings(bins, weights, self.sums, self.squares, self.counts)


@njit(nogil=True, cache=True)
def _add(words: Any, bins: Any, weights: Any, sums: Any, squares: Any) -> None:
    for k in range(len(words)):
        row, weight = bins[k], weights[k]
        for w in range(words.shape[1]):
            rest = words[k, w]
            while rest:
                entity = 64 * w + np.int64(lowest_bit(rest))
                rest &= rest - np.uint64(1)
                sums[row, entity] += weight
                squares[row, entity] += weight * weight


@njit(nogil=True, cache=True)
def _add_crossings(bins: Any, weights: Any, sums: Any, squares: Any, counts: Any) -> None:
    for k in range(len(bins)):
        sums[bins[k]] += weights[k]
        squares[bins[k]] += weights[k] * weights[k]
        counts[bins[k]] += 1


@njit(nogil=True, cache=True)
def _add_shares(
    words: Any, groups: Any, weights: Any, pure: Any, pure_squares: Any, shared: Any, shared_squares: Any
) -> None:
    for k in range(len(words)):
        weight = weights[k]
        n_bits = np.uint64(0)
        for w in range(ALGORITHM_WORDS):
            n_bits += bit_count(words[k, w])
        if n_bits == 0:
            continue
        share = weight / np.float64(n_bits)
        for w in range(ALGORITHM_WORDS):
            rest = words[k, w]
            while rest:
                entity = 64 * w + np.int64(lowest_bit(rest))
                rest &= rest - np.uint64(1)
                shared[entity] += share
                shared_squares[entity] += share * share
                if n_bits == 1:
                    pure[entity] += weight
                    pure_squares[entity] += weight * weight
        flags = words[k, ALGORITHM_WORDS] >> np.uint64(FIRST_GROUP - FINAL_OR)
        while flags:
            g = np.int64(lowest_bit(flags))
            flags &= flags - np.uint64(1)
            members = np.uint64(0)
            for w in range(ALGORITHM_WORDS):
                members += bit_count(words[k, w] & groups[g, w])
            part = share * np.float64(members)
            shared[FIRST_GROUP + g] += part
            shared_squares[FIRST_GROUP + g] += part * part
            if members == n_bits:
                pure[FIRST_GROUP + g] += weight
                pure_squares[FIRST_GROUP + g] += weight * weight
