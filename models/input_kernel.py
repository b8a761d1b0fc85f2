"""The compiled loops that make the inputs of networks of packed words, 64 crossings at a time, one in each lane."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators, disable-error-code="misc"

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from models.input_rules import InputColumn
from models.vectors import (
    LANES,
    SQUARE,
    WORDS_AT_ONCE,
    add,
    bit_and,
    greatest,
    least,
    load,
    shift_left,
    shift_right,
    shift_right_unsigned,
    splat,
    store,
    store_rows,
    transpose,
)

OPTIONS: Final[dict[str, Any]] = {"nogil": True, "cache": True, "error_model": "numpy", "_nrt": False}
"""Nothing here allocates, so numba need not count references (`_nrt`), which would take longer than the sums."""

_WORD, _LEFT, _RIGHT, _SIGNED, _UP, _OFFSET, _CUT, _SIGN = (int(column) for column in list(InputColumn)[:8])
_TIE, _ADDEND, _DROPPED, _LAST, _LIMITED, _LOW, _HIGH, _ENTRY = (int(column) for column in list(InputColumn)[8:])


@njit(**OPTIONS)
def read_words(sources, start, out):
    """The words of 64 crossings, crossing by crossing, into `out`, word by word.

    Args:
        sources: `(n, 2) int64`: for each four words of a row, the address in the first row, and bytes from row to row.
        start: the first crossing.
        out: `(n · 4 · 64,) int32`.
    """
    for k in range(len(sources)):
        transpose(sources[k, 0] + start * sources[k, 1], sources[k, 1], out, k * WORDS_AT_ONCE * LANES)


@njit(**OPTIONS, inline="always")
def input_of_words(words, rules, entries, i, scratch):
    """Input i of 64 crossings.

    Args:
        words: from `read_words`.
        rules: `(n_inputs, 16) int64`, columns as `InputColumn`; `WORD` counts items of `words`.
        entries: of the inputs that are looked up, int32.
        i: which.
        scratch: `(64,) int32` at least.
    """
    value = shift_left(load(words, rules[i, _WORD]), _all(rules[i, _LEFT]))
    if rules[i, _SIGNED]:
        value = shift_right(value, _all(rules[i, _RIGHT]))
    else:
        value = shift_right_unsigned(value, _all(rules[i, _RIGHT]))
    if rules[i, _UP]:
        value = shift_left(value, _all(rules[i, _UP]))
    value = add(value, _all(rules[i, _OFFSET]))
    if rules[i, _ENTRY] >= 0:
        store(scratch, 0, value)
        for lane in range(LANES):
            scratch[lane] = entries[rules[i, _ENTRY] + scratch[lane]]
        return load(scratch, 0)
    if rules[i, _CUT]:
        value = shift_right(value, _all(rules[i, _CUT]))
    if rules[i, _DROPPED]:
        tie = bit_and(shift_right(value, _all(rules[i, _SIGN])), _all(rules[i, _TIE]))
        value = shift_right(add(value, add(tie, _all(rules[i, _ADDEND]))), _all(rules[i, _DROPPED]))
    if rules[i, _LAST]:
        value = shift_left(value, _all(rules[i, _LAST]))
    if rules[i, _LIMITED]:
        value = least(greatest(value, _all(rules[i, _LOW])), _all(rules[i, _HIGH]))
    return value


@njit(**OPTIONS)
def _all(number):
    return splat(np.int32(number))


@njit(**OPTIONS)
def write_inputs(sources, rules, entries, unit, words, codes, scratch, out):
    """The inputs of crossings, times `unit` where `out` is of floating-point numbers.

    Args:
        sources: as `read_words` takes them.
        rules: as `input_of_words` takes them.
        entries: the same.
        unit: float64.
        words: work space for `read_words`.
        codes: `(n_inputs · 64,) int32`, work space.
        scratch: `(64,) int32`, work space.
        out: `(n_crossings, n_inputs)`, at least 64 and 16; overwritten.
    """
    n, n_inputs = out.shape
    for block in range(0, n, LANES):
        start = min(block, n - LANES)  # the last block goes over some crossings once more
        read_words(sources, start, words)
        for i in range(n_inputs):
            store(codes, i * LANES, input_of_words(words, rules, entries, i, scratch))
        for rows in range(0, LANES, SQUARE):
            for square in range(0, n_inputs, SQUARE):
                i = min(square, n_inputs - SQUARE)
                store_rows(codes, i * LANES + rows, unit, out, (start + rows) * n_inputs + i, n_inputs)
