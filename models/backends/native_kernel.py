"""The native backend's compiled loops, one for all networks, driven by tables (`docs/networks.md`, "Backends").

Crossings are worked on in blocks of 64, one in each lane of a vector, so that all numbers of a block stay in the
nearest cache. They lie in two arrays, both of int32 and with 64 items a row: `narrow`, two codes of 16 bits to an item,
which dense layers multiply two at a time; and `wide`, one code to an item, which is slower and holds more.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators, disable-error-code="misc"

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.input_kernel import OPTIONS, input_of_words, read_words
from models.vectors import (
    LANES,
    add,
    add_pair_products,
    bit_and,
    bit_or,
    greatest,
    least,
    lengthened,
    load,
    multiply,
    shift_left,
    shift_right,
    shortened,
    splat,
    store,
    subtract,
)

OUTPUTS_AT_ONCE: Final = 4
"""Sums that are made together, so that what is loaded is used four times."""

Table = NDArray[np.int64]


class Unit(IntEnum):
    """What a row of `Program.units` does."""

    NARROW_SUMS = 0
    """Four sums of narrow codes times weights → two narrow rows."""
    WIDE_SUMS = 1
    """Four sums of narrow codes times weights → four wide rows."""
    PRODUCTS = 2
    """A sum of products of wide codes, in int64 → a wide row."""
    PACK = 3
    """Two wide rows → a narrow row."""


class Stage(IntEnum):
    """Columns of a stage, a conversion of codes: v·2^left, rounded as (v + addend + ((v >> sign) & tie)) >> dropped.

    What is beyond the range wraps if `wrap_mask` is not −1, then is clipped to `low` and `high`.
    """

    LEFT = 0
    DROPPED = 1
    ADDEND = 2
    SIGN = 3
    TIE = 4
    WRAP_MASK = 5
    WRAP_LOW = 6
    LOW = 7
    HIGH = 8


class Program(NamedTuple):
    """A network as tables.

    Attributes:
        units: `(n, 6)`: `Unit`, first row of terms and the one after the last, the same of stages, the output's item.
        pairs: `(n_terms,)`: for sums, items of `narrow`.
        weights: `(n_terms, 4) int32`: two weights of 16 bits for each of the four sums.
        bias: `(n_units, 4)`.
        stages: `(n_stages, 4, 9)`: for each of the four sums.
        factors: `(n_products, 3)`: two items of `wide` and a weight.
        n_narrow: rows of `narrow`.
        n_wide: rows of `wide`; row 0 holds ones.
        score: the item of `wide` where the score begins.
    """

    units: Table
    pairs: Table
    weights: NDArray[np.int32]
    bias: Table
    stages: Table
    factors: Table
    n_narrow: int
    n_wide: int
    score: int


_NARROW, _WIDE, _PRODUCTS = int(Unit.NARROW_SUMS), int(Unit.WIDE_SUMS), int(Unit.PRODUCTS)
_LEFT, _DROPPED, _ADDEND, _SIGN, _TIE = (
    int(column) for column in (Stage.LEFT, Stage.DROPPED, Stage.ADDEND, Stage.SIGN, Stage.TIE)
)
_WRAP_MASK, _WRAP_LOW, _LOW, _HIGH = (int(c) for c in (Stage.WRAP_MASK, Stage.WRAP_LOW, Stage.LOW, Stage.HIGH))
_NO_WRAP: Final = -1
_HALF_BITS: Final = 16
_HALF_MASK: Final = 0xFFFF


@njit(**OPTIONS)
def _all(number):
    return splat(np.int32(number))


@njit(**OPTIONS)
def _converted(value, stages, k, i):
    """One stage of a vector."""
    if stages[k, i, _LEFT]:
        value = shift_left(value, _all(stages[k, i, _LEFT]))
    tie = bit_and(shift_right(value, _all(stages[k, i, _SIGN])), _all(stages[k, i, _TIE]))
    value = add(value, add(tie, _all(stages[k, i, _ADDEND])))
    value = shift_right(value, _all(stages[k, i, _DROPPED]))
    if stages[k, i, _WRAP_MASK] != _NO_WRAP:
        low = _all(stages[k, i, _WRAP_LOW])
        value = add(bit_and(subtract(value, low), _all(stages[k, i, _WRAP_MASK])), low)
    return least(greatest(value, _all(stages[k, i, _LOW])), _all(stages[k, i, _HIGH]))


@njit(**OPTIONS)
def _converted_long(value, stages, k):
    """One stage of a vector of int64."""
    value = shift_left(value, splat(stages[k, 0, _LEFT]))
    tie = bit_and(shift_right(value, splat(stages[k, 0, _SIGN])), splat(stages[k, 0, _TIE]))
    value = shift_right(add(value, add(tie, splat(stages[k, 0, _ADDEND]))), splat(stages[k, 0, _DROPPED]))
    if stages[k, 0, _WRAP_MASK] != _NO_WRAP:
        low = splat(stages[k, 0, _WRAP_LOW])
        value = add(bit_and(subtract(value, low), splat(stages[k, 0, _WRAP_MASK])), low)
    return least(greatest(value, splat(stages[k, 0, _LOW])), splat(stages[k, 0, _HIGH]))


@njit(**OPTIONS)
def _packed(low, high):
    return bit_or(bit_and(low, _all(_HALF_MASK)), shift_left(high, _all(_HALF_BITS)))


@njit(**OPTIONS)
def _sums(program, unit, narrow, wide):
    units = program.units
    kind, first, last = units[unit, 0], units[unit, 1], units[unit, 2]
    first_stage, last_stage, out = units[unit, 3], units[unit, 4], units[unit, 5]
    a, b = _all(program.bias[unit, 0]), _all(program.bias[unit, 1])
    c, d = _all(program.bias[unit, 2]), _all(program.bias[unit, 3])
    for k in range(first, last):
        codes = load(narrow, program.pairs[k])
        a = add_pair_products(a, codes, splat(program.weights[k, 0]))
        b = add_pair_products(b, codes, splat(program.weights[k, 1]))
        c = add_pair_products(c, codes, splat(program.weights[k, 2]))
        d = add_pair_products(d, codes, splat(program.weights[k, 3]))
    for k in range(first_stage, last_stage):
        a, b = _converted(a, program.stages, k, 0), _converted(b, program.stages, k, 1)
        c, d = _converted(c, program.stages, k, 2), _converted(d, program.stages, k, 3)
    if kind == _NARROW:
        store(narrow, out, _packed(a, b))
        store(narrow, out + LANES, _packed(c, d))
    else:
        store(wide, out, a)
        store(wide, out + LANES, b)
        store(wide, out + 2 * LANES, c)
        store(wide, out + 3 * LANES, d)


@njit(**OPTIONS)
def _products(program, unit, wide):
    """Each product takes the unit's first stage, the sum the others."""
    units, factors = program.units, program.factors
    first_stage, last_stage = units[unit, 3], units[unit, 4]
    total = splat(program.bias[unit, 0])
    for k in range(units[unit, 1], units[unit, 2]):
        product = multiply(lengthened(load(wide, factors[k, 0])), lengthened(load(wide, factors[k, 1])))
        if factors[k, 2] != 1:
            product = multiply(product, splat(factors[k, 2]))
        total = add(total, _converted_long(product, program.stages, first_stage))
    for k in range(first_stage + 1, last_stage):
        total = _converted_long(total, program.stages, k)
    store(wide, units[unit, 5], shortened(total))


