"""Ranges of all numbers that a network computes, from its weights and input types (`docs/networks.md`, "Ranges").

They tell a backend which arithmetic holds a node exactly: float32 up to 24 bits, float64 up to 53, else integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import Integers, geometric_mean_code, zero_padded
from models.interval_arithmetic import (
    Interval,
    WordSize,
    accumulate,
    convert_interval,
    magnitude_bits,
    product,
)
from models.interval_nodes import Node, NodeRange, finest_fraction_bits, written
from models.network_layers import (
    Add,
    Concatenate,
    Constants,
    Conv2D,
    Dense,
    Dot,
    GeometricMean,
    Layer,
    Linear,
    Multiply,
    Relu,
    Reshape,
    Subtract,
    Table,
)
from models.network_model import Network, Scaling

__all__ = ["NodeRange", "analyse", "integer_bits"]

_INT64_BITS: Final = 60
"""Intermediates below this are computed in int64: faster than Python's integers."""


@lru_cache(maxsize=32)
def analyse(network: Network) -> Mapping[str, NodeRange]:
    """The range of each layer by the name of its output, and of the network's inputs by theirs."""
    ranges = {network.input_tensor: _inputs(network)}
    for layer in network.all_layers:
        node = Node(layer, network.tensors, ranges)
        ranges[layer.output] = _RULES[type(layer)](node, layer)
    return MappingProxyType(ranges)


def integer_bits(network: Network) -> int:
    """The width of signed integers that hold every intermediate of the network."""
    return max(node.word_bits for node in analyse(network).values())


def _inputs(network: Network) -> NodeRange:
    tensor, size = network.tensors[network.input_tensor], WordSize()
    least, greatest = network.given_type.code_range
    low, high = (np.full(tensor.size, end, object) for end in (least, greatest))
    value = Interval(low, high, network.given_type.fraction_bits)
    size.see(value.low, value.high)
    exact = value.bits, value.fraction_bits
    if network.scaling is not None:
        value, exact = _scaled(network.scaling, value, size)
    value = Interval(value.low.reshape(tensor.shape), value.high.reshape(tensor.shape), value.fraction_bits)
    return written(value, np.full(tensor.shape, value.fraction_bits), tensor, size, exact)


def _scaled(scaling: Scaling, given: Interval, size: WordSize) -> tuple[Interval, tuple[int, int]]:
    """The given numbers after the scaling, and bits and fraction bits of all numbers on the way."""
    unscaled = scaling.unscaled
    inputs, _ = convert_interval(given, unscaled, size)
    finest = max(unscaled.fraction_bits, scaling.offset_fraction_bits)
    inputs, offset = inputs.at(finest), scaling.offset.astype(object) << (finest - scaling.offset_fraction_bits)
    size.see(inputs.low, inputs.high, offset)
    difference, _ = convert_interval(Interval(inputs.low - offset, inputs.high - offset, finest), unscaled, size)
    low, high = difference.low.copy(), difference.high.copy()
    for i, shift in enumerate(scaling.shift.tolist()):
        one = Interval(difference.low[i : i + 1], difference.high[i : i + 1], unscaled.fraction_bits + shift)
        shifted, _ = convert_interval(one, unscaled, size)
        low[i : i + 1], high[i : i + 1] = shifted.low, shifted.high
    all_fraction_bits = max(finest, given.fraction_bits, unscaled.fraction_bits + int(scaling.shift.max()))
    return Interval(low, high, unscaled.fraction_bits), (size.bits, all_fraction_bits)


@dataclass(frozen=True, eq=False)
class _Tap:
    """The products of one step of an accumulation: what the input can be, and its weights, broadcast to the output.

    Attributes:
        low: codes in the finest units of the layer's input.
        high: likewise.
        weights: their codes.
        finest: the most fraction bits that a product needs which is not always 0; None if all are.
    """

    low: Integers
    high: Integers
    weights: NDArray[np.int64]
    finest: int | None


