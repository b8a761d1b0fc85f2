"""ONNX graphs of fixed-point networks give the reference's integers, whatever arithmetic they use."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from models.backends import fixed
from models.backends.exact_onnx import ExactOnnxBackend, OnnxScorer, open_onnx
from models.backends.geometric_mean import geometric_means
from models.backends.onnx import OnnxBackend
from models.backends.onnx_graph import OnnxNetwork, onnx_network
from models.errors import BackendLimit, InputsInvalid
from models.fixed_codes import geometric_mean_code
from models.fixed_point import FixedPoint
from models.inputs import hardware_inputs
from models.intervals import integer_bits
from models.repository import Repository
from tests.models.encoder_networks import encoder_document, network_from, sum_document, version_from
from tests.models.random_networks import random_inputs, random_network


def element_types(graph: OnnxNetwork, operator: str) -> set[int]:
    """The types of the constants that nodes of an operator read."""
    model = onnx.load_from_string(graph.content)
    types = {constant.name: constant.data_type for constant in model.graph.initializer}
    return {
        types[name] for node in model.graph.node if node.op_type == operator for name in node.input if name in types
    }


@settings(max_examples=120)
@given(st.integers(0, 10**6))
def test_random_networks_have_the_reference_scores(seed: int) -> None:
    network = random_network(seed)
    inputs = random_inputs(network, 40, seed)
    try:
        scorer = OnnxScorer(network)
    except BackendLimit:
        assert integer_bits(network) > 63
        return
    onnx.checker.check_model(onnx.load_from_string(scorer.graph.content), full_check=True)
    assert np.array_equal(scorer.score_inputs(inputs), fixed.score(network, inputs))


@pytest.mark.parametrize(
    ("weights", "operator", "expected"),
    [
        ([4096, 1], "Gemm", TensorProto.FLOAT),  # 4095 · 4097 = 2^24 − 1
        ([4097, 1], "Gemm", TensorProto.DOUBLE),  # one more input than 24 bits hold
        ([8192, 2], "Gemm", TensorProto.FLOAT),  # 25 bits, but all sums are even
        ([-4096, 1], "Gemm", TensorProto.FLOAT),
        ([2049, -2048], "Gemm", TensorProto.FLOAT),
    ],
)
def test_float32_is_used_up_to_24_bits_and_not_beyond(weights: list[int], operator: str, expected: int) -> None:
    network = network_from(sum_document(weights, "ap_uint<12>", "ap_int<30>", "ap_fixed<28,28>"))
    assert element_types(onnx_network(network), operator) == {expected}
    ends = np.array([[a, b] for a in (0, 1, 4094, 4095) for b in (0, 1, 2, 4094, 4095)])
    assert np.array_equal(OnnxScorer(network).score_inputs(ends), ends @ np.array(weights))


def _quantised(given: str, made: str, kind: str) -> dict[str, Any]:
    return {"op": "quantise", "input": given, "output": made, "output_type": kind}


FAR_APART = {
    "numbers that are always 0, in units of 2^-126": (
        "ap_int<2>",
        [
            _quantised("x", "zero", "ap_fixed<63,0>"),
            {"op": "concatenate", "inputs": ["x", "zero"], "output": "both", "output_type": "ap_int<53>"},
        ],
        {"kind": "sum_of_squares", "of": "both", "type": "ap_ufixed<8,8>"},
    ),
    "a type without bits, and numbers cut to −1": (
        "ap_int<4>",
        [_quantised("x", "zero", "ap_fixed<0,28>")],
        {"kind": "sum_of_squares", "of": "zero", "type": "ap_ufixed<18,14,AP_TRN,AP_SAT>"},
    ),
    "a range of whose ends float32 has only one": (
        "ap_uint<3>",
        [_quantised("x", "near", "ap_fixed<30,2,AP_TRN,AP_SAT_ZERO>")],
        {"kind": "sum_of_squares", "of": "near", "type": "ap_ufixed<8,8>"},
    ),
    "windows whose numbers get different types": (
        "ap_int<4>",
        [
            {"op": "reshape", "input": "x", "output": "image", "shape": [2, 1, 1]},
            {
                "op": "conv2d",
                "input": "image",
                "output": "sums",
                "weights": [[[[1, 0.5]]]],
                "weight_type": "ap_fixed<4,2>",
                "bias": [0, 0.25],
                "bias_type": "ap_fixed<4,2>",
                "accumulator_type": "ap_fixed<12,8>",
                "output_type": "ap_fixed<12,8>",
            },
            {
                "op": "relu",
                "input": "sums",
                "output": "positive",
                "output_type": ["ap_ufixed<4,4>", "ap_ufixed<4,3,AP_RND>", "ap_ufixed<5,3>", "ap_ufixed<0,0>"],
            },
        ],
        {"kind": "sum_of_squares", "of": "positive", "type": "ap_ufixed<12,8>"},
    ),
    "a table after a layer of int64 in finer units": (
        "ap_ufixed<60,53>",
        [
            {
                "op": "dense",
                "input": "x",
                "output": "same",
                "weights": [[0], [0]],
                "weight_type": "ap_int<2>",
                "bias": [3],
                "bias_type": "ap_int<4>",
                "accumulator_type": "ap_fixed<20,8>",
                "output_type": "ap_int<3>",
            },
            {"op": "table", "input": "same", "output": "found", "values": list(range(8)), "output_type": "ap_uint<3>"},
        ],
        {"kind": "network_output", "of": "found", "type": "ap_uint<8>"},
    ),
}


@pytest.mark.parametrize("what", FAR_APART)
def test_types_far_apart_are_exact(what: str) -> None:
    input_type, layers, score = FAR_APART[what]
    elements = [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i in range(2)]
    inputs = {"tensor": "x", "elements": elements, "type": input_type}
    network = network_from(
        {"schema": "l1chain-network/1", "name": what, "inputs": inputs, "layers": layers, "score": score}
    )
    given = np.array([[a, b] for a in range(-8, 8) for b in range(-8, 8)])
    assert np.array_equal(OnnxScorer(network).score_inputs(given), fixed.score(network, given))


def test_sums_of_more_than_53_bits_are_integers() -> None:
    weights = [(1 << 36) + 1, 1 << 30]
    network = network_from(sum_document(weights, "ap_uint<20>", "ap_int<60>", "ap_ufixed<31,31,AP_TRN,AP_WRAP>"))
    graph = onnx_network(network)
    assert "Gemm" not in graph.operators
    assert element_types(graph, "MatMul") == {TensorProto.INT64}
    inputs = np.random.default_rng(1).integers(0, 1 << 20, (200, 2))
    assert np.array_equal(OnnxScorer(network).score_inputs(inputs), inputs @ np.array(weights) % (1 << 31))


def test_numbers_beyond_64_bits_are_refused() -> None:
    network = network_from(sum_document([(1 << 39) - 1] * 3, "ap_uint<40>", "ap_int<90>", "ap_ufixed<31,31>"))
    with pytest.raises(
        BackendLimit, match=r"backend onnxruntime: numbers of \d+ bits, as in tensor .*; use backend fixed"
    ):
        onnx_network(network)


def test_a_network_like_axol1tl_is_float32_with_rounding_and_clipping_alone() -> None:
    graph = onnx_network(network_from(encoder_document(1)))
    assert graph.operators[:9] == ("Gemm", "Round", "Clip") * 3
    assert graph.input_dtype == np.float32


@pytest.mark.parametrize("seed", range(3))
def test_words_inputs_and_reference_agree(seed: int, random_columns) -> None:
    version, columns = version_from(encoder_document(seed)), random_columns(3000, seed)
    backend = ExactOnnxBackend(version, block_rows=700)
    scores = backend.score(columns)
    expected = fixed.score(backend.network, hardware_inputs(version.layout, columns))
    assert scores.dtype == np.int32
    assert len(np.unique(expected)) > 100
    assert np.array_equal(scores, expected)
    assert np.array_equal(backend.score_inputs(hardware_inputs(version.layout, columns)), expected)


def test_the_backend_prefers_a_network_to_a_graph(tmp_path, make_version) -> None:
    make_version()
    assert isinstance(open_onnx(Repository(tmp_path).load("axol1tl", "v1")), OnnxBackend)
    assert isinstance(open_onnx(version_from(encoder_document(0))), ExactOnnxBackend)


@pytest.mark.parametrize("seed", range(20))
def test_no_crossings_have_no_scores(seed: int) -> None:
    network = random_network(seed)
    nothing = np.zeros((0, network.n_inputs), np.int64)
    assert fixed.score(network, nothing).shape == OnnxScorer(network).score_inputs(nothing).shape == (0,)


def test_other_inputs_are_refused() -> None:
    backend = ExactOnnxBackend(version_from(encoder_document(0)))
    with pytest.raises(InputsInvalid):
        backend.score_inputs(np.zeros((2, 56)))
    with pytest.raises(InputsInvalid):
        backend.score_inputs(np.full((2, 57), np.nan))


@pytest.mark.parametrize("fraction_bits", [0, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_geometric_means_are_exact_at_and_beside_whole_numbers(n: int, fraction_bits: int) -> None:
    random = np.random.default_rng(n)
    roots = random.integers(0, 1 << 10, (500, n)) << 4
    squares = np.maximum(roots**2 + random.integers(-1, 2, (500, n)), 0)
    kind = FixedPoint.parse("ap_ufixed<20,14>")
    expected = [geometric_mean_code(row, fraction_bits, kind.fraction_bits) % (1 << 20) for row in squares.tolist()]
    assert np.array_equal(geometric_means(squares, fraction_bits, kind), expected)
