"""Objects, sums and signals of a block: what each passes sets atoms (`docs/menu-kernel.md`, section "Tables")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value, assignment"

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS, N_MUONS
from triggers.menu.block import BLOCK, SLOTS, Block, Events
from triggers.menu.kernel.angles import OPTIONS, Ints, Record
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


@njit(**OPTIONS)
def find_objects(kind: Record, group: int, events: Events, n: int, block: Block) -> None:
    """Lists the objects of a group that may pass something."""
    rows = block.rows[kind.bx_offset + MAX_BX_OFFSET]
    if kind.column == _MUON:
        _list_objects(events.muon, N_MUONS, rows, kind, n, group, block)
    elif kind.column == _EG:
        _list_objects(events.eg, N_CALO_OBJECTS, rows, kind, n, group, block)
    elif kind.column == _TAU:
        _list_objects(events.tau, N_CALO_OBJECTS, rows, kind, n, group, block)
    else:
        _list_objects(events.jet, N_CALO_OBJECTS, rows, kind, n, group, block)


@njit(**OPTIONS)
def _list_objects(
    words: NDArray[np.unsignedinteger], n_slots: int, rows: Ints, kind: Record, n: int, group: int, block: Block
) -> None:
    first, objects, places = block.first_object[group], block.objects[group], block.places[group]
    mask, low = kind.live_mask, kind.live_low
    all_slots = (_ONE << np.uint64(n_slots)) - _ONE
    count = 0
    for i in range(n):
        first[i] = count
        row = rows[i]
        live = all_slots if low == 0 else np.uint64(0)
        if row >= 0:
            live = slots_at_least(words, row, n_slots, mask, low)
        while live:
            slot = np.int64(lowest_bit(live))
            live &= live - _ONE
            objects[count] = words[row, slot] if row >= 0 else np.uint64(0)
            places[count] = i * SLOTS + slot
            count += 1
    first[n] = count


@njit(**OPTIONS)
def test_objects(kind: Record, group: int, lookups: Records, words: Words, n: int, block: Block) -> None:
    """Looks up what the objects pass, and counts up to four of them for each selection.

    Indices are unsigned, so that they are not checked for counting from the end.
    """
    atoms, objects, places, keeps = block.atoms, block.objects[group], block.places[group], block.kept
    n1, at1 = np.uint64(kind.n1), np.uint64(kind.atom_word)
    n3, n4 = np.uint64(kind.n3), np.uint64(kind.n4)
    at2 = at1 + n1
    at3 = at2 + np.uint64(kind.n2)
    at4 = at3 + n3
    for atom_word in range(kind.atom_word, kind.atom_word + kind.n1 + kind.n2 + kind.n3 + kind.n4):
        for i in range(n):
            atoms[atom_word, i] = 0
    first, end = kind.first_lookup, kind.end_lookup
    one, two, three = lookups[first], lookups[min(first + 1, end - 1)], lookups[min(first + 2, end - 1)]
    shift1, mask1, base1 = one.shift, one.mask, np.uint64(one.base)
    shift2, mask2, base2 = two.shift, two.mask, np.uint64(two.base)
    shift3, mask3, base3 = three.shift, three.mask, np.uint64(three.base)
    all_words = (_ONE << n1) - _ONE
    keep, slot_words, counted = kind.kept >= 0, np.uint64(max(kind.slot_words, 0)), np.uint64(kind.counted)
    with_slots, kept = kind.slot_words >= 0, np.uint64(max(kind.kept, 0) * BLOCK)
    for k in range(np.uint64(block.first_object[group, n])):
        word = objects[k]
        i, slot = np.uint64(places[k] // SLOTS), np.uint64(places[k] % SLOTS)
        index1 = base1 + ((word >> shift1) & mask1) * n1
        index2 = base2 + ((word >> shift2) & mask2) * n1
        index3 = base3 + ((word >> shift3) & mask3) * n1
        left = all_words
        while left:  # a loop over bits: one over numbers would be vectorised, which is slow for so few
            j = lowest_bit(left)
            left &= left - _ONE
            passed = words[index1 + j]
            if passed:
                passed &= words[index2 + j] & words[index3 + j]
                for further in range(first + 3, end):
                    value = (word >> lookups[further].shift) & lookups[further].mask
                    passed &= words[np.uint64(lookups[further].base) + value * n1 + j]
                    if not passed:
                        break
                if with_slots:
                    passed &= words[slot_words + slot * n1 + j]
            if keep:
                keeps[kept + k * n1 + j] = passed
            if not passed:
                continue
            before = atoms[at1 + j, i]
            atoms[at1 + j, i] = before | passed
            again = before & passed & words[counted + j]
            if again:
                third = atoms[at2 + j, i] & again
                atoms[at2 + j, i] |= again
                if third and j < n3:
                    fourth = atoms[at3 + j, i] & third
                    atoms[at3 + j, i] |= third
                    if j < n4:
                        atoms[at4 + j, i] |= fourth


@njit(**OPTIONS)
def test_scalar(scalar: Record, lookups: Records, words: Words, events: Events, n: int, block: Block) -> None:
    """Looks up what a sum, count or flag passes."""
    rows, values = block.rows[scalar.bx_offset + MAX_BX_OFFSET], block.scratch[0]
    if scalar.column == _CICADA:
        _cicada_scores(events.sums, scalar.slot, rows, n, values)
    elif scalar.column == _MUON:
        gather(events.muon, scalar.slot, rows, n, values)
    else:
        gather(events.sums, scalar.slot, rows, n, values)
    mask, low, atoms = scalar.live_mask, scalar.live_low, block.atoms[scalar.atom_word]
    for i in range(n):
        if (values[i] & mask) >= low:
            passed = _ALL
            for k in range(scalar.first_lookup, scalar.end_lookup):
                value = np.int64((values[i] >> lookups[k].shift) & lookups[k].mask)
                passed &= words[lookups[k].base + value]
                if not passed:
                    break
            atoms[i] |= passed


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
