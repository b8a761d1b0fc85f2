"""Conversions of fixed-point numbers as ONNX operators, in floats or int64 (`docs/networks.md`, "Backends")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint, Overflow, Rounding
from models.onnx_writer import OnnxGraph

Exponents = NDArray[np.int64]
"""Fraction bits, one of each element."""


@dataclass(frozen=True)
class Numbers:
    """A tensor `(n, …, size)` of the graph; its numbers are what it holds times 2^−`fraction_bits`.

    Attributes:
        tensor: its name.
        dtype: float32, float64 or int64.
        fraction_bits: of each element along the last axis, `(size,)`, or one for all, `(1,)`.
    """

    tensor: str
    dtype: np.dtype[Any]
    fraction_bits: Exponents

    @property
    def is_float(self) -> bool:
        """Whether it is held in floating point, in which a factor of 2 costs no digits."""
        return self.dtype.kind == "f"


class Arithmetic:
    """Writes operators on `Numbers` to a graph."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph: Final = graph

    def constant(self, values: Sequence[int] | NDArray[Any], dtype: np.dtype[Any]) -> str:
        """A constant of the same numbers; one number for all if they are equal."""
        array = np.asarray(values, object).reshape(-1)
        if len(array) and (array == array[0]).all():
            return self.graph.constant(_limited(array[0], dtype), dtype)
        return self.graph.constant([_limited(value, dtype) for value in array], dtype)

    def cast(self, numbers: Numbers, dtype: np.dtype[Any]) -> Numbers:
        """The same in another element type."""
        if numbers.dtype == dtype:
            return numbers
        return replace(numbers, tensor=self.graph.cast(numbers.tensor, dtype), dtype=dtype)

    def scaled(self, numbers: Numbers, fraction_bits: Exponents) -> Numbers:
        """The same in other units; integers only in finer ones."""
        left = fraction_bits - numbers.fraction_bits
        if not left.any():
            return replace(numbers, fraction_bits=fraction_bits)
        if numbers.is_float:
            factor = self.graph.constant(_scalar(np.ldexp(1.0, left)), numbers.dtype)
        else:
            factor = self.constant([1 << int(bits) for bits in left], numbers.dtype)
        return Numbers(self.graph.node("Mul", numbers.tensor, factor), numbers.dtype, fraction_bits)

    def converted(
        self,
        numbers: Numbers,
        kinds: Sequence[FixedPoint],
        overflowing: Sequence[bool],
        *,
        rounds: bool = True,
        relu: bool = False,
    ) -> Numbers:
        """Numbers of the types, in their units.

        Args:
            numbers: what is converted, or its greater one with 0 if `relu`.
            kinds: one for each element, or one for all.
            overflowing: for each of the types, whether its range can be left.
            rounds: whether there may be digits that the types do not have.
            relu: whether negative numbers become 0 first.
        """
        clips = all(kind.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC) for kind in kinds)
        if relu and not clips:
            zero = self.constant([0], numbers.dtype)
            numbers = replace(numbers, tensor=self.graph.node("Max", numbers.tensor, zero))
        units = np.array([kind.fraction_bits for kind in kinds], np.int64)
        rounded = self._rounded(numbers, units, [kind.rounding for kind in kinds], rounds=rounds)
        if relu and clips:
            return self._clipped(rounded, [(max(low, 0), high) for low, high in (kind.code_range for kind in kinds)])
        return self._in_range(rounded, kinds, overflowing)

    def _rounded(self, numbers: Numbers, units: Exponents, modes: Sequence[Rounding], *, rounds: bool) -> Numbers:
        n = max(len(units), len(numbers.fraction_bits))
        units, given = np.broadcast_to(units, n), np.broadcast_to(numbers.fraction_bits, n)
        if numbers.is_float:
            numbers = self.scaled(numbers, units)
            if not rounds:
                return numbers
            round_by: Callable[[Rounding], str] = _FloatRounding(self, numbers).by
        else:
            dropped = np.maximum(given - units, 0)
            numbers = self.scaled(numbers, np.maximum(given, units))
            if not dropped.any():
                return numbers
            round_by = _IntegerRounding(self, numbers, dropped).by
        return Numbers(self.chosen(modes, round_by), numbers.dtype, units)

    def chosen(self, modes: Sequence[Any], made: Callable[[Any], str]) -> str:
        """For each element what `made` gives for its mode."""
        distinct = list(dict.fromkeys(modes))
        tensor = made(distinct[0])
        for mode in distinct[1:]:
            mask = self.graph.constant([other == mode for other in modes], np.bool_)
            tensor = self.graph.node("Where", mask, made(mode), tensor)
        return tensor

    def _in_range(self, numbers: Numbers, kinds: Sequence[FixedPoint], overflowing: Sequence[bool]) -> Numbers:
        if not any(overflowing):
            return numbers
        modes = [kind.overflow if beyond else None for kind, beyond in zip(kinds, overflowing, strict=True)]
        modes = [Overflow.SATURATE if mode is Overflow.SATURATE_SYMMETRIC else mode for mode in modes]

        def handled(mode: Overflow | None) -> str:
            match mode:
                case None:
                    return numbers.tensor
                case Overflow.WRAP:
                    return self._wrapped(numbers, kinds, [one is mode for one in modes])
                case Overflow.ZERO:
                    return self._zeroed(numbers, kinds)
                case _:
                    return self._clipped(numbers, [kind.code_range for kind in kinds]).tensor

        return replace(numbers, tensor=self.chosen(modes, handled))

    def _clipped(self, numbers: Numbers, ranges: Sequence[tuple[int, int]]) -> Numbers:
        low, high = (self.constant(ends, numbers.dtype) for ends in zip(*ranges, strict=True))
        if len(set(ranges)) == 1:
            return replace(numbers, tensor=self.graph.node("Clip", numbers.tensor, low, high))
        tensor = self.graph.node("Min", self.graph.node("Max", numbers.tensor, low), high)
        return replace(numbers, tensor=tensor)

    def _zeroed(self, numbers: Numbers, kinds: Sequence[FixedPoint]) -> str:
        beyond = 1 if numbers.is_float else 0  # float32 may not have the greatest number, but the power of two above it
        lows, highs = zip(*(kind.code_range for kind in kinds), strict=True)
        low, high = (self.constant(ends, numbers.dtype) for ends in (lows, [end + beyond for end in highs]))
        inside = self.graph.node(
            "And",
            self.graph.node("GreaterOrEqual", numbers.tensor, low),
            self.graph.node("Less" if beyond else "LessOrEqual", numbers.tensor, high),
        )
        return self.graph.node("Where", inside, numbers.tensor, self.constant([0], numbers.dtype))

    def _wrapped(self, numbers: Numbers, kinds: Sequence[FixedPoint], wraps: Sequence[bool]) -> str:
        """The rest modulo 2^bits, less 2^bits in the upper half of a signed type; any numbers where not `wraps`."""
        bits = [kind.bits if wanted else 0 for kind, wanted in zip(kinds, wraps, strict=True)]
        turn = self.constant([1 << n for n in bits], numbers.dtype)
        if numbers.is_float:
            inverse = self.graph.constant(_scalar(np.ldexp(1.0, -np.array(bits))), numbers.dtype)
            turns = self.graph.node("Floor", self.graph.node("Mul", numbers.tensor, inverse))
            rest = self.graph.node("Sub", numbers.tensor, self.graph.node("Mul", turns, turn))
        else:
            rest = self.graph.node("Mod", numbers.tensor, turn)
        signed = [kind.signed and n > 0 for kind, n in zip(kinds, bits, strict=True)]
        if not any(signed):
            return rest
        half = self.constant(
            [1 << (n - 1) if minus else 1 << n for n, minus in zip(bits, signed, strict=True)], numbers.dtype
        )
        upper = self.graph.node("GreaterOrEqual", rest, half)
        return self.graph.node("Where", upper, self.graph.node("Sub", rest, turn), rest)


