"""A network as combinational logic: adders, shifts and multiplexers that give the same bits (`docs/firmware.md`).

Each layer is traced with da4ml, whose solver shares the sub-sums of constant matrix products between outputs
(distributed arithmetic, arXiv:2507.04535). The conversions are those of `docs/networks.md`, "Types"; where an
accumulator drops no digit and wraps, converting once after the exact sum gives the same bits as converting each term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np
from da4ml.trace import FixedVariable, FixedVariableArray, HWConfig, comb_trace
from da4ml.types import CombLogic
from numpy.typing import NDArray

from firmware.da4ml_exact import check_width, check_widths, exact_numbers
from firmware.da4ml_package import SOLVER_BITS
from firmware.rtl_errors import NotLogic
from models.fixed_codes import convert as convert_codes
from models.fixed_point import FixedPoint, Overflow, Rounding
from models.intervals import analyse
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

Wires = NDArray[np.object_]
"""An array of da4ml's symbolic numbers, one for each element of a tensor."""

_MAX_TABLE_BITS: Final = 16
"""Greater look-up tables do not fit into a part's logic."""
_CUT_AT_ONCE: Final = 32
_HARDWARE: Final = HWConfig(1, -1, -1)
"""One unit of latency for an adder, whatever its width, as da4ml counts by default."""


def network_logic(network: Network, ports: Sequence[FixedPoint]) -> CombLogic:
    """The logic from a network's given inputs to its score; the output's unit is 1, that of the menu's integer.

    Args:
        network: what to compute, its scaling and its score too.
        ports: the type of each given input, none finer or wider than `network.given_type` can tell.

    Raises:
        NotLogic: a layer cannot be expressed.
    """
    with exact_numbers(network.name):
        inputs = np.array([input_port(kind) for kind in ports], object)
        tensor = network.tensors[network.input_tensor]
        values: dict[str, Wires] = {network.input_tensor: _scaled(network, inputs).reshape(tensor.shape)}
        tracer = _Tracer(network, values)
        for layer in network.all_layers:
            values[layer.output] = tracer.trace(layer)
        (score,) = values[network.score_tensor]
        logic = comb_trace(list(inputs), [score * float(network.integer_scale)], keep_dead_inputs=True)
        check_widths(logic)
    return logic


def window_logic(network: Network, layer: Conv2D) -> CombLogic:
    """The logic of one window of a convolution, the middle one, from the layer's input to its filters' outputs."""
    read, output = network.tensors[layer.inputs[0]], network.tensors[layer.output]
    with exact_numbers(network.name):
        return _window(network, layer, read, output)


def _window(network: Network, layer: Conv2D, read: Tensor, output: Tensor) -> CombLogic:
    pixels = _array(input_port(kind) for kind in read.element_types)
    windows = _patches(layer, pixels.reshape(read.shape), output)
    middle = len(windows) // 2
    filters = output.shape[-1]
    made = _Tracer(network, {}).weighted(layer, [windows[middle]], _conv_terms)
    kinds = output.element_types[middle * filters : (middle + 1) * filters]
    results = [convert(x, kind) for x, kind in zip(made, kinds, strict=True)]
    return comb_trace(list(pixels), results, keep_dead_inputs=True)


def dense_sums(layer: Dense, inputs: Sequence[FixedVariable]) -> list[FixedVariable]:
    """The exact sums of a dense layer: bias and products, before any conversion."""
    bias = np.ldexp(layer.bias.codes.astype(np.float64), -layer.bias.fraction_bits).tolist()
    products = _product(_array(inputs), _dense_terms(layer.weights))
    return [x + b for x, b in zip(products, bias, strict=True)]


def input_port(kind: FixedPoint) -> FixedVariable:
    """A number of this type that comes from outside."""
    signed = int(kind.signed)
    return FixedVariable.from_kif(signed, kind.integer_bits - signed, kind.fraction_bits, hwconf=_HARDWARE)


