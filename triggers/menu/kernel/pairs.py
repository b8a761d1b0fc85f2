"""Pairs of objects within windows, up to 64 conditions at once (`docs/menu-kernel.md`, section "Pairs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.events.packing import MUON
from triggers.menu.block import CHARGE, ETA, PHI, PT, SLOTS, Block, Events
from triggers.menu.buckets import BUCKET_BITS
from triggers.menu.kernel.angles import (
    INLINE,
    OPTIONS,
    Ints,
    Record,
    folded,
    n_phi_bins,
    overlap,
)
from triggers.menu.kernel.sides import choose_from
from triggers.menu.luts import UNCONSTRAINED_PT_OFFSET, UNCONSTRAINED_PT_STEP, Lut, Scale
from triggers.menu.tables import WORD_BITS, Quantity, Records, Tables, Words
from triggers.menu.word_bits import bit_length, lowest_bit

N_CHARGES: Final = 3

_ONE = np.uint64(1)
_WORD_SHIFT = WORD_BITS.bit_length() - 1
_DELTA_ETA, _DELTA_PHI, _COSH, _COS = int(Lut.DELTA_ETA), int(Lut.DELTA_PHI), int(Lut.COSH), int(Lut.COS)
_COS_PHI, _SIN_PHI = int(Lut.COS_PHI), int(Lut.SIN_PHI)
_MUON_SCALE = int(Scale.MUON)
_CALO_UNIT, _MUON_UNIT = Scale.CALO.math_factor, Scale.MUON.math_factor
_DELTA_R, _APART_DELTA_R, _MASS = int(Quantity.DELTA_R), int(Quantity.APART_DELTA_R), int(Quantity.MASS)
_MASS_UNCONSTRAINED, _TWO_BODY_PT = int(Quantity.MASS_UNCONSTRAINED), int(Quantity.TWO_BODY_PT)
_OVER_DELTA_R = len(Quantity)
_HALF_WORD = np.int64(32)
_LOW_HALF = np.int64((1 << 32) - 1)
_UNCONSTRAINED_SHIFT = np.uint64(MUON["pt_unconstrained"].shift)
_UNCONSTRAINED_MASK = np.uint64(MUON["pt_unconstrained"].mask)


@njit(**OPTIONS)
def run_pairs(tables: Tables, events: Events, n: int, block: Block) -> None:
    """Tries the sets of pairs that are pending, and fills their atom words."""
    raw, legs, numbers = block.raw, block.legs, block.numbers
    pending, wanted, atoms, rows = block.pending, block.wanted, block.atoms, block.rows
    lookups, words, angles, luts = tables.lookups, tables.words, tables.angles, tables.luts
    muon, eg, tau, jet, sums = events.muon, events.eg, events.tau, events.jet, events.sums
    all_sides, all_sets = tables.sides, tables.pair_sets
    for word in range(len(pending)):
        for i in range(n):
            sets = pending[word, i]
            while sets:
                number = (word << _WORD_SHIFT) + np.int64(lowest_bit(sets))
                sets &= sets - _ONE
                pairs, active = all_sets[number], wanted[number, i]
                first = all_sides[pairs.first_side]
                end_first = choose_from(
                    first, active, angles[first.column], muon, eg, tau, jet, sums, rows, i,
                    lookups, words, raw, legs, numbers, 0,
                )  # fmt: skip
                end_second = SLOTS
                if not pairs.same:
                    second = all_sides[pairs.first_side + 1]
                    end_second = choose_from(
                        second, active, angles[second.column], muon, eg, tau, jet, sums, rows, i,
                        lookups, words, raw, legs, numbers, SLOTS,
                    )  # fmt: skip
                atoms[pairs.atom_word, i] = _find_pairs(
                    pairs, active, i, end_first, end_second, raw, legs, numbers,
                    words, tables.coarse, tables.limits, luts, tables.inverse_luts,
                    tables.references, tables, events, block,
                )  # fmt: skip


@njit(**INLINE)
def _find_pairs(
    pairs: Record, active: np.uint64, i: int, end_first: int, end_second: int, raw: Words, legs: Words, numbers: Ints,
    words: Words, coarse: Records, limits: Ints, luts: Ints, inverse_luts: Ints,
    references: Records, tables: Tables, events: Events, block: Block,
) -> np.uint64:  # fmt: skip
    """The active pairs for which two objects are found."""
    n_bins, scale, same = n_phi_bins(pairs.scale), np.uint64(pairs.scale), pairs.same
    quantities = coarse[pairs.limits >> _WORD_SHIFT]
    of_distance = quantities[_DELTA_R].mask | quantities[_APART_DELTA_R].mask
    of_mass = quantities[_MASS].mask | pairs.over_delta_r
    of_angles = of_mass | quantities[_MASS_UNCONSTRAINED].mask
    found, listed = np.uint64(0), np.uint64(0)
    for a in range(end_first):
        for b in range(a + 1 if same else SLOTS, end_first if same else end_second):
            crosswise = legs[a + SLOTS] & legs[b] if same else np.uint64(0)
            wanted = active & ((legs[a] & legs[b + SLOTS if same else b]) | crosswise)
            if not wanted:
                continue
            eta = np.uint64(abs(numbers[ETA, a] - numbers[ETA, b]))
            phi = np.uint64(folded(numbers[PHI, a] - numbers[PHI, b], n_bins))
            if pairs.eta_words >= 0:
                wanted &= words[np.uint64(pairs.eta_words) + eta]
            if pairs.phi_words >= 0:
                wanted &= words[np.uint64(pairs.phi_words) + phi]
            if pairs.charge_words >= 0:
                wanted &= words[np.uint64(pairs.charge_words + N_CHARGES * numbers[CHARGE, a] + numbers[CHARGE, b])]
            if not wanted:
                continue
            if wanted & of_distance:
                delta_eta, delta_phi = luts[scale, _DELTA_ETA, eta], luts[scale, _DELTA_PHI, phi]
                squared = delta_eta * delta_eta + delta_phi * delta_phi
                wanted = _within(wanted, squared, _DELTA_R, quantities, words, limits, pairs.limits)
                wanted = _within(wanted, squared, _APART_DELTA_R, quantities, words, limits, pairs.limits)
            if wanted & of_angles:
                unit = _MUON_UNIT if scale == _MUON_SCALE else _CALO_UNIT
                angles = (unit if pairs.transverse else luts[scale, _COSH, eta]) - luts[scale, _COS, phi]
                if wanted & of_mass:
                    mass = numbers[PT, a] * numbers[PT, b] * angles
                    wanted = _within(wanted, mass, _MASS, quantities, words, limits, pairs.limits)
                    if wanted & pairs.over_delta_r:
                        inverse = _inverse(numbers, a, b, scale, inverse_luts)
                        wanted = _above(wanted, mass, inverse, pairs.over_delta_r, limits, pairs.limits)
                if wanted & quantities[_MASS_UNCONSTRAINED].mask:
                    mass = _unconstrained(raw[a]) * _unconstrained(raw[b]) * angles
                    wanted = _within(wanted, mass, _MASS_UNCONSTRAINED, quantities, words, limits, pairs.limits)
            if wanted & quantities[_TWO_BODY_PT].mask:
                squared = _two_body_pt_squared(numbers, a, b, scale, luts)
                wanted = _within(wanted, squared, _TWO_BODY_PT, quantities, words, limits, pairs.limits)
            if wanted & pairs.references:
                for number in range(pairs.end_reference - pairs.first_reference):
                    hidden = wanted & references[pairs.first_reference + number].mask
                    if hidden:
                        if not listed & (_ONE << np.uint64(number)):
                            listed |= _ONE << np.uint64(number)
                            _list_references(tables, events, block, pairs, number, i)
                        if not _any_clear(tables, block, pairs, number, raw[a], raw[b]):
                            wanted &= ~hidden
            found |= wanted
            active &= ~wanted
        if not active:
            break
    return found


@njit(**INLINE)
def _list_references(tables: Tables, events: Events, block: Block, pairs: Record, number: int, i: int) -> None:
    """Lists the passing objects of one of a set's references."""
    side = tables.sides[tables.references[pairs.first_reference + number].side]
    block.n_references[number] = choose_from(
        side, _ONE, tables.angles[side.column], events.muon, events.eg, events.tau, events.jet, events.sums,
        block.rows, i, tables.lookups, tables.words, block.references[number], block.passed, block.measured, 0,
    )  # fmt: skip


