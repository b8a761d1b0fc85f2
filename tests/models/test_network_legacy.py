"""The older form of network descriptions: what it leaves out or says in words, and what contradicts itself."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from models.backends import fixed
from models.network import Network, read_network
from models.network_layers import Conv2D, Dense, Relu, Reshape
from tests.models.network_data import refusal
from triggers.errors import L1ChainError

INPUT, SUM = "ap_fixed<8,6,AP_RND_CONV,AP_SAT,0>", "ap_fixed<20,12>"
ENCODER: dict[str, Any] = {
    "name": "old",
    "inputs": ["met_pt", "met_phi", "muon3_eta"],
    "inputs_note": "pt is halved",
    "unscaled_type": "ap_fixed<18,13>",
    "scaling": {
        "rule": "some words",
        "offset": [18.0, -0.0, 0.5],
        "offset_type": "ap_fixed<10,9>",
        "shift": [3, 0, -1],
        "shift_type": "ap_fixed<4,4>",
        "network_input_type": INPUT,
    },
    "layers": [
        {
            "op": "dense",
            "input": "input_1",
            "output": "dense",
            "n_in": 3,
            "n_out": 2,
            "input_type": INPUT,
            "output_type": SUM,
            "weight_type": "ap_fixed<6,3>",
            "bias_type": "ap_fixed<6,3>",
            "accumulator_type": SUM,
            "weights": [[1.0, 0.5], [0.0, 0.125], [-1.0, 2.0]],
            "bias": [0.25, 0.0],
        },
        {"op": "relu", "input": "dense", "output": "relu", "input_type": SUM, "output_type": "ap_ufixed<8,4>"},
    ],
    "score": {
        "kind": "sum_of_squares",
        "of": "relu",
        "element_type": "ap_ufixed<8,4>",
        "type": "ap_ufixed<18,14>",
        "menu_integer": "score * 16",
        "rule": "some words",
    },
}
IMAGE: dict[str, Any] = {
    "name": "old image",
    "inputs": "12 regions, index = 3*iphi + ieta",
    "layers": [
        {
            "op": "conv2d",
            "input": "regions",
            "output": "conv",
            "input_shape": [4, 3, 1],
            "kernel": [2, 2],
            "stride": [2, 1],
            "filters": 1,
            "padding": "valid",
            "input_type": "ap_uint<10>",
            "weight_type": "ap_fixed<6,3>",
            "bias_type": "ap_uint<1>",
            "accumulator_type": SUM,
            "output_type": SUM,
            "weights": [[[[1.0]], [[0.0]]], [[[0.0]], [[0.0]]]],
            "bias": [0.0],
        },
        {
            "op": "dense",
            "input": "conv (flattened: height, width, filter)",
            "output": "outputs",
            "n_in": 4,
            "n_out": 1,
            "input_type": SUM,
            "weight_type": "ap_fixed<6,3>",
            "bias_type": "ap_uint<1>",
            "accumulator_type": SUM,
            "output_type": SUM,
            "weights": [[1.0], [0.0], [0.0], [2.0]],
            "bias": [0.0],
        },
    ],
    "score": {"kind": "network_output", "of": "outputs", "type": "ap_ufixed<16,8>", "menu_integer": "score * 256"},
}


def read(content: dict[str, Any]) -> Network:
    return read_network(json.dumps(content).encode(), "old.json")


def changed(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(content)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = content
    for step in steps:
        place = place[step]
    place[last] = value
    return content


def test_an_encoder_with_scaled_inputs() -> None:
    made = read(ENCODER)
    elements = made.document.inputs.elements
    assert elements is not None
    assert [(e.object, e.rank, e.quantity, e.unit) for e in elements] == [
        ("met", 0, "pt", "hw >> 1"),
        ("met", 0, "phi", "hw"),
        ("muon", 3, "eta", "hw"),
    ]
    assert [type(layer) for layer in made.layers] == [Dense, Relu]
    assert (made.input_tensor, made.integer_scale, made.document.note) == ("input_1", 16, "pt is halved")
    # scaled to 4, 2, 5 and summed to −0.75 and 12.25: 150.0625, cut to sixteenths
    assert fixed.score(made, [[50, 2, 3]]).tolist() == [16 * 150 + 1]


def test_an_image_that_is_flattened_in_words() -> None:
    made = read(IMAGE)
    assert [type(layer) for layer in made.layers] == [Conv2D, Reshape, Dense]
    assert made.tensors["regions"].shape == (4, 3, 1)
    # corners of the windows: regions 0, 1, 6, 7
    assert fixed.score(made, [[10 * i for i in range(12)]]).tolist() == [256 * (0 + 2 * 70) % 2**16]


def test_the_rewritten_form_means_the_same() -> None:
    for content in (ENCODER, IMAGE):
        text = read(content).to_json()
        assert json.loads(text)["schema"] == "l1chain-network/1"
        assert read_network(text, "new.json").to_json() == text


def test_types_per_element_and_names_of_layers_that_others_use() -> None:
    content = changed(ENCODER, "layers.0.output_type", [SUM, "ap_fixed<21,12>"])
    content = changed(content, "layers.1.input_type", [SUM, "ap_fixed<21,12>"])
    content["layers"].append({"op": "quantize", "input": "relu", "output": "last", "output_type": "ap_uint<4>"})
    assert read(content).tensors["dense"].fraction_bits.tolist() == [8, 9]


def test_inputs_without_scaling_that_have_a_type_each() -> None:
    content = {key: value for key, value in ENCODER.items() if key not in ("scaling", "unscaled_type")}
    types = ["ap_uint<2>", "ap_fixed<4,4,AP_TRN,AP_SAT>", "ap_fixed<6,4,AP_RND>"]
    made = read(changed(content, "layers.0.input_type", types))
    assert (fixed.run(made, [[5, 100, 1.125]])["input_1"]).tolist() == [[1, 7, 5]]


def test_regions_in_words_that_a_dense_layer_reads() -> None:
    layer = IMAGE["layers"][1] | {"input": "regions", "input_type": "ap_uint<10>"}
    content = {**IMAGE, "inputs": "4 regions, ap_uint<10>, index = 2*iphi + ieta", "layers": [layer]}
    assert fixed.score(read(content), [[1, 5, 7, 9]]).tolist() == [256 * (1 + 18)]
    del layer["input_type"]
    assert str(read(content).given_type) == "ap_ufixed<10,10,AP_TRN,AP_WRAP>"


def test_a_note_about_rounding_does_not_make_another_type() -> None:
    read(changed(ENCODER, "layers.1.input_type", "ap_fixed<20,12,AP_RND,AP_SAT>"))


CONTRADICTIONS = {
    "key": (ENCODER, "weights_file", "w.npz", "old.json: unknown key 'weights_file'; use one of: "),
    "key of a layer": (ENCODER, "layers.0.activation", "relu", "old.json, layer 'dense': unknown key 'activation'"),
    "op": (ENCODER, "layers.1.op", "softmax", "old.json, layer 'relu': unknown op 'softmax'; use one of: "),
    "count": (ENCODER, "layers.0.n_in", 4, "old.json, layer 'dense': n_in is 4, its weights show 3; correct the one"),
    "kernel": (IMAGE, "layers.0.kernel", [3, 3], "layer 'conv': kernel is [3, 3], its weights show [2, 2]"),
    "type": (ENCODER, "layers.1.input_type", "ap_fixed<20,13>", "layer 'relu': reads 'dense' as ap_fixed<20,13>, "),
    "two inputs": (ENCODER, "layers.1.input", "else", "old.json, layers: read the tensors else, input_1 that"),
    "no input": (ENCODER, "layers.0.input", "relu", "old.json, layers: read the tensors none that no layer makes"),
    "inputs unnamed": (ENCODER, "inputs", "some", "old.json, inputs: are no list of names, nor regions"),
    "shift": (ENCODER, "scaling.shift", [3, 0, 9], "old.json, scaling: 9 in shift is no number of type ap_fixed<4,4"),
    "shifts": (ENCODER, "scaling.shift", [3, 0], "old.json, scaling: has 2 numbers in shift for 3 inputs"),
    "scale": (ENCODER, "score.menu_integer", "score * 32", "old.json, score: menu_integer is 'score * 32', a score of"),
    "no scale": (ENCODER, "score.menu_integer", "score", "old.json, score: menu_integer is 'score', a score of type"),
    "shape": (IMAGE, "layers.0.input_shape", [4, 3, 2], "inputs: are no list of names, nor regions"),
    "other shape than in words": (IMAGE, "inputs", "12 regions, index = 4*iphi + ieta", "inputs: are no list of names"),
    "shape of numbers": (IMAGE, "layers.0.input_shape", [4, "3", 1], "layer 'conv', input_shape: found [4, '3', 1]"),
    "layer": (ENCODER, "layers.0", 3, "old.json, layer number 0: found 3; write an object with keys"),
    "layers": (ENCODER, "layers", None, "old.json: key 'layers' holds no list; add it, or state the schema"),
    "scaling": (ENCODER, "scaling", 3, "old.json, scaling: found 3; write an object with keys"),
    "inputs of a layer": (ENCODER, "layers.0.input", 3, "old.json, layer 'dense': states no inputs; add the key"),
    "output of a layer": (ENCODER, "layers.0.output", ["dense"], "old.json, layer number 0, output: found ['dense']"),
    "name of an input": (ENCODER, "inputs", ["met_pt", 4, "met_phi"], "old.json, inputs: found 4; write a name"),
    "odd name": (ENCODER, "inputs", ["met pt", "a", "b"], "old.json, inputs.elements.0.object: found 'met pt'"),
    "weights": (ENCODER, "layers.0.weights", [[1.0, 0.3], [0.0, 0.0], [0.0, 0.0]], "in weights is no number of type"),
    "no name": (ENCODER, "name", 3, "old.json, name: found 3; input should be a valid string"),
    "op of another kind": (ENCODER, "layers.0.op", ["dense"], "old.json, layer number 0, op: found ['dense']"),
    "score": (ENCODER, "score", [], "old.json, score: found []; write an object with keys"),
}


@pytest.mark.parametrize(("content", "path", "value", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_refused(content: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(L1ChainError) as caught:
        read(changed(content, path, value))
    assert message in str(caught.value)


def _paths(value: Any, prefix: str = "") -> list[str]:
    """Every path in it, down to single numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, part in items for path in (f"{prefix}{key}", *_paths(part, f"{prefix}{key}."))]


@pytest.mark.parametrize("content", [ENCODER, IMAGE], ids=["encoder", "image"])
@pytest.mark.parametrize("value", [None, 0, -1, 1.5, "x", [], [[]], {}, [1, 1], ["x"], True, 10**400])
def test_whatever_stands_anywhere_is_read_or_refused_with_a_sentence(content: dict[str, Any], value: Any) -> None:
    for path in _paths(content):
        sentence = refusal(json.dumps(changed(content, path, value)).encode(), "old.json")
        assert not sentence or sentence.startswith("old.json"), path


@pytest.mark.conformance
@pytest.mark.parametrize("name", ["axol1tl_v3", "axol1tl_v4", "axol1tl_v5", "cicada_v2p1p2"])
def test_the_deployed_networks_are_read(conformance: Path, name: str) -> None:
    path = conformance.parent / "reference" / "models" / f"{name}.json"
    made = read_network(path.read_bytes(), path)
    assert made.n_inputs == (252 if name.startswith("cicada") else 57)
    assert read_network(made.to_json(), "new.json").to_json() == made.to_json()
