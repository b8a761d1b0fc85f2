"""The inputs of networks, taken from the packed words of crossings (`docs/models.md`, "Inputs").

Every input is a function of a bit field of a word: the hardware integer itself, or the scaled network input. It is
given by a table with an entry for each value of the field, from which `models.input_rules` finds shifts and sums that
give the same. One kernel serves all lists of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import InputsInvalid
from models.input_kernel import write_inputs
from models.input_rules import InputColumn, Rule, field_columns, function_columns, look_up_columns
from models.vectors import LANES, SQUARE, WORDS_AT_ONCE
from triggers.events import packing, schema

Columns = Mapping[str, NDArray[np.generic]]

_WORD_BITS: Final = 32
_ROWS: Final = {
    name: (schema.FULL.field(name).type.list_size, schema.numpy_dtype(schema.FULL.field(name).type))
    for name in (*schema.OBJECT_COLUMNS, "regions")
}
"""Items of a row and their dtype, by column."""


class WordField(NamedTuple):
    """Where an input stands: field of an item of a column; a field of no bits is an input that is always 0."""

    column: str
    item: int
    field: packing.Field

    def values(self) -> NDArray[np.int64]:
        """Every value that the input can have, in the order of the field's bits, `(2^bits,)`."""
        if not self.field.bits:
            return np.zeros(1, np.int64)
        return self.field.get(np.arange(1 << self.field.bits, dtype=np.uint64) << np.uint64(self.field.shift))


@dataclass(frozen=True)
class InputLayout:
    """Which fields are the inputs of a network, in its order; `models.layouts` makes them of descriptions.

    Attributes:
        fields: one for each input.
    """

    fields: tuple[WordField, ...]

    @property
    def n_inputs(self) -> int:
        """Inputs of a crossing."""
        return len(self.fields)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the event format that the inputs are made from, in the format's order."""
        read = {field.column for field in self.fields}
        return tuple(name for name in schema.FULL.names if name in read)

    def values(self) -> NDArray[np.int64]:
        """Every value of every input, `(n_values, n_inputs)`; columns of fewer values are filled with zeros."""
        values = [field.values() for field in self.fields]
        table = np.zeros((max(map(len, values)), self.n_inputs), np.int64)
        for i, column in enumerate(values):
            table[: len(column), i] = column
        return table

    @cached_property
    def hardware_table(self) -> InputTable:
        """The table that writes the hardware integers themselves."""
        return input_table(self, self.values())


@dataclass(frozen=True)
class InputTable:
    """What the kernels need to make the inputs of crossings.

    Attributes:
        layout: where the inputs stand.
        rules: `(n_inputs, 16) int64`, columns as `models.input_rules.InputColumn`.
        entries: of the inputs that are looked up, int32.
        unit: what the integers are multiplied with, where floating-point numbers are written.
        quads: column and first 32-bit word of each four words that are read.
        wide: integers beyond 32 bits, `(n_values, n_inputs)`, of which the kernel only finds the rows; else None.
    """

    layout: InputLayout
    rules: NDArray[np.int64]
    entries: NDArray[np.int32]
    unit: float
    quads: tuple[tuple[str, int], ...]
    wide: NDArray[np.int64] | None

    @property
    def n_words(self) -> int:
        """Words of 32 bits that are read of a crossing."""
        return WORDS_AT_ONCE * len(self.quads)

    def sources(self, words: Columns) -> NDArray[np.int64]:
        """Addresses and strides of the quads, as the kernels take them; `words`, from `contiguous`, must stay alive."""
        return np.array([(words[c].ctypes.data + 4 * first, words[c].strides[0]) for c, first in self.quads], np.int64)


def input_table(layout: InputLayout, codes: NDArray[np.int64], unit: float = 1.0) -> InputTable:
    """A table that writes a number for each value of each field.

    Args:
        layout: where the inputs stand.
        codes: `(n_values, n_inputs)`: integers to write for each of `layout.values()`.
        unit: of these integers, a power of two; what is written as floating-point numbers is multiplied with it.

    Raises:
        InputsInvalid: a field crosses the border of two words of 32 bits.
    """
    wide = codes if max(codes.max(initial=0), -codes.min(initial=0)) > np.iinfo(np.int32).max else None
    if wide is not None:
        codes = np.broadcast_to(np.arange(len(codes))[:, None], codes.shape)
    quads = _quads({(field.column, word_of(field)[0]) for field in layout.fields})
    rules = np.zeros((layout.n_inputs, len(InputColumn)), np.int64)
    functions = _Functions()
    for i, place in enumerate(layout.fields):
        word, shift = word_of(place)
        values = place.values()
        order = np.argsort(values)
        rule = {InputColumn.WORD: LANES * _row(quads, place.column, word)}
        if place.field.bits:
            rule |= field_columns(shift, place.field.bits, signed=place.field.signed)
        rule |= functions.rule(values[order], codes[order, i])
        rules[i, list(rule)] = list(rule.values())
    return InputTable(layout, rules, functions.entries, unit, quads, wide)


