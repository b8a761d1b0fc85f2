"""Tests combinations of two objects, for up to 64 conditions at once (`docs/menu-kernel.md`, section "Pairs").

One loop over all combinations for each cut, without branches but for those that are hardly ever taken.
"""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.events.packing import MUON
from triggers.menu.block import Block, Events
from triggers.menu.buckets import BUCKET_BITS
from triggers.menu.kernel.angles import (
    OPTIONS,
    PART,
    Ints,
    Record,
    charge_of,
    eta_of,
    folded,
    n_phi_bins,
    phi_of,
)
from triggers.menu.kernel.references import test_references
from triggers.menu.luts import PT_STEP, UNCONSTRAINED_PT_OFFSET, UNCONSTRAINED_PT_STEP, Lut, Scale
from triggers.menu.tables import WORD_BITS, Quantity, Tables, Words
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


@njit(**PART)
def test_combinations(pairs: Record, n: int, tables: Tables, events: Events, block: Block) -> None:
    """Removes the pairs that the first n combinations fail, and sets the atoms of those that are left."""
    coarse, words, luts = tables.coarse[pairs.limits >> _WORD_SHIFT], tables.words, tables.luts[pairs.scale]
    one, other, limits = tables.legs[pairs.first_leg], tables.legs[pairs.first_leg + 1], tables.limits[pairs.limits :]
    where, where_other = tables.angles[tables.sides[one.side].column], tables.angles[tables.sides[other.side].column]
    first, second, left = block.combined[0], block.combined[1], block.left
    eta, phi, value, numbers, other_numbers = block.eta, block.phi, block.value, block.numbers[0], block.numbers[1]
    _etas(first, one, where, n, numbers)
    _etas(second, other, where_other, n, other_numbers)
    for k in range(n):
        eta[k] = abs(numbers[k] - other_numbers[k])
    _phis(first, one, where, n, numbers)
    _phis(second, other, where_other, n, other_numbers)
    n_bins = n_phi_bins(pairs.scale)
    for k in range(n):
        phi[k] = folded(numbers[k] - other_numbers[k], n_bins)
    _keep_accepted(pairs.eta_words, words, eta, n, left)
    _keep_accepted(pairs.phi_words, words, phi, n, left)
    if pairs.charge_words >= 0:
        for k in range(n):
            value[k] = N_CHARGES * charge_of(first[k]) + charge_of(second[k])
        _keep_accepted(pairs.charge_words, words, value, n, left)
    if coarse[_DELTA_R].mask | coarse[_APART_DELTA_R].mask:
        _distances_squared(eta, phi, luts[_DELTA_ETA], luts[_DELTA_PHI], n, value)
        _keep_within(coarse[_DELTA_R], words, limits[:, _DELTA_R], n, value, block.bucket, left)
        _keep_within(coarse[_APART_DELTA_R], words, limits[:, _APART_DELTA_R], n, value, block.bucket, left)
    if coarse[_TWO_BODY_PT].mask:
        _two_body_pts_squared(pairs, one, other, where, where_other, n, luts, block)
        _keep_within(coarse[_TWO_BODY_PT], words, limits[:, _TWO_BODY_PT], n, value, block.bucket, left)
    if coarse[_MASS_UNCONSTRAINED].mask:
        _unconstrained_pts(first, n, numbers)
        _unconstrained_pts(second, n, other_numbers)
        _masses(pairs.scale, pairs.transverse, luts[_COSH], luts[_COS], eta, phi, numbers, other_numbers, n, value)
        _keep_within(coarse[_MASS_UNCONSTRAINED], words, limits[:, _MASS_UNCONSTRAINED], n, value, block.bucket, left)
    if coarse[_MASS].mask | pairs.over_delta_r:
        _pts(first, where, n, numbers)
        _pts(second, where_other, n, other_numbers)
        _masses(pairs.scale, pairs.transverse, luts[_COSH], luts[_COS], eta, phi, numbers, other_numbers, n, value)
        _keep_within(coarse[_MASS], words, limits[:, _MASS], n, value, block.bucket, left)
        if pairs.over_delta_r:
            _keep_above(pairs, one, other, where, where_other, n, tables, block)
    if pairs.references:
        test_references(pairs, n, tables, events, block)
    found, places = block.atoms[pairs.atom_word], block.places
    for k in range(n):
        found[places[k]] |= left[k]


@njit(**OPTIONS)
def _etas(objects: Words, leg: Record, where: Record, n: int, numbers: Ints) -> None:
    """The η indices of objects on the grid of their set."""
    factor, offset, shift, mask, sign = leg.factor, leg.offset, where.eta_shift, where.eta_mask, where.eta_sign
    for k in range(n):
        raw = np.int64((objects[k] >> shift) & mask)
        numbers[k] = factor * (raw - ((raw & sign) << 1)) + offset


@njit(**OPTIONS)
def _phis(objects: Words, leg: Record, where: Record, n: int, numbers: Ints) -> None:
    """The φ indices of objects on the grid of their set."""
    factor, offset, shift, mask = leg.factor, leg.offset, where.phi_shift, where.phi_mask
    for k in range(n):
        numbers[k] = factor * np.int64((objects[k] >> shift) & mask) + offset


@njit(**OPTIONS)
def _pts(objects: Words, where: Record, n: int, numbers: Ints) -> None:
    """The pT of objects in 0.1 GeV; 0 of a muon that is not there."""
    shift, mask, offset, first = where.pt_shift, where.pt_mask, where.pt_offset, where.unconstrained
    for k in range(n):
        index = np.int64((objects[k] >> shift) & mask)
        numbers[k] = PT_STEP * index + offset if index >= first else 0


