"""A network in other bit widths, and pruned, after training (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backends import fixed
from models.fixed_point import FixedPoint, Overflow, Rounding
from models.network import Network, read_network
from triggers.errors import BadValue

BIT_WIDTHS: Final = range(2, 17)
_WEIGHTED: Final = ("dense", "conv2d")
_PRODUCTS: Final = (*_WEIGHTED, "dot", "multiply")
_SHAPES: Final = ("reshape", "flatten")
_ROUNDS: Final = ("relu", "linear", "quantise")
_LEAST: Final = 2.0**-16
"""The least number that a range is taken to reach."""
_BIAS_BITS: Final = 4
"""That a bias has more than a weight: sums are greater than products."""


@dataclass(frozen=True)
class Variant:
    """How a network is changed.

    Attributes:
        bits: of weights and activations, sign included; None: as they are.
        pruned: part of each layer's weights, the smallest ones, that becomes 0.
    """

    bits: int | None
    pruned: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadValue: no network has such a width, or not a part is pruned.
        """
        if self.bits is not None and self.bits not in BIT_WIDTHS:
            raise BadValue("bits", f"{self.bits}", f"use {BIT_WIDTHS[0]} to {BIT_WIDTHS[-1]}")
        if not 0 <= self.pruned < 1:
            raise BadValue("pruning", f"a part of {self.pruned:g}", "use a part from 0 to below 1")


@dataclass(frozen=True)
class Reach:
    """What a tensor's numbers were on a sample.

    Attributes:
        low: the least.
        high: the greatest.
    """

    low: float
    high: float


def observed_ranges(network: Network, inputs: NDArray[Any]) -> Mapping[str, Reach]:
    """The range of every tensor over crossings `(n, n_inputs)`, by name."""
    values = {
        name: np.ldexp(codes.astype(np.float64), -network.tensors[name].fraction_bits)
        for name, codes in fixed.run(network, inputs).items()
    }
    return {name: Reach(float(numbers.min()), float(numbers.max())) for name, numbers in values.items()}


def requantised(network: Network, ranges: Mapping[str, Reach], variant: Variant) -> Network:
    """The network in other widths.

    Weights get a type of the width that holds the layer's greatest one, and are rounded to it; so are biases, in 4 bits
    more. Tensors that products or the score read get a type of the width that holds what was observed, rounded to
    nearest even and saturated. Accumulators and sums are made wide enough to be exact. Types of inputs without scaling,
    of tensors that tables read, and of the score stay.

    Args:
        network: what is changed.
        ranges: from `observed_ranges`.
        variant: how.

    Raises:
        NetworkInvalid: the result is no network.
    """
    document: dict[str, Any] = json.loads(network.to_json())
    maker = _Maker(network, document, ranges, variant)
    maker.change()
    return read_network(json.dumps(document).encode(), network.name)