class _Functions:
    """Finds the functions of fields, each once, and collects the tables of those that must be looked up."""

    def __init__(self) -> None:
        self._found: Final[dict[tuple[int, bytes], Rule]] = {}
        self.entries = np.zeros(1, np.int32)

    def rule(self, x: NDArray[np.int64], codes: NDArray[np.int64]) -> Rule:
        key = int(x[0]), codes.tobytes()
        if key not in self._found:
            self._found[key] = function_columns(x, codes) or self._looked_up(x, codes)
        return self._found[key]

    def _looked_up(self, x: NDArray[np.int64], codes: NDArray[np.int64]) -> Rule:
        first = len(self.entries)
        self.entries = np.append(self.entries, codes.astype(np.int32))
        return look_up_columns(x, first)


def _quads(words: set[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    quads: list[tuple[str, int]] = []
    for column, word in sorted(words):
        n_items, dtype = _ROWS[column]
        n_words = n_items * dtype.itemsize * 8 // _WORD_BITS
        if not (quads and quads[-1][0] == column and word < quads[-1][1] + WORDS_AT_ONCE):
            quads.append((column, min(word, n_words - WORDS_AT_ONCE)))
    return tuple(quads)


def _row(quads: Sequence[tuple[str, int]], column: str, word: int) -> int:
    """The place of a word among those that are read; a row of the last quads may have it twice."""
    places = (
        i * WORDS_AT_ONCE + word - first
        for i, (other, first) in enumerate(quads)
        if other == column and first <= word < first + WORDS_AT_ONCE
    )
    return next(places)


def word_of(place: WordField) -> tuple[int, int]:
    """The 32-bit word of the column's row in which a field stands, and its lowest bit in that word.

    Raises:
        InputsInvalid: the field crosses the border of two such words.
    """
    item_bits = 8 * _ROWS[place.column][1].itemsize
    word, shift = divmod(place.item * item_bits + place.field.shift, _WORD_BITS)
    if shift + place.field.bits > _WORD_BITS:
        raise InputsInvalid(f"column '{place.column}'", "a field across two words of 32 bits", "one within a word")
    return word, shift


def fill_inputs(columns: Columns, table: InputTable, out: NDArray[Any]) -> None:
    """Write the inputs of each crossing, as `table` translates them; holds no lock.

    Args:
        columns: packed words as the event format has them, at least `table.layout.columns`.
        table: from `input_table`.
        out: `(n, n_inputs)`, int16, int32, int64, float32 or float64, C-contiguous; overwritten.

    Raises:
        InputsInvalid: a column is missing, does not have `n` rows, or not its width and type.
    """
    n, n_inputs = out.shape
    words = contiguous(columns, table.layout, n)
    if table.wide is not None:
        rows = _written(words, table, n, np.dtype(np.int32))
        out[...] = np.take_along_axis(table.wide, rows.astype(np.intp), axis=0) * np.array(table.unit, out.dtype)
    elif n < LANES or n_inputs < SQUARE:
        out[...] = _written(words, table, n, out.dtype)
    else:
        _write(words, table, out)


def _written(words: Columns, table: InputTable, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inputs `(n, n_inputs)`, also where the kernel needs more rows or columns than there are."""
    n_inputs = table.layout.n_inputs
    missing = max(SQUARE - n_inputs, 0)
    padded = replace(table, rules=np.concatenate([table.rules, table.rules[:1].repeat(missing, axis=0)]))
    out = np.empty((max(n, LANES), n_inputs + missing), dtype)
    _write(words, padded, out)
    return out[:n, :n_inputs]


def _write(words: Columns, table: InputTable, out: NDArray[Any]) -> None:
    write_inputs(
        table.sources(words),
        table.rules,
        table.entries,
        table.unit,
        np.empty(table.n_words * LANES, np.int32),
        np.empty(len(table.rules) * LANES, np.int32),
        np.empty(LANES, np.int32),
        out,
    )


def contiguous(columns: Columns, layout: InputLayout, n: int) -> dict[str, NDArray[np.generic]]:
    """The columns in one piece each, at least one vector's rows.

    Raises:
        InputsInvalid: a column is missing, does not have `n` rows, or not its width and type.
    """
    result = {}
    for name in layout.columns:
        column, (n_items, dtype) = _column(columns, name), _ROWS[name]
        if column.shape != (n, n_items) or column.dtype != dtype:
            raise InputsInvalid(f"column '{name}'", f"{column.dtype} {column.shape}", f"{dtype} {(n, n_items)}")
        if n < LANES:
            column = np.concatenate([column, np.zeros((LANES - n, n_items), dtype)])
        result[name] = np.ascontiguousarray(column)
    return result


def hardware_inputs(layout: InputLayout, columns: Columns) -> NDArray[np.int16]:
    """The inputs in hardware integers, `(n_crossings, n_inputs) int16`, from packed words.

    Raises:
        InputsInvalid: as `fill_inputs`.
    """
    out = np.empty((n_crossings(layout, columns), layout.n_inputs), np.int16)
    fill_inputs(columns, layout.hardware_table, out)
    return out


def n_crossings(layout: InputLayout, columns: Columns) -> int:
    """How many crossings the columns hold.

    Raises:
        InputsInvalid: the first column that the layout needs is missing.
    """
    return len(_column(columns, layout.columns[0]))


def _column(columns: Columns, name: str) -> NDArray[np.generic]:
    if name not in columns:
        raise InputsInvalid("crossings", f"columns {', '.join(columns) or '(none)'}", f"a column '{name}'")
    return columns[name]