def _needed_fraction_bits(numbers: Constants) -> NDArray[np.int64]:
    """The fraction bits that each number needs; meaningless where it is 0."""
    lowest_bit = np.where(numbers.codes == 0, 1, numbers.codes & -numbers.codes)
    return numbers.fraction_bits - np.log2(lowest_bit.astype(np.float64)).astype(np.int64)


def _tap(x: Interval, x_bits: NDArray[np.int64], weights: NDArray[np.int64], needed: NDArray[np.int64]) -> _Tap:
    used = ((x.low != 0) | (x.high != 0)) & (weights != 0)
    finest = (x_bits + needed)[used]
    return _Tap(x.low, x.high, weights, int(finest.max()) if finest.size else None)


def _weighted(node: Node, layer: Dense | Conv2D, x_fraction_bits: int, taps: list[_Tap]) -> NodeRange:
    """A bias and sums of inputs times weights, tap after tap."""
    weights, bias, kind = layer.weights, layer.bias, layer.accumulator
    units = x_fraction_bits + weights.fraction_bits
    grid = max(units, bias.fraction_bits)
    x_bits = max((magnitude_bits(tap.low, tap.high) for tap in taps), default=0)
    widest = x_bits + magnitude_bits(weights.codes) + grid - units
    widest = max(widest, magnitude_bits(bias.codes) + grid - bias.fraction_bits) + len(taps).bit_length() + 1
    widest += max(kind.fraction_bits - grid, 0)
    narrow = max(widest, kind.bits, grid - kind.fraction_bits) <= _INT64_BITS
    dtype = np.dtype(np.int64 if narrow else np.object_)

    def terms() -> Iterator[Interval]:
        for tap in taps:
            part = Interval(tap.low.astype(dtype), tap.high.astype(dtype), x_fraction_bits)
            factor = Interval(tap.weights.astype(dtype), tap.weights.astype(dtype), weights.fraction_bits)
            yield product(part, factor, same=False, size=node.size).at(grid)

    codes = np.broadcast_to(bias.codes.astype(dtype) << (grid - bias.fraction_bits), node.output.shape)
    needed = _needed_fraction_bits(bias)[bias.codes != 0].tolist()
    needed += [tap.finest for tap in taps if tap.finest is not None]
    finest = max(needed, default=grid)
    accumulator, any_order = accumulate(terms(), Interval(codes, codes, grid), kind, finest, node.size)
    return node.accumulated(accumulator, any_order, finest)


def _dense(node: Node, layer: Dense) -> NodeRange:
    x, needed = node.numbers(), _needed_fraction_bits(layer.weights)
    own = node.fraction_bits()
    taps = [
        _tap(Interval(x.low[i : i + 1], x.high[i : i + 1], x.fraction_bits), own[i : i + 1], weights, needed[i])
        for i, weights in enumerate(layer.weights.codes)
    ]
    return _weighted(node, layer, x.fraction_bits, taps)


def _conv2d(node: Node, layer: Conv2D) -> NodeRange:
    x, needed, weights = node.numbers(), _needed_fraction_bits(layer.weights), layer.weights.codes
    low, high, own = (zero_padded(image, (*layer.padding, (0, 0))) for image in (x.low, x.high, node.fraction_bits()))
    rows, columns = (
        [slice(start, start + (size - 1) * step + 1, step) for start in range(width)]
        for size, step, width in zip(node.output.shape, layer.stride, weights.shape, strict=False)
    )
    taps = []
    for row, column, channel in np.ndindex(*weights.shape[:3]):
        at = (rows[row], columns[column], channel, None)
        part = Interval(low[at], high[at], x.fraction_bits)
        taps.append(_tap(part, own[at], weights[row, column, channel], needed[row, column, channel]))
    return _weighted(node, layer, x.fraction_bits, taps)


