"""How the native backend makes a network's inputs of packed words: with shifts and sums, no tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.native_kernel import InputColumn, Stage
from models.backends.native_layout import stage_within
from models.backends.native_sums import NO_WRAP, Range, conversion
from models.backends.network_parts import codes_of_values
from models.backends.vectors import LANES, WORDS_AT_ONCE
from models.errors import BackendLimit, InputsInvalid
from models.inputs import Columns, InputLayout, WordField, n_crossings, word_of
from models.network import Network
from triggers.events import schema

_WORD_BYTES: Final = 4
_WORD_BITS: Final = 32
_SIGN_BIT: Final = 1 << (_WORD_BITS - 1)


@dataclass(frozen=True)
class InputTables:
    """How the kernel makes inputs.

    Attributes:
        table: `(n_inputs, 7)`, columns as `InputColumn`, an even number of rows.
        stages: `(n_inputs, 1, 9)`.
        n_words: words read of a crossing.
    """

    table: NDArray[np.int64]
    stages: NDArray[np.int64]
    n_words: int


@dataclass(frozen=True)
class NativeInputs:
    """A network's inputs, made of packed words.

    Attributes:
        tables: how they are made.
        quads: column and first 32-bit word of each four words that are read.
    """

    tables: InputTables
    quads: tuple[tuple[str, int], ...]

    def sources(self, columns: Columns) -> NDArray[np.int64]:
        """Addresses and strides of the quads in contiguous columns, as the kernel takes them; they must stay alive."""
        return np.array(
            [(columns[c].ctypes.data + _WORD_BYTES * first, columns[c].strides[0]) for c, first in self.quads], np.int64
        )


def native_inputs(network: Network, layout: InputLayout) -> NativeInputs:
    """The tables that make the network's input tensor, checked on every value that a field can have.

    Raises:
        BackendLimit: shifts and sums do not give the exact inputs.
    """
    places = [word_of(field) for field in layout.fields]
    quads = _quads({(field.column, word) for field, (word, _) in zip(layout.fields, places, strict=True)})
    codes = codes_of_values(network, layout)
    n = layout.n_inputs + layout.n_inputs % 2
    table, stages = np.zeros((n, len(InputColumn)), np.int64), np.zeros((n, 1, len(Stage)), np.int64)
    for i, (field, (word, shift)) in enumerate(zip(layout.fields, places, strict=True)):
        table[i], stages[i, 0] = _input(network, i, field, shift, int(codes[0, i]))
        _check(i, field, shift, codes[:, i], table[i], stages[i, 0])
        table[i, InputColumn.ROW] = LANES * _row(quads, field.column, word)
    return NativeInputs(InputTables(table, stages, WORDS_AT_ONCE * len(quads)), quads)


def contiguous(columns: Columns, layout: InputLayout) -> dict[str, NDArray[np.generic]]:
    """The columns in one piece each, at least one vector's rows.

    Raises:
        InputsInvalid: a column is missing, or does not have the event format's shape or type.
    """
    n = n_crossings(layout, columns)
    result = {}
    for name in layout.columns:
        if name not in columns:
            raise InputsInvalid("crossings", f"columns {', '.join(columns)}", f"a column '{name}'")
        column, kind = columns[name], schema.FULL.field(name).type
        expected = ((n, kind.list_size), schema.numpy_dtype(kind))
        if (column.shape, column.dtype) != expected:
            raise InputsInvalid(f"column '{name}'", f"{column.dtype} {column.shape}", f"{expected[1]} {expected[0]}")
        if n < LANES:
            column = np.concatenate([column, np.zeros((LANES - n, kind.list_size), column.dtype)])
        result[name] = np.ascontiguousarray(column)
    return result


def _quads(words: set[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    quads: list[tuple[str, int]] = []
    for column, word in sorted(words):
        kind = schema.FULL.field(column).type
        n_words = kind.list_size * schema.numpy_dtype(kind).itemsize // _WORD_BYTES
        if not (quads and quads[-1][0] == column and word < quads[-1][1] + WORDS_AT_ONCE):
            quads.append((column, min(word, n_words - WORDS_AT_ONCE)))
    return tuple(quads)


def _row(quads: Sequence[tuple[str, int]], column: str, word: int) -> int:
    for i, (other, first) in enumerate(quads):
        if other == column and first <= word < first + WORDS_AT_ONCE:
            return i * WORDS_AT_ONCE + word - first
    raise ValueError(f"word {word} of {column} is not read")


def _input(network: Network, i: int, field: WordField, shift: int, constant: int) -> tuple[list[int], list[int]]:
    """One row of `InputTables.table` and one of its stages; `constant`: the code of a field of no bits."""
    row = [0] * len(InputColumn)
    bits, kind = field.field.bits, network.tensors[network.input_tensor].element_types[i]
    if not bits:
        stage = [0] * len(Stage)
        stage[Stage.WRAP_MASK] = NO_WRAP
        stage[Stage.LOW] = stage[Stage.HIGH] = constant
        return row, stage
    fraction, offset, halvings = _scaling(network, i)
    left, right = fraction + max(-halvings, 0), max(halvings, 0)
    offset <<= max(-halvings, 0)
    least, most = (((value << left) - offset) >> right for value in field.field.allowed)
    stage = conversion(Range(np.array([least], object), np.array([most], object)), np.array([fraction]), (kind,)).table[
        0
    ]
    row[InputColumn.FIELD_LEFT], row[InputColumn.FIELD_RIGHT] = _WORD_BITS - shift - bits, _WORD_BITS - bits
    if not field.field.signed:  # taken as signed with its highest bit flipped: less by half its range
        row[InputColumn.FLIP] = -_SIGN_BIT
        offset -= 1 << (bits - 1 + left)
    row[InputColumn.LEFT], row[InputColumn.OFFSET], row[InputColumn.RIGHT] = left, offset, right
    return row, stage_within(stage, _WORD_BITS)


def _scaling(network: Network, i: int) -> tuple[int, int, int]:
    """Fraction bits of an input's intermediates, its offset in their last bit, its halvings."""
    if network.scaling is None:
        return 0, 0, 0
    fraction = max(network.scaling.unscaled.fraction_bits, 0)
    finer = network.scaling.offset_fraction_bits - fraction
    offset = int(network.scaling.offset[i])
    return fraction, -(-offset >> finer) if finer > 0 else offset << -finer, int(network.scaling.shift[i])


