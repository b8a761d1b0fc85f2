"""Crossings of the final OR by group of algorithms, and shared among them (`docs/decision.md`, section "Groups")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.decision.budgets import Budget, algorithm_words, member_indices
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.model import Menu
from triggers.menu.word_bits import lowest_bit


class GroupKind(StrEnum):
    """Why algorithms are counted together."""

    MENU = "group"
    """the menu calls them a group"""
    BUDGET = "budget"
    """a budget holds for them"""
    SCORES = "anomaly_detection"
    """all algorithms on scores"""


@dataclass(frozen=True, eq=False)
class Group:
    """Algorithms that are counted together.

    Attributes:
        kind: why.
        name: of the group.
        words: their bits, `(8,) uint64`.
    """

    kind: GroupKind
    name: str
    words: NDArray[np.uint64]


def groups_of(menu: Menu, budgets: Iterable[Budget], on_scores: Sequence[str]) -> tuple[Group, ...]:
    """The groups of a menu, its budgets, and all algorithms on scores.

    Raises:
        UnknownName: a group has a member that the menu has not.
    """
    words = {name: algorithm_words(member_indices(f"group '{name}'", [name], menu)) for name in menu.groups}
    of_menu = [Group(GroupKind.MENU, name, bits) for name, bits in words.items()]
    of_budgets = [Group(GroupKind.BUDGET, budget.name, budget.words) for budget in budgets]
    indices = {algorithm.name: algorithm.index for algorithm in menu.algorithms}
    scores = algorithm_words([indices[name] for name in on_scores])
    return (*of_menu, *of_budgets, Group(GroupKind.SCORES, GroupKind.SCORES, scores))


class GroupCounts:
    """How many crossings of the final OR each group keeps, added up over batches.

    Attributes:
        final: kept by an algorithm of the group, `(n_groups,) int64`.
        pure: of these, kept by no other algorithm, `(n_groups,) int64`.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = tuple(groups)
        self._words = np.array([group.words for group in groups], np.uint64).reshape(-1, ALGORITHM_WORDS)
        self.final = np.zeros(len(groups), np.int64)
        self.pure = np.zeros(len(groups), np.int64)

    def count(self, final_words: NDArray[np.uint64]) -> None:
        """Add the crossings of a batch, given the bits that keep each, `(m, 8) uint64`."""
        _count_groups(final_words, self._words, self.final, self.pure)

    def clear(self) -> None:
        """Back to nothing."""
        self.final[:], self.pure[:] = 0, 0

    def of(self, kind: GroupKind) -> dict[str, tuple[int, int]]:
        """Final and pure crossings of the groups of a kind, by name."""
        counts = zip(self.groups, self.final.tolist(), self.pure.tolist(), strict=True)
        return {group.name: (final, pure) for group, final, pure in counts if group.kind is kind}


@njit(nogil=True, cache=True)
def share_crossings(rows: Any, shares: Any) -> None:
    """Adds to `shares`, `(512,) float64`, each crossing in equal parts to the algorithms that keep it.

    In order and one by one, so that the sums are the same however the crossings are cut into batches.

    Args:
        rows: the bits that keep each crossing, `(m, 8) uint64`, none of them empty.
        shares: by algorithm index.
    """
    for row in rows:
        n = 0
        for word in row:
            rest = word
            while rest:
                n += 1
                rest &= rest - np.uint64(1)
        for w in range(len(row)):
            rest = row[w]
            while rest:
                shares[64 * w + np.int64(lowest_bit(rest))] += 1.0 / n
                rest &= rest - np.uint64(1)


@njit(nogil=True, cache=True)
def _count_groups(rows: Any, groups: Any, final: Any, pure: Any) -> None:
    for row in rows:
        for g in range(len(groups)):
            hit, other = np.uint64(0), np.uint64(0)
            for w in range(rows.shape[1]):
                hit |= row[w] & groups[g, w]
                other |= row[w] & ~groups[g, w]
            if hit:
                final[g] += 1
                if not other:
                    pure[g] += 1
