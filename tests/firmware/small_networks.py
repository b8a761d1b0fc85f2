"""Small networks of the three kinds that CMS has deployed, with random weights."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from models.layouts import named_elements
from models.network import Network, read_network

ACTIVATION = "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"
SCALED = "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"


def _weights(random: np.random.Generator, *shape: int) -> Any:
    return (random.integers(-12, 12, shape) / 8).tolist()


def _dense(random: np.random.Generator, given: str, made: str, n_in: int, n_out: int) -> dict[str, Any]:
    return {
        "op": "dense",
        "input": given,
        "output": made,
        "weights": _weights(random, n_in, n_out),
        "weight_type": "ap_fixed<6,3>",
        "bias": _weights(random, n_out),
        "bias_type": "ap_fixed<10,7>",
        "accumulator_type": "ap_fixed<24,16>",
        "output_type": "ap_fixed<24,16>",
    }


def _relu(given: str, made: str) -> dict[str, Any]:
    return {"op": "relu", "input": given, "output": made, "output_type": ACTIVATION}


def _inputs(random: np.random.Generator) -> dict[str, Any]:
    elements = [element.model_dump(mode="json") for element in named_elements("axol1tl-57")]
    return {
        "schema": "l1chain-network/1",
        "name": "small",
        "inputs": {"tensor": "x", "elements": elements, "type": "ap_fixed<18,13>"},
        "scaling": {
            "unscaled_type": "ap_fixed<18,13>",
            "offset": random.integers(0, 40, 57).tolist(),
            "offset_type": "ap_fixed<10,10>",
            "shift": random.integers(-1, 7, 57).tolist(),
            "shift_type": "ap_fixed<5,5>",
            "network_input_type": SCALED,
        },
    }


def _read(document: dict[str, Any]) -> Network:
    return read_network(json.dumps(document).encode(), "small")


def encoder(seed: int) -> Network:
    """57 inputs, two layers, sum of squares, as AXOL1TL v4."""
    random = np.random.default_rng(seed)
    layers = [_dense(random, "x", "a", 57, 4), _relu("a", "b"), _dense(random, "b", "c", 4, 3)]
    layers.append({"op": "linear", "input": "c", "output": "mu", "output_type": "ap_fixed<10,7,AP_RND_CONV,AP_SAT>"})
    score = {"kind": "sum_of_squares", "of": "mu", "type": "ap_ufixed<18,14>"}
    return _read(_inputs(random) | {"layers": layers, "score": score})


def autoencoder(seed: int) -> Network:
    """The second activation less its reconstruction, squared and summed in the network, as AXOL1TL v5."""
    random = np.random.default_rng(seed)
    layers = [_dense(random, "x", "a", 57, 4), _relu("a", "b"), _dense(random, "b", "c", 4, 4)]
    layers.append({"op": "subtract", "inputs": ["c", "b"], "output": "d", "output_type": "ap_fixed<18,11>"})
    layers.append(
        {
            "op": "dot",
            "inputs": ["d", "d"],
            "output": "e",
            "accumulator_type": "ap_fixed<37,23>",
            "output_type": "ap_fixed<18,14,AP_RND_CONV,AP_SAT>",
        }
    )
    score = {"kind": "network_output", "of": "e", "type": "ap_ufixed<18,14>"}
    return _read(_inputs(random) | {"layers": layers, "score": score})


def regions(seed: int) -> Network:
    """A convolution of 252 regions, then dense layers, as CICADA."""
    random = np.random.default_rng(seed)
    convolution = {
        "op": "conv2d",
        "input": "x",
        "output": "a",
        "weights": (np.array(_weights(random, 3, 2, 1, 2)) / 8).tolist(),
        "weight_type": "ap_fixed<12,4>",
        "bias": [0, 0],
        "bias_type": "ap_uint<1>",
        "accumulator_type": "ap_fixed<30,22>",
        "output_type": "ap_fixed<30,22>",
        "stride": [3, 2],
    }
    flat = {"op": "reshape", "input": "b", "output": "f", "shape": [84]}
    layers = [convolution, _relu("a", "b"), flat, _dense(random, "f", "c", 84, 1)]
    final = "ap_ufixed<16,8,AP_RND_CONV,AP_SAT>"
    layers.append({"op": "relu", "input": "c", "output": "d", "output_type": final})
    inputs = {"tensor": "x", "regions": {"rows": 18, "columns": 14}, "type": "ap_uint<10>"}
    score = {"kind": "network_output", "of": "d", "type": final}
    return _read({"schema": "l1chain-network/1", "name": "s", "inputs": inputs, "layers": layers, "score": score})