@njit(**INLINE)
def _any_clear(tables: Tables, block: Block, pairs: Record, number: int, one: np.uint64, other: np.uint64) -> bool:
    """Whether one of the listed references overlaps with neither of two objects."""
    reference = tables.references[pairs.first_reference + number]
    where = tables.angles[tables.sides[reference.side].column]
    grid_one = tables.grids[reference.first_grid]
    grid_other = tables.grids[reference.first_grid + (0 if pairs.same else 1)]
    for k in range(block.n_references[number]):
        word = block.references[number, k]
        if not overlap(
            one, word, grid_one, reference, tables.angles[grid_one.column], where, tables.luts
        ) and not overlap(other, word, grid_other, reference, tables.angles[grid_other.column], where, tables.luts):
            return True
    return False


@njit(**INLINE)
def _within(
    wanted: np.uint64, value: int, quantity: int, quantities: Records, words: Words, limits: Ints, first_limit: int
) -> np.uint64:
    """Removes the pairs whose window on a quantity does not accept a value."""
    if not wanted & quantities[quantity].mask:
        return wanted
    shift = max(bit_length(np.uint64(value)) - BUCKET_BITS, 0)
    place = np.uint64(quantities[quantity].base + 2 * ((shift << (BUCKET_BITS - 1)) + (value >> shift)))
    sure, edge = wanted & words[place], wanted & words[place + _ONE]
    while edge:
        bit = lowest_bit(edge)
        edge &= edge - _ONE
        window = limits[first_limit + np.int64(bit), quantity]
        if (window[0] <= value <= window[1]) != (quantity == _APART_DELTA_R):
            sure |= _ONE << bit
    return sure


