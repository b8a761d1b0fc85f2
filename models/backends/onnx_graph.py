"""A bit-exact ONNX graph of a fixed-point network (`docs/networks.md`, "Backends").

Each layer is computed in float32 where the analysis of ranges proves that 24 bits hold every number on the way,
whatever the order of the additions; else in float64 (53 bits), else in int64. Factors of 2 between the units of layers
are multiplied into the weights, so that a dense layer with its ReLU is Gemm, Round, Clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backends.onnx_arithmetic import Arithmetic, Exponents, Numbers
from models.errors import BackendLimit
from models.fixed_codes import convert
from models.fixed_point import FixedPoint, Overflow
from models.intervals import NodeRange, analyse
from models.network import Network
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
    Tensor,
)
from models.onnx_writer import OnnxGraph

INPUT_NAME: Final = "inputs"
MOST_STEPS: Final = 4096
"""Terms of an accumulator that can saturate on the way: each is nodes of its own."""

_FLOAT32: Final = np.dtype(np.float32)
_FLOAT64: Final = np.dtype(np.float64)
_INT64: Final = np.dtype(np.int64)
_FLOATS: Final = ((_FLOAT32, 24, 100), (_FLOAT64, 53, 900))
"""Element type, bits of its mantissa, largest exponent that is used of it."""
_INT64_BITS: Final = 63


@dataclass(frozen=True)
class OnnxNetwork:
    """A network as an ONNX model.

    Attributes:
        content: the model: `inputs (n, n_inputs)`, codes of the network's input tensor → codes of the tensor `output`.
        input_dtype: of the codes of the input tensor.
        output: the score, int32; or, int64, the squared distances whose geometric mean is the score, left to do.
        operators: of the graph's nodes, in order.
    """

    content: bytes
    input_dtype: np.dtype[Any]
    output: Tensor
    operators: tuple[str, ...]


def onnx_network(network: Network) -> OnnxNetwork:
    """The graph that computes the network's score.

    Raises:
        BackendLimit: a number needs more than 63 bits, or a layer too many nodes.
    """
    builder = _Builder(network)
    dtype: np.dtype[Any] = np.dtype(np.int32)
    layers, output = network.all_layers, network.tensors[network.score_tensor]
    if layers and isinstance(layers[-1], GeometricMean):
        layers, output, dtype = layers[:-1], network.tensors[layers[-1].inputs[0]], _INT64
    for layer in layers:
        builder.add(layer)
    content = builder.finished(output, dtype)
    return OnnxNetwork(content, builder.input_dtype, output, tuple(builder.graph.operators))


class _Builder:
    """Adds layer after layer; tensors are `(n, size)`, whatever their shape, in C order."""

    def __init__(self, network: Network) -> None:
        tensor = network.tensors[network.input_tensor]
        self._tensors: Final = network.tensors
        self._ranges: Final = analyse(network)
        self._readers: Final = [(layer, layer.inputs) for layer in network.all_layers]
        self.input_dtype: Final = self._dtype_for(tensor.name, [self._ranges[tensor.name].bits])
        self.graph: Final = OnnxGraph("network", INPUT_NAME, self.input_dtype, tensor.size)
        self._do: Final = Arithmetic(self.graph)
        self._values: Final = {
            tensor.name: Numbers(INPUT_NAME, self.input_dtype, tensor.fraction_bits.reshape(-1)),
        }

    def add(self, layer: Layer) -> None:
        """Add a layer's nodes.

        Raises:
            BackendLimit: a number needs more than 63 bits, or the layer too many nodes.
        """
        output, node = self._tensors[layer.output], self._ranges[layer.output]
        dtype = self._dtype(layer)
        relu = False
        match layer:
            case Dense(weights=weights, bias=bias, accumulator=accumulator):
                (x,) = self._aligned(layer, dtype)
                value = self._weighted(x, weights, bias, accumulator, output)
            case Conv2D(weights=weights, bias=bias, accumulator=accumulator):
                matrix = replace(weights, codes=weights.codes.reshape(-1, weights.codes.shape[3]))
                value = self._weighted(self._windows(layer, dtype), matrix, bias, accumulator, output)
                flat = self.graph.constant([-1, output.size], _INT64)
                value = replace(value, tensor=self.graph.node("Reshape", value.tensor, flat))
            case Dot(accumulator=accumulator):
                a, b = self._aligned(layer, dtype)
                products = Numbers(self.graph.node("Mul", a.tensor, b.tensor), dtype, a.fraction_bits + b.fraction_bits)
                value = self._accumulated(
                    products, np.zeros(1, np.int64), accumulator, node, 1, n_terms=self._tensors[layer.inputs[0]].size
                )
            case Multiply():
                a, b = self._read(layer, dtype)
                value = Numbers(self.graph.node("Mul", a.tensor, b.tensor), dtype, a.fraction_bits + b.fraction_bits)
            case Add() | Subtract():
                a, b = self._read(layer, dtype)
                units = np.maximum(a.fraction_bits, b.fraction_bits)
                a, b = self._do.scaled(a, units), self._do.scaled(b, units)
                operator = "Add" if isinstance(layer, Add) else "Sub"
                value = Numbers(self.graph.node(operator, a.tensor, b.tensor), dtype, units)
            case Concatenate():
                value = self._concatenated(layer, dtype)
            case Relu():
                (value,), relu = self._read(layer, dtype), True
            case Linear() | Reshape():
                (value,) = self._read(layer, dtype)
            case Table():
                self._values[layer.output] = self._looked_up(layer, dtype)
                return
            case _:
                raise _limit(f"a layer of the kind {type(layer).__name__} that is not the last is")
        finer = not value.is_float and bool((value.fraction_bits > output.fraction_bits.reshape(-1)).any())
        if relu or node.rounds or node.overflows or finer:
            kinds = output.types
            beyond = [node.overflows and _can_overflow(kind, node) for kind in kinds]
            value = self._do.converted(value, kinds, beyond, rounds=node.rounds, relu=relu)
        if isinstance(layer, Dot):  # one number, on which ONNX Runtime works faster without an axis of its own
            axis = self.graph.constant([1], _INT64)
            value = replace(value, tensor=self.graph.node("Unsqueeze", value.tensor, axis))
        self._values[layer.output] = value

    def finished(self, output: Tensor, dtype: np.dtype[Any]) -> bytes:
        """The model that gives the codes of a tensor."""
        numbers = self._do.scaled(self._values[output.name], output.fraction_bits.reshape(-1))
        return self.graph.finished(self._do.cast(numbers, dtype).tensor, dtype, output.size)

    # element types

    def _dtype(self, layer: Layer) -> np.dtype[Any]:
        units = sum(_reach(self._values[name].fraction_bits) for name in layer.inputs)
        return self._dtype_for(layer.output, [self._ranges[name].mantissa_bits for name in layer.inputs], units)

    def _dtype_for(self, name: str, needed: Sequence[int], units: int = 0) -> np.dtype[Any]:
        """The fastest element type that holds a node's numbers, and others of so many bits in such units."""
        node, tensor = self._ranges[name], self._tensors[name]
        exponent = max(
            int(np.abs(tensor.fraction_bits).max()),
            node.bits,
            node.value_bits + units,
            abs(node.value_fraction_bits) + units,
        )
        for dtype, bits, most in _FLOATS:
            if node.fits(bits) and max(needed) <= bits and exponent <= most:
                return dtype
        if node.word_bits <= _INT64_BITS:
            return _INT64
        raise _limit(f"numbers of {node.word_bits} bits, as in tensor '{name}', are")

    # what layers read

    def _read(self, layer: Layer, dtype: np.dtype[Any]) -> list[Numbers]:
        return [self._one(name, dtype) for name in layer.inputs]

    def _one(self, name: str, dtype: np.dtype[Any]) -> Numbers:
        numbers = self._values[name]
        if numbers.is_float and dtype.kind == "i":  # integers in the units of the tensor's types
            numbers = self._do.scaled(numbers, self._tensors[name].fraction_bits.reshape(-1))
        return self._do.cast(numbers, dtype)

    def _aligned(self, layer: Layer, dtype: np.dtype[Any]) -> list[Numbers]:
        """What the layer reads, all elements of a tensor in the same units."""
        parts = []
        for numbers in self._read(layer, dtype):
            finest = numbers.fraction_bits.max(keepdims=True)
            scaled = self._do.scaled(numbers, np.broadcast_to(finest, numbers.fraction_bits.shape))
            parts.append(replace(scaled, fraction_bits=finest))
        return parts

    def _windows(self, layer: Conv2D, dtype: np.dtype[Any]) -> Numbers:
        """What each output pixel is made of: `(n, pixels, kernel height · width · channels)`."""
        (x,) = self._aligned(layer, dtype)
        height, width, channels = self._tensors[layer.inputs[0]].shape
        rows, columns = layer.weights.codes.shape[:2]
        n = height * width * channels
        places = np.pad(np.arange(n).reshape(height, width, channels), (*layer.padding, (0, 0)), constant_values=n)
        windows = [
            places[top : top + rows, left : left + columns].reshape(-1)
            for top in range(0, len(places) - rows + 1, layer.stride[0])
            for left in range(0, places.shape[1] - columns + 1, layer.stride[1])
        ]
        tensor = x.tensor
        if any(layer.padding[0]) or any(layer.padding[1]):
            first = self.graph.node("Gather", tensor, self.graph.constant([0], _INT64), axis=1)
            zero = self.graph.node("Sub", first, first)
            tensor = self.graph.node("Concat", tensor, zero, axis=1)
        return replace(x, tensor=self.graph.node("Gather", tensor, self.graph.constant(windows, _INT64), axis=1))

    def _concatenated(self, layer: Concatenate, dtype: np.dtype[Any]) -> Numbers:
        parts = self._read(layer, dtype)
        shapes = [self._tensors[name].shape for name in layer.inputs]
        sizes = [self._tensors[name].size for name in layer.inputs]
        units = np.concatenate([np.broadcast_to(p.fraction_bits, n) for p, n in zip(parts, sizes, strict=True)])
        tensor = self.graph.node("Concat", *(part.tensor for part in parts), axis=1)
        starts = np.cumsum([0, *sizes])
        places = [np.arange(n).reshape(shape) + start for n, shape, start in zip(sizes, shapes, starts, strict=False)]
        order = np.concatenate(places, axis=-1).reshape(-1)
        if (order != np.arange(len(order))).any():
            tensor = self.graph.node("Gather", tensor, self.graph.constant(order, _INT64), axis=1)
        return Numbers(tensor, dtype, units[order])

    def _looked_up(self, layer: Table, dtype: np.dtype[Any]) -> Numbers:
        tensor = self._tensors[layer.inputs[0]]
        least = self.graph.constant(tensor.types[0].code_range[0], _INT64)
        index = self.graph.node("Sub", self._one(tensor.name, _INT64).tensor, least)
        values = self.graph.constant(layer.values, dtype)
        units = self._tensors[layer.output].fraction_bits.reshape(-1)
        return Numbers(self.graph.node("Gather", values, index, axis=0), dtype, units)

    # sums

    def _weighted(
        self, x: Numbers, weights: Constants, bias: Constants, accumulator: FixedPoint, output: Tensor
    ) -> Numbers:
        """Bias + x · weights `(n_in, n_out)` over the last axis of x, as it comes out of the accumulator."""
        node = self._ranges[output.name]
        if node.accumulator is None or not node.accumulator.converts_once:
            column = self.graph.node("Unsqueeze", x.tensor, self.graph.constant([-1], _INT64))
            products = self.graph.node("Mul", column, self.graph.constant(weights.codes, x.dtype))
            numbers = Numbers(products, x.dtype, x.fraction_bits + weights.fraction_bits)
            start = convert(bias.codes.astype(object), bias.fraction_bits, accumulator)
            return self._accumulated(numbers, start, accumulator, node, -2, n_terms=len(weights.codes))
        units = np.array([accumulator.fraction_bits]) if node.accumulator.overflows else self._units_for(output)
        product_units = x.fraction_bits + weights.fraction_bits
        if x.is_float:
            matrix = np.ldexp(weights.codes.astype(np.float64), units - product_units)
            start = np.ldexp(bias.codes.astype(np.float64), units - bias.fraction_bits)
        else:
            units = np.maximum(product_units, bias.fraction_bits)
            matrix = weights.codes << (units - product_units)
            start = bias.codes << (units - bias.fraction_bits)
        total = Numbers(self._product(x, matrix, start, matrices=len(output.shape) == 1), x.dtype, units)
        return self._do.converted(total, (accumulator,), (True,), rounds=False) if node.accumulator.overflows else total

    def _product(self, x: Numbers, matrix: NDArray[Any], start: NDArray[Any], *, matrices: bool) -> str:
        weights, bias = self.graph.constant(matrix, x.dtype), self.graph.constant(start, x.dtype)
        if x.is_float and matrices:
            return self.graph.node("Gemm", x.tensor, weights, bias)
        return self.graph.node("Add", self.graph.node("MatMul", x.tensor, weights), bias)

    def _units_for(self, output: Tensor) -> Exponents:
        """The units of a layer's sums: those into which they will be rounded, so that no factor is left to multiply."""
        node, units = self._ranges[output.name], output.fraction_bits.reshape(-1)
        if not (node.rounds or node.overflows):
            readers = [layer for layer, inputs in self._readers if output.name in inputs]
            wanted = {tuple(self._tensors[layer.output].fraction_bits.flat) for layer in readers}
            if len(wanted) == 1 and all(isinstance(layer, Relu | Linear) for layer in readers):
                units = np.array(wanted.pop(), np.int64)
        if len(output.shape) > 1 or (units == units[0]).all():  # windows share their weights
            units = units.max(keepdims=True)
        return units

    def _accumulated(
        self, terms: Numbers, start: NDArray[Any], kind: FixedPoint, node: NodeRange, axis: int, n_terms: int
    ) -> Numbers:
        """Terms along an axis, each converted to the accumulator, added in it to the start (its codes)."""
        found = node.accumulator
        wraps = kind.overflow is Overflow.WRAP
        in_order = found is not None and found.overflows and not wraps
        if found is None or found.rounds or in_order:
            terms = self._do.converted(terms, (kind,), (in_order,), rounds=found is None or found.rounds)
        if in_order:
            return self._in_order(terms, start, kind, axis, n_terms)
        if axis == 1:
            ones = self.graph.constant(np.ones((n_terms, 1)), terms.dtype)
            column = self.graph.node("MatMul", terms.tensor, ones)
            total = replace(terms, tensor=self.graph.node("Squeeze", column, self.graph.constant([1], _INT64)))
        else:
            axes = self.graph.constant([axis], _INT64)
            total = replace(terms, tensor=self.graph.node("ReduceSum", terms.tensor, axes, keepdims=0))
        units = np.array([kind.fraction_bits])
        if start.any():
            total = self._do.scaled(total, units)
            total = replace(total, tensor=self.graph.node("Add", total.tensor, self.graph.constant(start, terms.dtype)))
        return (
            self._do.converted(total, (kind,), (True,), rounds=False)
            if found is not None and found.overflows
            else total
        )

    def _in_order(self, terms: Numbers, start: NDArray[Any], kind: FixedPoint, axis: int, n_terms: int) -> Numbers:
        """Addition by addition, each converted."""
        total = replace(terms, tensor=self.graph.constant(start, terms.dtype))
        if n_terms > MOST_STEPS:
            raise _limit(f"an accumulator {kind} of {n_terms} terms that can saturate on the way is")
        for i in range(n_terms):
            index = self.graph.constant(i, _INT64)
            one = self.graph.node("Gather", terms.tensor, index, axis=axis)
            total = replace(total, tensor=self.graph.node("Add", one, total.tensor))
            total = self._do.converted(total, (kind,), (True,), rounds=False)
        return total


def _can_overflow(kind: FixedPoint, node: NodeRange) -> bool:
    """Whether numbers before the conversion may leave the type's range; not if the type is wider than they are."""
    bits, fraction_bits = node.value_bits, node.value_fraction_bits
    if node.accumulator is not None:
        bits, fraction_bits = node.accumulator.result.bits, node.accumulator.type.fraction_bits
    most = max(bits - fraction_bits + kind.fraction_bits + 1, -1)  # the least negative number is cut to −1
    return not kind.signed or kind.bits - 1 <= most


def _reach(fraction_bits: Exponents) -> int:
    """The greatest exponent of the units that elements have, and of the factors that bring all to the finest ones."""
    return int(max(np.abs(fraction_bits).max(), np.ptp(fraction_bits)))


def _limit(what: str) -> BackendLimit:
    return BackendLimit("onnxruntime", what, "fixed")