def _check(
    i: int, place: WordField, shift: int, codes: NDArray[np.int64], row: NDArray[np.int64], stage: NDArray[np.int64]
) -> None:
    """Compare with the network's own codes, for every value of a field."""
    words = np.arange(1 << place.field.bits) << shift
    if not np.array_equal(_computed(words, row, stage), codes[: len(words)]):
        raise BackendLimit("native", f"the scaling of input {i} is", "onnxruntime")


def _computed(words: NDArray[np.int64], row: NDArray[np.int64], stage: NDArray[np.int64]) -> NDArray[np.int64]:
    """As the kernel's `_input`, in int32."""
    column = [np.int32(value) for value in row]
    value = words.astype(np.uint32).view(np.int32)
    value = ((value << column[InputColumn.FIELD_LEFT]) ^ column[InputColumn.FLIP]) >> column[InputColumn.FIELD_RIGHT]
    value = ((value << column[InputColumn.LEFT]) - column[InputColumn.OFFSET]) >> column[InputColumn.RIGHT]
    column = [np.int32(value) for value in stage]
    value = value << column[Stage.LEFT]
    value = value + column[Stage.ADDEND] + ((value >> column[Stage.SIGN]) & column[Stage.TIE])
    value = ((value >> column[Stage.DROPPED]) - column[Stage.WRAP_LOW]) & column[Stage.WRAP_MASK]
    codes: NDArray[np.int64] = np.clip(value + column[Stage.WRAP_LOW], column[Stage.LOW], column[Stage.HIGH]).astype(
        np.int64
    )
    return codes