@njit(**INLINE)
def _inverse(numbers: Ints, a: int, b: int, scale: int, inverse_luts: Ints) -> int:
    """1/ΔR²; muons have half their resolution here."""
    halved = 1 if scale == _MUON_SCALE else 0
    eta = abs((numbers[ETA, a] >> halved) - (numbers[ETA, b] >> halved))
    phi = folded((numbers[PHI, a] >> halved) - (numbers[PHI, b] >> halved), n_phi_bins(scale) >> halved)
    return np.int64(inverse_luts[scale, eta, phi])


@njit(**INLINE)
def _above(wanted: np.uint64, mass: int, inverse: int, mask: np.uint64, limits: Ints, first_limit: int) -> np.uint64:
    """Removes the pairs whose least mass over ΔR is not reached; the product has more than 64 bits."""
    if inverse == 0:
        return wanted
    low = (mass & _LOW_HALF) * inverse
    high = (mass >> _HALF_WORD) * inverse + (low >> _HALF_WORD)
    low &= _LOW_HALF
    rest = wanted & mask
    while rest:
        bit = lowest_bit(rest)
        rest &= rest - _ONE
        least = limits[first_limit + np.int64(bit), _OVER_DELTA_R]
        if high < least[0] or (high == least[0] and low < least[1]):
            wanted &= ~(_ONE << bit)
    return wanted


@njit(**INLINE)
def _unconstrained(muon: np.uint64) -> int:
    """The unconstrained pT of a muon in 0.1 GeV; 0 without one."""
    index = np.int64((muon >> _UNCONSTRAINED_SHIFT) & _UNCONSTRAINED_MASK)
    return UNCONSTRAINED_PT_STEP * index + UNCONSTRAINED_PT_OFFSET if index else 0


@njit(**INLINE)
def _two_body_pt_squared(numbers: Ints, a: int, b: int, scale: int, luts: Ints) -> int:
    unit = _MUON_UNIT if scale == _MUON_SCALE else _CALO_UNIT
    one, other, pt, other_pt = numbers[PHI, a], numbers[PHI, b], numbers[PT, a], numbers[PT, b]
    cosines = luts[scale, _COS_PHI, one] * luts[scale, _COS_PHI, other]
    sines = luts[scale, _SIN_PHI, one] * luts[scale, _SIN_PHI, other]
    return max(np.int64(0), (pt * pt + other_pt * other_pt) * unit * unit + 2 * pt * other_pt * (cosines + sines))
