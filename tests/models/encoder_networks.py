"""Networks with the 57 inputs of AXOL1TL in packed words, and versions of them in memory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from models.manifest import Manifest
from models.network import NETWORK_FILE, Network, read_network
from models.repository import LoadedVersion

NETWORK_INPUT = "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"
UNSCALED = "ap_fixed<18,13>"
OBJECTS = [("met", 1), ("eg", 4), ("muon", 4), ("jet", 10)]


def encoder_document(seed: int, sizes: tuple[int, ...] = (28, 15, 8)) -> dict[str, Any]:
    """Dense layers with ReLU and a sum of squares, in the arithmetic of AXOL1TL v4."""
    random = np.random.default_rng(seed)
    elements = [
        {"object": name, "rank": rank, "quantity": quantity, "unit": "hw >> 1" if quantity == "pt" else "hw"}
        for name, n in OBJECTS
        for rank in range(n)
        for quantity in ("pt", "eta", "phi")
    ]
    layers: list[dict[str, Any]] = []
    read, n_in = "x", len(elements)
    for i, n_out in enumerate(sizes):
        last = i == len(sizes) - 1
        layers += [
            {
                "op": "dense",
                "input": read,
                "output": f"sums{i}",
                "weights": (random.integers(-6, 7, (n_in, n_out)) * (random.random((n_in, n_out)) < 0.6) / 8).tolist(),
                "bias": (random.integers(-12, 13, n_out) / 8).tolist(),
                "weight_type": "ap_fixed<6,3>",
                "bias_type": "ap_fixed<10,7>",
                "accumulator_type": "ap_fixed<29,16>",
                "output_type": "ap_fixed<29,16>",
            },
            {
                "op": "linear" if last else "relu",
                "input": f"sums{i}",
                "output": f"out{i}",
                "output_type": f"ap_{'' if last else 'u'}fixed<10,{7 if last else 6},AP_RND_CONV,AP_SAT>",
            },
        ]
        read, n_in = f"out{i}", n_out
    return {
        "schema": "l1chain-network/1",
        "name": f"encoder {seed}",
        "inputs": {"tensor": "x", "elements": elements, "type": UNSCALED},
        "scaling": {
            "unscaled_type": UNSCALED,
            "offset": (random.integers(-40, 600, len(elements)) / 2).tolist(),
            "offset_type": "ap_fixed<11,10>",
            "shift": random.integers(-1, 9, len(elements)).tolist(),
            "shift_type": "ap_fixed<5,5>",
            "network_input_type": NETWORK_INPUT,
        },
        "layers": layers,
        "score": {"kind": "sum_of_squares", "of": read, "type": "ap_ufixed<18,14>"},
    }


def network_from(document: dict[str, Any]) -> Network:
    return read_network(json.dumps(document).encode(), "test network")


def version_from(document: dict[str, Any]) -> LoadedVersion:
    """A version with a network and the 57 inputs, as if loaded from disk."""
    content = json.dumps(document).encode()
    manifest = Manifest(
        name="axol1tl",
        version="test",
        description="A random network.",
        backend="fixed",
        precision="exact",
        files={NETWORK_FILE: hashlib.sha256(content).hexdigest()},
    )
    return LoadedVersion(manifest, Path("axol1tl/test"), "0" * 64, {NETWORK_FILE: content})


def sum_document(weights: list[int], input_type: str, sum_type: str, score_type: str) -> dict[str, Any]:
    """One dense layer of integers, whose only sum is the score after conversion to `score_type`."""
    return {
        "schema": "l1chain-network/1",
        "name": "one sum",
        "inputs": {
            "tensor": "x",
            "elements": [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i, _ in enumerate(weights)],
            "type": input_type,
        },
        "layers": [
            {
                "op": "dense",
                "input": "x",
                "output": "sum",
                "weights": [[weight] for weight in weights],
                "bias": [0],
                "weight_type": "ap_int<40>",
                "bias_type": "ap_int<2>",
                "accumulator_type": sum_type,
                "output_type": sum_type,
            }
        ],
        "score": {"kind": "network_output", "of": "sum", "type": score_type},
    }


def region_document(seed: int) -> dict[str, Any]:
    """A convolution of the calorimeter regions and a dense layer, as CICADA has them."""
    random = np.random.default_rng(seed)
    return {
        "schema": "l1chain-network/1",
        "name": "regions",
        "inputs": {"tensor": "x", "regions": {"rows": 18, "columns": 14}, "type": "ap_uint<10>"},
        "layers": [
            {
                "op": "conv2d",
                "input": "x",
                "output": "conv",
                "weights": (random.integers(-300, 400, (2, 2, 1, 4)) / 256).tolist(),
                "bias": [0, 0.25, -1, 0],
                "stride": [2, 2],
                "weight_type": "ap_fixed<12,4>",
                "bias_type": "ap_fixed<8,4>",
                "accumulator_type": "ap_fixed<30,22>",
                "output_type": "ap_fixed<30,22>",
            },
            {"op": "relu", "input": "conv", "output": "r", "output_type": "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"},
            {"op": "flatten", "input": "r", "output": "flat"},
            {
                "op": "dense",
                "input": "flat",
                "output": "sum",
                "weights": (random.integers(-40, 60, (252, 1)) / 64).tolist(),
                "bias": [1],
                "weight_type": "ap_fixed<8,2>",
                "bias_type": "ap_fixed<8,4>",
                "accumulator_type": "ap_fixed<26,14>",
                "output_type": "ap_fixed<26,14>",
            },
            {"op": "relu", "input": "sum", "output": "out", "output_type": "ap_ufixed<16,12,AP_RND_CONV,AP_SAT>"},
        ],
        "score": {"kind": "network_output", "of": "out", "type": "ap_ufixed<16,12>"},
    }
