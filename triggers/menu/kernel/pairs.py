"""Pairs of objects within windows, up to 64 conditions at once (`docs/menu-kernel.md`, section "Pairs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.menu.block import MAX_LEGS, N_COMBINATIONS, Block, Events
from triggers.menu.kernel.angles import OPTIONS, Ints, Record
from triggers.menu.kernel.combinations import test_combinations
from triggers.menu.kernel.legs import list_objects
from triggers.menu.tables import Tables, Words

FULL: Final = N_COMBINATIONS - MAX_LEGS * MAX_LEGS - 1
"""With more combinations, those of one crossing more may not find room."""

_ONE = np.uint64(1)


@njit(**OPTIONS)
def run_pairs(tables: Tables, events: Events, block: Block) -> None:
    """Tries the sets of pairs in the crossings where some are wanted, and fills their atom words."""
    for number in range(len(tables.pair_sets)):
        if not block.n_pending[number]:
            continue
        pairs, pending, n_pending = tables.pair_sets[number], block.pending[number], block.n_pending[number]
        one, other = tables.legs[pairs.first_leg], tables.legs[pairs.first_leg + 1]
        list_objects(one.side, pending, n_pending, tables, events, block)
        if not pairs.same:
            list_objects(other.side, pending, n_pending, tables, events, block)
        done = 0
        while done < n_pending:
            done, n = _combine(pairs.same, one, other, tables, block.wanted[number], pending, done, n_pending, block)
            test_combinations(pairs, n, tables, events, block)


@njit(**OPTIONS)
def _combine(
    same: int, one: Record, other: Record, tables: Tables, wanted: Words, pending: Ints, done: int, n_pending: int,
    block: Block,
) -> tuple[int, int]:  # fmt: skip
    """Lists the combinations of two objects that are wanted pairs as far as their legs go.

    Returns:
        how many of the pending crossings are done, and the number of combinations.
    """
    words_one, words_other = tables.sides[one.side].n_words, tables.sides[other.side].n_words
    start_one, end_one, listed_one = block.start[one.side], block.end[one.side], block.listed[one.side]
    start_other, end_other, listed_other = block.start[other.side], block.end[other.side], block.listed[other.side]
    all_legs, all_other_legs = block.legs[one.side], block.legs[other.side]
    word, shift, other_word, other_shift = one.word, one.shift, other.word, other.shift
    chosen, others, legs, other_legs = block.chosen[0], block.chosen[1], block.chosen_legs[0], block.chosen_legs[1]
    first, second, places, left = block.combined[0], block.combined[1], block.places, block.left
    n = np.uint64(0)
    while done < n_pending and n <= FULL:
        i = pending[done]
        done += 1
        active = wanted[i]
        wanted[i] = 0
        n_one, n_other = np.uint64(0), np.uint64(0)
        if same:
            for k in range(start_one[i], end_one[i]):
                passed = (all_legs[k * words_one + word] >> shift) & active
                swapped = (all_other_legs[k * words_one + other_word] >> other_shift) & active
                chosen[n_one], legs[n_one], other_legs[n_one] = listed_one[k], passed, swapped
                n_one += np.uint64(passed | swapped != 0)
            a, b = np.uint64(0), _ONE
            for _ in range((n_one * (n_one - _ONE)) >> _ONE if n_one else 0):
                both = (legs[a] & other_legs[b]) | (other_legs[a] & legs[b])
                first[n], second[n], left[n], places[n] = chosen[a], chosen[b], both, i
                n += np.uint64(both != 0)
                a += _ONE
                if a == b:
                    a, b = np.uint64(0), b + _ONE
        else:
            for k in range(start_one[i], end_one[i]):
                passed = (all_legs[k * words_one + word] >> shift) & active
                chosen[n_one], legs[n_one] = listed_one[k], passed
                n_one += np.uint64(passed != 0)
            for k in range(start_other[i], end_other[i]):
                passed = (all_other_legs[k * words_other + other_word] >> other_shift) & active
                others[n_other], other_legs[n_other] = listed_other[k], passed
                n_other += np.uint64(passed != 0)
            a, b = np.uint64(0), np.uint64(0)
            for _ in range(n_one * n_other):
                both = legs[a] & other_legs[b]
                first[n], second[n], left[n], places[n] = chosen[a], others[b], both, i
                n += np.uint64(both != 0)
                a += _ONE
                if a == n_one:
                    a, b = np.uint64(0), b + _ONE
    return done, np.int64(n)
