"""The reference arithmetic: layers and scores by hand, random networks in exact fractions, deployed emulators."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backends import fixed
from models.errors import FileNotListed, InputsInvalid
from models.intervals import integer_bits
from models.layouts import named_elements
from models.network import read_network
from models.repository import Repository
from tests.models.fraction_network import FractionNetwork
from tests.models.network_data import WIDE, dense, document, linear, network, read
from tests.models.random_networks import random_document, random_inputs, random_network


def values(layers: list[dict[str, Any]], inputs: list[list[float]], **changes: Any) -> list[list[float]]:
    """What the last layer gives, as numbers."""
    made = read(document(layers, len(inputs[0]), **changes))
    name = layers[-1]["output"]
    codes, fraction_bits = fixed.run(made, inputs)[name], made.tensors[name].fraction_bits
    return np.ldexp(codes.astype(float), -fraction_bits).reshape(len(inputs), -1).tolist()


def test_a_dense_layer_adds_products_and_bias() -> None:
    assert values([dense([[0.5, 2], [-1, 0]], [0.25, -3])], [[3, 4], [0, -1]]) == [[-2.25, 3], [1.25, -3]]


def test_the_accumulator_drops_digits_product_by_product() -> None:
    # each half is cut to 0 before the sum; the exact sum would be 1
    assert values([dense([[0.5], [0.5]], [0.0], accumulator_type="ap_int<8>")], [[1, 1]]) == [[0]]


def test_the_accumulator_rounds_the_bias_too() -> None:
    layer = dense([[1.0], [0.0]], [0.5], accumulator_type="ap_fixed<8,8,AP_RND>")
    assert values([layer], [[2, 0]]) == [[3]]


def test_an_accumulator_wraps_and_comes_back() -> None:
    layer = dense([[1.0], [1.0], [1.0]], [0.0], accumulator_type="ap_int<4>")
    assert values([layer], [[7, 7, -7], [7, 1, 0]]) == [[7], [-8]]


def test_a_saturating_accumulator_saturates_at_every_step_in_the_order_of_the_inputs() -> None:
    layer = dense([[1.0], [1.0], [1.0]], [0.0], accumulator_type="ap_fixed<4,4,AP_TRN,AP_SAT>")
    assert values([layer], [[7, 7, -7], [-7, 7, 7]]) == [[0], [7]]


def test_the_sum_is_converted_to_the_output_type_after_the_accumulator() -> None:
    layer = dense([[0.5], [0.5]], [0.0], output_type="ap_fixed<4,4,AP_RND_CONV,AP_SAT>")
    assert values([layer], [[1, 0], [3, 0], [100, 100]]) == [[0], [2], [7]]


def test_elements_of_different_types_meet_in_a_dense_layer() -> None:
    layers = [linear(["ap_fixed<8,6>", "ap_int<4>"]), dense([[1.0], [1.0]], [0.0], input="y", output="z")]
    assert values(layers, [[1.25, 9.0]], kind="ap_fixed<12,8>") == [[1.25 - 7]]


def test_a_convolution_multiplies_every_window() -> None:
    # rows of the kernel are rows of the image: 1·a + 10·b + 100·c + 1000·d
    layer = dense([[[[1.0]], [[10.0]]], [[[100.0]], [[1000.0]]]], [0.5], op="conv2d")
    inputs = {"tensor": "x", "regions": {"rows": 2, "columns": 3}, "type": "ap_uint<4>"}
    made = read(document([layer]) | {"inputs": inputs})
    codes = fixed.run(made, [[1, 2, 3, 4, 5, 6]])["y"]
    assert codes.shape == (1, 1, 2, 1)
    assert (codes.ravel() / 2**20).tolist() == [5421.5, 6532.5]


def test_same_padding_puts_the_odd_zero_behind() -> None:
    layer = dense([[[[1.0]], [[10.0]]]], [0.0], op="conv2d", padding="same")
    inputs = {"tensor": "x", "regions": {"rows": 1, "columns": 3}, "type": "ap_uint<4>"}
    made = read(document([layer]) | {"inputs": inputs})
    assert (fixed.run(made, [[1, 2, 3]])["y"].ravel() / 2**20).tolist() == [21, 32, 3]


PAIR = {"inputs": ["x", "y"], "output": "z", "output_type": WIDE}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"op": "add"} | PAIR, [4.5, -8]),
        ({"op": "subtract"} | PAIR, [1.5, 0]),
        ({"op": "multiply"} | PAIR, [4.5, 16]),
        ({"op": "dot", "accumulator_type": WIDE} | PAIR, [20.5]),
        ({"op": "dot", "accumulator_type": "ap_int<8>"} | PAIR, [20]),
        ({"op": "concatenate", "inputs": ["y", "x"], "output": "z"}, [1.5, -4, 3, -4]),
        ({"op": "relu", "input": "y", "output": "z", "output_type": "ap_uint<1>"}, [1, 0]),
        ({"op": "quantise", "input": "y", "output": "z", "output_type": "ap_fixed<4,4,AP_RND_INF>"}, [2, -4]),
        ({"op": "add"} | PAIR | {"output_type": "ap_int<3>"}, [-4, 0]),
    ],
)
def test_layers_without_weights(layer: dict[str, Any], expected: list[float]) -> None:
    halved = dense([[0.5, 0.0], [0.0, 1.0]], [0.0, 0.0])
    assert values([halved, layer], [[3, -4]]) == [expected]


def test_a_table_goes_from_the_least_number_of_its_type_to_the_greatest() -> None:
    layers = [
        linear("ap_fixed<2,1>"),
        {"op": "table", "input": "y", "output": "z", "values": [10, 11, 12, 13], "output_type": "ap_uint<4>"},
    ]
    assert values(layers, [[-1.0, -0.5], [0.0, 0.5]], kind="ap_fixed<4,3>") == [[10, 11], [12, 13]]


TABLE = {"op": "table", "input": "x", "output": "t", "values": [0.25 * i for i in range(16)], "output_type": WIDE}
SCORES = {
    "sum of squares": ({"kind": "sum_of_squares", "of": "x"}, 9 + 16),
    "sum of squares of elements": ({"kind": "sum_of_squares", "of": "x", "element_type": "ap_ufixed<4,5>"}, 4 + 16),
    "wrapping sum": ({"kind": "sum_of_squares", "of": "x", "accumulator_type": "ap_uint<4>"}, 9),
    "squared difference": (
        {"kind": "squared_difference", "of": "x", "reference": "t", "element_type": WIDE},
        2.25**2 + 9,
    ),
    "pulls": ({"kind": "r_z", "of": "x", "inverse_sigma": "t", "element_type": WIDE}, 2.25**2 + 16),
    "divergence": ({"kind": "kl", "of": "x", "variance_term": "t"}, 4.5 + 8 + 0.75 + 1),
    "divergence, halves cut": (
        {"kind": "kl", "of": "x", "variance_term": "t", "accumulator_type": "ap_uint<8>"},
        4 + 8 + 1,
    ),
}


@pytest.mark.parametrize(("score", "expected"), SCORES.values(), ids=SCORES)
def test_scores(score: dict[str, Any], expected: float) -> None:
    wide = "ap_ufixed<16,8>"
    made = network(TABLE, kind="ap_uint<4>", score={"accumulator_type": WIDE} | score | {"type": wide})
    assert (made.integer_scale, fixed.score(made, [[3, 4]]).tolist()) == (256, [int(256 * expected)])


def test_the_sum_of_squares_is_cut_square_by_square_in_the_type_of_the_score() -> None:
    # 2.25 and 2.25 are 2 each; the exact sum would be 4.5
    made = network(kind="ap_fixed<8,7>", score={"kind": "sum_of_squares", "of": "x", "type": "ap_uint<8>"})
    assert fixed.score(made, [[1.5, -1.5]]).tolist() == [4]


def test_mahalanobis_is_the_geometric_mean_of_the_distances_to_all_clusters() -> None:
    score = {
        "kind": "mahalanobis",
        "of": "x",
        "type": "ap_ufixed<16,8>",
        "clusters": [
            {"weights": [[1.0, 0.0], [0.0, 1.0]], "bias": [0.0, 0.0]},
            {"weights": [[2.0, 0.0], [0.0, 2.0]], "bias": [-6.0, 0.0]},
        ],
        "weight_type": WIDE,
        "bias_type": WIDE,
        "accumulator_type": WIDE,
        "element_type": WIDE,
        "distance_type": "ap_ufixed<40,20>",
    }
    made = network(score=score)
    # distances 5 and 8; 5 and 0
    assert fixed.score(made, [[3, 4], [3, 0]]).tolist() == [int(256 * 40**0.5), 0]


def test_inputs_are_scaled_step_by_step() -> None:
    scaling = {
        "unscaled_type": "ap_fixed<18,13>",
        "offset": [0.0, 4.5, 0.0, 0.0],
        "offset_type": "ap_fixed<10,10>",
        "shift": [6, 0, -1, 6],
        "shift_type": "ap_int<5>",
        "network_input_type": "ap_fixed<8,6,AP_RND_CONV,AP_SAT>",
    }
    made = read(document([], 4, "ap_fixed<18,13>", scaling=scaling))
    # 9/64 is cut to 4/32, a tie, which goes to the even multiple of 1/4; the offset 4.5 is cut to 4
    assert (fixed.run(made, [[9, 5, 2047.5, -9]])["x"] / 4).tolist() == [[0, 1, 31.75, -0.25]]


@pytest.mark.parametrize("first_seed", range(0, 300, 50))
def test_random_networks_have_the_meaning_of_exact_fractions(first_seed: int) -> None:
    above_zero = 0
    for seed in range(first_seed, first_seed + 50):
        made, oracle = random_network(seed), FractionNetwork(random_document(seed))
        inputs = random_inputs(made, 4, seed)
        expected = [oracle.score([Fraction(int(value)) for value in row]) for row in inputs]
        assert fixed.score(made, inputs).tolist() == expected, f"seed {seed}"
        above_zero += any(expected)
    assert above_zero > 25


def test_sums_beyond_64_bits_are_exact() -> None:
    wide = "ap_fixed<100,50>"
    layer = dense(
        [[2.0**40], [1.0]],
        [2.0**-40],
        accumulator_type=wide,
        output_type=wide,
        bias_type="ap_fixed<50,1>",
        weight_type="ap_fixed<60,50>",
    )
    made = network(layer, kind="ap_int<30>")
    assert integer_bits(made) > 63
    assert fixed.run(made, [[2**29 - 1, -1]])["y"].tolist() == [
        [(((2**29 - 1) << 90) - (1 << 50) + (1 << 10) + 2**99) % 2**100 - 2**99]
    ]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, np.float32, np.float64])
def test_inputs_of_any_kind_of_number(dtype: type) -> None:
    made = network(linear("ap_int<8>"))
    assert fixed.run(made, np.array([[3, 100]], dtype))["y"].tolist() == [[3, 100]]


def test_given_numbers_far_out_of_range_wrap_exactly() -> None:
    made = network(kind="ap_fixed<8,7>")
    given = np.array([[2.0**70 + 2.0**30, 1e-300], [-1e-300, -(2.0**50) - 0.5]])
    assert fixed.run(made, given)["x"].tolist() == [[0, 0], [-1, -1]]
    assert fixed.run(made, np.array([[2**63 + 1, 2**64 - 1]], np.uint64))["x"].tolist() == [[2, -2]]
    assert fixed.run(made, np.array([[-(2**63), 2**63 - 1]]))["x"].tolist() == [[0, -2]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [[1.0, float("nan")]],
            "inputs: found infinite or undefined numbers, expected finite ones; convert the inputs",
        ),
        ([[1.0, 2.0, 3.0]], "inputs: found float64 of shape (1, 3), expected numbers (n, 2)"),
        ([1.0, 2.0], "inputs: found float64 of shape (2,)"),
        ([["a", "b"]], "inputs: found <U1 of shape (1, 2)"),
    ],
)
def test_other_inputs_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(InputsInvalid) as caught:
        fixed.score(network(), inputs)
    assert message in str(caught.value)


def test_no_crossings_have_no_scores() -> None:
    assert fixed.score(network(linear("ap_int<8>")), np.zeros((0, 2))).shape == (0,)


def _axol1tl() -> bytes:
    elements = [element.model_dump(mode="json") for element in named_elements("axol1tl-57")]
    return json.dumps(document([], inputs={"tensor": "x", "elements": elements, "type": "ap_int<12>"})).encode()


def test_the_backend_scores_packed_words_as_their_inputs(make_version, random_columns, slow_inputs, tmp_path) -> None:
    make_version(files={"network.json": _axol1tl()})
    backend = fixed.FixedBackend(Repository(tmp_path).load("axol1tl", "v1"))
    columns = random_columns(50, 1)
    scores = backend.score(columns)
    assert scores.dtype == np.int32
    assert scores.tolist() == (slow_inputs(columns) ** 2).sum(axis=1).tolist()
    assert backend.score_inputs(slow_inputs(columns)).tolist() == scores.tolist()


def test_a_version_without_a_network_is_refused(make_version, tmp_path) -> None:
    make_version()
    with pytest.raises(FileNotListed, match="lists no 'network.json', which an exact score needs"):
        fixed.FixedBackend(Repository(tmp_path).load("axol1tl", "v1"))


def test_inputs_that_packed_words_do_not_hold_are_scored_from_arrays_only(make_version, tmp_path) -> None:
    elements = [{"object": "jet", "quantity": "pt", "unit": "GeV"}]
    content = document([], inputs={"tensor": "x", "elements": elements, "type": "ap_int<12>"})
    make_version(files={"network.json": json.dumps(content).encode()})
    backend = fixed.FixedBackend(Repository(tmp_path).load("axol1tl", "v1"))
    assert backend.score_inputs([[3]]).tolist() == [9]
    with pytest.raises(InputsInvalid, match=r"axol1tl/v1, input 0: found pt of jet 0 in unit 'GeV', expected"):
        _ = backend.needed_columns


@pytest.mark.conformance
@pytest.mark.parametrize("name", ["axol1tl_v3", "axol1tl_v4", "axol1tl_v5", "cicada_v2p1p2"])
def test_every_score_of_the_deployed_emulators(conformance: Path, name: str) -> None:
    folder = conformance.parent / "reference" / "models"
    made = read_network((folder / f"{name}.json").read_bytes(), f"{name}.json")
    again = read_network(made.to_json(), "again")
    with np.load(folder / f"{name}_scores.npz") as arrays:
        inputs = arrays["regions" if "regions" in arrays else "inputs"]
        expected = arrays[f"score_times_{made.integer_scale}"]
    assert int((fixed.score(made, inputs) != expected).sum()) == 0
    assert np.array_equal(fixed.score(again, inputs[:500]), expected[:500])
