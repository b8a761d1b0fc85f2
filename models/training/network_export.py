"""Fixed-point dense layers as a network description (`docs/networks.md`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from models.fixed_point import FixedPoint
from models.layouts import LayoutName, named_elements
from models.network import Network, read_network
from models.network_document import SCHEMA_NAME
from models.scaling import InputScaling
from models.training.dense_layer import BIASES, WEIGHTS, DenseLayer

ACCUMULATOR: Final = "ap_fixed<32,20>"
"""Holds every sum of the layers that training makes."""
OFFSET: Final = "ap_fixed<12,11>"
SHIFT: Final = "ap_int<6>"
EXACT_SUM: Final = "ap_ufixed<32,22>"


def encoder_network(
    name: str, note: str, layout: LayoutName, scaling: InputScaling, layers: Sequence[DenseLayer], score: FixedPoint
) -> Network:
    """The network whose score is the sum of the squares of the last layer's outputs.

    Args:
        name: for people.
        note: for people.
        layout: of the inputs.
        scaling: of the inputs.
        layers: first to last.
        score: type of the score; the sum is exact until it is converted to this.

    Raises:
        BadValue, NetworkInvalid: a number is not one of its type.
    """
    tensors = ["x", *(f"layer{i}" for i in range(1, len(layers) + 1))]
    document = {
        "schema": SCHEMA_NAME,
        "name": name,
        "note": note,
        "inputs": {
            "tensor": tensors[0],
            "elements": [element.model_dump(mode="json") for element in named_elements(layout)],
            "type": str(scaling.unscaled_type),
        },
        "scaling": {
            "unscaled_type": str(scaling.unscaled_type),
            "offset": list(scaling.offset),
            "offset_type": OFFSET,
            "shift": list(scaling.shift),
            "shift_type": SHIFT,
            "network_input_type": str(scaling.network_input_type),
        },
        "layers": [
            _dense(layer, before, after) for layer, before, after in zip(layers, tensors, tensors[1:], strict=False)
        ],
        "score": {"kind": "sum_of_squares", "of": tensors[-1], "accumulator_type": EXACT_SUM, "type": str(score)},
    }
    return read_network(json.dumps(document).encode(), name)


def _dense(layer: DenseLayer, before: str, after: str) -> dict[str, Any]:
    return {
        "op": "dense",
        "input": before,
        "output": after,
        "weights": layer.weights.tolist(),
        "bias": layer.biases.tolist(),
        "weight_type": str(WEIGHTS),
        "bias_type": str(BIASES),
        "accumulator_type": ACCUMULATOR,
        "output_type": str(layer.output),
    }
