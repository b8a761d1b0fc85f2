"""A small valid network, for tests to change."""

from __future__ import annotations

import json
from typing import Any

from models.network import Network, read_network
from triggers.errors import L1ChainError

WIDE = "ap_fixed<40,20>"


def document(
    layers: list[dict[str, Any]], n_inputs: int = 2, kind: str = "ap_int<8>", **changes: Any
) -> dict[str, Any]:
    """A network of some inputs `x`; its score is the first number of the last layer unless stated otherwise."""
    elements = [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i in range(n_inputs)]
    last = layers[-1]["output"] if layers else "x"
    return {
        "schema": "l1chain-network/1",
        "name": "small",
        "inputs": {"tensor": "x", "elements": elements, "type": kind},
        "layers": layers,
        "score": {"kind": "sum_of_squares", "of": last, "type": "ap_ufixed<31,31,AP_TRN,AP_SAT>"},
    } | changes


def dense(weights: list[list[float]], bias: list[float], **changes: Any) -> dict[str, Any]:
    """A dense layer from `x` to `y` in wide types."""
    return {
        "op": "dense",
        "input": "x",
        "output": "y",
        "weights": weights,
        "bias": bias,
        "weight_type": WIDE,
        "bias_type": WIDE,
        "accumulator_type": WIDE,
        "output_type": WIDE,
    } | changes


def linear(kind: str | list[str], **changes: Any) -> dict[str, Any]:
    """A conversion from `x` to `y`."""
    return {"op": "linear", "input": "x", "output": "y", "output_type": kind} | changes


def network(*layers: dict[str, Any], **changes: Any) -> Network:
    """The network of `document`, read."""
    return read(document(list(layers), **changes))


def read(content: dict[str, Any]) -> Network:
    """A network from plain JSON values."""
    return read_network(json.dumps(content).encode(), "net.json")


def refusal(content: bytes, source: str) -> str:
    """The sentence with which a description is refused; empty if it is read."""
    try:
        read_network(content, source)
    except L1ChainError as error:
        return str(error)
    return ""
