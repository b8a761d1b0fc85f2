"""Every strategy of an HLS project gives the same bits (docs/firmware.md, "Project")."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware.csim import layer_codes
from firmware.hls import hls_project
from firmware.hls_build import BuildSettings
from firmware.hls_strategies import Strategy, closest_reuse
from firmware.rtl_errors import ExtraMissing
from models.backends import fixed
from models.network import Network
from tests.firmware.extras import needs_hls4ml
from tests.firmware.small_networks import encoder
from tests.models.encoder_networks import encoder_document, network_from, sum_document
from tests.models.random_networks import random_inputs, random_network

pytestmark = needs_hls4ml

CASES = [
    (Strategy.RESOURCE, 3),
    (Strategy.RESOURCE, 114),
    (Strategy.DISTRIBUTED_ARITHMETIC, 1),
]


def _agrees(network: Network, strategy: Strategy, reuse: int) -> None:
    inputs = random_inputs(network, 300, 1)
    project = hls_project(network, "small", "v1", BuildSettings(strategy=strategy, reuse=reuse))
    expected = fixed.run(network, inputs)
    for name, codes in layer_codes(network, project, inputs).items():
        np.testing.assert_array_equal(codes, expected[name], f"{strategy}, {name}")


@pytest.mark.parametrize(("strategy", "reuse"), CASES)
def test_all_layers_have_the_reference_values(strategy: Strategy, reuse: int) -> None:
    _agrees(encoder(2), strategy, reuse)


@pytest.mark.parametrize("strategy", [Strategy.RESOURCE, Strategy.DISTRIBUTED_ARITHMETIC])
@pytest.mark.parametrize("seed", [3])
def test_random_networks_too(strategy: Strategy, seed: int) -> None:
    _agrees(random_network(seed, ops=("dense", "relu", "linear"), scores=("sum_of_squares",)), strategy, 2)


@pytest.mark.parametrize("weight", [(1 << 36) + 1, (1 << 23) - 1])
def test_adders_are_exact_for_weights_and_sums_of_many_bits(weight: int) -> None:
    network = network_from(sum_document([weight, 3], "ap_uint<20>", "ap_int<60>", "ap_ufixed<31,31>"))
    _agrees(network, Strategy.DISTRIBUTED_ARITHMETIC, 1)


def test_resource_takes_turns() -> None:
    files = hls_project(encoder(2), "a", "b", BuildSettings(strategy=Strategy.RESOURCE, reuse=19)).files
    parameters = files["firmware/parameters.h"]
    assert "strategy = nnet::resource" in parameters
    assert "static const unsigned reuse_factor = 19;" in parameters
    assert "DenseResource_rf_leq_nin" in parameters
    assert "#pragma HLS DATAFLOW" in files["firmware/a_b.cpp"]


def test_distributed_arithmetic_has_no_weights() -> None:
    files = hls_project(encoder(2), "a", "b", BuildSettings(strategy=Strategy.DISTRIBUTED_ARITHMETIC)).files
    assert not any(path.startswith("firmware/weights/w") for path in files)
    assert files["firmware/parameters.h"].count("void dense_da_") == 2


def test_an_accumulator_that_saturates_on_the_way_stays_latency() -> None:
    document = encoder_document(1, (4, 2))
    for layer in document["layers"]:
        if layer["op"] == "dense":
            layer["accumulator_type"] = "ap_fixed<9,6,AP_TRN,AP_SAT>"
    network = network_from(document)
    for strategy in (Strategy.RESOURCE, Strategy.DISTRIBUTED_ARITHMETIC):
        parameters = hls_project(network, "a", "b", BuildSettings(strategy=strategy)).files["firmware/parameters.h"]
        assert parameters.count("nnet::DenseLatency<") == 2


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 500))
def test_the_closest_allowed_factor_divides_the_products(n_in: int, n_out: int, reuse: int) -> None:
    factor = closest_reuse(n_in, n_out, reuse)
    assert n_in * n_out % factor == 0
    assert factor <= n_in or factor % n_in == 0
    assert closest_reuse(n_in, n_out, factor) == factor


def test_without_da4ml_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware.da4ml_package.find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'l1chain\[firmware\]'"):
        hls_project(encoder(2), "a", "b", BuildSettings(strategy=Strategy.DISTRIBUTED_ARITHMETIC))