def _dot(node: Node, layer: Dot) -> NodeRange:
    a, b = node.numbers(0), node.numbers(1)
    products = product(a, b, layer.inputs[0] == layer.inputs[1], node.size)
    low, high = products.low.reshape(-1), products.high.reshape(-1)
    finest = finest_fraction_bits(products, node.fraction_bits(0) + node.fraction_bits(1))
    terms = (Interval(low[i : i + 1], high[i : i + 1], products.fraction_bits) for i in range(len(low)))
    zero = np.zeros(1, object)
    start = Interval(zero, zero, products.fraction_bits)
    accumulator, any_order = accumulate(terms, start, layer.accumulator, finest, node.size)
    return node.accumulated(accumulator, any_order, finest)


def _relu(node: Node, _: Relu) -> NodeRange:
    x = node.numbers()
    return node.converted(Interval(np.maximum(x.low, 0), np.maximum(x.high, 0), x.fraction_bits), node.fraction_bits())


def _linear(node: Node, _: Linear) -> NodeRange:
    return node.converted(node.numbers(), node.fraction_bits())


def _sum_or_difference(node: Node, layer: Add | Subtract) -> NodeRange:
    a, b = node.numbers(0), node.numbers(1)
    finest = max(a.fraction_bits, b.fraction_bits)
    a, b = a.at(finest), b.at(finest)
    node.size.see(a.low, a.high, b.low, b.high)
    if isinstance(layer, Subtract):
        b = Interval(-b.high, -b.low, finest)
    total = Interval(a.low + b.low, a.high + b.high, finest)
    return node.converted(total, np.maximum(node.fraction_bits(0), node.fraction_bits(1)))


def _multiply(node: Node, layer: Multiply) -> NodeRange:
    products = product(node.numbers(0), node.numbers(1), layer.inputs[0] == layer.inputs[1], node.size)
    return node.converted(products, node.fraction_bits(0) + node.fraction_bits(1))


def _concatenate(node: Node, layer: Concatenate) -> NodeRange:
    parts = [node.numbers(i) for i in range(len(layer.inputs))]
    finest = max(part.fraction_bits for part in parts)
    parts = [part.at(finest) for part in parts]
    low, high = (np.concatenate(ends, axis=-1) for ends in zip(*((part.low, part.high) for part in parts), strict=True))
    node.size.see(low, high)
    fraction_bits = np.concatenate([node.fraction_bits(i) for i in range(len(parts))], axis=-1)
    return node.converted(Interval(low, high, finest), fraction_bits)


def _reshape(node: Node, _: Reshape) -> NodeRange:
    x, shape = node.numbers(), node.output.shape
    return node.converted(
        Interval(x.low.reshape(shape), x.high.reshape(shape), x.fraction_bits), node.fraction_bits().reshape(shape)
    )


def _table(node: Node, layer: Table) -> NodeRange:
    (codes,), kind, values = node.ranges, node.read[0].types[0], layer.values.astype(object)
    least = kind.code_range[0]
    slices = [values[low - least : high - least + 1] for low, high in zip(codes.low.flat, codes.high.flat, strict=True)]
    low, high = (np.array([end(part) for part in slices], object).reshape(node.output.shape) for end in (min, max))
    node.size.see(codes.low - least, codes.high - least)
    return node.converted(Interval(low, high, node.output.types[0].fraction_bits), node.output.fraction_bits)


def _geometric_mean(node: Node, _: GeometricMean) -> NodeRange:
    squares, fraction_bits = node.numbers(), node.output.types[0].fraction_bits
    low, high = (
        np.array([geometric_mean_code(end.tolist(), squares.fraction_bits, fraction_bits)], object)
        for end in (squares.low, squares.high)
    )
    return node.converted(Interval(low, high, fraction_bits), node.output.fraction_bits)


_RULES: Final[Mapping[type[Layer], Callable[[Node, Any], NodeRange]]] = {
    Dense: _dense,
    Conv2D: _conv2d,
    Dot: _dot,
    Relu: _relu,
    Linear: _linear,
    Add: _sum_or_difference,
    Subtract: _sum_or_difference,
    Multiply: _multiply,
    Concatenate: _concatenate,
    Reshape: _reshape,
    Table: _table,
    GeometricMean: _geometric_mean,
}
