"""A network without rounding: its numbers in float64, ranges kept (`docs/evaluation.md`, "Arithmetic")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import Overflow
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
    Multiply,
    Relu,
    Reshape,
    Subtract,
    Table,
    Tensor,
)

Floats = NDArray[np.float64]
_BLOCK_ROWS: Final = 4096


def float_scores(network: Network, inputs: NDArray[np.generic]) -> Floats:
    """The score `(n,)` in the menu's integers with their fraction, of inputs `(n, n_inputs)` in hardware units.

    No number is rounded, and sums do not wrap. Types that saturate keep their range: that of an unsigned one is a ReLU.
    Tables stay tables.

    Args:
        network: weights and layers; its weights are numbers of their types already.
        inputs: before the network's scaling.
    """
    result = np.empty(len(inputs))
    for start in range(0, len(inputs), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        result[rows] = _run(network, inputs[rows].astype(np.float64))
    return result


def _run(network: Network, inputs: Floats) -> Floats:
    values = {network.input_tensor: _network_inputs(network, inputs)}
    for layer in network.all_layers:
        made = _step(layer, [values[name] for name in layer.inputs], network.tensors)
        values[layer.output] = _in_range(made, network.tensors[layer.output])
    scores: Floats = values[network.score_tensor].reshape(len(inputs)) * network.integer_scale
    return scores


def _network_inputs(network: Network, inputs: Floats) -> Floats:
    tensor, scaling = network.tensors[network.input_tensor], network.scaling
    if scaling is not None:
        offset = np.ldexp(scaling.offset.astype(np.float64), -scaling.offset_fraction_bits)
        inputs = np.ldexp(inputs - offset, -scaling.shift)
    return _in_range(inputs.reshape(len(inputs), *tensor.shape), tensor)


def _in_range(values: Floats, tensor: Tensor) -> Floats:
    """Limited to the ranges of types that saturate."""
    ends = np.array(
        [(-np.inf, np.inf) if kind.overflow is Overflow.WRAP else kind.range for kind in tensor.element_types]
    )
    return np.clip(values, ends[:, 0].reshape(tensor.shape), ends[:, 1].reshape(tensor.shape))


def _numbers(constants: Constants) -> Floats:
    return np.ldexp(constants.codes.astype(np.float64), -constants.fraction_bits)


def _step(layer: Layer, inputs: list[Floats], tensors: Mapping[str, Tensor]) -> Floats:
    first, shape = inputs[0], tensors[layer.output].shape
    match layer:
        case Dense():
            return np.asarray(first @ _numbers(layer.weights) + _numbers(layer.bias), np.float64)
        case Conv2D():
            return _conv2d(layer, first, shape)
        case Relu():
            return np.maximum(first, 0.0)
        case Add():
            return first + inputs[1]
        case Subtract():
            return first - inputs[1]
        case Multiply():
            return first * inputs[1]
        case Dot():
            products = (first * inputs[1]).reshape(len(first), -1)
            return np.asarray(products.sum(axis=1, keepdims=True), np.float64)
        case Concatenate():
            return np.concatenate(inputs, axis=-1)
        case Reshape():
            return first.reshape(len(first), *shape)
        case Table():
            return _table(layer, first, tensors)
        case GeometricMean():
            return _geometric_mean(first)
    return first  # Linear only converts, and there is no conversion here


def _conv2d(layer: Conv2D, inputs: Floats, shape: tuple[int, ...]) -> Floats:
    image = np.pad(inputs, ((0, 0), *layer.padding, (0, 0)))
    weights, (height, width, _) = _numbers(layer.weights), shape
    result = np.broadcast_to(_numbers(layer.bias), (len(image), *shape)).copy()
    for row, column in np.ndindex(*weights.shape[:2]):
        rows = slice(row, row + (height - 1) * layer.stride[0] + 1, layer.stride[0])
        columns = slice(column, column + (width - 1) * layer.stride[1] + 1, layer.stride[1])
        result += image[:, rows, columns] @ weights[row, column]
    return result


def _table(layer: Table, inputs: Floats, tensors: Mapping[str, Tensor]) -> Floats:
    kind, output = tensors[layer.inputs[0]].types[0], tensors[layer.output].types[0]
    codes = np.ldexp(kind.quantise(inputs), kind.fraction_bits).astype(np.intp)
    return np.ldexp(layer.values[codes - kind.code_range[0]].astype(np.float64), -output.fraction_bits)


def _geometric_mean(inputs: Floats) -> Floats:
    """Of the roots of the squares."""
    squares = inputs.reshape(len(inputs), -1)
    with np.errstate(divide="ignore"):  # a distance of 0 makes a mean of 0
        return np.asarray(np.exp(np.log(squares).mean(axis=1, keepdims=True) / 2), np.float64)
