"""Pairs of objects within windows, up to 64 conditions at once (`docs/menu-kernel.md`, section "Pairs")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.menu.block import N_COMBINATIONS, SLOTS, Block, Events
from triggers.menu.kernel.angles import OPTIONS, PART, Ints, Record
from triggers.menu.kernel.combinations import test_combinations
from triggers.menu.kernel.legs import list_objects
from triggers.menu.tables import Tables, Words

FULL: Final = np.uint64(N_COMBINATIONS - SLOTS)
"""With more combinations, those of one object more may not find room."""

_ONE = np.uint64(1)


@njit(**PART)
def run_pairs(tables: Tables, events: Events, block: Block) -> None:
    """Tries the sets of pairs in the crossings where some are wanted, and fills their atom words."""
    for number in range(len(tables.pair_sets)):
        if not block.n_pending[number]:
            continue
        pairs, pending, n_pending = tables.pair_sets[number], block.pending[number], block.n_pending[number]
        last, n_one, n_other = 0 if pairs.same else 1, np.uint64(0), np.uint64(0)
        for which in range(last + 1):
            leg, swapped = tables.legs[pairs.first_leg + which], tables.legs[pairs.first_leg + 1]
            list_objects(leg.side, pending, n_pending, tables, events, block)
            n_other = _choose(
                leg, swapped if pairs.same else leg, np.uint64(tables.sides[leg.side].n_words),
                block.n_listed[leg.side], block.listed[leg.side], block.owner[leg.side], block.legs[leg.side],
                block.wanted[number], block.chosen[which], block.chosen_crossing[which], block.first_legs[which],
                block.second_legs[which],
            )  # fmt: skip
            n_one = n_other if which == 0 else n_one
        if not pairs.same:
            _find_ends(block.chosen_crossing[0], n_one, pending, n_pending, block.end_chosen)
        done = _ONE
        while done < n_other:
            done, n = _combine(
                pairs.same, done, n_other, block.end_chosen,
                block.chosen[0], block.chosen_crossing[0], block.first_legs[0], block.second_legs[0],
                block.chosen[last], block.chosen_crossing[last], block.first_legs[last], block.second_legs[last],
                block.combined[0], block.combined[1], block.left, block.places,
            )  # fmt: skip
            test_combinations(pairs, n, tables, events, block)
        for m in range(n_pending):
            block.wanted[number, pending[m]] = 0


@njit(**OPTIONS)
def _choose(
    leg: Record, swapped: Record, n_words: np.uint64, n_listed: int, listed: Words, owner: Ints, legs: Words,
    wanted: Words, chosen: Words, crossings: Ints, first_legs: Words, second_legs: Words,
) -> np.uint64:  # fmt: skip
    """Copies the listed objects that pass a leg of some wanted pair, from 1 on, and returns where they end.

    All that are listed are looked at, wanted or not: one loop over them is faster than many short ones.
    """
    word, shift, swapped_word, swapped_shift = np.uint64(leg.word), leg.shift, np.uint64(swapped.word), swapped.shift
    n = _ONE
    for k in range(np.uint64(n_listed)):
        i = owner[k]
        active = wanted[np.uint64(i)]
        passed = (legs[k * n_words + word] >> shift) & active
        passed_swapped = (legs[k * n_words + swapped_word] >> swapped_shift) & active
        chosen[n], crossings[n], first_legs[n], second_legs[n] = listed[k], i, passed, passed_swapped
        n += np.uint64(passed | passed_swapped != 0)
    return n


@njit(**OPTIONS)
def _find_ends(crossings: Ints, n: np.uint64, pending: Ints, n_pending: int, end: Words) -> None:
    """Where the chosen objects of each pending crossing end."""
    for m in range(n_pending):
        end[pending[m]] = _ONE
    for k in range(_ONE, n):
        end[np.uint64(crossings[k])] = k + _ONE


@njit(**OPTIONS)
def _combine(
    same: int, done: np.uint64, n_other: np.uint64, end: Words,
    chosen: Words, crossings: Ints, first_legs: Words, second_legs: Words,
    others: Words, other_crossings: Ints, other_first_legs: Words, other_second_legs: Words,
    first: Words, second: Words, left: Words, places: Ints,
) -> tuple[np.uint64, int]:  # fmt: skip
    """Lists the combinations of two objects that are wanted pairs as far as their legs go.

    An object is combined with those of its crossing that come before it, or with those of the other group.

    Returns:
        up to where the objects that may be the other are done, and the number of combinations.
    """
    n = np.uint64(0)
    while done < n_other and n <= FULL:
        i, other, first_leg, second_leg = (
            other_crossings[done], others[done], other_first_legs[done], other_second_legs[done]
        )  # fmt: skip
        k = (done if same else end[np.uint64(i)]) - _ONE
        while crossings[k] == i:
            both = (first_legs[k] & second_leg) | (second_legs[k] & first_leg)
            first[n], second[n], left[n], places[n] = chosen[k], other, both, i
            n += np.uint64(both != 0)
            k -= _ONE
        done += _ONE
    return done, np.int64(n)