class _FloatRounding:
    """Rounds floating-point numbers to integers; every step is exact."""

    def __init__(self, arithmetic: Arithmetic, numbers: Numbers) -> None:
        self._node: Final = arithmetic.graph.node
        self._graph: Final = arithmetic.graph
        self._x: Final = numbers.tensor
        self._dtype: Final = numbers.dtype
        self._cast: Final = arithmetic.graph.cast

    def by(self, mode: Rounding) -> str:
        """The rounded tensor."""
        if mode is Rounding.DOWN:
            return self._node("Floor", self._x)
        if mode is Rounding.NEAREST_EVEN:
            return self._node("Round", self._x)
        down = self._node("Floor", self._x)
        rest = self._node("Sub", self._x, down)
        half, zero = (self._graph.constant(value, self._dtype) for value in (0.5, 0.0))
        match mode:
            case Rounding.TOWARDS_ZERO:
                up = self._node("And", self._node("Less", self._x, zero), self._node("Greater", rest, zero))
            case Rounding.NEAREST_UP:
                up = self._node("GreaterOrEqual", rest, half)
            case Rounding.NEAREST_DOWN:
                up = self._node("Greater", rest, half)
            case _:
                side = "Less" if mode is Rounding.NEAREST_TOWARDS_ZERO else "GreaterOrEqual"
                tie = self._node("And", self._node("Equal", rest, half), self._node(side, self._x, zero))
                up = self._node("Or", self._node("Greater", rest, half), tie)
        return self._node("Add", down, self._cast(up, self._dtype))


