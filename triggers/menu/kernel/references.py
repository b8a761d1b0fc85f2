"""Overlap removal: objects that a third one must not overlap with (`docs/menu-kernel.md`, section "Pairs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import numpy as np
from numba import njit

from triggers.menu.block import Block, Events
from triggers.menu.kernel.angles import INLINE, PART, Record, overlap
from triggers.menu.kernel.legs import list_objects
from triggers.menu.tables import WORD_BITS, Tables, Words

_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)


@njit(**PART)
def test_references(pairs: Record, n: int, tables: Tables, events: Events, block: Block) -> None:
    """Removes pairs with overlap removal from the first n combinations, unless there is a clear reference.

    Nothing is done about pairs that were found in the crossing before.
    """
    left, found, places, those = block.left, block.atoms[pairs.atom_word], block.places, block.those
    m = np.uint64(0)
    for k in range(n):
        those[m] = k
        m += np.uint64(left[k] & pairs.references & ~found[places[k]] != 0)
    for item in range(m):
        block.crossings[item] = places[those[item]]
    for number in range(pairs.first_reference, pairs.end_reference):
        reference = tables.references[number]
        grid, other_grid = reference.first_grid, reference.first_grid + (0 if pairs.same else 1)
        list_objects(reference.side, block.crossings, np.int64(m), tables, events, block)
        for item in range(m):
            k = those[item]
            hidden = left[k] & reference.mask & ~found[places[k]]
            if hidden:
                if _any_clear(reference, grid, other_grid, k, tables, block):
                    found[places[k]] |= hidden
                else:
                    left[k] &= ~hidden


@njit(**PART)
def _any_clear(reference: Record, grid: int, other_grid: int, k: int, tables: Tables, block: Block) -> bool:
    """Whether a passing reference overlaps with neither object of a combination."""
    side, i = reference.side, block.places[k]
    one, other = tables.grids[grid], tables.grids[other_grid]
    where = tables.angles[tables.sides[side].column]
    for item in range(block.start[side, i], block.end[side, i]):
        if passes(block.legs[side], item, tables.sides[side].n_words, reference.bit):
            word = block.listed[side, item]
            if not overlap(
                block.combined[0, k], word, one, reference, tables.angles[one.column], where, tables.luts
            ) and not overlap(
                block.combined[1, k], word, other, reference, tables.angles[other.column], where, tables.luts
            ):
                return True
    return False


@njit(**INLINE)
def passes(legs: Words, item: int, n_words: int, bit: int) -> np.uint64:
    """Whether a listed object passes a leg, as 0 or 1."""
    return (legs[item * n_words + (bit >> _WORD_SHIFT)] >> np.uint64(bit & _BIT_MASK)) & _ONE
