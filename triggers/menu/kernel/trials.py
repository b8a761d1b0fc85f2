"""Which pairs and searches are to be tried in which crossings (`docs/menu-kernel.md`, section "Atoms")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value, assignment"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.menu.block import Block
from triggers.menu.kernel.angles import INLINE, OPTIONS, PART, Ints, Record
from triggers.menu.kernel.hits import are_many, mark_hits, union_of
from triggers.menu.tables import WORD_BITS, Records, Tables, Words
from triggers.menu.word_bits import lowest_bit

MANY: Final = 16
"""Trials are decided for all crossings of a block at once if more than one in so many trials has a key there."""

_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)


@njit(**PART)
def choose_trials(tables: Tables, n: int, block: Block) -> None:
    """Lists the crossings in which each set of pairs and each search is to be tried."""
    block.n_pending[:] = 0
    if are_many(tables.trial_keys, block.atoms, n, len(tables.trials) / MANY):
        _choose_everywhere(tables.trials, tables.lists, n, block)
    else:
        _choose_at_keys(tables, n, block)


@njit(**OPTIONS)
def _choose_at_keys(tables: Tables, n: int, block: Block) -> None:
    atoms, trials, lists, table_of, marks = block.atoms, tables.trials, tables.lists, tables.atoms, block.scratch[0]
    wanted, pending, n_pending, keys = block.wanted, block.pending, block.n_pending, tables.trial_keys
    for first in range(0, len(keys), WORD_BITS):
        mark_hits(keys, first, atoms, n, marks)
        for i in range(n):
            marked = marks[i]
            while marked:
                k = first + np.int64(lowest_bit(marked))
                marked &= marked - _ONE
                word = keys[k].atom_word
                hits = atoms[word, i] & keys[k].mask
                while hits:
                    key = (word << _WORD_SHIFT) + np.int64(lowest_bit(hits))
                    hits &= hits - _ONE
                    for item in range(table_of[key].first_trial, table_of[key].end_trial):
                        trial = trials[lists[item]]
                        if _guarded(trial, lists, atoms, i):
                            if not wanted[trial.of, i]:
                                pending[trial.of, n_pending[trial.of]] = i
                                n_pending[trial.of] += 1
                            wanted[trial.of, i] |= _ONE << np.uint64(trial.bit)


@njit(**INLINE)
def _guarded(trial: Record, lists: Ints, atoms: Words, i: int) -> bool:
    """Whether all guards of a trial are set."""
    for guard in range(trial.first_guard, trial.end_guard):
        atom = lists[guard]
        if not (atoms[atom >> _WORD_SHIFT, i] >> np.uint64(atom & _BIT_MASK)) & _ONE:
            return False
    return True


@njit(**OPTIONS)
def _choose_everywhere(trials: Records, lists: Ints, n: int, block: Block) -> None:
    for number in range(len(trials)):
        trial, tried = trials[number], block.scratch[0]
        first = lists[trial.first_key]
        key, bit = block.atoms[first >> _WORD_SHIFT], np.uint64(first & _BIT_MASK)
        for i in range(n):
            tried[i] = key[i] >> bit
        for k in range(trial.first_key + 1, trial.end_key):
            key, bit = block.atoms[lists[k] >> _WORD_SHIFT], np.uint64(lists[k] & _BIT_MASK)
            for i in range(n):
                tried[i] |= key[i] >> bit
        for k in range(trial.first_guard, trial.end_guard):
            guard, bit = block.atoms[lists[k] >> _WORD_SHIFT], np.uint64(lists[k] & _BIT_MASK)
            for i in range(n):
                tried[i] &= guard[i] >> bit
        wanted, bit = block.wanted[trial.of], np.uint64(trial.bit)
        for i in range(n):
            wanted[i] |= (tried[i] & _ONE) << bit
    for of in range(len(block.wanted)):
        wanted, pending, count = block.wanted[of], block.pending[of], np.uint64(0)
        for i in range(n if union_of(wanted, n) else 0):
            pending[count] = i
            count += np.uint64(wanted[i] != 0)
        block.n_pending[of] = count