def _scaled(network: Network, inputs: Wires) -> Wires:
    """The tensor of the first layers, flat, from the given inputs."""
    tensor, scaling = network.tensors[network.input_tensor], network.scaling
    given = [convert(x, network.given_type) for x in inputs]
    if scaling is not None:
        offsets = np.ldexp(scaling.offset.astype(np.float64), -scaling.offset_fraction_bits)
        given = [convert(x, scaling.unscaled) for x in given]
        given = [convert(x - offset, scaling.unscaled) for x, offset in zip(given, offsets.tolist(), strict=True)]
        given = [
            convert(x * 2.0**-shift, scaling.unscaled) for x, shift in zip(given, scaling.shift.tolist(), strict=True)
        ]
    return _array(convert(x, kind) for x, kind in zip(given, tensor.element_types, strict=True))


def convert(value: FixedVariable, kind: FixedPoint) -> FixedVariable:
    """A number converted to a type: rounded, then brought into range; raises `TooWide` if da4ml cannot hold it."""
    check_width(value)
    if value.low != value.high:
        value = _rounded(value, kind)
    made = _constant(value, kind) if value.low == value.high else _in_range(value, kind)
    check_width(made)
    return made


def _rounded(value: FixedVariable, kind: FixedPoint) -> FixedVariable:
    """Adds what makes cutting (towards −∞) the type's rounding: then the digits are cut."""
    _, _, fraction_bits = value.kif
    dropped = fraction_bits - kind.fraction_bits
    if dropped <= 0:
        return value
    unit, half = 2.0**-fraction_bits, 2.0 ** (dropped - 1 - fraction_bits)
    match kind.rounding:
        case Rounding.DOWN:
            shifted = value
        case Rounding.NEAREST_UP:
            shifted = value + half
        case Rounding.NEAREST_DOWN:
            shifted = value + (half - unit)
        case Rounding.NEAREST_EVEN:
            shifted = value + (half - unit) + _last_digit(value, kind.fraction_bits) * unit
        case Rounding.TOWARDS_ZERO:
            shifted = value + value.is_negative() * (2 * half - unit)
        case Rounding.NEAREST_TOWARDS_ZERO:
            shifted = value + (half - unit) + value.is_negative() * unit
        case Rounding.NEAREST_AWAY_FROM_ZERO:
            shifted = value + half - value.is_negative() * unit
    return _cut(shifted, kind.fraction_bits)


def _cut(value: FixedVariable, fraction_bits: int) -> FixedVariable:
    """The number without the digits behind so many, cut towards −∞; not too many at once for da4ml's interpreter."""
    signed, integer_bits, present = value.kif
    while present > fraction_bits:
        present = max(present - _CUT_AT_ONCE, fraction_bits)
        value = value.quantize(signed, max(integer_bits, -present), present)
    return value


def _constant(value: FixedVariable, kind: FixedPoint) -> FixedVariable:
    """A constant, converted here and now."""
    numerator, denominator = value.low.as_integer_ratio()
    fraction_bits = denominator.bit_length() - 1
    (code,) = convert_codes(np.array([numerator], object), fraction_bits, kind)
    return FixedVariable.from_const(code * Decimal(2) ** -kind.fraction_bits, hwconf=_HARDWARE)


def _last_digit(value: FixedVariable, fraction_bits: int) -> FixedVariable:
    """0 or 1: the last digit that cutting to `fraction_bits` keeps."""
    if value.kif[2] - fraction_bits > _CUT_AT_ONCE:
        value = _cut(value, fraction_bits)
    if value.low == value.high:  # da4ml wraps constants without sign to one bit more
        return FixedVariable.from_const(int(value.low * Decimal(2) ** fraction_bits) % 2, hwconf=_HARDWARE)
    return value.quantize(0, 1 - fraction_bits, fraction_bits, _force_factor_clear=True) * 2.0**fraction_bits


def _in_range(value: FixedVariable, kind: FixedPoint) -> FixedVariable:
    unit = Decimal(2) ** -kind.fraction_bits
    low, high = (code * unit for code in kind.code_range)
    if low <= value.low and value.high <= high:
        return value
    signed = int(kind.signed)
    match kind.overflow:
        case Overflow.WRAP:
            kept = _sign_extended(value, kind)
        case Overflow.ZERO:
            kept = _zero_beyond(_upright(value), low, high, unit / 2)
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            kept = value.max_of(low).min_of(high)
    return kept.quantize(signed, kind.integer_bits - signed, kind.fraction_bits)