class _Maker:
    """Changes a written network."""

    def __init__(
        self, network: Network, document: dict[str, Any], ranges: Mapping[str, Reach], variant: Variant
    ) -> None:
        self._network, self._document, self._ranges, self._variant = network, document, ranges, variant
        self._types = {name: tensor.types for name, tensor in network.tensors.items()}
        self._layers: Final[list[dict[str, Any]]] = document["layers"]

    def change(self) -> None:
        bits, scaling = self._variant.bits, self._document.get("scaling")
        if bits is not None:
            inputs = self._network.input_tensor if scaling is not None else None
            made_here = {layer["output"] for layer in self._layers}
            self._types |= {
                name: (_holding(self._ranges[name], bits),) for name in self._narrowed() if name in {inputs, *made_here}
            }
            if inputs in self._types and scaling is not None:
                scaling["network_input_type"] = _written(self._types[inputs])
        for layer in self._layers:
            if layer["op"] in _WEIGHTED:
                self._change_weights(layer)
            if bits is not None and layer["output"] in self._narrowed():
                layer["output_type"] = _written(self._types[layer["output"]])

    def _narrowed(self) -> set[str]:
        """The tensors that get a type of the width."""
        read = {self._source(name) for layer in self._layers if layer["op"] in _PRODUCTS for name in _inputs(layer)}
        read.add(self._source(self._document["score"]["of"]))
        by_table = {self._source(name) for layer in self._layers if layer["op"] == "table" for name in _inputs(layer)}
        tables = {layer["output"] for layer in self._layers if layer["op"] == "table"}
        return read - by_table - tables

    def _source(self, name: str) -> str:
        """The tensor whose numbers, and types, another one has in another shape."""
        shaped = {layer["output"]: layer["input"] for layer in self._layers if layer["op"] in _SHAPES}
        while name in shaped:
            name = shaped[name]
        return name

    def _change_weights(self, layer: dict[str, Any]) -> None:
        weights = _pruned(np.array(layer["weights"], np.float64), self._variant.pruned)
        bias = np.array(layer["bias"], np.float64)
        bits = self._variant.bits
        if bits is not None:
            weights, weight_type = _rounded(weights, bits)
            bias, bias_type = _rounded(bias, bits + _BIAS_BITS)
            layer["weight_type"], layer["bias_type"] = str(weight_type), str(bias_type)
            self._widen(layer, weights, bias, max(weight_type.fraction_bits, 0), bias_type)
        layer["weights"], layer["bias"] = weights.tolist(), bias.tolist()

    def _widen(
        self,
        layer: dict[str, Any],
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
        fraction_bits: int,
        bias_type: FixedPoint,
    ) -> None:
        """An accumulator that is exact; sums that only an activation reads are not converted before it."""
        kinds = self._types[self._source(layer["input"])]
        read = max((max(abs(end) for end in kind.range) for kind in kinds), default=0.0)
        finest = max(max(kind.fraction_bits for kind in kinds) + fraction_bits, bias_type.fraction_bits, 0)
        largest = float(np.abs(weights).sum(axis=tuple(range(weights.ndim - 1))).max() * read + np.abs(bias).max())
        integer_bits = max(math.ceil(math.log2(largest + 1.0)), 0) + 2
        accumulator = FixedPoint(integer_bits + finest, integer_bits)
        layer["accumulator_type"] = str(accumulator)
        readers = [other for other in self._layers if layer["output"] in _inputs(other)]
        if readers and all(reader["op"] in _ROUNDS for reader in readers):
            layer["output_type"] = str(accumulator)
            self._types[layer["output"]] = (accumulator,)


def _inputs(layer: Mapping[str, Any]) -> Iterator[str]:
    yield from layer.get("inputs", [])
    if "input" in layer:
        yield layer["input"]


def _written(kinds: tuple[FixedPoint, ...]) -> str | list[str]:
    return str(kinds[0]) if len(kinds) == 1 else [str(kind) for kind in kinds]


def _holding(reach: Reach, bits: int) -> FixedPoint:
    """The type of so many bits that holds the range with the least step; it saturates beyond."""
    signed = reach.low < 0
    above = math.floor(math.log2(max(reach.high, _LEAST))) + 1
    below = math.ceil(math.log2(max(-reach.low, _LEAST)))  # −2^n needs no more than what is above it
    integer_bits = max(above, below) + int(signed)
    return FixedPoint(bits, integer_bits, signed, Rounding.NEAREST_EVEN, Overflow.SATURATE)


def _rounded(numbers: NDArray[np.float64], bits: int) -> tuple[NDArray[np.float64], FixedPoint]:
    """Numbers rounded to the type of so many bits that holds them, and this type as a plain one."""
    low, high = float(numbers.min(initial=0.0)), float(numbers.max(initial=0.0))
    kind = _holding(Reach(min(low, -_LEAST), high), bits)
    plain = FixedPoint(kind.bits, kind.integer_bits)
    return kind.quantise(numbers), plain


def _pruned(weights: NDArray[np.float64], part: float) -> NDArray[np.float64]:
    """The weights with the smallest ones 0: this part of those that there are."""
    n = int(part * np.count_nonzero(weights))
    if not n:
        return weights
    sizes = np.where(weights == 0, np.inf, np.abs(weights)).ravel()
    result = weights.copy().ravel()
    result[np.argsort(sizes, kind="stable")[:n]] = 0.0
    return result.reshape(weights.shape)
