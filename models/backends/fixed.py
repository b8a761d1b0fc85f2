"""The backend `fixed`: networks in integers, product by product, as the hardware computes them (`docs/networks.md`).

Slow and obvious on purpose: it is what every other backend is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.backends.version_backend import VersionBackend
from models.errors import InputsInvalid
from models.fixed_codes import Integers, aligned, convert, convert_elements, geometric_mean_code, zero_padded
from models.fixed_point import FixedPoint
from models.intervals import integer_bits
from models.network import Network
from models.network_layers import (
    Add,
    Concatenate,
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
from models.repository import LoadedVersion

_BLOCK_ROWS: Final = 4096
_INT64_BITS: Final = 63
_SMALL: Final = 1 << 40
"""Given integers below this, and types of `_SMALL_BITS`, are converted in int64."""
_SMALL_BITS: Final = 60
_HALVES: Final = 20
"""Fraction bits with which numbers from hardware integers are exact in int64."""
_FINEST_FLOAT: Final = 1074
"""Fraction bits of the least float64: with so many every one is an integer."""

Codes = dict[str, Integers]
Tensors = Mapping[str, Tensor]


class FixedBackend(VersionBackend):
    """Scores crossings with a version's `network.json`, in exact integers; may be shared by threads."""

    def __init__(self, version: LoadedVersion) -> None:
        """Reads the network.

        Raises:
            FileNotListed: the version has no `network.json`.
            NetworkInvalid, UnknownName, BadValue: it is damaged.
        """
        super().__init__(version)
        self.network: Final = version.network

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        return score(self.network, inputs)


def run(network: Network, inputs: ArrayLike) -> dict[str, Integers]:
    """The integer codes of every tensor, `(n, *shape)` by name: int64, or Python integers if int64 cannot hold all.

    Args:
        network: what to compute, its score too.
        inputs: `(n, n_inputs)` finite numbers, in the order of the network's inputs, before its scaling.

    Raises:
        InputsInvalid: the inputs are not of that shape, or not finite numbers.
    """
    dtype = np.dtype(np.int64 if integer_bits(network) <= _INT64_BITS else np.object_)
    given = given_codes(given_numbers(network, inputs), network.given_type).astype(dtype)
    codes: Codes = {network.input_tensor: _network_inputs(network, given)}
    for layer in network.all_layers:
        codes[layer.output] = _STEPS[type(layer)](layer, codes, network.tensors)
    return codes


def input_codes(network: Network, inputs: ArrayLike) -> Integers:
    """The integer codes of the input tensor, `(n, *shape)`, of inputs `(n, n_inputs)` before the network's scaling.

    Raises:
        InputsInvalid: as `run`.
    """
    dtype = np.dtype(np.int64 if integer_bits(network) <= _INT64_BITS else np.object_)
    return _network_inputs(network, given_codes(given_numbers(network, inputs), network.given_type).astype(dtype))


