"""Functions of bit fields as shifts, sums and limits, found in the functions' tables (`docs/models.md`, "Inputs").

The inputs of networks are hardware integers that are shifted, offset, rounded and limited. Given what such a function
makes of every value of a field, this module finds the numbers with which a compiled kernel computes it, and proves them
on all values; what is no such function is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_WORD_BITS: Final = 32
_SIGN_BIT: Final = _WORD_BITS - 1
_LARGEST: Final = (1 << _SIGN_BIT) - 1
_FINER: Final = 3
"""Offsets of halves, quarters, … of a hardware integer that are tried, as bits."""
_NEVER: Final = -1


class InputColumn(IntEnum):
    """Columns of a rule: how a kernel makes an input of a word.

    A field becomes an integer: x = (word << left) >> right, with its sign where `signed` is 1. Then
    s = ((x << up) + offset) >> cut, and the input is ((s + ((s >> sign) & tie) + addend) >> dropped) << last, within
    `low` and `high` where `limited` is 1; or, where `entry` is not −1, the entry x + offset of a table that begins at
    `entry`.
    """

    WORD = 0
    LEFT = 1
    RIGHT = 2
    SIGNED = 3
    UP = 4
    OFFSET = 5
    CUT = 6
    SIGN = 7
    TIE = 8
    ADDEND = 9
    DROPPED = 10
    LAST = 11
    LIMITED = 12
    LOW = 13
    HIGH = 14
    ENTRY = 15


Rule = dict[InputColumn, int]


def field_columns(shift: int, bits: int, *, signed: bool) -> Rule:
    """What makes x of a field in a word of 32 bits."""
    return {
        InputColumn.LEFT: _WORD_BITS - shift - bits,
        InputColumn.RIGHT: _WORD_BITS - bits,
        InputColumn.SIGNED: int(signed),
    }


def constant(code: int) -> Rule:
    """An input that is always the same."""
    return _limits(code, code) | {InputColumn.ENTRY: _NEVER}


def function_columns(x: NDArray[np.int64], codes: NDArray[np.int64]) -> Rule | None:
    """What makes the input of x, or None if it must be looked up.

    Args:
        x: every value of the field, ascending, `(n,)`.
        codes: the input for each, `(n,)`.
    """
    low, high = int(codes[0]), int(codes[-1])
    if (np.diff(codes) < 0).any():
        return None
    if low == high:
        return constant(low)
    inner = codes[(codes > low) & (codes < high)]
    for rule in (
        rule for last in sorted({_zeros_at_end(inner), 0}, reverse=True) for rule in _candidates(x, codes, last)
    ):
        for limits in ({}, _limits(low, high)):
            whole = {**rule, **limits, InputColumn.ENTRY: _NEVER}
            found = computed(whole, x)
            if found is not None and np.array_equal(found, codes):
                return whole
    return None


def look_up_columns(x: NDArray[np.int64], first_entry: int) -> Rule:
    """What looks an input up in a table with an entry for each x, ascending."""
    return {InputColumn.OFFSET: -int(x[0]), InputColumn.ENTRY: first_entry}


def _limits(low: int, high: int) -> Rule:
    return {InputColumn.LIMITED: 1, InputColumn.LOW: low, InputColumn.HIGH: high}


def computed(rule: Mapping[InputColumn, int], x: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """What the kernel makes of x by a rule without a table; None where 32 bits do not hold it on the way."""
    column = [rule.get(column, 0) for column in InputColumn]
    first = (x << column[InputColumn.UP]) + column[InputColumn.OFFSET]
    s = first >> column[InputColumn.CUT]
    total = s + ((s >> column[InputColumn.SIGN]) & column[InputColumn.TIE]) + column[InputColumn.ADDEND]
    last = (total >> column[InputColumn.DROPPED]) << column[InputColumn.LAST]
    if max(np.abs(first).max(), np.abs(total).max(), np.abs(last).max()) > _LARGEST:
        return None
    if column[InputColumn.LIMITED]:
        last = np.clip(last, column[InputColumn.LOW], column[InputColumn.HIGH])
    return last


def _candidates(x: NDArray[np.int64], codes: NDArray[np.int64], last: int) -> Iterator[Rule]:
    """Rules that agree with the function at one of its steps, the simplest first."""
    steps = np.flatnonzero(np.diff(codes)) + 1
    place = steps[max(len(steps) // 2 - 1, 0)]  # not the last, which may be cut off by the upper limit
    step_code, step_x = int(codes[place]) >> last, int(x[place])
    power = _power(codes, steps) - last
    for finer in range(_FINER if power <= 0 else 1):
        up = max(power, 0) + finer
        for cut, sign, tie, addend, dropped in _roundings(max(-power, 0) + finer):
            base = (((step_code << dropped) - addend) << cut) - (step_x << up)
            for offset in (base + (i << cut) + j for i in (0, -tie, -1, 1) for j in range(1 << finer)):
                yield {
                    InputColumn.UP: up,
                    InputColumn.OFFSET: offset,
                    InputColumn.CUT: cut,
                    InputColumn.SIGN: sign,
                    InputColumn.TIE: tie,
                    InputColumn.ADDEND: addend,
                    InputColumn.DROPPED: dropped,
                    InputColumn.LAST: last,
                }


def _zeros_at_end(codes: NDArray[np.int64]) -> int:
    """How many bits at the end are zero in all."""
    together = int(np.bitwise_or.reduce(codes, initial=0))
    return (together & -together).bit_length() - 1 if together else 0


def _power(codes: NDArray[np.int64], steps: NDArray[np.int64]) -> int:
    """The function's slope as a power of two, from its first to its last step."""
    rise = int(codes[steps[-1]] - codes[steps[0]])
    if not rise:  # a single step, as steep as the distance of its two values
        return int(codes[-1] - codes[0] - 1).bit_length()
    return round(math.log2(rise / int(steps[-1] - steps[0])))


def _roundings(dropped: int) -> Iterator[tuple[int, int, int, int, int]]:
    """`cut`, `sign`, `tie`, `addend` and `dropped` of each way to drop so many bits; halves up are an offset, too."""
    yield dropped, 0, 0, 0, 0
    for cut in range(dropped):
        kept = dropped - cut
        half = 1 << (kept - 1)
        yield cut, kept, 1, half - 1, kept  # halves to even
        yield cut, _SIGN_BIT, 1, half - 1, kept  # halves towards zero
        yield cut, _SIGN_BIT, -1, half, kept  # halves away from zero
        yield cut, _SIGN_BIT, 2 * half - 1, 0, kept  # all towards zero
