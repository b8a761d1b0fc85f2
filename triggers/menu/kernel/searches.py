"""Searches for different objects, tried where their guards are set (`docs/menu-kernel.md`, section "Atoms")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import numpy as np
from numba import njit

from triggers.menu.block import Block, Events
from triggers.menu.kernel.angles import (
    NEGATIVE,
    OPTIONS,
    PART,
    POSITIVE,
    Ints,
    Record,
    charge_of,
    eta_of,
    folded,
    n_phi_bins,
    overlap,
    phi_of,
    pt_of,
)
from triggers.menu.kernel.legs import list_objects
from triggers.menu.kernel.references import passes
from triggers.menu.luts import Lut, Scale
from triggers.menu.tables import WORD_BITS, Relation, Tables, Words
from triggers.menu.word_bits import bit_count, lowest_bit

_MUON_SCALE, _CALO_SCALE = int(Scale.MUON), int(Scale.CALO)
_COSH, _COS = int(Lut.COSH), int(Lut.COS)
_NO_RELATION = int(Relation.NONE)
_LIKE_SIGN = int(Relation.LIKE_SIGN)
_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@njit(**PART)
def run_searches(tables: Tables, events: Events, block: Block) -> None:
    """Tries the searches in the crossings where they are pending, and sets their atoms."""
    first = len(tables.pair_sets)
    for number in range(len(tables.searches)):
        search, pending, n_pending = (
            tables.searches[number],
            block.pending[first + number],
            block.n_pending[first + number],
        )
        if not n_pending:
            continue
        block.wanted[first + number] = 0
        reference_side = tables.references[search.reference].side if search.reference >= 0 else search.side
        for side in (search.side, reference_side):
            list_objects(side, pending, n_pending, tables, events, block)
        found, bit = block.atoms[search.atom >> _WORD_SHIFT], _ONE << np.uint64(search.atom & _BIT_MASK)
        for m in range(n_pending):
            if _search(search, tables, block, pending[m]):
                found[pending[m]] |= bit


@njit(**PART)
def _search(search: Record, tables: Tables, block: Block, i: int) -> bool:
    """Whether objects of a crossing satisfy a search, with some reference if it has one."""
    candidates, counts, side = block.candidates, block.counts, search.side
    start, end = block.start[side, i], block.end[side, i]
    _find_candidates(search, tables, start, end, block, candidates, counts)
    objects, where = block.listed[side, start:end], tables.angles[tables.sides[side].column]
    if search.reference < 0:
        return _find(search, objects, _ALL, candidates, counts, where, tables.luts)
    reference = tables.references[search.reference]
    grid, where_reference = tables.grids[reference.first_grid], tables.angles[tables.sides[reference.side].column]
    for k in range(block.start[reference.side, i], block.end[reference.side, i]):
        if not passes(block.legs[reference.side], k, tables.sides[reference.side].n_words, reference.bit):
            continue
        allowed = np.uint64(0)
        for a in range(len(objects)):
            listed = block.listed[reference.side, k]
            if not overlap(objects[a], listed, grid, reference, where, where_reference, tables.luts):
                allowed |= _ONE << np.uint64(a)
        if _find(search, objects, allowed, candidates, counts, where, tables.luts):
            return True
    return False


@njit(**PART)
def _find_candidates(
    search: Record, tables: Tables, start: int, end: int, block: Block, candidates: Words, counts: Ints
) -> None:
    """The objects that pass each leg, as bit masks, and how many each leg needs."""
    lists, n_words = tables.lists, tables.sides[search.side].n_words
    for leg in range((search.end_leg - search.first_leg) // 2):
        bit, counts[leg] = lists[search.first_leg + 2 * leg], lists[search.first_leg + 2 * leg + 1]
        candidates[leg] = 0
        slots = (_ONE << np.uint64(end - start)) - _ONE
        while slots:  # a loop over bits: one over numbers would be vectorised, which is slow for so few
            k = np.int64(lowest_bit(slots))
            slots &= slots - _ONE
            candidates[leg] |= passes(block.legs[search.side], start + k, n_words, bit) << np.uint64(k)


@njit(**OPTIONS)
def _find(
    search: Record, objects: Words, allowed: np.uint64, candidates: Words, counts: Ints, where: Record, luts: Ints
) -> bool:
    """Whether there are different allowed objects for all legs, of the right charges and mass."""
    n_legs = (search.end_leg - search.first_leg) // 2
    if search.of_mass:
        scale = _MUON_SCALE if where.unconstrained else _CALO_SCALE
        return _find_triple(search, objects, allowed, candidates, where, scale, luts)
    if search.relation == _NO_RELATION:
        return _different(candidates, counts, n_legs, allowed, -1, _ALL, -1, _ALL)
    positive, negative = _charges(objects)
    positive, negative = positive & allowed, negative & allowed
    if search.relation == _LIKE_SIGN:
        return _different(candidates, counts, n_legs, positive, -1, _ALL, -1, _ALL) or _different(
            candidates, counts, n_legs, negative, -1, _ALL, -1, _ALL
        )
    valid = positive | negative
    for one in range(n_legs):
        for other in range(n_legs):
            if one != other and _different(candidates, counts, n_legs, valid, one, positive, other, negative):
                return True
    return False


@njit(**OPTIONS)
def _charges(muons: Words) -> tuple[np.uint64, np.uint64]:
    """The muons with a valid positive, and with a valid negative charge, as bit masks."""
    positive, negative = np.uint64(0), np.uint64(0)
    for k in range(len(muons)):
        charge = charge_of(muons[k])
        positive |= np.uint64(charge == POSITIVE) << np.uint64(k)
        negative |= np.uint64(charge == NEGATIVE) << np.uint64(k)
    return positive, negative


@njit(**OPTIONS)
def _different(
    candidates: Words,
    counts: Ints,
    n_legs: int,
    allowed: np.uint64,
    one: int,
    allowed_one: np.uint64,
    other: int,
    allowed_other: np.uint64,
) -> bool:
    """Whether different allowed objects exist for all legs: no legs together have fewer candidates than they need.

    Two legs, `one` and `other` (−1: none), may be further restricted. (Hall's theorem.)
    """
    for subset in range(1, 1 << n_legs):
        union, needed = np.uint64(0), 0
        for leg in range(n_legs):
            if (subset >> leg) & 1:
                own = candidates[leg] & allowed
                if leg == one:
                    own &= allowed_one
                if leg == other:
                    own &= allowed_other
                union |= own
                needed += counts[leg]
        if np.int64(bit_count(union)) < needed:
            return False
    return True


@njit(**OPTIONS)
def _find_triple(
    search: Record, objects: Words, allowed: np.uint64, candidates: Words, where: Record, scale: int, luts: Ints
) -> bool:
    """Whether three different objects have the right charges and a mass within the window."""
    first = candidates[0] & allowed
    while first:
        a = np.int64(lowest_bit(first))
        first &= first - _ONE
        second = candidates[1] & allowed & ~(_ONE << np.uint64(a))
        while second:
            b = np.int64(lowest_bit(second))
            second &= second - _ONE
            mass = _mass(objects[a], objects[b], where, scale, luts)
            third = candidates[2] & allowed & ~(_ONE << np.uint64(a)) & ~(_ONE << np.uint64(b))
            while third:
                c = np.int64(lowest_bit(third))
                third &= third - _ONE
                if search.relation != _NO_RELATION and not _charges_agree(
                    search.relation == _LIKE_SIGN, charge_of(objects[a]), charge_of(objects[b]), charge_of(objects[c])
                ):
                    continue
                others = _mass(objects[a], objects[c], where, scale, luts)
                others += _mass(objects[b], objects[c], where, scale, luts)
                if search.mass_low <= mass + others <= search.mass_high:
                    return True
    return False


@njit(**OPTIONS)
def _charges_agree(like: bool, one: int, two: int, three: int) -> bool:
    """Whether three charges, all valid, are all equal (`like`), or not all equal."""
    return bool(one and two and three) and (one == two and two == three) == like


@njit(**OPTIONS)
def _mass(one: np.uint64, other: np.uint64, where: Record, scale: int, luts: Ints) -> int:
    """m²/2 of two objects of one type."""
    eta = abs(eta_of(one, where) - eta_of(other, where))
    phi = folded(phi_of(one, where) - phi_of(other, where), n_phi_bins(scale))
    return pt_of(one, where) * pt_of(other, where) * (luts[scale, _COSH, eta] - luts[scale, _COS, phi])
