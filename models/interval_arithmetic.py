"""Intervals of integer codes, element by element, through conversions and sums (`docs/networks.md`, "Ranges")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import Integers, convert, rounded
from models.fixed_point import FixedPoint, Overflow
from models.network_layers import Tensor


@dataclass(frozen=True, eq=False)
class Interval:
    """What numbers can be: from `low` to `high` (arrays of one shape), in units of 2^−`fraction_bits`."""

    low: Integers
    high: Integers
    fraction_bits: int

    def at(self, fraction_bits: int) -> Interval:
        """The same in finer units."""
        shift = fraction_bits - self.fraction_bits
        return Interval(self.low << shift, self.high << shift, fraction_bits)

    @property
    def bits(self) -> int:
        """The least b for which all magnitudes are below 2^b."""
        return magnitude_bits(self.low, self.high)


def magnitude_bits(*numbers: Integers) -> int:
    """The least b for which all magnitudes are below 2^b."""
    return max(max(-int(part.min(initial=0)), int(part.max(initial=0))) for part in numbers).bit_length()


@dataclass
class WordSize:
    """The widest signed integer met so far: what exact integer arithmetic must hold."""

    bits: int = 0

    def see(self, *numbers: Integers) -> None:
        """Numbers that are computed."""
        self.bits = max(self.bits, magnitude_bits(*numbers) + 1)

    def see_conversion(self, numbers: Interval, kind: FixedPoint) -> None:
        """Numbers that are converted: their shift, its remainder, and the distance from the range's lower end."""
        shift = kind.fraction_bits - numbers.fraction_bits
        bits = numbers.bits + max(shift, 0)
        self.bits = max(self.bits, bits + 2, kind.bits + 2, 2 - shift)


def convert_interval(numbers: Interval, kind: FixedPoint, size: WordSize) -> tuple[Interval, NDArray[np.bool_]]:
    """The numbers after conversion to `kind`, and which of them can be out of its range before."""
    size.see_conversion(numbers, kind)
    dropped = numbers.fraction_bits - kind.fraction_bits
    low, high = (rounded(end, dropped, kind.rounding) for end in (numbers.low, numbers.high))
    least, greatest = kind.code_range
    outside = np.asarray((low < least) | (high > greatest), bool)
    match kind.overflow:
        case Overflow.WRAP:
            one_turn = (low - least) >> kind.bits == (high - least) >> kind.bits
            low, high = (
                np.where(one_turn, convert(end, kind.fraction_bits, kind), bound)
                for end, bound in ((low, least), (high, greatest))
            )
        case Overflow.ZERO:
            low = np.where(outside, np.minimum(np.maximum(low, least), 0), low)
            high = np.where(outside, np.maximum(np.minimum(high, greatest), 0), high)
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            low, high = np.clip(low, least, greatest), np.clip(high, least, greatest)
    return Interval(low, high, kind.fraction_bits), outside


def convert_elements_interval(numbers: Interval, to: Tensor, size: WordSize) -> tuple[Interval, NDArray[np.bool_]]:
    """As `convert_interval`, with the type of each element of `to`; codes are then in units of their own types."""
    low, high = (np.array(end, copy=True).reshape(-1) for end in (numbers.low, numbers.high))
    all_outside = np.zeros(low.shape, bool)
    for kind, elements in to.by_type():
        part = Interval(low[elements], high[elements], numbers.fraction_bits)
        result, outside = convert_interval(part, kind, size)
        low[elements], high[elements] = result.low, result.high
        all_outside[elements] = outside
    return Interval(low.reshape(to.shape), high.reshape(to.shape), 0), all_outside.reshape(to.shape)


def product(a: Interval, b: Interval, same: bool, size: WordSize) -> Interval:
    """The products element by element; `same`: both factors are always the same number."""
    corners = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high]
    if same:
        corners = [corners[0], corners[3]]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    if same:
        low = np.where((a.low <= 0) & (a.high >= 0), 0, low)
    size.see(low, high)
    return Interval(low, high, a.fraction_bits + b.fraction_bits)


