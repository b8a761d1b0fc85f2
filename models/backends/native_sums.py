"""What the native backend computes, before it is laid out in tables: sums of codes, and conversions of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.native_kernel import Stage
from models.errors import BackendLimit
from models.fixed_point import FixedPoint, Overflow, Rounding

Exact = NDArray[np.object_]
"""Python integers: no range is too large."""

ONE: Final = -1
"""The number of the element that is always one."""

NO_WRAP: Final = -1
SIGN_BIT: Final = 63
"""Of int64; a shift by so many bits leaves nothing but the sign."""


@dataclass(frozen=True)
class Range:
    """The least and the greatest code of each number, `(n,)`."""

    low: Exact
    high: Exact

    def within(self, bits: int) -> bool:
        """Whether all fit in two's complement of so many bits."""
        limit = 1 << (bits - 1)
        return bool((self.low >= -limit).all() and (self.high < limit).all())


@dataclass(frozen=True)
class Conversion:
    """A stage for each of n numbers: `table (n, 9)`, columns as `models.backends.native_kernel.Stage`."""

    table: Exact
    largest: Range
    """What the numbers are between the shift to the left and the rounding."""
    result: Range


@dataclass(frozen=True)
class Sums:
    """n numbers: `bias` + Σ of elements times weights, each in units of 2^−`fraction`.

    Attributes:
        elements: their numbers, `(k,)`.
        weights: `(k, n)`.
        bias: `(n,)`.
        fraction: `(n,)`.
    """

    elements: NDArray[np.int64]
    weights: Exact
    bias: Exact
    fraction: NDArray[np.int64]

    def range_of(self, low: Exact, high: Exact) -> Range:
        """What the sums can be, if each element lies between `low` and `high`, `(k,)`."""
        up, down = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        return Range(self.bias + low @ up + high @ down, self.bias + high @ up + low @ down)

    def partial_range(self, low: Exact, high: Exact) -> Range:
        """What the sums can be on the way, from the bias on, in whatever order the products are added."""
        least = np.minimum(np.minimum(low[:, None] * self.weights, high[:, None] * self.weights), 0)
        most = np.maximum(np.maximum(low[:, None] * self.weights, high[:, None] * self.weights), 0)
        zero = self.bias * 0
        low_sum = np.minimum(self.bias, 0) + least.sum(axis=0) + zero
        return Range(low_sum, np.maximum(self.bias, 0) + most.sum(axis=0) + zero)

    def taken(self, places: NDArray[np.int64]) -> Sums:
        """Some of the numbers, in that order."""
        return Sums(self.elements, self.weights[:, places], self.bias[places], self.fraction[places])

    def reduced(self) -> Sums:
        """The same numbers in the coarsest units that hold weights and biases."""
        spare = np.array(
            [_zeros_at_end([*column, bias]) for column, bias in zip(self.weights.T, self.bias, strict=True)]
        )
        factor = np.array([1 << int(bits) for bits in spare], object)
        return replace(self, weights=self.weights // factor, bias=self.bias // factor, fraction=self.fraction - spare)

    def with_fraction(self, fraction: NDArray[np.int64]) -> Sums:
        """The same numbers in finer units."""
        factor = np.array([1 << int(bits) for bits in fraction - self.fraction], object)
        return replace(self, weights=self.weights * factor, bias=self.bias * factor, fraction=fraction)


def _zeros_at_end(numbers: list[int]) -> int:
    """How many bits at the end are zero in all."""
    together = 0
    for number in numbers:
        together |= int(number)
    return (together & -together).bit_length() - 1 if together else 0


def identity(elements: NDArray[np.int64], fraction: NDArray[np.int64]) -> Sums:
    """The elements themselves."""
    n = len(elements)
    return Sums(elements, np.eye(n, dtype=np.int64).astype(object), exact(np.zeros(n, np.int64)), fraction)


def joined(parts: list[Sums]) -> Sums:
    """The numbers of all, one after the other."""
    elements = np.unique(np.concatenate([part.elements for part in parts]))
    weights = []
    for part in parts:
        own = np.zeros((len(elements), len(part.bias)), object)
        own[np.searchsorted(elements, part.elements)] = part.weights
        weights.append(own)
    return Sums(
        elements,
        np.concatenate(weights, axis=1),
        np.concatenate([part.bias for part in parts]),
        np.concatenate([part.fraction for part in parts]),
    )


def added(first: Sums, second: Sums, sign: int) -> Sums:
    """`first` + `sign` · `second`, number by number."""
    fraction = np.maximum(first.fraction, second.fraction)
    both = joined([first.with_fraction(fraction), second.with_fraction(fraction)])
    n = len(first.bias)
    weights = both.weights[:, :n] + sign * both.weights[:, n:]
    return Sums(both.elements, weights, both.bias[:n] + sign * both.bias[n:], fraction)


def exact(values: NDArray[np.int64]) -> Exact:
    """The same integers as Python's."""
    return values.astype(object)


def conversion(
    values: Range, fraction: NDArray[np.int64], kinds: Sequence[FixedPoint], *, relu: bool = False
) -> Conversion:
    """The stage that converts numbers to types, `max(number, 0)` if `relu`.

    Raises:
        BackendLimit: numbers overflow in a way that a stage cannot express.
    """
    rows, largest, results = [], [], []
    for low, high, bits, kind in zip(values.low, values.high, fraction, kinds, strict=True):
        row, on_the_way, result = _one_conversion(int(low), int(high), int(bits), kind, relu)
        rows.append(row)
        largest.append(on_the_way)
        results.append(result)
    return Conversion(np.array(rows, object).reshape(-1, len(Stage)), _range(largest), _range(results))


def comparison_with_zero(values: Range) -> Conversion:
    """The stage max(number, 0)."""
    n = len(values.low)
    row = [0, 0, 0, 0, 0, NO_WRAP, 0, 0, max(int(values.high.max()), 0)]
    return Conversion(np.array([row] * n, object), values, Range(np.maximum(values.low, 0), np.maximum(values.high, 0)))


def _range(pairs: list[tuple[int, int]]) -> Range:
    low, high = zip(*pairs, strict=True)
    return Range(np.array(low, object), np.array(high, object))


def _one_conversion(
    low: int, high: int, fraction: int, kind: FixedPoint, relu: bool
) -> tuple[list[int], tuple[int, int], tuple[int, int]]:
    dropped = max(fraction - kind.fraction_bits, 0)
    left = max(kind.fraction_bits - fraction, 0)
    addend, sign, tie = _rounding(kind.rounding, dropped)
    low, high = low << left, high << left
    largest = (low + min(addend, 0) + min(tie, 0), high + max(addend, 0) + max(tie, 0))
    low, high = (_rounded(value, dropped, addend, sign, tie) for value in (low, high))
    if relu:  # rounding keeps the order, and 0, so it may come before the comparison with 0
        low, high = max(low, 0), max(high, 0)
    least, most = kind.code_range
    wrap_mask = NO_WRAP
    if low < least or high > most:
        if kind.overflow is Overflow.ZERO:
            raise BackendLimit("native", f"numbers that overflow in {kind} are", "onnxruntime")
        if kind.overflow is Overflow.WRAP:
            wrap_mask = (1 << kind.bits) - 1
            low, high = least, most
        low, high = max(min(low, most), least), max(min(high, most), least)
    clip_low = max(least, 0) if relu else least
    return [left, dropped, addend, sign, tie, wrap_mask, least, clip_low, most], largest, (low, high)


def _rounded(value: int, dropped: int, addend: int, sign: int, tie: int) -> int:
    return (value + addend + ((value >> sign) & tie)) >> dropped


def _rounding(rounding: Rounding, dropped: int) -> tuple[int, int, int]:
    """Addend, shift and mask with which (v + addend + ((v >> shift) & mask)) >> dropped rounds v."""
    if dropped == 0:
        return 0, 0, 0
    half = 1 << (dropped - 1)
    match rounding:
        case Rounding.DOWN:
            return 0, 0, 0
        case Rounding.NEAREST_UP:
            return half, 0, 0
        case Rounding.NEAREST_DOWN:
            return half - 1, 0, 0
        case Rounding.NEAREST_EVEN:
            return half - 1, dropped, 1
        case Rounding.TOWARDS_ZERO:
            return 0, SIGN_BIT, 2 * half - 1
        case Rounding.NEAREST_TOWARDS_ZERO:
            return half - 1, SIGN_BIT, 1
        case Rounding.NEAREST_AWAY_FROM_ZERO:
            return half, SIGN_BIT, -1
