"""From a network to the tables of the native backend's kernel (`docs/networks.md`, "Backends").

Layers that only add and multiply by constants are not computed where they stand: they are merged into the next
conversion that rounds, clips or wraps. Where their ranges allow it, numbers are 16-bit codes in 32-bit sums, else they
are computed in 64 bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.native_elements import Elements, ProductSource, in_range, limit, only_wrapping, rounding_of
from models.backends.native_kernel import Program
from models.backends.native_layout import Product
from models.backends.native_making import CODE_BITS, program_of
from models.backends.native_sums import ONE, Exact, Range, Sums, added, exact, identity, joined
from models.fixed_codes import convert
from models.fixed_point import FixedPoint
from models.network import Network
from models.network_layers import (
    Add,
    Concatenate,
    Constants,
    Conv2D,
    Dense,
    Dot,
    Layer,
    Linear,
    Multiply,
    Relu,
    Reshape,
    Subtract,
    Tensor,
)

MOST_NUMBERS: Final = 1024
"""Of one tensor."""


def compile_program(network: Network) -> Program:
    """The tables that compute the network's score from the codes of its input tensor.

    Raises:
        BackendLimit: the network has a layer, or numbers, that the kernel cannot compute exactly.
    """
    compiler = _Compiler(network)
    for layer in network.all_layers:
        compiler.add(layer)
    return compiler.finished(network.score_tensor)


class _Compiler:
    """Follows the tensors through the layers, and lays out what the score needs."""

    def __init__(self, network: Network) -> None:
        tensor = network.tensors[network.input_tensor]
        self._tensors: Final = network.tensors
        self._n_inputs: Final = tensor.size
        self._elements: Final = Elements()
        low, high = zip(*(kind.code_range for kind in tensor.element_types), strict=True)
        codes = Range(np.array(low, object), np.array(high, object))
        _check_size(tensor)
        if not codes.within(CODE_BITS):
            raise limit(f"inputs of more than {CODE_BITS} bits are")
        elements = self._elements.new(codes, None)
        self._values: Final = {tensor.name: identity(elements, tensor.fraction_bits.reshape(-1))}

    def add(self, layer: Layer) -> None:
        """Follow one layer.

        Raises:
            BackendLimit: it cannot be computed exactly.
        """
        _check_size(self._tensors[layer.output])
        inputs = [self._values[name] for name in layer.inputs]
        relu = False
        match layer:
            case Dense(weights=weights, bias=bias, accumulator=accumulator):
                value = self._weighted(inputs[0], exact(weights.codes), weights.fraction_bits, bias, accumulator)
            case Conv2D():
                value = self._convolved(layer, inputs[0])
            case Dot(accumulator=accumulator):
                value = self._dot(inputs[0], inputs[1], accumulator)
            case Multiply():
                value = self._multiplied(inputs[0], inputs[1])
            case Add():
                value = added(inputs[0], inputs[1], 1)
            case Subtract():
                value = added(inputs[0], inputs[1], -1)
            case Concatenate():
                value = joined(inputs).taken(self._concatenated_places(layer))
            case Linear() | Reshape():
                value = inputs[0]
            case Relu():
                value, relu = inputs[0], True
            case _:
                raise limit(f"a layer of the kind {type(layer).__name__} is")
        kinds = self._tensors[layer.output].element_types
        self._values[layer.output] = self._elements.converted(value, kinds, relu=relu)

    def finished(self, score: str) -> Program:
        """The tables that compute the tensor `score`."""
        units = self._tensors[score].fraction_bits.reshape(-1)
        sums = self._elements.as_elements(self._values[score].reduced().with_fraction(units))
        return program_of(self._elements, self._n_inputs, sums.elements.tolist())

    def _weighted(
        self, inputs: Sums, weights: Exact, weight_fraction: int, bias: Constants, accumulator: FixedPoint
    ) -> Sums:
        """Bias + inputs · weights `(n_in, n_out)`, in the accumulator."""
        start = exact(convert(exact(bias.codes), bias.fraction_bits, accumulator))
        plain = self._elements.plain(inputs)
        finest = int(plain.fraction.max())
        weights = weights * np.array([1 << int(bits) for bits in finest - plain.fraction], object)[:, None]
        dropped = finest + weight_fraction - accumulator.fraction_bits
        if dropped > 0 and (weights % (1 << dropped)).any():
            products = tuple(
                tuple((int(e), ONE, int(w)) for e, w in zip(plain.elements, column, strict=True) if w)
                for column in weights.T
            )
            return self._accumulated(products, finest + weight_fraction, start, accumulator)
        weights = weights >> dropped if dropped > 0 else weights << -dropped
        fraction = np.full(len(start), accumulator.fraction_bits)
        sums = Sums(plain.elements, weights, start, fraction)
        if in_range(sums.partial_range(*self._elements.ends(plain.elements)), accumulator):
            return sums
        only_wrapping(accumulator)
        return self._elements.converted(sums, (accumulator,) * len(start))

    def _convolved(self, layer: Conv2D, image: Sums) -> Sums:
        """As the dense layer that it equals."""
        height, width, channels = self._tensors[layer.inputs[0]].shape
        output, filters = self._tensors[layer.output], layer.weights.codes.shape[3]
        n = height * width * channels
        padded = np.pad(np.arange(n).reshape(height, width, channels), (*layer.padding, (0, 0)), constant_values=n)
        weights = np.zeros((n + 1, *output.shape), object)
        for place in np.ndindex(*output.shape[:2]):
            top, left = (index * step for index, step in zip(place, layer.stride, strict=True))
            rows, columns = layer.weights.codes.shape[:2]
            window = padded[top : top + rows, left : left + columns]
            weights[window, *place] = layer.weights.codes
        bias = Constants(np.tile(layer.bias.codes, output.size // filters), layer.bias.fraction_bits)
        flat = weights[:n].reshape(n, output.size)
        return self._weighted(image, flat, layer.weights.fraction_bits, bias, layer.accumulator)

    def _dot(self, first: Sums, second: Sums, accumulator: FixedPoint) -> Sums:
        a, b = self._elements.plain(first), self._elements.plain(second)
        fraction = a.fraction + b.fraction
        finest = int(fraction.max())
        products = tuple(
            (int(i), int(j), 1 << (finest - int(bits)))
            for i, j, bits in zip(a.elements, b.elements, fraction, strict=True)
        )
        return self._accumulated((products,), finest, np.zeros(1, object), accumulator)

    def _multiplied(self, first: Sums, second: Sums) -> Sums:
        a, b = self._elements.plain(first), self._elements.plain(second)
        fraction = a.fraction + b.fraction
        products = tuple(((int(i), int(j), 1),) for i, j in zip(a.elements, b.elements, strict=True))
        ranges = self._elements.product_range([one for (one,) in products])
        source = ProductSource(products, np.zeros(len(products), object), rounding_of(ranges, 0, None), ranges)
        return identity(self._elements.new(ranges, source), fraction)

    def _accumulated(
        self, products: tuple[tuple[Product, ...], ...], fraction: int, start: Exact, accumulator: FixedPoint
    ) -> Sums:
        """Sums of products that are converted to the accumulator before they are added."""
        every = [product for one in products for product in one]
        rounding = rounding_of(self._elements.product_range(every), fraction, accumulator)
        low, high, place = start.copy(), start.copy(), 0
        for i, one in enumerate(products):
            part = slice(place, place + len(one))
            low[i] = min(low[i], 0) + sum(min(int(value), 0) for value in rounding.result.low[part])
            high[i] = max(high[i], 0) + sum(max(int(value), 0) for value in rounding.result.high[part])
            place += len(one)
        largest = Range(low, high)
        elements = self._elements.new(largest, ProductSource(products, start, rounding, largest))
        sums = identity(elements, np.full(len(products), accumulator.fraction_bits))
        if in_range(largest, accumulator):
            return sums
        only_wrapping(accumulator)
        return self._elements.converted(sums, (accumulator,) * len(products))

    def _concatenated_places(self, layer: Concatenate) -> NDArray[np.int64]:
        """For each number of the output, which it is among the inputs one after the other."""
        shapes = [self._tensors[name].shape for name in layer.inputs]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = [np.arange(e - np.prod(s), e).reshape(s) for e, s in zip(ends, shapes, strict=True)]
        return np.concatenate(parts, axis=-1).reshape(-1)


def _check_size(tensor: Tensor) -> None:
    if tensor.size > MOST_NUMBERS:
        raise limit(f"a tensor '{tensor.name}' of {tensor.size} numbers is")
