"""The native kernel gives the reference's integers, or says that it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backends import fixed
from models.backends.exact_onnx import ExactOnnxBackend
from models.backends.native import NativeBackend, NativeScorer
from models.backends.native_kernel import Unit
from models.backends.native_program import compile_program
from models.errors import BackendLimit, InputsInvalid
from models.fixed_point import Overflow, Rounding
from models.inputs import hardware_inputs
from models.vectors import LANES
from tests.models.encoder_networks import encoder_document, network_from, region_document, sum_document, version_from
from tests.models.random_networks import ALL_OPS, random_inputs, random_network

OPS = tuple(op for op in ALL_OPS if op != "table")
SCORES = ("sum_of_squares", "squared_difference", "network_output")


def unit_kinds(document: dict[str, Any]) -> set[int]:
    return set(compile_program(network_from(document)).units[:, 0].tolist())


@settings(max_examples=150)
@given(st.integers(0, 10**6))
def test_random_networks_have_the_reference_scores(seed: int) -> None:
    network = random_network(seed, OPS, SCORES)
    inputs = random_inputs(network, 80, seed)
    try:
        scorer = NativeScorer(network)
    except BackendLimit:
        return
    assert np.array_equal(scorer.score_inputs(inputs), fixed.score(network, inputs))


def test_most_random_networks_are_supported() -> None:
    supported = 0
    for seed in range(60):
        try:
            NativeScorer(random_network(seed, OPS, SCORES))
        except BackendLimit:
            continue
        supported += 1
    assert supported >= 20


@pytest.mark.parametrize(("rounding", "overflow"), list(product(Rounding, Overflow)))
@pytest.mark.parametrize("relu", [False, True])
def test_every_rounding_and_overflow(rounding: Rounding, overflow: Overflow, relu: bool) -> None:
    document = sum_document([1], "ap_fixed<10,8>", "ap_fixed<12,10>", "ap_fixed<12,10>")
    kind = f"ap_fixed<6,6,{rounding},{overflow}>"
    operation = "relu" if relu else "linear"
    document["layers"].append({"op": operation, "input": "sum", "output": "out", "output_type": kind})
    document["score"]["of"] = "out"
    network = network_from(document)
    if overflow is Overflow.ZERO:
        with pytest.raises(BackendLimit, match=r"numbers that overflow in ap_fixed<6,6.* are not supported"):
            NativeScorer(network)
        return
    inputs = np.arange(-512, 512)[:, None] / 4
    assert np.array_equal(NativeScorer(network).score_inputs(inputs), fixed.score(network, inputs))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([32767, 32767], Unit.WIDE_SUMS),  # two products of 15 bits each: 31 bits
        ([-32768, -32768], Unit.PRODUCTS),  # 2^31 is one too many
        ([32768, 1], Unit.PRODUCTS),  # a weight of more than 16 bits
        ([32767, 32767, 32767], Unit.PRODUCTS),
    ],
)
def test_sums_of_32_bits_are_used_only_where_they_hold(weights: list[int], expected: Unit) -> None:
    document = sum_document(weights, "ap_int<16>", "ap_int<50>", "ap_fixed<31,31>")
    document["layers"].append(
        {"op": "linear", "input": "sum", "output": "out", "output_type": "ap_fixed<30,34,AP_RND_CONV,AP_SAT>"}
    )
    document["score"] = {"kind": "network_output", "of": "out", "type": "ap_ufixed<31,31>"}
    assert int(expected) in unit_kinds(document)
    network = network_from(document)
    ends = np.array(list(product((-32768, -32767, -1, 0, 1, 32767), repeat=len(weights))))
    assert np.array_equal(NativeScorer(network).score_inputs(ends), fixed.score(network, ends))


@pytest.mark.parametrize("n", [0, 1, LANES - 1, LANES, LANES + 1, 1000])
def test_words_inputs_and_reference_agree(n: int, random_columns) -> None:
    version, columns = version_from(encoder_document(n)), random_columns(n, n)
    backend = NativeBackend(version)
    expected = fixed.FixedBackend(version).score(columns)
    scores = backend.score(columns)
    assert scores.dtype == np.int32
    assert np.array_equal(scores, expected)
    assert np.array_equal(backend.score_inputs(hardware_inputs(version.layout, columns)), expected)


def test_scores_of_views_are_those_of_copies(random_columns) -> None:
    columns = random_columns(500, 1)
    backend = NativeBackend(version_from(encoder_document(2)))
    views = {name: column[100:300:2] for name, column in columns.items()}
    assert np.array_equal(backend.score(views), backend.score(columns)[100:300:2])


def test_dense_layers_with_relu_are_one_step_each() -> None:
    program = compile_program(network_from(encoder_document(0, (28, 16, 8))))
    assert np.bincount(program.units[:, 0]).tolist() == [28 // 4 + 16 // 4, 8 // 4, 1]


def test_columns_of_another_shape_or_type_are_refused(random_columns) -> None:
    backend, columns = NativeBackend(version_from(encoder_document(0))), random_columns(10, 0)
    with pytest.raises(InputsInvalid, match="column 'jet'"):
        backend.score(columns | {"jet": columns["jet"][:, :11]})
    with pytest.raises(InputsInvalid, match="column 'eg'"):
        backend.score(columns | {"eg": columns["eg"].astype(np.uint64)})
    with pytest.raises(InputsInvalid):
        backend.score_inputs(np.full((2, 57), np.inf))


def test_a_layer_that_the_kernel_lacks_is_named() -> None:
    document = sum_document([1], "ap_int<4>", "ap_int<4>", "ap_uint<4>")
    table = {"op": "table", "input": "sum", "output": "out", "values": list(range(16)), "output_type": "ap_uint<4>"}
    document["layers"].append(table)
    document["score"]["of"] = "out"
    with pytest.raises(
        BackendLimit, match="backend native: a layer of the kind Table is not supported; use backend onnx"
    ):
        NativeScorer(network_from(document))


_ON_ANY_PROCESSOR = """
import numpy as np
from models.backends import fixed
from models.backends.native import NativeScorer
from tests.models.encoder_networks import encoder_document, network_from
network = network_from(encoder_document(5))
inputs = np.random.default_rng(5).integers(-500, 2000, (200, 57))
assert np.array_equal(NativeScorer(network).score_inputs(inputs), fixed.score(network, inputs))
"""


def test_a_processor_without_the_instruction_gives_the_same(tmp_path) -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _ON_ANY_PROCESSOR], env=environment | {"PYTHONPATH": "."}, check=True)


@pytest.mark.parametrize("kind", [NativeBackend, ExactOnnxBackend])
def test_regions_are_read_from_their_column(kind) -> None:
    version = version_from(region_document(4))
    regions = np.random.default_rng(4).integers(0, 1 << 16, (300, 252)).astype(np.uint16)
    regions[:150] %= 64
    expected = fixed.FixedBackend(version).score({"regions": regions})
    assert len(np.unique(expected)) > 50
    assert np.array_equal(kind(version).score({"regions": regions}), expected)
