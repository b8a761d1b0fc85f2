"""What is known of one node of a network: its range, and how it is found from those it reads (`docs/networks.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import Integers
from models.interval_arithmetic import (
    AccumulatorRange,
    Interval,
    WordSize,
    convert_elements_interval,
    kept_fraction_bits,
    magnitude_bits,
)
from models.network_layers import Layer, Tensor


@dataclass(frozen=True, eq=False)
class NodeRange:
    """What one layer can compute, over all inputs of the network's input types.

    Each bound is the one that independent inputs of the layer reach; that they depend on each other is not used, but
    where both factors of a product are the same number.

    Attributes:
        low: the least code of each element of the output, in the tensor's shape, Python integers.
        high: the greatest.
        bits: all codes are below 2^`bits` in magnitude.
        fraction_bits: each element of the output is an integer in units of 2^−(its `fraction_bits`), which may be
            coarser than its type's.
        value_bits: what the layer computes before any conversion (a sum of exact products and bias, or of any of them,
            in any order) is an integer below 2^`value_bits` in magnitude, in units of 2^−`value_fraction_bits`.
        value_fraction_bits: the coarsest units in which all of these are integers.
        accumulator: what happens in it, for the layers that have one.
        rounds: the conversion to the output's type can drop digits.
        overflows: a number can be out of the output type's range before that conversion handles it.
        word_bits: signed integers of so many bits hold every intermediate of exact arithmetic on codes.
        mantissa_bits: each output is an integer below 2^`mantissa_bits` in magnitude, in units of its `fraction_bits`.
    """

    low: Integers
    high: Integers
    bits: int
    fraction_bits: NDArray[np.int64]
    value_bits: int
    value_fraction_bits: int
    accumulator: AccumulatorRange | None
    rounds: bool
    overflows: bool
    word_bits: int
    mantissa_bits: int

    def fits(self, mantissa_bits: int) -> bool:
        """Whether floating point with such a mantissa (24: float32, 53: float64) holds value and output exactly.

        That is so for the sum of exact products, what the accumulator makes of it and what the output's type makes of
        that; a sum of products that are rounded one by one (`accumulator.rounds`) must fit too.
        """
        needed = [self.value_bits, self.mantissa_bits]
        if self.accumulator is not None:
            needed += [self.accumulator.mantissa_bits, self.accumulator.bits if self.accumulator.rounds else 0]
        return max(needed) <= mantissa_bits


class Node:
    """What a rule needs: what a layer reads can be, and ways to write down what it gives."""

    def __init__(self, layer: Layer, tensors: Mapping[str, Tensor], ranges: Mapping[str, NodeRange]) -> None:
        self.output: Final = tensors[layer.output]
        self.read: Final = tuple(tensors[name] for name in layer.inputs)
        self.ranges: Final = tuple(ranges[name] for name in layer.inputs)
        self.size: Final = WordSize()

    def numbers(self, index: int = 0) -> Interval:
        """What an input can be, in the finest units of any of its elements' types."""
        fraction_bits = self.read[index].fraction_bits
        finest = int(fraction_bits.max())
        shift = (finest - fraction_bits).astype(object)
        result = Interval(self.ranges[index].low << shift, self.ranges[index].high << shift, finest)
        self.size.see(result.low, result.high)
        return result

    def fraction_bits(self, index: int = 0) -> NDArray[np.int64]:
        """The coarsest units of each element of an input."""
        return self.ranges[index].fraction_bits

    def converted(self, value: Interval, fraction_bits: NDArray[np.int64]) -> NodeRange:
        """The range of a layer without accumulator, from what it computes and the coarsest units of each number."""
        finest = finest_fraction_bits(value, fraction_bits)
        bits = max(value.bits - (value.fraction_bits - finest), 0)
        return written(value, fraction_bits, self.output, self.size, (bits, finest))

    def accumulated(self, accumulator: AccumulatorRange, any_order: Interval, finest: int) -> NodeRange:
        """The range of a layer with an accumulator; all that it adds are multiples of 2^−`finest`."""
        bits = max(any_order.bits - (any_order.fraction_bits - finest), 0)
        fraction_bits = np.full(self.output.shape, accumulator.fraction_bits)
        return written(accumulator.result, fraction_bits, self.output, self.size, (bits, finest), accumulator)


def written(
    value: Interval,
    fraction_bits: NDArray[np.int64],
    output: Tensor,
    size: WordSize,
    exact: tuple[int, int],
    accumulator: AccumulatorRange | None = None,
) -> NodeRange:
    """The range of a node from what is converted to its output's types; `exact`: its value's bits, fraction bits."""
    value = Interval(value.low.astype(object), value.high.astype(object), value.fraction_bits)
    result, outside = convert_elements_interval(value, output, size)
    kept = np.array(
        [
            kept_fraction_bits(int(finest), kind, bool(overflows))
            for finest, kind, overflows in zip(fraction_bits.flat, output.element_types, outside.flat, strict=True)
        ]
    ).reshape(output.shape)
    excess = (output.fraction_bits - kept).astype(object)
    return NodeRange(
        low=result.low,
        high=result.high,
        bits=result.bits,
        fraction_bits=kept,
        value_bits=exact[0],
        value_fraction_bits=exact[1],
        accumulator=accumulator,
        rounds=bool(((output.fraction_bits < fraction_bits) & _not_zero(value)).any()),
        overflows=bool(outside.any()),
        word_bits=size.bits,
        mantissa_bits=magnitude_bits(-(-result.low >> excess), result.high >> excess),
    )


def _not_zero(numbers: Interval) -> NDArray[np.bool_]:
    """Which numbers are not always 0."""
    return np.asarray((numbers.low != 0) | (numbers.high != 0), bool)


def finest_fraction_bits(numbers: Interval, fraction_bits: NDArray[np.int64]) -> int:
    """The greatest fraction bits of the numbers that are not always 0."""
    used = fraction_bits[_not_zero(numbers)]
    return int(used.max()) if used.size else numbers.fraction_bits