def score(network: Network, inputs: ArrayLike) -> NDArray[np.int64]:
    """The menu's score integers `(n,) int64` of inputs `(n, n_inputs)`.

    Raises:
        InputsInvalid: as `run`.
    """
    values = given_numbers(network, inputs)
    result = np.empty(len(values), np.int64)
    for start in range(0, len(values), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        result[rows] = run(network, values[rows])[network.score_tensor][:, 0]
    return result


def given_numbers(network: Network, inputs: ArrayLike) -> NDArray[np.generic]:
    """The inputs as an array `(n, n_inputs)` of numbers.

    Raises:
        InputsInvalid: they are not of that shape, or not finite numbers.
    """
    return checked_numbers(network.n_inputs, inputs)


def checked_numbers(n_inputs: int, inputs: ArrayLike) -> NDArray[np.generic]:
    """The inputs as an array `(n, n_inputs)` of numbers.

    Raises:
        InputsInvalid: they are not of that shape, or not finite numbers.
    """
    values = np.asarray(inputs)
    if values.ndim != 2 or values.shape[1] != n_inputs or values.dtype.kind not in "iuf":
        raise InputsInvalid("inputs", f"{values.dtype} of shape {values.shape}", f"numbers (n, {n_inputs})")
    if not np.isfinite(values).all():
        raise InputsInvalid("inputs", "infinite or undefined numbers", "finite ones")
    return values


def given_codes(values: NDArray[np.generic], kind: FixedPoint) -> Integers:
    """Any finite numbers as codes of `kind`."""
    if values.dtype.kind == "f":
        return _float_codes(values.astype(np.float64), kind)
    small = kind.bits <= _SMALL_BITS and abs(kind.fraction_bits) <= _HALVES and np.abs(values).max(initial=0) < _SMALL
    return convert(values.astype(np.int64 if small else np.object_), 0, kind)


def given_values(network: Network, inputs: ArrayLike) -> NDArray[np.float64]:
    """The inputs converted to the network's input type, as float64 `(n, n_inputs)`: exact up to 53 bits.

    Raises:
        InputsInvalid: as `run`.
    """
    kind = network.given_type
    return np.ldexp(given_codes(given_numbers(network, inputs), kind).astype(np.float64), -kind.fraction_bits)


def _float_codes(values: NDArray[np.float64], kind: FixedPoint) -> Integers:
    if np.abs(values).max(initial=0.0) < _SMALL and kind.bits <= _SMALL_BITS and abs(kind.fraction_bits) <= _HALVES:
        scaled = np.ldexp(values, _HALVES)
        if (scaled == np.rint(scaled)).all():
            return convert(scaled.astype(np.int64), _HALVES, kind)
    ratios = (value.as_integer_ratio() for value in values.ravel().tolist())
    exact = [numerator * ((1 << _FINEST_FLOAT) // denominator) for numerator, denominator in ratios]
    return convert(np.array(exact, object).reshape(values.shape), _FINEST_FLOAT, kind)


def _network_inputs(network: Network, given: Integers) -> Integers:
    """Codes of the input tensor, after the scaling if there is one."""
    tensor, scaling = network.tensors[network.input_tensor], network.scaling
    if scaling is None:
        return given.reshape(len(given), *tensor.shape)
    unscaled = scaling.unscaled
    inputs = convert(given, network.given_type.fraction_bits, unscaled)
    finest = max(unscaled.fraction_bits, scaling.offset_fraction_bits)
    offset = scaling.offset.astype(given.dtype) << (finest - scaling.offset_fraction_bits)
    difference = convert((inputs << (finest - unscaled.fraction_bits)) - offset, finest, unscaled)
    shifted = np.empty_like(difference)
    for i, shift in enumerate(scaling.shift.tolist()):
        shifted[:, i] = convert(difference[:, i], unscaled.fraction_bits + shift, unscaled)
    return convert_elements(shifted.reshape(len(given), *tensor.shape), unscaled.fraction_bits, tensor)


def _sum_products(
    products: Iterable[Integers], fraction_bits: int, start: Integers, start_fraction_bits: int, kind: FixedPoint
) -> Integers:
    """The start and the products, each converted to `kind` and added in it, one after the other."""
    total = convert(start, start_fraction_bits, kind)
    for product in products:
        total = convert(total + convert(product, fraction_bits, kind), kind.fraction_bits, kind)
    return total


def _dense(layer: Dense, codes: Codes, tensors: Tensors) -> Integers:
    (inputs,) = layer.inputs
    x, fraction_bits = aligned(codes[inputs], tensors[inputs])
    weights = layer.weights.codes.astype(x.dtype)
    bias = np.broadcast_to(layer.bias.codes.astype(x.dtype), (len(x), weights.shape[1]))
    total = _sum_products(
        (x[:, i, None] * weights[i] for i in range(len(weights))),
        fraction_bits + layer.weights.fraction_bits,
        bias,
        layer.bias.fraction_bits,
        layer.accumulator,
    )
    return convert_elements(total, layer.accumulator.fraction_bits, tensors[layer.output])


def _conv2d(layer: Conv2D, codes: Codes, tensors: Tensors) -> Integers:
    (inputs,), output = layer.inputs, tensors[layer.output]
    image, fraction_bits = aligned(codes[inputs], tensors[inputs])
    image = zero_padded(image, ((0, 0), *layer.padding, (0, 0)))
    weights = layer.weights.codes.astype(image.dtype)
    rows, columns = (
        [slice(start, start + (size - 1) * step + 1, step) for start in range(width)]
        for size, step, width in zip(output.shape, layer.stride, weights.shape, strict=False)
    )
    total = _sum_products(
        (
            image[:, rows[row], columns[column], channel, None] * weights[row, column, channel]
            for row, column, channel in np.ndindex(*weights.shape[:3])
        ),
        fraction_bits + layer.weights.fraction_bits,
        np.broadcast_to(layer.bias.codes.astype(image.dtype), (len(image), *output.shape)),
        layer.bias.fraction_bits,
        layer.accumulator,
    )
    return convert_elements(total, layer.accumulator.fraction_bits, output)


def _dot(layer: Dot, codes: Codes, tensors: Tensors) -> Integers:
    (a, a_bits), (b, b_bits) = (aligned(codes[name], tensors[name]) for name in layer.inputs)
    products = (a * b).reshape(len(a), -1)
    total = _sum_products(
        (products[:, i : i + 1] for i in range(products.shape[1])),
        a_bits + b_bits,
        np.zeros((len(a), 1), a.dtype),
        0,
        layer.accumulator,
    )
    return convert_elements(total, layer.accumulator.fraction_bits, tensors[layer.output])


def _relu(layer: Relu, codes: Codes, tensors: Tensors) -> Integers:
    x, fraction_bits = aligned(codes[layer.inputs[0]], tensors[layer.inputs[0]])
    return convert_elements(np.maximum(x, 0), fraction_bits, tensors[layer.output])


def _linear(layer: Linear, codes: Codes, tensors: Tensors) -> Integers:
    x, fraction_bits = aligned(codes[layer.inputs[0]], tensors[layer.inputs[0]])
    return convert_elements(x, fraction_bits, tensors[layer.output])


def _sum_or_difference(layer: Add | Subtract, codes: Codes, tensors: Tensors) -> Integers:
    (a, a_bits), (b, b_bits) = (aligned(codes[name], tensors[name]) for name in layer.inputs)
    finest = max(a_bits, b_bits)
    a, b = a << (finest - a_bits), b << (finest - b_bits)
    return convert_elements(a + b if isinstance(layer, Add) else a - b, finest, tensors[layer.output])


def _multiply(layer: Multiply, codes: Codes, tensors: Tensors) -> Integers:
    (a, a_bits), (b, b_bits) = (aligned(codes[name], tensors[name]) for name in layer.inputs)
    return convert_elements(a * b, a_bits + b_bits, tensors[layer.output])


def _concatenate(layer: Concatenate, codes: Codes, tensors: Tensors) -> Integers:
    parts = [aligned(codes[name], tensors[name]) for name in layer.inputs]
    finest = max(bits for _, bits in parts)
    together = np.concatenate([part << (finest - bits) for part, bits in parts], axis=-1)
    return convert_elements(together, finest, tensors[layer.output])


def _reshape(layer: Reshape, codes: Codes, tensors: Tensors) -> Integers:
    x = codes[layer.inputs[0]]
    return x.reshape(len(x), *tensors[layer.output].shape)


def _table(layer: Table, codes: Codes, tensors: Tensors) -> Integers:
    x, kind = codes[layer.inputs[0]], tensors[layer.inputs[0]].types[0]
    return layer.values[(x - kind.code_range[0]).astype(np.intp)].astype(x.dtype)


def _geometric_mean(layer: GeometricMean, codes: Codes, tensors: Tensors) -> Integers:
    (name,), output = layer.inputs, tensors[layer.output]
    squares, kind = codes[name], tensors[name].types[0]
    roots = [geometric_mean_code(row, kind.fraction_bits, output.types[0].fraction_bits) for row in squares.tolist()]
    means = convert(np.array(roots, object)[:, None], output.types[0].fraction_bits, output.types[0])
    return means.astype(squares.dtype)


_STEPS: Final[Mapping[type[Layer], Callable[[Any, Codes, Tensors], Integers]]] = {
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
