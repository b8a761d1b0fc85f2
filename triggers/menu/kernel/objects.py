"""Objects, sums and signals of a block: what each passes sets atoms (`docs/menu-kernel.md`, section "Tables")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value, assignment"

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS, N_MUONS
from triggers.menu.block import Block, Events
from triggers.menu.kernel.angles import OPTIONS, PART, Ints, Record
from triggers.menu.tables import Column, Records, Words
from triggers.menu.word_bits import lowest_bit, slots_at_least

_MUON = int(Column.MUON)
_EG = int(Column.EG)
_TAU = int(Column.TAU)
_CICADA = int(Column.CICADA)
_ONE = np.uint64(1)
_NIBBLE = np.uint64(28)
_NIBBLE_BITS = np.uint64(4)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@njit(**PART)
def test_objects(test: Record, lookups: Records, words: Words, events: Events, n: int, block: Block) -> None:
    """Looks up what the objects of a group pass, and counts up to four of them for each selection."""
    rows, atoms = block.rows[test.bx_offset + MAX_BX_OFFSET], block.atoms
    if test.column == _MUON:
        _test_rows(events.muon, N_MUONS, rows, test, lookups, words, n, atoms)
    elif test.column == _EG:
        _test_rows(events.eg, N_CALO_OBJECTS, rows, test, lookups, words, n, atoms)
    elif test.column == _TAU:
        _test_rows(events.tau, N_CALO_OBJECTS, rows, test, lookups, words, n, atoms)
    else:
        _test_rows(events.jet, N_CALO_OBJECTS, rows, test, lookups, words, n, atoms)


@njit(**OPTIONS)
def _test_rows(
    column: NDArray[np.unsignedinteger], n_slots: int, rows: Ints, test: Record, lookups: Records, words: Words,
    n: int, atoms: Words,
) -> None:  # fmt: skip
    """Indices are unsigned where they can be, so that they are not checked for counting from the end."""
    first, end = test.first_lookup, test.end_lookup
    one, two, three = lookups[first], lookups[min(first + 1, end - 1)], lookups[min(first + 2, end - 1)]
    shift1, mask1, base1 = one.shift, one.mask, np.uint64(one.base)
    shift2, mask2, base2 = two.shift, two.mask, np.uint64(two.base)
    shift3, mask3, base3 = three.shift, three.mask, np.uint64(three.base)
    with_slots, slot_words = test.slot_words >= 0, np.uint64(max(test.slot_words, 0))
    mask, low = test.live_mask, test.live_low
    at1, at2, at3, at4 = atoms[test.one], atoms[max(test.two, 0)], atoms[max(test.three, 0)], atoms[max(test.four, 0)]
    two_counted, three_counted, four_counted = test.two >= 0, test.three >= 0, test.four >= 0
    all_slots = (_ONE << np.uint64(n_slots)) - _ONE
    for i in range(n):
        row = rows[i]
        live = all_slots if low == 0 else np.uint64(0)
        if row >= 0:
            live = slots_at_least(column, row, n_slots, mask, low)
        seen1, seen2, seen3, seen4 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        while live:
            slot = lowest_bit(live)
            live &= live - _ONE
            word = np.uint64(column[row, slot]) if row >= 0 else np.uint64(0)
            passed = words[base1 + ((word >> shift1) & mask1)] & words[base2 + ((word >> shift2) & mask2)]
            passed &= words[base3 + ((word >> shift3) & mask3)]
            for further in range(first + 3, end):
                passed &= words[
                    np.uint64(lookups[further].base) + ((word >> lookups[further].shift) & lookups[further].mask)
                ]
            if with_slots:
                passed &= words[slot_words + slot]
            seen4 |= seen3 & passed
            seen3 |= seen2 & passed
            seen2 |= seen1 & passed
            seen1 |= passed
        at1[i] = seen1
        if two_counted:
            at2[i] = seen2
        if three_counted:
            at3[i] = seen3
        if four_counted:
            at4[i] = seen4


@njit(**PART)
def test_scalar(scalar: Record, lookups: Records, words: Words, events: Events, n: int, block: Block) -> None:
    """Looks up what a sum, count or flag passes."""
    rows, values = block.rows[scalar.bx_offset + MAX_BX_OFFSET], block.scratch[0]
    if scalar.column == _CICADA:
        _cicada_scores(events.sums, scalar.slot, rows, n, values)
    elif scalar.column == _MUON:
        gather(events.muon, scalar.slot, rows, n, values)
    else:
        gather(events.sums, scalar.slot, rows, n, values)
    passed, atoms = block.scratch[1], block.atoms[scalar.atom_word]
    passed[:n] = _ALL
    for k in range(scalar.first_lookup, scalar.end_lookup):
        base, shift, mask = np.uint64(lookups[k].base), lookups[k].shift, lookups[k].mask
        for i in range(n):
            passed[i] &= words[base + ((values[i] >> shift) & mask)]
    for i in range(n):
        atoms[i] |= passed[i]


@njit(**OPTIONS)
def gather(words: NDArray[np.unsignedinteger], slot: int, rows: Ints, n: int, values: Words) -> None:
    """Copies one word of each crossing; 0 where there is none."""
    for i in range(n):
        values[i] = np.uint64(words[rows[i], slot]) if rows[i] >= 0 else np.uint64(0)


@njit(**OPTIONS)
def _cicada_scores(sums: NDArray[np.uint32], first_slot: int, rows: Ints, n: int, values: Words) -> None:
    """The scores from the highest nibbles of four words, the most significant first."""
    values[:n] = 0
    for word in range(4):
        for i in range(n):
            nibble = np.uint64(sums[rows[i], first_slot + word]) >> _NIBBLE if rows[i] >= 0 else np.uint64(0)
            values[i] = (values[i] << _NIBBLE_BITS) | nibble