def _zero_beyond(value: FixedVariable, low: Decimal, high: Decimal, half: Decimal) -> FixedVariable:
    """The number, or 0 where it is out of range; it is never within `half` a unit of the comparisons."""
    if value.low > high or value.high < low:
        return FixedVariable.from_const(0.0, hwconf=_HARDWARE)
    kept = value
    if value.high > high:  # what multiplexers ask for must have a sign: da4ml's interpreter misreads others
        kept = (value - (high + half)).msb_mux(kept, 0.0)
    if value.low < low:
        kept = (value - (low - half)).msb_mux(0.0, kept)
    return kept


def _upright(value: FixedVariable) -> FixedVariable:
    """The same number as a wire of its own: multiplexers of da4ml take no negated wires."""
    signed, integer_bits, fraction_bits = value.kif
    return value.quantize(signed, integer_bits, fraction_bits, _force_factor_clear=True)


def _sign_extended(value: FixedVariable, kind: FixedPoint) -> FixedVariable:
    """What wraps to the same number of an unsigned type; da4ml itself extends a sign by one bit only."""
    _, integer_bits, _ = value.kif
    if kind.signed or value.low >= 0 or kind.integer_bits <= integer_bits:
        return value
    return value + value.is_negative() * 2.0**kind.integer_bits


class _Tracer:
    """Makes the wires of layer after layer."""

    def __init__(self, network: Network, values: Mapping[str, Wires]) -> None:
        self._network, self._values = network, values
        self._ranges = analyse(network)

    def trace(self, layer: Layer) -> Wires:
        """The output of a layer, in its tensor's shape."""
        output = self._network.tensors[layer.output]
        inputs = [self._values[name] for name in layer.inputs]
        match layer:
            case Dense():
                made = self.weighted(layer, [inputs[0]], _dense_terms)
            case Conv2D():
                made = self.weighted(layer, _patches(layer, inputs[0], output), _conv_terms)
            case Dot():
                products = (a * b for a, b in zip(inputs[0].ravel(), inputs[1].ravel(), strict=True))
                made = _array([self._accumulated(layer, products)])
            case _:
                made = _STEPS[type(layer)](layer, inputs, self._network)
        return _converted(made, output)

    def weighted(self, layer: Dense | Conv2D, rows: Sequence[Wires], terms: Callable[..., Any]) -> Wires:
        """Bias and products of each row of inputs, before the conversion to the output's type."""
        weights = terms(layer.weights)
        bias = np.ldexp(layer.bias.codes.astype(np.float64), -layer.bias.fraction_bits).tolist()
        if self._converts_once(layer) and np.abs(layer.weights.codes).max(initial=0) < 1 << SOLVER_BITS:
            sums = [_product(row, weights) for row in rows]
            return _array(convert(x + b, layer.accumulator) for row in sums for x, b in zip(row, bias, strict=True))
        return _array(
            self._accumulated(layer, (x * w for x, w in zip(row, column, strict=True) if w), b)
            for row in rows
            for column, b in zip(weights.T.tolist(), bias, strict=True)
        )

    def _converts_once(self, layer: Dense | Conv2D | Dot) -> bool:
        """Whether converting the exact sum gives what converting every term gives."""
        used = self._ranges[layer.output].accumulator
        if used is None or used.rounds:
            return False
        return layer.accumulator.overflow is Overflow.WRAP or not used.overflows

    def _accumulated(
        self, layer: Dense | Conv2D | Dot, terms: Iterable[FixedVariable], start: float = 0.0
    ) -> FixedVariable:
        """The start and the terms, added in the layer's accumulator."""
        kind = layer.accumulator
        first = FixedVariable.from_const(start, hwconf=_HARDWARE)
        if self._converts_once(layer):
            return convert(_balanced_sum([first, *terms]), kind)
        return reduce(lambda total, term: convert(total + convert(term, kind), kind), terms, convert(first, kind))