@njit(**OPTIONS)
def _unconstrained_pts(muons: Words, n: int, numbers: Ints) -> None:
    """The unconstrained pT of muons in 0.1 GeV; 0 without one."""
    for k in range(n):
        index = np.int64((muons[k] >> _UNCONSTRAINED_SHIFT) & _UNCONSTRAINED_MASK)
        numbers[k] = UNCONSTRAINED_PT_STEP * index + UNCONSTRAINED_PT_OFFSET if index else 0


@njit(**OPTIONS)
def _distances_squared(eta: Ints, phi: Ints, delta_eta: Ints, delta_phi: Ints, n: int, value: Ints) -> None:
    for k in range(n):
        one, other = delta_eta[np.uint64(eta[k])], delta_phi[np.uint64(phi[k])]
        value[k] = one * one + other * other


@njit(**OPTIONS)
def _masses(
    scale: int, transverse: int, cosh: Ints, cos: Ints, eta: Ints, phi: Ints, pt: Ints, other_pt: Ints, n: int,
    value: Ints,
) -> None:  # fmt: skip
    """Half the masses squared."""
    if transverse:
        unit = _MUON_UNIT if scale == _MUON_SCALE else _CALO_UNIT
        for k in range(n):
            value[k] = pt[k] * other_pt[k] * (unit - cos[np.uint64(phi[k])])
    else:
        for k in range(n):
            value[k] = pt[k] * other_pt[k] * (cosh[np.uint64(eta[k])] - cos[np.uint64(phi[k])])


@njit(**PART)
def _two_body_pts_squared(
    pairs: Record, one: Record, other: Record, where: Record, where_other: Record, n: int, luts: Ints, block: Block
) -> None:
    """The pT² of two objects together."""
    unit, cos_phi, sin_phi = _MUON_UNIT if pairs.scale == _MUON_SCALE else _CALO_UNIT, luts[_COS_PHI], luts[_SIN_PHI]
    numbers, other_numbers, value = block.numbers[0], block.numbers[1], block.value
    _phis(block.combined[0], one, where, n, numbers)
    _phis(block.combined[1], other, where_other, n, other_numbers)
    for k in range(n):
        phi, other_phi = np.uint64(numbers[k]), np.uint64(other_numbers[k])
        value[k] = cos_phi[phi] * cos_phi[other_phi] + sin_phi[phi] * sin_phi[other_phi]
    _pts(block.combined[0], where, n, numbers)
    _pts(block.combined[1], where_other, n, other_numbers)
    for k in range(n):
        pt, other_pt = numbers[k], other_numbers[k]
        squared = (pt * pt + other_pt * other_pt) * unit * unit + 2 * pt * other_pt * value[k]
        value[k] = max(np.int64(0), squared)


@njit(**OPTIONS)
def _keep_accepted(first_word: int, words: Words, indices: Ints, n: int, left: Words) -> None:
    """Removes the pairs that do not accept an index; all accept everything if there are no words."""
    base = np.uint64(first_word)
    for k in range(n if first_word >= 0 else 0):
        left[k] &= words[base + np.uint64(indices[k])]


@njit(**OPTIONS)
def _keep_within(coarse: Record, words: Words, windows: Ints, n: int, values: Ints, bucket: Ints, left: Words) -> None:
    """Removes the pairs whose window on a quantity does not accept its value; `windows` begin with those of the set."""
    if not coarse.mask:
        return
    base, outside = coarse.base, bool(coarse.outside)
    for k in range(n):
        shift = max(bit_length(np.uint64(values[k])) - BUCKET_BITS, 0)
        bucket[k] = base + 2 * ((shift << (BUCKET_BITS - 1)) + (values[k] >> shift))
    for k in range(n):
        place = np.uint64(bucket[k])
        sure, edge = left[k] & words[place], left[k] & words[place + _ONE]
        while edge:
            bit = lowest_bit(edge)
            edge &= edge - _ONE
            window = windows[bit]
            if (window[0] <= values[k] <= window[1]) != outside:
                sure |= _ONE << bit
        left[k] = sure


@njit(**PART)
def _keep_above(
    pairs: Record, one: Record, other: Record, where: Record, where_other: Record, n: int, tables: Tables, block: Block
) -> None:
    """Removes the pairs whose least mass over ΔR is not reached; the product has more than 64 bits."""
    halved, n_bins = 1 if pairs.scale == _MUON_SCALE else 0, n_phi_bins(pairs.scale)
    for k in range(n):
        rest = block.left[k] & pairs.over_delta_r
        if not rest:
            continue
        first, second = block.combined[0, k], block.combined[1, k]
        eta = (one.factor * eta_of(first, where) + one.offset) >> halved
        phi = (one.factor * phi_of(first, where) + one.offset) >> halved
        eta -= (other.factor * eta_of(second, where_other) + other.offset) >> halved
        phi -= (other.factor * phi_of(second, where_other) + other.offset) >> halved
        inverse = tables.inverse_luts[pairs.scale, abs(eta), folded(phi, n_bins >> halved)]
        if inverse == 0:
            continue
        low = (block.value[k] & _LOW_HALF) * inverse
        high = (block.value[k] >> _HALF_WORD) * inverse + (low >> _HALF_WORD)
        low &= _LOW_HALF
        while rest:
            bit = lowest_bit(rest)
            rest &= rest - _ONE
            least = tables.limits[pairs.limits + np.int64(bit), _OVER_DELTA_R]
            if high < least[0] or (high == least[0] and low < least[1]):
                block.left[k] &= ~(_ONE << bit)
