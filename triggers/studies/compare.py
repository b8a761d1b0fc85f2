"""Two menus on the same crossings: which algorithms changed, which crossings only one keeps (`docs/replay.md`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.decision.decide import Decision
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS
from triggers.menu.evaluate import SparseBits
from triggers.menu.model import Menu
from triggers.menu.word_bits import lowest_bit
from triggers.studies.entities import group_words, with_groups
from triggers.studies.study import Crossings, MenuStudy
from triggers.studies.tally import CrossingTally, ShareTally, Tally

_NO_PARTNER: Final = -1


@dataclass(frozen=True, eq=False)
class OnlyOne:
    """The crossings of a batch that only one menu keeps.

    Attributes:
        rows: rows of the batch, `(k,)`.
        words: the algorithm bits, in that menu, that keep them, `(k, 8) uint64`.
    """

    rows: NDArray[np.uint32]
    words: NDArray[np.uint64]


class Exclusive:
    """What only one of two menus keeps.

    Attributes:
        by_process: its crossings by process (one bin where the source knows none), and which algorithms keep them.
        shares: pure and proportional weights among them.
        crossings: their weights.
    """

    def __init__(self) -> None:
        self.by_process = Tally()
        self.shares = ShareTally()
        self.crossings = CrossingTally()


class Comparison:
    """Menu A against menu B.

    Algorithms are the same if they have the same name; their indices may differ.

    Attributes:
        fired_only_a, fired_only_b: weights of crossings in which an algorithm of both menus fires in one only, by its
            index in A: `sums[0]` and `squares[0]`, before the prescale.
        kept_only_a, kept_only_b: crossings of the final OR of one menu only.
    """

    def __init__(self, menu_a: Menu, menu_b: Menu, study_a: MenuStudy, study_b: MenuStudy) -> None:
        names_a = {algorithm.name: algorithm.index for algorithm in menu_a.algorithms}
        self._index_in_a = np.full(ALGORITHM_SLOTS, _NO_PARTNER, np.int64)
        common = np.zeros(ALGORITHM_SLOTS, np.bool_)
        for algorithm in menu_b.algorithms:
            if algorithm.name in names_a:
                self._index_in_a[algorithm.index] = names_a[algorithm.name]
                common[names_a[algorithm.name]] = True
        self._common = np.packbits(common, bitorder="little").view("<u8").astype(np.uint64)
        self._groups = group_words(study_a.groups), group_words(study_b.groups)
        self.fired_only_a, self.fired_only_b = Tally(), Tally()
        self.kept_only_a, self.kept_only_b = Exclusive(), Exclusive()

    def add(
        self, crossings: Crossings, fired: tuple[SparseBits, SparseBits], decided: tuple[Decision, Decision]
    ) -> tuple[OnlyOne, OnlyOne]:
        """Add a batch that both menus have decided; the crossings that only A, and only B, keeps."""
        self._add_fired(crossings, *fired)
        a, b = decided
        only_a = _only(a, b)
        only_b = _only(b, a)
        _add_exclusive(self.kept_only_a, crossings, only_a, self._groups[0])
        _add_exclusive(self.kept_only_b, crossings, only_b, self._groups[1])
        return only_a, only_b

    def _add_fired(self, crossings: Crossings, a: SparseBits, b: SparseBits) -> None:
        words_a = np.zeros((len(crossings), ALGORITHM_WORDS), np.uint64)
        words_b = np.zeros_like(words_a)
        words_a[a.rows] = a.words & self._common
        _renumber(b.words, b.rows, self._index_in_a, words_b)
        bins = np.zeros(len(crossings), np.int64)
        self.fired_only_a.add(words_a & ~words_b, bins, crossings.weights)
        self.fired_only_b.add(words_b & ~words_a, bins, crossings.weights)


def _only(one: Decision, other: Decision) -> OnlyOne:
    alone = ~np.isin(one.final_rows, other.final_rows, assume_unique=True)
    return OnlyOne(one.final_rows[alone], one.final_words[alone])


def _add_exclusive(into: Exclusive, crossings: Crossings, only: OnlyOne, groups: NDArray[np.uint64]) -> None:
    weights = crossings.weights[only.rows]
    bins = np.zeros(len(only.rows), np.int64) if crossings.process is None else crossings.process[only.rows]
    words = with_groups(only.words, groups, np.zeros(len(only.rows), np.bool_))
    into.by_process.add(words, bins, weights)
    into.shares.add(words, groups, weights)
    into.crossings.add(np.zeros(len(only.rows), np.int64), weights)


@njit(nogil=True, cache=True)
def _renumber(words: Any, rows: Any, index: Any, dense: Any) -> None:
    """Moves the bits of sparse words to the given indices of dense ones; bits with a negative index are dropped."""
    for k in range(len(words)):
        for w in range(ALGORITHM_WORDS):
            rest = words[k, w]
            while rest:
                target = index[64 * w + np.int64(lowest_bit(rest))]
                rest &= rest - np.uint64(1)
                if target >= 0:
                    dense[rows[k], target // 64] |= np.uint64(1) << np.uint64(target % 64)
