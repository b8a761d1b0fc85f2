"""Reading network descriptions: what they say, and what is refused with which sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import network_document
from models.network import read_network
from models.network_layers import Conv2D, Dense
from tests.models.json_schema import violations
from tests.models.network_data import WIDE, dense, document, linear, network, read, refusal
from tests.models.random_networks import random_document, random_network
from triggers.errors import L1ChainError

SCHEMA = Path(network_document.__file__).with_name("network.schema.json")


def test_weights_become_integers_with_the_least_common_fraction() -> None:
    made = network(dense([[0.5, -1.0], [0.0, 3.0]], [0.0, -0.0]))
    (layer,) = made.layers
    assert isinstance(layer, Dense)
    assert (layer.weights.codes.tolist(), layer.weights.fraction_bits) == ([[1, -2], [0, 6]], 1)
    assert (layer.bias.codes.tolist(), layer.bias.fraction_bits) == ([0, 0], 0)
    assert not layer.weights.codes.flags.writeable


def test_layers_may_stand_in_any_order() -> None:
    first, second = linear("ap_int<8>"), linear("ap_int<4>", input="y", output="z")
    made = network(second, first, score={"kind": "sum_of_squares", "of": "z", "type": "ap_uint<16>"})
    assert [layer.output for layer in made.layers] == ["y", "z"]


def test_types_per_element() -> None:
    made = network(linear(["ap_int<4>", "ap_fixed<6,2>"]))
    assert made.tensors["y"].fraction_bits.tolist() == [0, 4]
    assert made.tensors["y"].uniform_type is None


def test_a_type_of_no_bits_is_allowed() -> None:
    assert network(linear("ap_fixed<0,0>")).tensors["y"].types[0].code_range == (0, 0)


@pytest.mark.parametrize(
    ("size", "stride", "kernel", "zeros"), [(5, 1, 3, (1, 1)), (5, 2, 2, (0, 1)), (4, 3, 1, (0, 0))]
)
def test_same_padding_gives_an_output_for_every_step(
    size: int, stride: int, kernel: int, zeros: tuple[int, int]
) -> None:
    layer = dense([[[[1.0]]] * kernel], [0.0], op="conv2d", stride=[1, stride], padding="same")
    made = read(
        document([layer]) | {"inputs": {"tensor": "x", "regions": {"rows": 1, "columns": size}, "type": "ap_uint<4>"}}
    )
    assert isinstance(made.layers[0], Conv2D)
    assert made.layers[0].padding == ((0, 0), zeros)
    assert made.tensors["y"].shape == (1, -(-size // stride), 1)


@pytest.mark.parametrize("seed", range(40))
def test_the_canonical_text_is_read_as_the_same_network(seed: int) -> None:
    text = random_network(seed).to_json()
    assert read_network(text, "again").to_json() == text
    assert violations(json.loads(text)) == []


def test_the_canonical_text_does_not_depend_on_how_numbers_types_and_keys_are_written() -> None:
    one = document([dense([[1.0], [-0.0]], [0.5])], kind="ap_int<8>")
    other = document([dense([[1], [0]], [0.5])], kind="ap_fixed<8, 8, AP_TRN>")
    assert read(one).to_json() == read(dict(reversed(other.items()))).to_json()


def test_the_schema_beside_the_code_is_that_of_the_code() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == network_document.json_schema()


def _changed(path: str, value: Any) -> dict[str, Any]:
    """The small network, with the value at a path such as `layers.0.bias` replaced; `None` removes it."""
    content = copy.deepcopy(document([dense([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0])]))
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = content
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


BY_SCHEMA = {
    "unknown key": ("layers.0.wieghts", [], "net.json, layer 'y': unknown key 'wieghts'; use one of: weights"),
    "unknown op": ("layers.0.op", "densely", "net.json, layer 'y': unknown op 'densely'; use one of: dense"),
    "unknown score": ("score.kind", "sum", "net.json, score: unknown kind 'sum'; use one of: "),
    "missing key": ("layers.0.bias", None, "net.json, layer 'y', bias: is missing; add it"),
    "missing score": ("score", None, "net.json, score: is missing; add it"),
    "text for a number": (
        "layers.0.bias",
        ["0", 0.0],
        "net.json, layer 'y', bias.0: found '0'; input should be a valid",
    ),
    "no type": (
        "layers.0.weight_type",
        "float32",
        "net.json, layer 'y', weight_type: found 'float32'; 'float32' is no",
    ),
    "no rounding": ("inputs.type", "ap_fixed<8,8,AP_NEAR>", "'ap_fixed<8,8,AP_NEAR>' is no fixed-point type"),
    "saturation bits": ("inputs.type", "ap_fixed<8,8,AP_TRN,AP_SAT,2>", "is no fixed-point type"),
    "number for a type": ("inputs.type", 8, "net.json, inputs.type: found 8; write a type as text"),
    "no weights": ("layers.0.weights", [], "net.json, layer 'y', weights: found []; tuple should have at least 1 item"),
    "name with blanks": ("layers.0.output", "y 1", "net.json, layer 'y 1', output: found 'y 1'; string should match"),
    "other form": ("schema", "l1chain-network/2", "unknown form 'l1chain-network/2'; write l1chain-network/1"),
    "list of layers": ("layers", {}, "net.json, layers: found {}; input should be a valid tuple"),
}


@pytest.mark.parametrize(("path", "value", "message"), BY_SCHEMA.values(), ids=BY_SCHEMA)
def test_what_the_schema_forbids_is_refused(path: str, value: Any, message: str) -> None:
    content = _changed(path, value)
    assert violations(content)
    with pytest.raises(L1ChainError) as caught:
        read(content)
    assert message in str(caught.value)


NEVER_REPRESENTABLE = "ap_fixed<8,4>"
BY_MEANING = {
    "too wide": ("inputs.type", "ap_fixed<129,8>", "has 129 bits, allowed are 0 to 128"),
    "far point": ("inputs.type", "ap_fixed<8,-900>", "has -900 integer bits, at most ±256 are allowed"),
    "unknown tensor": ("layers.0.input", "xx", "net.json, layer 'y': unknown tensor 'xx'; use one of: "),
    "unknown tensor of the score": ("score.of", "yy", "net.json, score: unknown tensor 'yy'; use one of: "),
    "made twice": ("layers.0.output", "x", "net.json, layer 'x': 'x' is made twice; give every layer's output a name"),
    "cycle": ("layers.0.input", "y", "net.json, layer 'y': is part of a cycle of layers, or behind one; remove"),
    "ragged": ("layers.0.weights", [[1.0, 2.0], [3.0]], "net.json, layer 'y': the lists in weights differ in length"),
    "rows": ("layers.0.weights", [[1.0, 2.0]], "'x' has shape (2,), but weights have 1 rows; state one row for each"),
    "bias": ("layers.0.bias", [1.0], "weights have 2 columns, bias has 1 numbers"),
    "between": ("layers.0.weights", [[1.0, 2.0], [3.0, 2**-21]], "in weights is no number of type ap_fixed<40,20"),
    "beyond": ("layers.0.bias", [0.0, 2.0**19], "524288 in bias is no number of type ap_fixed<40,20,AP_TRN,AP_WRAP>"),
    "infinite": ("layers.0.bias", [0.0, 1e999], "Infinity is no number of a fixed-point type"),
    "not a number": ("layers.0.bias", [0.0, float("nan")], "NaN is no number of a fixed-point type"),
    "weight types": ("layers.0.weight_type", [WIDE] * 3, "3 types for 4 weights, expected one type or one for each"),
    "output types": ("layers.0.output_type", [WIDE] * 3, "has 3 output types for 2 numbers; state one type, or one"),
    "score without menu integer": ("score.type", "ap_ufixed<32,32>", "is no integer of 32 bits, sign included"),
    "coarse score": ("score.type", "ap_ufixed<8,9>", "is no integer of 32 bits"),
    "two forms of inputs": ("inputs.regions", {"rows": 1, "columns": 2}, "not exactly one of elements and regions"),
    "score of many numbers": (
        "score",
        {"kind": "network_output", "of": "y", "type": "ap_uint<4>"},
        "'y' has 2 numbers, the score is one",
    ),
    "signed distance": (
        "score",
        {"kind": "mahalanobis", "of": "y", "type": "ap_uint<4>", "clusters": [{"weights": [[1.0]], "bias": [0.0]}]}
        | dict.fromkeys(("weight_type", "bias_type", "accumulator_type", "element_type", "distance_type"), WIDE),
        "net.json, score: distance type ap_fixed<40,20,AP_TRN,AP_WRAP> has a sign; use an ap_ufixed type",
    ),
}


@pytest.mark.parametrize(("path", "value", "message"), BY_MEANING.values(), ids=BY_MEANING)
def test_contradictions_are_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(L1ChainError) as caught:
        read(_changed(path, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


LAYERS = {
    "dense of an image": ([dense([[1.0]], [0.0])], "has shape (2, 3, 1), a dense layer reads a vector; put a flatten"),
    "channels": (
        [dense([[[[1.0], [1.0]]]], [0.0], op="conv2d")],
        "'x' has shape (2, 3, 1), but weights are for 2 channels",
    ),
    "filters": ([dense([[[[1.0]]]], [0.0, 0.0], op="conv2d")], "weights have 1 filters, bias has 2 numbers"),
    "kernel": ([dense([[[[1.0]]]] * 3, [0.0], op="conv2d")], "smaller than the kernel (3, 1); use padding 'same'"),
    "shape": ([{"op": "reshape", "input": "x", "output": "y", "shape": [5]}], "cannot take the shape (5,)"),
    "size": (
        [{"op": "table", "input": "x", "output": "y", "values": [1.0], "output_type": WIDE}],
        "1 values for the 16",
    ),
    "addition": (
        [
            {"op": "flatten", "input": "x", "output": "f"},
            {"op": "add", "inputs": ["x", "f"], "output": "y", "output_type": WIDE},
        ],
        "'x' has shape (2, 3, 1) and 'f' has shape (6,); combine tensors of one shape",
    ),
}


@pytest.mark.parametrize(("layers", "message"), LAYERS.values(), ids=LAYERS)
def test_layers_that_do_not_fit_are_refused(layers: list[dict[str, Any]], message: str) -> None:
    inputs = {"tensor": "x", "regions": {"rows": 2, "columns": 3}, "type": "ap_uint<4>"}
    with pytest.raises(L1ChainError) as caught:
        read(document(layers) | {"inputs": inputs})
    assert str(caught.value).startswith("net.json, layer 'y': ")
    assert message in str(caught.value)


def test_absurd_sizes_are_refused_before_they_cost_anything() -> None:
    weights = [[1.0] * 70000]
    with pytest.raises(L1ChainError, match="gives 70000 numbers per crossing, at most 65536 are allowed"):
        read(document([dense(weights, [0.0] * 70000)], n_inputs=1))
    inputs = {"tensor": "x", "regions": {"rows": 60000, "columns": 60000}, "type": "ap_uint<4>"}
    with pytest.raises(L1ChainError, match="gives 3600000000 numbers per crossing"):
        read(document([]) | {"inputs": inputs})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "net.json: no valid JSON (Expecting value: line 1 column 1 (char 0)); write or copy the file again"),
        (b'{"schema": "l1chain-network/1"', "net.json: no valid JSON"),
        (b"\xff\xfe", "net.json: no valid JSON"),
        (b"[1]", "net.json: is no JSON object; begin with"),
        (b'{"name": 1, "name": 2}', "key 'name' stands twice"),
        (b"[" * 100_000, "net.json: no valid JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "net.json: no valid JSON"),
    ],
)
def test_files_that_are_no_description_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(L1ChainError) as caught:
        read_network(content, "net.json")
    assert message in str(caught.value)


@pytest.mark.parametrize("seed", range(30))
def test_no_truncated_or_altered_file_ends_in_anything_but_a_sentence(seed: int) -> None:
    random = np.random.default_rng(seed)
    text = json.dumps(random_document(seed)).encode()
    for _ in range(20):
        altered = bytearray(text)
        altered[random.integers(len(text))] = random.integers(32, 127)
        sentence = refusal(bytes(altered), "net.json")
        assert not sentence or sentence.startswith("net.json")
    assert refusal(text[: random.integers(len(text) - 1)], "net.json").startswith("net.json")


def _paths(value: Any) -> list[list[Any]]:
    """Every path in it, down to single numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [[key, *rest] for key, part in items for rest in ([], *_paths(part))]


@pytest.mark.parametrize("value", [None, 0, -1, 1.5, "x", [], [[]], {}, [1, 1], ["x"], True, 10**400])
def test_whatever_stands_anywhere_is_read_or_refused_with_a_sentence_and_so_by_the_schema(value: Any) -> None:
    random = np.random.default_rng(3)
    for seed in range(12):
        original = random_document(seed)
        paths = _paths(original)
        for number in random.choice(len(paths), min(len(paths), 25), replace=False):
            content = copy.deepcopy(original)
            *steps, last = paths[number]
            place: Any = content
            for step in steps:
                place = place[step]
            place[last] = value
            sentence = refusal(json.dumps(content).encode(), "net.json")
            assert not sentence or sentence.startswith("net.json"), paths[number]
            assert sentence or violations(content) == [], paths[number]


def test_the_example_of_the_documentation_is_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    assert violations(json.loads(example)) == []
    assert read_network(example.encode(), "docs/networks.md").n_inputs == 2
