"""The objects that are legs of pairs and searches, or references (`docs/menu-kernel.md`, section "Legs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value, assignment"

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS, N_MUONS, N_SUMS
from triggers.menu.block import Block, Events
from triggers.menu.kernel.angles import INLINE, OPTIONS, Ints, Record
from triggers.menu.tables import Column, Records, Tables, Words
from triggers.menu.word_bits import lowest_bit, slots_at_least

_MUON, _EG, _TAU, _SUMS = int(Column.MUON), int(Column.EG), int(Column.TAU), int(Column.SUMS)
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@njit(**INLINE)
def list_objects(number: int, crossings: Ints, n: int, tables: Tables, events: Events, block: Block) -> None:
    """Lists the objects of a side that pass some leg, in the first n of some crossings, unless it is done already."""
    side = tables.sides[number]
    block.n_listed[number] = _list_column(
        side, events, block.rows[side.bx_offset + MAX_BX_OFFSET], crossings, n, tables.lookups, tables.words,
        block.start[number], block.end[number], block.listed[number], block.owner[number], block.legs[number],
        block.n_listed[number],
    )  # fmt: skip


@njit(**OPTIONS)
def _list_column(
    side: Record, events: Events, rows: Ints, crossings: Ints, n: int, lookups: Records, words: Words, start: Ints,
    end: Ints, listed: Words, owner: Ints, legs: Words, filled: int,
) -> int:  # fmt: skip
    if side.column == _MUON:
        return _list(
            events.muon, N_MUONS, side, rows, crossings, n, lookups, words, start, end, listed, owner, legs, filled
        )
    if side.column == _SUMS:
        return _list(
            events.sums, N_SUMS, side, rows, crossings, n, lookups, words, start, end, listed, owner, legs, filled
        )
    column = events.jet
    if side.column == _EG:
        column = events.eg
    elif side.column == _TAU:
        column = events.tau
    return _list(
        column, N_CALO_OBJECTS, side, rows, crossings, n, lookups, words, start, end, listed, owner, legs, filled
    )


@njit(**OPTIONS)
def _list(
    column: NDArray[np.unsignedinteger], n_slots: int, side: Record, rows: Ints, crossings: Ints, n: int,
    lookups: Records, words: Words, start: Ints, end: Ints, listed: Words, owner: Ints, legs: Words, filled: int,
) -> int:  # fmt: skip
    """Appends objects and the legs that they pass, and returns how many there are now.

    Indices are unsigned where they can be, so that they are not checked for counting from the end.
    """
    n_words, first, last = np.uint64(side.n_words), side.first_lookup, side.end_lookup
    one, two, three = lookups[first], lookups[min(first + 1, last - 1)], lookups[min(first + 2, last - 1)]
    shift1, mask1, base1 = one.shift, one.mask, np.uint64(one.base)
    shift2, mask2, base2 = two.shift, two.mask, np.uint64(two.base)
    shift3, mask3, base3 = three.shift, three.mask, np.uint64(three.base)
    with_slots, slot_words = side.slot_words >= 0, np.uint64(max(side.slot_words, 0))
    every_slot = ((_ONE << np.uint64(side.n_slots)) - _ONE) << np.uint64(side.slot)
    every_word = (_ONE << n_words) - _ONE
    mask, low = side.live_mask, side.live_low
    place = np.uint64(filled)
    for m in range(n):
        i = crossings[m]
        if start[i] >= 0:
            continue
        row = rows[i]
        live = every_slot if low == 0 else np.uint64(0)
        if row >= 0:
            live = slots_at_least(column, row, n_slots, mask, low) & every_slot
        start[i] = place
        while live:
            slot = lowest_bit(live)
            live &= live - _ONE
            word = np.uint64(column[row, slot]) if row >= 0 else np.uint64(0)
            index1 = base1 + ((word >> shift1) & mask1) * n_words
            index2 = base2 + ((word >> shift2) & mask2) * n_words
            index3 = base3 + ((word >> shift3) & mask3) * n_words
            any_leg, rest = np.uint64(0), every_word
            while rest:  # a loop over bits: one over numbers would be unrolled, which is slow for the usual one word
                w = lowest_bit(rest)
                rest &= rest - _ONE
                passed = words[index1 + w] & words[index2 + w] & words[index3 + w]
                for further in range(first + 3, last):
                    value = (word >> lookups[further].shift) & lookups[further].mask
                    passed &= words[np.uint64(lookups[further].base) + value * n_words + w]
                if with_slots:
                    passed &= words[slot_words + (slot - np.uint64(side.slot)) * n_words + w]
                legs[place * n_words + w] = passed
                any_leg |= passed
            listed[place], owner[place] = word, i
            place += np.uint64(any_leg != 0)
        end[i] = place
    return np.int64(place)
