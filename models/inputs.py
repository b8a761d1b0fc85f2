"""The inputs of networks, taken from the packed words of crossings (`docs/models.md`, "Inputs").

Every input is a bit field of a word, so a table with one entry per value of that field gives any function of it
exactly: the hardware integer itself, or the scaled network input. One kernel serves all lists of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from models.errors import InputsInvalid
from models.prefetch import prefetch
from triggers.events import packing, schema

Columns = Mapping[str, NDArray[np.generic]]

_WORD_BITS: Final = 32
_FIELDS_AT_ONCE: Final = 3
_BLOCK_ROWS: Final = 256
"""Crossings that the kernel takes at a time: their words and inputs stay in the first cache."""
_ADDRESS: Final = np.uint64
_WORDS_PER_LINE: Final = 16
"""Words of 32 bits in a cache line."""
_ROWS: Final = {
    name: (schema.FULL.field(name).type.list_size, schema.numpy_dtype(schema.FULL.field(name).type))
    for name in (*schema.OBJECT_COLUMNS, "regions")
}
"""Items of a row and their dtype, by column."""
_NO_WORDS: Final = np.zeros((0, 0), np.uint32)


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
        """The table that writes the hardware integers themselves, int16."""
        return input_table(self, self.values().astype(np.int16))


class InputTable(NamedTuple):
    """What the kernel needs to write the inputs of crossings.

    Attributes:
        layout: where the inputs stand.
        entries: the tables of all fields, one after the other; equal ones once.
        steps: `(n_steps, 16) uint64`: number of the column, 32-bit word in its row; then for each of three fields of
            this word shift, mask, first entry, number of the input, where fewer fields are repeated; then column and
            word of a cache line that is fetched for the next block meanwhile, or a column that does not exist.
    """

    layout: InputLayout
    entries: NDArray[Any]
    steps: NDArray[np.uint64]


def input_table(layout: InputLayout, written: NDArray[Any]) -> InputTable:
    """A table that writes a number for each value of each field.

    Args:
        layout: where the inputs stand.
        written: `(n_values, n_inputs)`: what to write for each of `layout.values()`.
    """
    firsts: dict[bytes, int] = {}
    entries: list[NDArray[Any]] = []
    fields: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    n_entries = 0
    for i, place in enumerate(layout.fields):
        table = np.ascontiguousarray(written[: len(place.values()), i])
        key = table.tobytes()
        if key not in firsts:
            firsts[key] = n_entries
            entries.append(table)
            n_entries += len(table)
        word, shift = word_of(place)
        column = layout.columns.index(place.column)
        fields.setdefault((column, word), []).append((shift, place.field.mask, firsts[key], i))
    steps = [
        [*where, *(number for field in _filled(group[k : k + _FIELDS_AT_ONCE]) for number in field)]
        for where, group in sorted(fields.items())
        for k in range(0, len(group), _FIELDS_AT_ONCE)
    ]
    lines = [(column, word) for column, name in enumerate(layout.columns) for word in _first_words_of_lines(name)]
    fetched = zip_longest(steps, lines[: len(steps)], fillvalue=(len(_ROWS), 0))
    return InputTable(layout, np.concatenate(entries), np.array([[*step, *line] for step, line in fetched], _ADDRESS))


def _first_words_of_lines(column: str) -> range:
    """The first words of the cache lines that a row fills; one at least."""
    n_items, dtype = _ROWS[column]
    return range(0, n_items * dtype.itemsize * 8 // _WORD_BITS, _WORDS_PER_LINE)


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
        out: `(n, n_inputs)`, of the table's dtype, C-contiguous; overwritten.

    Raises:
        InputsInvalid: a column is missing, does not have `n` rows, or not its width and type.
    """
    words = [_words(columns, name, len(out)) for name in table.layout.columns]
    words += [_NO_WORDS] * (len(_ROWS) - len(words))  # a tuple of one length: compiled once
    for array in (*words, table.entries, table.steps):
        array.flags.writeable = False
    _fill(tuple(words), table.entries, table.steps, out)


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


def _filled(group: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [*group, *[group[-1]] * (_FIELDS_AT_ONCE - len(group))]


def _words(columns: Columns, name: str, n_rows: int) -> NDArray[np.uint32]:
    """The rows as words of 32 bits, `(n_rows, n_words)`."""
    column, (n_items, dtype) = _column(columns, name), _ROWS[name]
    if column.shape != (n_rows, n_items) or column.dtype != dtype:
        raise InputsInvalid(f"column '{name}'", f"{column.dtype} {column.shape}", f"{dtype} {(n_rows, n_items)}")
    return np.ascontiguousarray(column).view(np.uint32)


@numba.njit(nogil=True, cache=True)
def _fill(columns: Any, entries: Any, steps: Any, out: Any) -> None:
    for first in range(0, len(out), _BLOCK_ROWS):
        rows = _ADDRESS(first), _ADDRESS(min(first + _BLOCK_ROWS, len(out)))
        for k in range(len(steps)):
            words, fetched = columns[steps[k, 0]], steps[k, 14]
            if fetched < len(columns):
                _fill_block(words, columns[fetched], entries, steps, k, rows, out)
            else:
                _fill_block(words, None, entries, steps, k, rows, out)


@numba.njit(nogil=True, cache=True)
def _fill_block(words: Any, fetched: Any, entries: Any, steps: Any, k: Any, rows: Any, out: Any) -> None:
    """Step k for the rows of a block; fetches a line of each row of the next block if `fetched` is not None."""
    word, fetched_word = steps[k, 1], steps[k, 15]
    shift_0, mask_0, entry_0, input_0 = steps[k, 2], steps[k, 3], steps[k, 4], steps[k, 5]
    shift_1, mask_1, entry_1, input_1 = steps[k, 6], steps[k, 7], steps[k, 8], steps[k, 9]
    shift_2, mask_2, entry_2, input_2 = steps[k, 10], steps[k, 11], steps[k, 12], steps[k, 13]
    for row in range(rows[0], rows[1]):
        if fetched is not None:
            prefetch(fetched, (row + _ADDRESS(_BLOCK_ROWS)) * _ADDRESS(fetched.shape[1]) + fetched_word)
        bits = _ADDRESS(words[row, word])
        out[row, input_0] = entries[entry_0 + ((bits >> shift_0) & mask_0)]
        out[row, input_1] = entries[entry_1 + ((bits >> shift_1) & mask_1)]
        out[row, input_2] = entries[entry_2 + ((bits >> shift_2) & mask_2)]
