"""Fixed-point layers as a network description, with accumulators that hold every sum (`docs/networks.md`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.layouts import LayoutName, network_inputs
from models.network import Network, read_network
from models.network_document import SCHEMA_NAME
from models.scaling import InputScaling
from models.training.dense_layer import ConvLayer, DenseLayer

INPUT: Final = "x"
_OFFSET: Final = "ap_fixed<12,12>"
_SHIFT: Final = "ap_int<6>"
_NOTE_LIMIT: Final = 1000


class NetworkWriter:
    """Collects layers, and the types of their outputs.

    Attributes:
        types: of every tensor, by name.
    """

    def __init__(self, layout: LayoutName, n_inputs: int, scaling: InputScaling | FixedPoint) -> None:
        """Begins a network.

        Args:
            layout: of the inputs.
            n_inputs: how many there are.
            scaling: of the inputs, or their type if they are not scaled.
        """
        given = scaling.unscaled_type if isinstance(scaling, InputScaling) else scaling
        inputs = network_inputs(layout, n_inputs, given, INPUT)
        self._document: dict[str, Any] = {"schema": SCHEMA_NAME, "inputs": inputs.model_dump(exclude_none=True)}
        self._document["inputs"]["type"] = str(given)
        self._layers: list[dict[str, Any]] = []
        self.types = {INPUT: given}
        if isinstance(scaling, InputScaling):
            self.types[INPUT] = scaling.network_input_type
            self._document["scaling"] = {
                "unscaled_type": str(given),
                "offset": list(scaling.offset),
                "offset_type": _OFFSET,
                "shift": list(scaling.shift),
                "shift_type": _SHIFT,
                "network_input_type": str(scaling.network_input_type),
            }

    def dense(self, layers: Sequence[DenseLayer], before: str, prefix: str) -> str:
        """Add dense layers, one after the other; returns the name of the last one's output."""
        for n, layer in enumerate(layers, start=1):
            accumulator = accumulator_type(self.types[before], layer.weights, layer.biases, layer)
            keys = {"op": "dense", "input": before, **_constants(layer), "accumulator_type": str(accumulator)}
            before = self._add(keys, f"{prefix}{n}", layer.output)
        return before

    def conv(self, layers: Sequence[ConvLayer], before: str, prefix: str) -> str:
        """Add convolutions, one after the other; returns the name of the last one's output."""
        for n, layer in enumerate(layers, start=1):
            per_filter = layer.weights.reshape(-1, layer.weights.shape[-1])
            accumulator = accumulator_type(self.types[before], per_filter, layer.biases, layer)
            keys = {"op": "conv2d", "input": before, **_constants(layer), "accumulator_type": str(accumulator)}
            keys |= {"stride": list(layer.stride), "padding": layer.padding}
            before = self._add(keys, f"{prefix}{n}", layer.output)
        return before

    def flatten(self, before: str, name: str) -> str:
        """Add a layer that makes a vector of an image."""
        return self._add({"op": "flatten", "input": before}, name, None, self.types[before])

    def reshape(self, before: str, name: str, shape: Sequence[int]) -> str:
        """Add a layer that gives the same numbers another shape."""
        return self._add({"op": "reshape", "input": before, "shape": list(shape)}, name, None, self.types[before])

    def table(self, before: str, name: str, values: NDArray[np.float64], output: FixedPoint) -> str:
        """Add a look-up table; `values` in the order of the input's numbers."""
        return self._add({"op": "table", "input": before, "values": values.tolist()}, name, output)

    def network(self, name: str, note: str, score: Mapping[str, Any]) -> Network:
        """The network with a score, checked.

        Raises:
            BadValue, NetworkInvalid: a number is not one of its type.
        """
        document = self._document | {"name": name, "note": note[:_NOTE_LIMIT], "layers": self._layers, "score": score}
        return read_network(json.dumps(document).encode(), name)

    def _add(self, keys: dict[str, Any], name: str, output: FixedPoint | None, kept: FixedPoint | None = None) -> str:
        stated = {} if output is None else {"output_type": str(output)}
        self._layers.append(keys | {"output": name} | stated)
        made = output or kept
        if made is not None:
            self.types[name] = made
        return name


def accumulator_type(
    given: FixedPoint, weights: NDArray[np.float64], biases: NDArray[np.float64], layer: DenseLayer | ConvLayer
) -> FixedPoint:
    """A type that holds all sums of a layer, and all their parts, with all digits.

    Args:
        given: type of the layer's inputs.
        weights: `(n_in, n_out)`.
        biases: `(n_out,)`.
        layer: for the types of its numbers.
    """
    digits = max(given.fraction_bits + layer.weight_type.fraction_bits, layer.bias_type.fraction_bits)
    largest = max(abs(end) for end in given.range)
    reach = float((np.abs(weights).sum(axis=0) * largest + np.abs(biases)).max(initial=0.0))
    whole = max(math.ceil(math.log2(max(reach, 1.0))) + 2, layer.bias_type.integer_bits + 1)
    return FixedPoint(whole + digits, whole)


def exact_squares_type(kind: FixedPoint, n: int) -> FixedPoint:
    """An unsigned type that holds the sum of the squares of n numbers."""
    whole = 2 * kind.integer_bits + math.ceil(math.log2(n + 1))
    return FixedPoint(whole + 2 * kind.fraction_bits, whole, signed=False)


def exact_difference_type(left: FixedPoint, right: FixedPoint) -> FixedPoint:
    """A signed type that holds all differences of numbers of two types."""
    whole = max(kind.integer_bits + (not kind.signed) for kind in (left, right)) + 1
    return FixedPoint(whole + max(left.fraction_bits, right.fraction_bits), whole)


def _constants(layer: DenseLayer | ConvLayer) -> dict[str, Any]:
    return {
        "weights": layer.weights.tolist(),
        "bias": layer.biases.tolist(),
        "weight_type": str(layer.weight_type),
        "bias_type": str(layer.bias_type),
    }
