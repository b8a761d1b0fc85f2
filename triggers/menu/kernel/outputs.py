"""From atoms to output bits (`docs/menu-kernel.md`, section "Keys")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value, assignment"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.menu.block import Block
from triggers.menu.kernel.angles import OPTIONS, PART, Ints, Record
from triggers.menu.kernel.hits import are_many, mark_hits, union_of
from triggers.menu.tables import WORD_BITS, Records, Step, Tables, Words
from triggers.menu.word_bits import lowest_bit

MANY: Final = 8
"""Outputs are set for all crossings of a block at once if more than one in so many triggers is there."""

_NOT, _AND, _XOR = int(Step.NOT), int(Step.AND), int(Step.XOR)
_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)
_NO_SHIFT, _NO_FLIP = np.uint64(0), np.uint64(0)


@njit(**PART)
def set_outputs(tables: Tables, n: int, block: Block) -> None:
    """Sets the output bits of the atoms that are set, and of the programs that come out true.

    Key by key where keys are rare, else for all crossings of the block at once: the results are the same.
    """
    programs, lists, table_of = tables.programs, tables.lists, tables.atoms
    atoms, out, union = block.atoms, block.out, block.union
    for word in range(len(union)):
        union[word] = union_of(atoms[word], n)
    keys, marks = tables.output_keys, block.scratch[0]
    dense = are_many(keys, atoms, n, tables.n_triggers / MANY)
    for first in range(0, 0 if dense else len(keys), WORD_BITS):
        mark_hits(keys, first, atoms, n, marks)
        for i in range(n):
            marked = marks[i]
            while marked:
                key = keys[first + np.int64(lowest_bit(marked))]
                marked &= marked - _ONE
                word = key.atom_word
                _set_outputs_of(atoms[word, i] & key.mask, word, i, programs, lists, table_of, atoms, out)
    for k in range(len(tables.copies) if dense else tables.n_common_copies):
        copy = tables.copies[k]
        if union[copy.atom_word] & copy.mask:
            _copy(atoms[copy.atom_word], out[copy.output_word], copy.mask, copy.rotation, n)
    for program in range(0 if dense else tables.first_everywhere, len(programs)):
        if _may_hold(programs[program], lists, union):
            _run_everywhere(programs[program], lists, n, atoms, block.scratch, out)


@njit(**OPTIONS)
def _copy(atoms: Words, out: Words, mask: np.uint64, rotation: np.uint64, n: int) -> None:
    """Copies atoms that are outputs themselves."""
    back = (np.uint64(WORD_BITS) - rotation) & np.uint64(_BIT_MASK)
    for i in range(n):
        word = atoms[i] & mask
        out[i] |= (word << rotation) | (word >> back)


@njit(**PART)
def _set_outputs_of(
    hits: np.uint64, word: int, i: int, programs: Records, lists: Ints, table_of: Records, atoms: Words, out: Words
) -> None:
    """Sets the output bits that depend on key atoms of one word in a crossing."""
    while hits:
        key = (word << _WORD_SHIFT) + np.int64(lowest_bit(hits))
        hits &= hits - _ONE
        for k in range(table_of[key].first_output, table_of[key].end_output):
            bit = lists[k]
            if bit < 0:
                program = programs[~bit]
                if program.is_clause:
                    if not _clause_holds(program, lists, atoms, i):
                        continue
                elif not _program_holds(program, lists, atoms, i):
                    continue
                bit = program.bit
            out[bit >> _WORD_SHIFT, i] |= _ONE << np.uint64(bit & _BIT_MASK)


@njit(**OPTIONS)
def _may_hold(program: Record, lists: Ints, union: Words) -> bool:
    """Whether some crossing of the block has a key atom of the program."""
    for k in range(program.first_key, program.end_key):
        if (union[lists[k] >> _WORD_SHIFT] >> np.uint64(lists[k] & _BIT_MASK)) & _ONE:
            return True
    return bool(program.first_key == program.end_key)


@njit(**OPTIONS)
def _clause_holds(program: Record, lists: Ints, atoms: Words, i: int) -> bool:
    """Whether all literals hold."""
    for k in range(program.first_literal, program.end_literal):  # noqa: SIM110 (as above)
        if not _literal(lists[k], atoms, i):
            return False
    return True


@njit(**OPTIONS)
def _literal(literal: int, atoms: Words, i: int) -> np.uint64:
    """The bit of an atom, or its opposite if the literal is odd."""
    atom = literal >> 1
    return np.uint64(((atoms[atom >> _WORD_SHIFT, i] >> np.uint64(atom & _BIT_MASK)) ^ np.uint64(literal)) & _ONE)


@njit(**OPTIONS)
def _program_holds(program: Record, lists: Ints, atoms: Words, i: int) -> bool:
    """Runs a program on a stack of bits, the top lowest."""
    stack = np.uint64(0)
    for k in range(program.first_step, program.end_step):
        step = lists[k]
        if step >= 0:
            stack = (stack << _ONE) | _literal(step, atoms, i)
        elif step == _NOT:
            stack ^= _ONE
        else:
            top = stack & _ONE
            stack >>= _ONE
            if step == _AND:
                stack &= top | ~_ONE
            elif step == _XOR:
                stack ^= top
            else:
                stack |= top
    return bool(stack & _ONE)


@njit(**OPTIONS)
def _run_everywhere(program: Record, lists: Ints, n: int, atoms: Words, scratch: Words, out: Words) -> None:
    """Runs a program for all crossings of a block at once, and sets its output bit.

    Only the lowest bits of the words on the stack count. A literal and the step after it are one loop where possible.
    """
    height, k, end = -1, program.first_step, program.end_step
    while k < end:
        step = lists[k]
        k += 1
        if step == _NOT:
            _flip_everywhere(scratch[height], n)
        elif step < 0:
            height -= 1
            _combine_everywhere(step, scratch[height], scratch[height + 1], _NO_SHIFT, _NO_FLIP, n)
        else:
            word, bit, flip = atoms[step >> (_WORD_SHIFT + 1)], np.uint64((step >> 1) & _BIT_MASK), np.uint64(step & 1)
            if height >= 0 and k < end and lists[k] < _NOT:
                _combine_everywhere(lists[k], scratch[height], word, bit, flip, n)
                k += 1
            else:
                height += 1
                _push_everywhere(word, bit, flip, scratch[height], n)
    stack = scratch[0]
    word, bit = out[program.bit >> _WORD_SHIFT], np.uint64(program.bit & _BIT_MASK)
    for i in range(n):
        word[i] |= (stack[i] & _ONE) << bit


@njit(**OPTIONS)
def _push_everywhere(atoms: Words, bit: np.uint64, flip: np.uint64, top: Words, n: int) -> None:
    for i in range(n):
        top[i] = (atoms[i] >> bit) ^ flip


@njit(**OPTIONS)
def _flip_everywhere(top: Words, n: int) -> None:
    for i in range(n):
        top[i] ^= _ONE


@njit(**OPTIONS)
def _combine_everywhere(step: int, under: Words, atoms: Words, bit: np.uint64, flip: np.uint64, n: int) -> None:
    if step == _AND:
        for i in range(n):
            under[i] &= (atoms[i] >> bit) ^ flip
    elif step == _XOR:
        for i in range(n):
            under[i] ^= (atoms[i] >> bit) ^ flip
    else:
        for i in range(n):
            under[i] |= (atoms[i] >> bit) ^ flip