@njit(**OPTIONS)
def _run(program, narrow, wide):
    for unit in range(len(program.units)):
        kind = program.units[unit, 0]
        if kind <= _WIDE:
            _sums(program, unit, narrow, wide)
        elif kind == _PRODUCTS:
            _products(program, unit, wide)
        else:
            low, high = load(wide, program.units[unit, 1]), load(wide, program.units[unit, 2])
            store(narrow, program.units[unit, 5], _packed(low, high))


@njit(**OPTIONS)
def _inputs(scratch, rules, entries):
    for i in range(0, len(rules), 2):
        low = input_of_words(scratch.words, rules, entries, i, scratch.entries)
        high = input_of_words(scratch.words, rules, entries, i + 1, scratch.entries)
        store(scratch.narrow, (i >> 1) * LANES, _packed(low, high))


class Scratch(NamedTuple):
    """What the kernel works in; belongs to one thread.

    Attributes:
        words: rows of packed words.
        narrow: as `Program` says.
        wide: as `Program` says; row 0 holds ones.
        entries: an input that is looked up.
    """

    words: NDArray[np.int32]
    narrow: NDArray[np.int32]
    wide: NDArray[np.int32]
    entries: NDArray[np.int32]


def scratch_for(program: Program, n_words: int) -> Scratch:
    """Work space for a program that reads so many words of a crossing."""
    return Scratch(
        words=np.zeros(n_words * LANES, np.int32),
        narrow=np.zeros(program.n_narrow * LANES, np.int32),
        wide=np.ones(program.n_wide * LANES, np.int32),
        entries=np.zeros(LANES, np.int32),
    )


@njit(**OPTIONS)
def run_program(program, sources, rules, entries, scratch, scores):
    """The score integers of crossings.

    Args:
        program: the network's.
        sources: as `read_words` takes them.
        rules: as `input_of_words` takes them, an even number; empty: the words are narrow codes.
        entries: the same.
        scratch: from `scratch_for`.
        scores: `(n_crossings,) int32`, at least 64; overwritten.
    """
    for block in range(0, len(scores), LANES):
        start = min(block, len(scores) - LANES)  # the last block goes over some crossings once more
        if len(rules):
            read_words(sources, start, scratch.words)
            _inputs(scratch, rules, entries)
        else:
            read_words(sources, start, scratch.narrow)
        _run(program, scratch.narrow, scratch.wide)
        store(scores, start, load(scratch.wide, program.score))