class _IntegerRounding:
    """Divides int64 by powers of two, rounded."""

    def __init__(self, arithmetic: Arithmetic, numbers: Numbers, dropped: Exponents) -> None:
        self._node: Final = arithmetic.graph.node
        self._cast: Final = arithmetic.graph.cast
        self._zero: Final = arithmetic.constant([0], numbers.dtype)
        self._two: Final = arithmetic.constant([2], numbers.dtype)
        self._x: Final = numbers.tensor
        divisor = arithmetic.constant([1 << int(bits) for bits in dropped], numbers.dtype)
        # where nothing is dropped the rest is 0, below any half
        self._half: Final = arithmetic.constant([1 << max(int(bits) - 1, 0) for bits in dropped], numbers.dtype)
        self._rest: Final = self._node("Mod", self._x, divisor)
        self._down: Final = self._node("Div", self._node("Sub", self._x, self._rest), divisor)

    def by(self, mode: Rounding) -> str:
        """The rounded tensor."""
        if mode is Rounding.DOWN:
            return self._down
        above = self._node("Greater", self._rest, self._half)
        tie = self._node("Equal", self._rest, self._half)
        match mode:
            case Rounding.TOWARDS_ZERO:
                rest = self._node("Greater", self._rest, self._zero)
                up = self._node("And", self._node("Less", self._x, self._zero), rest)
            case Rounding.NEAREST_UP:
                up = self._node("Or", above, tie)
            case Rounding.NEAREST_DOWN:
                up = above
            case Rounding.NEAREST_EVEN:
                odd = self._node("Greater", self._node("Mod", self._down, self._two), self._zero)
                up = self._node("Or", above, self._node("And", tie, odd))
            case _:
                side = "Less" if mode is Rounding.NEAREST_TOWARDS_ZERO else "GreaterOrEqual"
                up = self._node("Or", above, self._node("And", tie, self._node(side, self._x, self._zero)))
        return self._node("Add", self._down, self._cast(up, np.int64))


def _scalar(values: NDArray[np.float64]) -> NDArray[np.float64] | np.float64:
    flat = values.reshape(-1)
    return flat[0] if (flat == flat[0]).all() else flat


def _limited(value: int, dtype: np.dtype[Any]) -> int | float:
    """An integer in the type's range: limits beyond it are never reached."""
    if dtype.kind == "f":
        return float(value)
    limits = np.iinfo(dtype)
    return min(max(int(value), int(limits.min)), int(limits.max))
