"""Searches for different objects, tried where their guards are set (`docs/menu-kernel.md`, section "Atoms")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import numpy as np
from numba import njit

from triggers.menu.block import BLOCK, STRIDE, Block, Events
from triggers.menu.kernel.angles import (
    INLINE,
    NEGATIVE,
    OPTIONS,
    POSITIVE,
    Ints,
    Record,
    any_set,
    charge_of,
    eta_of,
    folded,
    n_phi_bins,
    overlap,
    phi_of,
    pt_of,
)
from triggers.menu.kernel.sides import choose_from
from triggers.menu.luts import Lut, Scale
from triggers.menu.tables import WORD_BITS, Column, Relation, Tables, Words
from triggers.menu.word_bits import bit_count, lowest_bit

_MUON = int(Column.MUON)
_MUON_SCALE, _CALO_SCALE = int(Scale.MUON), int(Scale.CALO)
_COSH, _COS = int(Lut.COSH), int(Lut.COS)
_NO_RELATION = int(Relation.NONE)
_LIKE_SIGN = int(Relation.LIKE_SIGN)
_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@njit(**OPTIONS)
def run_searches(tables: Tables, events: Events, n: int, block: Block) -> None:
    """Tries the searches of every key atom that is set, and notes which sets of pairs are to be tried."""
    atoms = block.atoms
    block.pending[:] = 0
    for w in range(len(tables.search_keys)):
        word, mask = tables.search_keys[w].atom_word, tables.search_keys[w].mask
        for start in range(0, n, STRIDE):
            if any_set(atoms[word], start, n) & mask:
                for i in range(start, min(start + STRIDE, n)):
                    _try_at(tables, events, word, mask, i, block)


@njit(**INLINE)
def _try_at(tables: Tables, events: Events, word: int, mask: np.uint64, i: int, block: Block) -> None:
    """Tries what depends on the key atoms of one word that are set in a crossing."""
    atoms, table_of, lists = block.atoms, tables.atoms, tables.lists
    hits = atoms[word, i] & mask
    while hits:
        key = (word << _WORD_SHIFT) + np.int64(lowest_bit(hits))
        hits &= hits - _ONE
        for item in range(table_of[key].first_search, table_of[key].end_search):
            number = lists[item]
            if number < 0:
                pair = tables.pairs[~number]
                if _guarded(pair, lists, atoms, i):
                    _want(pair, i, block.pending, block.wanted)
                continue
            search = tables.searches[number]
            if _guarded(search, lists, atoms, i) and _search(search, tables, events, block, i):
                atoms[search.atom >> _WORD_SHIFT, i] |= _ONE << np.uint64(search.atom & _BIT_MASK)


@njit(**OPTIONS)
def _search(search: Record, tables: Tables, events: Events, block: Block, i: int) -> bool:
    """Whether objects of a crossing satisfy a search, with some reference if it has one."""
    kind, candidates, counts = tables.groups[search.group], block.candidates, block.counts
    _find_candidates(search, kind, tables.lists, i, block, candidates, counts)
    objects = block.objects[search.group, block.first_object[search.group, i] : block.first_object[search.group, i + 1]]
    where = tables.angles[kind.column]
    if search.reference < 0:
        return _find(search, objects, _ALL, candidates, counts, where, tables.luts)
    reference = tables.references[search.reference]
    side, grid = tables.sides[reference.side], tables.grids[reference.first_grid]
    where_reference, references = tables.angles[side.column], block.references[0]
    n_references = choose_from(
        side, _ONE, where_reference, events.muon, events.eg, events.tau, events.jet, events.sums,
        block.rows, i, tables.lookups, tables.words, references, block.passed, block.measured, 0,
    )  # fmt: skip
    for k in range(n_references):
        allowed = np.uint64(0)
        for a in range(len(objects)):
            if not overlap(objects[a], references[k], grid, reference, where, where_reference, tables.luts):
                allowed |= _ONE << np.uint64(a)
        if _find(search, objects, allowed, candidates, counts, where, tables.luts):
            return True
    return False


@njit(**OPTIONS)
def _want(pair: Record, i: int, pending: Words, wanted: Words) -> None:
    """Notes that a pair is to be tried in a crossing."""
    word, bit = pair.set >> _WORD_SHIFT, _ONE << np.uint64(pair.set & _BIT_MASK)
    if not pending[word, i] & bit:
        pending[word, i] |= bit
        wanted[pair.set, i] = 0
    wanted[pair.set, i] |= _ONE << np.uint64(pair.bit)


@njit(**OPTIONS)
def _guarded(search: Record, lists: Ints, atoms: Words, i: int) -> bool:
    for guard in range(search.first_guard, search.end_guard):
        atom = lists[guard]
        if not (atoms[atom >> _WORD_SHIFT, i] >> np.uint64(atom & _BIT_MASK)) & _ONE:
            return False
    return True


@njit(**OPTIONS)
def _find_candidates(
    search: Record, kind: Record, lists: Ints, i: int, block: Block, candidates: Words, counts: Ints
) -> None:
    """The objects that pass each leg, as bit masks, and how many each leg needs."""
    first, end = block.first_object[search.group, i], block.first_object[search.group, i + 1]
    for leg in range((search.end_leg - search.first_leg) // 2):
        position, counts[leg] = lists[search.first_leg + 2 * leg], lists[search.first_leg + 2 * leg + 1]
        word, bit = position >> _WORD_SHIFT, np.uint64(position & _BIT_MASK)
        candidates[leg] = 0
        slots = (_ONE << np.uint64(end - first)) - _ONE
        while slots:  # a loop over bits: one over numbers would be vectorised, which is slow for so few
            k = first + np.int64(lowest_bit(slots))
            slots &= slots - _ONE
            passed = (block.kept[kind.kept * BLOCK + k * kind.n1 + word] >> bit) & _ONE
            candidates[leg] |= passed << np.uint64(k - first)


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
