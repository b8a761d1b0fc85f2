"""Builds the kernel's tables of legs: what the objects of pairs, searches and references pass.

`docs/menu-kernel.md`, section "Legs".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triggers.menu.lookups import LookupTables, live_words
from triggers.menu.selections import Group, Selection
from triggers.menu.tables import SIDE, WORD_BITS, Column, Records


@dataclass
class _Side:
    """The legs of a group: selections with their bits, and how many bits of each word are taken."""

    group: Group
    selections: list[Selection] = field(default_factory=list)
    bits: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)


class LegTables:
    """Gives legs their bits; a side is a group whose objects are legs."""

    def __init__(self, lookups: LookupTables) -> None:
        self._lookups = lookups
        self._sides: dict[Group, _Side] = {}
        self._single: dict[Selection, tuple[int, int]] = {}

    def run(self, selections: Sequence[Selection]) -> tuple[int, int, int]:
        """Gives up to 64 selections of one group neighbouring bits of one word.

        Returns:
            the number of the side, the word, and the lowest bit there.
        """
        group = selections[0].group
        side = self._sides.setdefault(group, _Side(group))
        fits = (word for word, taken in enumerate(side.taken) if taken + len(selections) <= WORD_BITS)
        word = next(fits, len(side.taken))
        side.taken += [0] * (word == len(side.taken))
        shift = side.taken[word]
        side.taken[word] += len(selections)
        side.selections += selections
        side.bits += [word * WORD_BITS + shift + position for position in range(len(selections))]
        return list(self._sides).index(group), word, shift

    def bit(self, selection: Selection) -> tuple[int, int]:
        """The side and the bit of a selection by itself."""
        if selection not in self._single:
            side, word, shift = self.run([selection])
            self._single[selection] = side, word * WORD_BITS + shift
        return self._single[selection]

    def records(self) -> Records:
        """The finished sides."""
        return np.array([self._record(side) for side in self._sides.values()], SIDE)

    def _record(self, side: _Side) -> tuple[int, ...]:
        group, n_words, first_lookup = side.group, len(side.taken), len(self._lookups.records)
        slot_words = self._lookups.add(side.selections, side.bits, n_words)
        where = (Column[group.column.upper()], group.first_slot, group.n_slots, group.bx_offset)
        return (*where, n_words, first_lookup, len(self._lookups.records), slot_words, *live_words(side.selections))
