"""Ranges: what a layer can reach, and how many bits that takes, right at the edge."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from models.backends import fixed
from models.intervals import NodeRange, analyse, integer_bits
from tests.models.network_data import WIDE, dense, document, linear, network, read
from tests.models.random_networks import random_inputs, random_network

EXACT = "ap_fixed<64,40>"


def node(*layers: dict[str, Any], n_inputs: int = 2, kind: str = "ap_uint<12>") -> NodeRange:
    """The range of the last layer."""
    return analyse(read(document(list(layers), n_inputs, kind)))[layers[-1]["output"]]


def exact_dense(weights: list[list[float]], bias: list[float], **changes: Any) -> dict[str, Any]:
    return dense(
        weights, bias, accumulator_type=EXACT, output_type=EXACT, weight_type=EXACT, bias_type=EXACT, **changes
    )


@pytest.mark.parametrize(
    ("weights", "bias", "bits"),
    [
        ([[4095.0]], 0.0, 24),  # 4095² is below 2^24
        ([[4095.0]], 8190.0, 24),  # 2^24 − 1
        ([[4095.0]], 8191.0, 25),  # 2^24
        ([[4097.0]], 1.0, 25),  # 2^24 exactly: 4095 · 4097 + 1
        ([[4097.0]], 0.0, 24),  # 2^24 − 1
        ([[4097.0 / 2**10]], 2.0**-10, 25),  # the same in other units
        ([[4097.0 / 2**10]], 0.0, 24),
        ([[4096.0]], 0.0, 12),  # in units of 4096
        ([[4096.0]], 1.0, 24),  # 4095 · 4096 + 1
        ([[-4097.0]], 0.0, 24),
        ([[-4097.0]], -1.0, 25),
    ],
)
def test_the_bits_of_a_sum(weights: list[list[float]], bias: float, bits: int) -> None:
    found = node(exact_dense(weights, [bias]), n_inputs=1)
    assert found.value_bits == bits
    assert found.fits(24) is (bits <= 24)


def test_partial_sums_in_any_order_count_though_the_whole_sum_is_small() -> None:
    # with equal inputs they cancel, but the positive product and the bias are 4095 · 4097 + 1 = 2^24
    found = node(exact_dense([[4097.0], [-4097.0]], [1.0]))
    assert (found.value_bits, found.low[0], found.high[0]) == (25, (-4095 * 4097 + 1) << 24, 2**24 << 24)
    found = node(exact_dense([[1.0], [-1.0]], [0.0]), kind="ap_uint<25>")
    assert not found.fits(24)


def test_a_wide_output_grid_costs_no_bits() -> None:
    found = node(exact_dense([[1.0], [1.0]], [0.0]))
    assert (found.bits, found.mantissa_bits, found.fits(24)) == (13 + 24, 13, True)
    assert node(exact_dense([[1.0], [1.0]], [0.0]), linear(EXACT, input="y", output="z")).value_bits == 13


def test_an_unused_fine_element_does_not_make_the_grid_finer() -> None:
    layers = [linear(["ap_fixed<30,10>", "ap_int<13>"]), exact_dense([[0.0], [1.0]], [0.0], input="y", output="z")]
    found = node(*layers, kind="ap_fixed<40,20>")
    assert (found.value_bits, found.value_fraction_bits) == (13, 0)


@pytest.mark.parametrize(
    ("accumulator", "rounds", "overflows", "converts_once"),
    [
        ("ap_int<14>", False, False, True),
        ("ap_int<13>", False, True, True),
        ("ap_fixed<13,13,AP_TRN,AP_SAT>", False, True, False),
        ("ap_fixed<14,15>", True, False, False),
        ("ap_fixed<15,14>", False, False, True),
    ],
)
def test_accumulators(accumulator: str, rounds: bool, overflows: bool, converts_once: bool) -> None:
    # the sum goes up to 2 · 4095, which needs 13 bits and a sign
    found = node(dense([[1.0], [1.0]], [0.0], accumulator_type=accumulator)).accumulator
    assert found is not None
    assert (found.rounds, found.overflows, found.converts_once) == (rounds, overflows, converts_once)


def test_an_accumulator_that_overflows_on_the_way_only() -> None:
    layer = dense([[1.0], [-1.0]], [0.0], accumulator_type="ap_int<12>", output_type="ap_int<20>")
    found = node(layer)
    assert found.accumulator is not None
    assert found.accumulator.overflows
    assert (found.low[0], found.high[0]) == (-2048, 2047)


@pytest.mark.parametrize(
    ("kind", "low", "high", "overflows", "rounds"),
    [
        ("ap_uint<12>", 0, 4095, False, False),
        ("ap_uint<11>", 0, 2047, True, False),
        ("ap_fixed<12,12,AP_TRN,AP_SAT>", 0, 2047, True, False),
        ("ap_fixed<12,12,AP_TRN,AP_SAT_ZERO>", 0, 2047, True, False),
        ("ap_fixed<12,12>", -2048, 2047, True, False),
        ("ap_ufixed<11,12>", 0, 2047, False, True),
        ("ap_ufixed<11,12,AP_RND,AP_SAT>", 0, 2047, True, True),
        ("ap_fixed<0,0>", 0, 0, True, False),
    ],
)
def test_conversions(kind: str, low: int, high: int, overflows: bool, rounds: bool) -> None:
    found = node(linear(kind))
    assert (found.low[0], found.high[0], found.overflows, found.rounds) == (low, high, overflows, rounds)


def test_a_range_that_wraps_as_a_whole_stays_narrow() -> None:
    layers = [linear("ap_uint<2>"), exact_dense([[1.0, 0.0], [0.0, 1.0]], [6.0, 6.0], input="y", output="z")]
    found = node(*layers, linear("ap_uint<3>", input="z", output="w"))
    assert (found.low.tolist(), found.high.tolist()) == ([0, 0], [7, 7])
    layers[1] = exact_dense([[1.0, 0.0], [0.0, 1.0]], [8.0, 10.0], input="y", output="z")
    found = node(*layers, linear("ap_uint<3>", input="z", output="w"))
    assert (found.low.tolist(), found.high.tolist()) == ([0, 2], [3, 5])


def test_squares_are_not_negative_and_other_products_can_be() -> None:
    pair = {"op": "multiply", "output": "z", "output_type": WIDE}
    square = node(linear("ap_int<4>"), pair | {"inputs": ["y", "y"]}, kind="ap_int<4>")
    assert (square.low[0] >> 20, square.high[0] >> 20) == (0, 64)
    other = node(linear("ap_int<4>"), pair | {"inputs": ["x", "y"]}, kind="ap_int<4>")
    assert (other.low[0] >> 20, other.high[0] >> 20) == (-56, 64)


@pytest.mark.parametrize("seed", range(60))
def test_no_number_of_a_random_network_is_out_of_its_range_or_off_its_grid(seed: int) -> None:
    made = random_network(seed)
    codes = fixed.run(made, random_inputs(made, 40, seed))
    for name, found in analyse(made).items():
        excess = (made.tensors[name].fraction_bits - found.fraction_bits).astype(object)
        assert (codes[name] >= found.low).all(), name
        assert (codes[name] <= found.high).all(), name
        assert (codes[name].astype(object) % (1 << excess) == 0).all(), name


def test_every_bound_of_a_first_layer_is_reached() -> None:
    random = np.random.default_rng(5)
    weights = random.integers(-8, 8, (4, 3)) / 4
    made = network(dense(weights.tolist(), [0.5, -1.0, 0.0]), n_inputs=4, kind="ap_int<3>")
    corners = np.array(list(itertools.product([-4, 3], repeat=4)))
    codes, found = fixed.run(made, corners)["y"], analyse(made)["y"]
    assert codes.min(axis=0).tolist() == found.low.tolist()
    assert codes.max(axis=0).tolist() == found.high.tolist()


@pytest.mark.parametrize(("bits", "wide"), [(59, False), (63, True)])
def test_the_word_that_exact_integers_need(bits: int, wide: bool) -> None:
    made = network(dense([[1.0], [1.0]], [0.0], accumulator_type=f"ap_int<{bits}>"))
    assert (integer_bits(made) > 63) is wide
