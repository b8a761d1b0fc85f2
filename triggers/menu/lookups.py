"""Look-up tables of a group of objects: which selections accept a word, by the values of a few of its bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import Field
from triggers.menu.selections import Selection
from triggers.menu.tables import WORD_BITS, Words, n_words_for

MAX_MERGED_BITS: Final = 8
"""Neighbouring fields share a look-up if together they span at most this many bits."""


class LookupTables:
    """Collects look-ups and their words."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int, int]] = []
        self.words: list[Words] = []
        self.n_words = 0

    def add(self, selections: Sequence[Selection], bits: Sequence[int], n_words: int) -> int:
        """Adds the look-ups of one group.

        Args:
            selections: of the group.
            bits: the bit of each selection in its words.
            n_words: words for each value.

        Returns:
            Where the words by slot begin, or −1 if no selection looks at slots.
        """
        runs = _merged({chosen_set.field for chosen in selections for chosen_set in chosen.sets})
        for first, n_bits in runs or [(0, 0)]:
            accepted = [_accepted(chosen, first, n_bits) for chosen in selections]
            self.records.append((self._add_words(accepted, bits, n_words), first, (1 << n_bits) - 1))
        n_slots = selections[0].group.n_slots
        if all(chosen.slots == (1 << n_slots) - 1 for chosen in selections):
            return -1
        slots = np.arange(n_slots)
        return self._add_words([(chosen.slots >> slots) & 1 == 1 for chosen in selections], bits, n_words)

    def add_bits(self, bits: Sequence[bool]) -> int:
        """Adds the words of a list of bits, and returns where they begin."""
        return self._add_words([np.array([bit]) for bit in bits], range(len(bits)), n_words_for(len(bits)))

    def add_words(self, accepted: Sequence[NDArray[np.bool_]]) -> int:
        """Adds a word for each index, with a bit for each of at most 64 arrays, and returns where they begin."""
        return self._add_words(accepted, range(len(accepted)), 1)

    def _add_words(self, accepted: Sequence[NDArray[np.bool_]], bits: Sequence[int], n_words: int) -> int:
        base = self.n_words
        table = np.zeros((len(accepted[0]), n_words), np.uint64)
        for values, bit in zip(accepted, bits, strict=True):
            table[values, bit // WORD_BITS] |= np.uint64(1 << bit % WORD_BITS)
        self.words.append(table.reshape(-1))
        self.n_words += table.size
        return base


def _merged(fields: Iterable[Field]) -> list[tuple[int, int]]:
    """Runs of bits, (lowest bit, number), that cover the fields: near ones together while the run stays short."""
    runs: list[tuple[int, int]] = []
    for field in sorted(fields, key=lambda field: field.shift):
        end = field.shift + field.bits
        if runs and end - runs[-1][0] <= MAX_MERGED_BITS:
            runs[-1] = (runs[-1][0], end - runs[-1][0])
        else:
            runs.append((field.shift, field.bits))
    return runs


def _accepted(chosen: Selection, first: int, n_bits: int) -> NDArray[np.bool_]:
    """Which values of a run of bits the selection accepts, `(2^n_bits,) bool`."""
    values = np.arange(1 << n_bits)
    accepted = np.ones(len(values), np.bool_)
    for chosen_set in chosen.sets:
        shift = chosen_set.field.shift - first
        if 0 <= shift < n_bits:
            accepted &= chosen_set.as_array()[(values >> shift) & chosen_set.field.mask]
    return accepted


def live_words(selections: Sequence[Selection]) -> tuple[int, int]:
    """The mask and the least masked word of objects that may pass one of the selections of a group.

    Where a threshold is necessary, the field's lowest accepted value; else any word that is not empty, unless an empty
    slot passes.
    """
    common = set.intersection(*({chosen_set.field for chosen_set in chosen.sets} for chosen in selections))
    for field in sorted(common, key=lambda field: -field.bits):
        lowest = min(_lowest(chosen, field) for chosen in selections)
        if lowest > 0:
            return field.mask << field.shift, lowest << field.shift
    whole_word = (1 << selections[0].group.word_bits) - 1
    return whole_word, 0 if any(chosen.accepts_empty_word for chosen in selections) else 1


def _lowest(chosen: Selection, field: Field) -> int:
    accepted = next(chosen_set.as_array() for chosen_set in chosen.sets if chosen_set.field == field)
    return int(np.argmax(accepted)) if accepted.any() else field.mask