@dataclass(frozen=True, eq=False)
class AccumulatorRange:
    """What can happen in an accumulator, to which each term is converted and in which it is added.

    Attributes:
        type: of the accumulator.
        rounds: a term has digits that the accumulator drops: sums of exact products are not the hardware's.
        overflows: the start, a term, or a sum in the hardware's order can be outside of the accumulator's range.
        bits: all sums of the converted terms, in any order, overflows aside, are below 2^`bits` in magnitude, in units
            of 2^−(the accumulator's fraction bits).
        result: what comes out, in those units.
        fraction_bits: the coarsest units in which what comes out is an integer.
    """

    type: FixedPoint
    rounds: bool
    overflows: bool
    bits: int
    result: Interval
    fraction_bits: int

    @property
    def mantissa_bits(self) -> int:
        """What comes out is an integer below 2^`mantissa_bits` in magnitude, in units of 2^−`fraction_bits`."""
        return max(self.result.bits - (self.type.fraction_bits - self.fraction_bits), 0)

    @property
    def converts_once(self) -> bool:
        """Whether the exact sum, converted once to the accumulator's type, is what the hardware gets."""
        return not self.rounds and (not self.overflows or self.type.overflow is Overflow.WRAP)


@dataclass
class Sum:
    """Bounds on partial sums: of all terms so far, and of any of them in any order."""

    low: Integers
    high: Integers
    least: Integers = field(init=False)
    greatest: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.least, self.greatest = np.minimum(self.low, 0), np.maximum(self.high, 0)

    def add(self, low: Integers, high: Integers) -> None:
        """One more term, which is between `low` and `high`."""
        self.low, self.high = self.low + low, self.high + high
        self.least, self.greatest = self.least + np.minimum(low, 0), self.greatest + np.maximum(high, 0)


def accumulate(
    terms: Iterable[Interval], start: Interval, kind: FixedPoint, finest: int, size: WordSize
) -> tuple[AccumulatorRange, Interval]:
    """What happens in an accumulator, and the bounds of exact sums of any of the terms in any order.

    Args:
        terms: one after the other in the hardware's order, in the same units, each in the shape of the result.
        start: what the accumulator begins with, in units that are at most as fine as the terms'.
        kind: the accumulator's type.
        finest: start and terms are multiples of 2^−`finest`.
        size: grows with every integer met.
    """
    converted, outside = convert_interval(start, kind, size)
    unlimited = rounded_interval(start, kind)
    exact, kept, limited = Sum(start.low, start.high), Sum(unlimited.low, unlimited.high), converted
    overflows = bool(outside.any())
    for term in terms:
        exact.add(term.low, term.high)
        code = rounded_interval(term, kind)
        kept.add(code.low, code.high)
        converted, outside = convert_interval(term, kind, size)
        limited, outside_sum = convert_interval(
            Interval(limited.low + converted.low, limited.high + converted.high, kind.fraction_bits), kind, size
        )
        overflows |= bool(outside.any() or outside_sum.any())
    result = limited
    if kind.overflow is Overflow.WRAP:
        result, _ = convert_interval(Interval(kept.low, kept.high, kind.fraction_bits), kind, WordSize())
    accumulator = AccumulatorRange(
        type=kind,
        rounds=finest > kind.fraction_bits,
        overflows=overflows,
        bits=magnitude_bits(kept.least, kept.greatest),
        result=result,
        fraction_bits=kept_fraction_bits(finest, kind, overflows),
    )
    return accumulator, Interval(exact.least, exact.greatest, start.fraction_bits)


def kept_fraction_bits(finest: int, kind: FixedPoint, overflows: bool) -> int:
    """The coarsest units of numbers that were multiples of 2^−`finest` before their conversion to `kind`."""
    saturates = overflows and kind.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)
    return kind.fraction_bits if saturates else min(finest, kind.fraction_bits)


def rounded_interval(numbers: Interval, kind: FixedPoint) -> Interval:
    """The numbers in units of `kind`, rounded as it does, whatever its range."""
    dropped = numbers.fraction_bits - kind.fraction_bits
    return Interval(
        rounded(numbers.low, dropped, kind.rounding), rounded(numbers.high, dropped, kind.rounding), kind.fraction_bits
    )
