"""The objects that one leg of a pair, or a reference, is chosen from (`docs/menu-kernel.md`, section "Pairs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS, N_MUONS
from triggers.menu.block import CHARGE, ETA, PHI, PT, SLOTS
from triggers.menu.kernel.angles import INLINE, Ints, Record, charge_of, eta_of, phi_of, pt_of
from triggers.menu.tables import Column, Records, Words
from triggers.menu.word_bits import lowest_bit, slots_at_least

Calo = NDArray[np.uint32]

_MUON, _EG, _TAU, _JET = int(Column.MUON), int(Column.EG), int(Column.TAU), int(Column.JET)
_ONE = np.uint64(1)


@njit(**INLINE)
def choose_from(
    side: Record, wanted: np.uint64, where: Record, muon: Words, eg: Calo, tau: Calo, jet: Calo, sums: Calo, rows: Ints,
    i: int, lookups: Records, words: Words, raw: Words, legs: Words, numbers: Ints, start: int,
) -> int:  # fmt: skip
    """Lists the objects of a side that pass a wanted leg, and measures them.

    Indices are unsigned where they can be, so that they are not checked for counting from the end.

    Args:
        side: a `SIDE`.
        wanted: the legs that matter.
        where: the `ANGLES` of its column.
        muon: of the `Events`, as are eg, tau, jet and sums.
        eg: see muon.
        tau: see muon.
        jet: see muon.
        sums: see muon.
        rows: of a `Block`.
        i: the crossing of the block.
        lookups: of the `Tables`, as are words.
        words: see lookups.
        raw: filled with the objects' words from `start` on.
        legs: filled with the legs that each passes from `start` on; if the side has two words, with the second legs
            `SLOTS` entries later.
        numbers: filled with η, φ, pT and charge from `start` on.
        start: where to begin.

    Returns:
        The entry after the last one that was filled.
    """
    n_words, row = np.uint64(side.n_words), rows[side.bx_offset + MAX_BX_OFFSET, i]
    last_word = n_words - _ONE
    slots = _live_slots(side, muon, eg, tau, jet, row)
    n = start
    while slots:
        slot = np.int64(lowest_bit(slots))
        slots &= slots - _ONE
        word = _word(side.column, muon, eg, tau, jet, sums, row, slot)
        one, other = wanted, wanted
        if side.slot_words >= 0:
            place = np.uint64(side.slot_words) + n_words * np.uint64(slot - side.slot)
            one &= words[place]
            other &= words[place + last_word]
        for item in range(side.first_lookup, side.end_lookup):
            lookup = lookups[item]
            place = np.uint64(lookup.base) + n_words * ((word >> lookup.shift) & lookup.mask)
            one &= words[place]
            other &= words[place + last_word]
            if not one | other:
                break
        if one | other:
            raw[n], legs[n] = word, one
            if last_word:
                legs[n + SLOTS] = other
            numbers[ETA, n] = side.factor * eta_of(word, where) + side.offset
            numbers[PHI, n] = side.factor * phi_of(word, where) + side.offset
            numbers[PT, n] = pt_of(word, where)
            numbers[CHARGE, n] = charge_of(word)
            n += 1
    return n


@njit(**INLINE)
def _live_slots(side: Record, muon: Words, eg: Calo, tau: Calo, jet: Calo, row: int) -> np.uint64:
    """The slots that may pass some leg, as a bit mask."""
    every_slot = ((_ONE << np.uint64(side.n_slots)) - _ONE) << np.uint64(side.slot)
    mask, low = side.live_mask, side.live_low
    if row < 0 or low == 0:
        return every_slot if low == 0 else np.uint64(0)
    if side.column == _MUON:
        return slots_at_least(muon, row, N_MUONS, mask, low)
    if side.column == _EG:
        return slots_at_least(eg, row, N_CALO_OBJECTS, mask, low)
    if side.column == _TAU:
        return slots_at_least(tau, row, N_CALO_OBJECTS, mask, low)
    if side.column == _JET:
        return slots_at_least(jet, row, N_CALO_OBJECTS, mask, low)
    return every_slot


@njit(**INLINE)
def _word(column: int, muon: Words, eg: Calo, tau: Calo, jet: Calo, sums: Calo, row: int, slot: int) -> np.uint64:
    if row < 0:
        return np.uint64(0)
    if column == _MUON:
        return np.uint64(muon[row, slot])
    if column == _EG:
        return np.uint64(eg[row, slot])
    if column == _TAU:
        return np.uint64(tau[row, slot])
    if column == _JET:
        return np.uint64(jet[row, slot])
    return np.uint64(sums[row, slot])
