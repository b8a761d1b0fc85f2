"""Where the native backend's numbers lie, and the units that compute them, as tables for the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.native_kernel import OUTPUTS_AT_ONCE, Program, Stage, Unit
from models.backends.native_sums import ONE, SIGN_BIT, Conversion, Exact, Sums
from models.vectors import LANES, WORDS_AT_ONCE

Product = tuple[int, int, int]
"""Two elements, or one and `ONE`, and the weight of their product."""

_HALF_BITS: Final = 16
_SIGN_BIT_32: Final = 31
_NO_STAGE: Final = [0] * len(Stage)


def narrow_rows(n: int) -> int:
    """Rows of two codes for n inputs, a multiple of those that are read at once."""
    return -(-n // (2 * WORDS_AT_ONCE)) * WORDS_AT_ONCE


class Layout:
    """Collects units; elements get their places when they are first made."""

    def __init__(self, n_inputs: int) -> None:
        self._slots: Final[dict[int, int]] = {element: element for element in range(n_inputs)}
        self._rows: Final[dict[int, int]] = {ONE: 0}
        self._n_narrow, self._n_wide = narrow_rows(n_inputs), 1
        self._units: Final[list[list[int]]] = []
        self._pairs: Final[list[int]] = []
        self._weights: Final[list[NDArray[np.int32]]] = []
        self._bias: Final[list[list[int]]] = []
        self._stages: Final[list[list[list[int]]]] = []
        self._factors: Final[list[list[int]]] = []

    def has(self, element: int, *, narrow: bool) -> bool:
        """Whether the element has been made in that form."""
        return element in (self._slots if narrow else self._rows)

    def add_sums(self, first: int, sums: Sums, conversions: Sequence[Conversion], *, narrow: bool) -> None:
        """Units that make the elements from `first` on, from narrow elements, in 32 bits."""
        slots = np.array([self._slots[int(element)] for element in sums.elements], np.int64)
        n = len(sums.bias)
        rows, row_of = np.unique(slots // 2, return_inverse=True)
        padded = -(-n // OUTPUTS_AT_ONCE) * OUTPUTS_AT_ONCE
        weights = np.zeros((len(rows), 2, padded), np.int16)
        weights[row_of, slots % 2, :n] = sums.weights.astype(np.int64)
        for start in range(0, n, OUTPUTS_AT_ONCE):
            stop = min(start + OUTPUTS_AT_ONCE, n)
            first_term, first_stage = len(self._pairs), len(self._stages)
            self._add_terms(rows, weights[:, :, start : start + OUTPUTS_AT_ONCE])
            for one in conversions:
                self._stages.append(_padded(_stages_in_32_bits(one.table[start:stop])))
            self._bias.append(_padded_bias(sums.bias[start:stop]))
            kind, out = self._place(range(first + start, first + stop), narrow=narrow)
            self._units.append([kind, first_term, len(self._pairs), first_stage, len(self._stages), out * LANES])

    def add_products(
        self, element: int, products: Sequence[Product], bias: int, conversions: Sequence[Sequence[int]]
    ) -> None:
        """A unit that makes a wide element from wide elements, in 64 bits; the first conversion is each product's."""
        first_term, first_stage = len(self._factors), len(self._stages)
        for a, b, weight in products:
            self._factors.append([self._rows[a] * LANES, self._rows[b] * LANES, weight])
        for one in conversions:
            self._stages.append([stage_within(one, 64), *[_NO_STAGE] * (OUTPUTS_AT_ONCE - 1)])
        self._bias.append([bias, *[0] * (OUTPUTS_AT_ONCE - 1)])
        self._rows[element] = self._n_wide
        self._n_wide += 1
        out = self._rows[element] * LANES
        self._units.append([Unit.PRODUCTS, first_term, len(self._factors), first_stage, len(self._stages), out])

    def add_packed(self, elements: range) -> None:
        """Units that make wide elements narrow too."""
        for low in elements[::2]:
            high = low + 1 if low + 1 in elements else low
            self._slots[low], self._slots[high] = 2 * self._n_narrow, 2 * self._n_narrow + (high - low)
            items = [self._rows[low] * LANES, self._rows[high] * LANES]
            self._bias.append([0] * OUTPUTS_AT_ONCE)
            self._units.append([Unit.PACK, *items, 0, 0, self._n_narrow * LANES])
            self._n_narrow += 1

    def program(self, score: int) -> Program:
        """The tables; `score` is the element that is the score."""
        return Program(
            units=_table(self._units, 6),
            pairs=np.array(self._pairs, np.int64),
            weights=np.array(self._weights, np.int32).reshape(-1, OUTPUTS_AT_ONCE),
            bias=_table(self._bias, OUTPUTS_AT_ONCE),
            stages=np.array(self._stages, np.int64).reshape(-1, OUTPUTS_AT_ONCE, len(Stage)),
            factors=_table(self._factors, 3),
            n_narrow=self._n_narrow,
            n_wide=self._n_wide,
            score=self._rows[score] * LANES,
        )

    def _add_terms(self, rows: NDArray[np.int64], weights: NDArray[np.int16]) -> None:
        for row in np.flatnonzero(weights.any(axis=(1, 2))):
            low, high = weights[row].astype(np.int64)
            self._pairs.append(int(rows[row]) * LANES)
            self._weights.append((high << _HALF_BITS | low & 0xFFFF).astype(np.int32))

    def _place(self, elements: range, *, narrow: bool) -> tuple[Unit, int]:
        if narrow:
            row = self._n_narrow
            self._n_narrow += OUTPUTS_AT_ONCE // 2
            self._slots.update((element, 2 * row + i) for i, element in enumerate(elements))
            return Unit.NARROW_SUMS, row
        row = self._n_wide
        self._n_wide += OUTPUTS_AT_ONCE
        self._rows.update((element, row + i) for i, element in enumerate(elements))
        return Unit.WIDE_SUMS, row


def _table(rows: list[list[int]], n_columns: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(-1, n_columns)


def _stages_in_32_bits(table: Exact) -> list[list[int]]:
    return [stage_within(row, 32) for row in table]


def stage_within(row: Sequence[int], bits: int) -> list[int]:
    """A stage for numbers of so many bits: limits and shifts beyond them mean the same as the last within."""
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = [min(max(int(value), least), most) for value in row]
    values[Stage.SIGN] = min(values[Stage.SIGN], SIGN_BIT if bits > 32 else _SIGN_BIT_32)
    return values


def _padded(rows: list[list[int]]) -> list[list[int]]:
    return rows + [_NO_STAGE] * (OUTPUTS_AT_ONCE - len(rows))


def _padded_bias(bias: Exact) -> list[int]:
    return [int(value) for value in bias] + [0] * (OUTPUTS_AT_ONCE - len(bias))