def _balanced_sum(terms: list[FixedVariable]) -> FixedVariable:
    """The sum as a tree, which is the shortest path through the adders."""
    while len(terms) > 1:
        pairs = [reduce(add, terms[i : i + 2]) for i in range(0, len(terms), 2)]
        terms = pairs
    return terms[0]


def _product(row: Wires, weights: NDArray[np.float64]) -> list[FixedVariable]:
    return list((FixedVariableArray(row, {}, _HARDWARE) @ weights)._vars)


def _dense_terms(weights: Constants) -> NDArray[np.float64]:
    return np.ldexp(weights.codes.astype(np.float64), -weights.fraction_bits)


def _conv_terms(weights: Constants) -> NDArray[np.float64]:
    return _dense_terms(weights).reshape(-1, weights.codes.shape[-1])


def _patches(layer: Conv2D, image: Wires, output: Tensor) -> list[Wires]:
    """What each pixel of the output sees, in the order of the weights."""
    zero = FixedVariable.from_const(0.0, hwconf=_HARDWARE)
    padded = np.pad(image, (*layer.padding, (0, 0)), constant_values=zero)
    height, width, _, _ = layer.weights.codes.shape
    (down, right), (rows, columns, _) = layer.stride, output.shape
    corners = ((row * down, column * right) for row, column in np.ndindex(rows, columns))
    return [padded[y : y + height, x : x + width].ravel() for y, x in corners]


def _array(wires: Iterable[FixedVariable]) -> Wires:
    made = list(wires)
    array = np.empty(len(made), object)
    array[:] = made
    return array


def _converted(made: Wires, output: Tensor) -> Wires:
    pairs = zip(made.ravel(), output.element_types, strict=True)
    return _array(convert(x, kind) for x, kind in pairs).reshape(output.shape)


def _relu(_: Layer, inputs: list[Wires], __: Network) -> Wires:
    return _array(x.relu() for x in inputs[0].ravel())


def _same(_: Layer, inputs: list[Wires], __: Network) -> Wires:
    return inputs[0]


def _pairwise(operation: Callable[[Any, Any], Any]) -> Callable[[Layer, list[Wires], Network], Wires]:
    def step(_: Layer, inputs: list[Wires], __: Network) -> Wires:
        return _array(operation(a, b) for a, b in zip(inputs[0].ravel(), inputs[1].ravel(), strict=True))

    return step


def _concatenate(_: Layer, inputs: list[Wires], __: Network) -> Wires:
    return np.concatenate(inputs, axis=-1)


def _table(layer: Table, inputs: list[Wires], network: Network) -> Wires:
    read, made = network.tensors[layer.inputs[0]].types[0], network.tensors[layer.output].types[0]
    if read.bits > _MAX_TABLE_BITS:
        raise NotLogic(network.name, f"layer '{layer.output}' is a table of 2^{read.bits} entries")
    least = read.code_range[0]
    values = np.ldexp(layer.values.astype(np.float64), -made.fraction_bits)
    return _array(_looked_up(x, values, least, read.fraction_bits) for x in inputs[0].ravel())


def _looked_up(x: FixedVariable, values: NDArray[np.float64], least: int, fraction_bits: int) -> FixedVariable:
    """The table's entries for what `x` can be."""
    first, last, step = (round(float(number) * 2.0**fraction_bits) for number in (x.low, x.high, x.step))
    entries = values[first - least : last - least + 1 : max(step, 1)]
    return x.lookup(entries) if len(entries) > 1 else FixedVariable.from_const(float(entries[0]), hwconf=_HARDWARE)


def _geometric_mean(_: Layer, __: list[Wires], network: Network) -> Wires:
    raise NotLogic(network.name, "its score is a geometric mean, whose root is no sum of shifts")


_STEPS: Final[Mapping[type[Layer], Callable[[Any, list[Wires], Network], Wires]]] = {
    Relu: _relu,
    Linear: _same,
    Reshape: _same,
    Add: _pairwise(lambda a, b: a + b),
    Subtract: _pairwise(lambda a, b: a - b),
    Multiply: _pairwise(lambda a, b: a * b),
    Concatenate: _concatenate,
    Table: _table,
    GeometricMean: _geometric_mean,
}
