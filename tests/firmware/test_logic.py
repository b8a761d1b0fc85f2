"""Networks as logic give the bits of the backend `fixed` (docs/firmware.md, "The logic")."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from da4ml._binary import dais_interp_run
from da4ml.trace import comb_trace
from da4ml.types import QInterval

from firmware.da4ml_exact import cost_add, exact_numbers, fraction_bits, log2
from firmware.logic import convert, input_port, network_logic
from firmware.rtl_errors import NotLogic
from models.backends import fixed, open_backend
from models.fixed_codes import convert as convert_codes
from models.fixed_point import FixedPoint, Overflow, Rounding
from tests.models.encoder_networks import encoder_document, network_from, sum_document, version_from
from tests.models.random_networks import ALL_SCORES, random_inputs, random_network

WITHOUT_ROOTS = tuple(score for score in ALL_SCORES if score != "mahalanobis")


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_random_networks_have_the_reference_scores(seed: int) -> None:
    network = random_network(seed, scores=WITHOUT_ROOTS)
    logic = network_logic(network, [network.given_type] * network.n_inputs)
    inputs = random_inputs(network, 100, seed)
    scores = dais_interp_run(logic.to_binary(), network.given_type.quantise(inputs), 1).ravel()
    np.testing.assert_array_equal(scores, fixed.score(network, inputs))


@pytest.mark.parametrize(("rounding", "overflow"), list(product(Rounding, Overflow)))
@pytest.mark.parametrize("sign", [1, -1])
def test_every_number_is_converted_as_the_type_says(rounding: Rounding, overflow: Overflow, sign: int) -> None:
    random = np.random.default_rng(7)
    for _ in range(12):
        bits, to_bits = (int(n) for n in random.integers(1, 8, 2))
        given_type = FixedPoint(bits, int(random.integers(-2, 8)), bool(random.integers(2)))
        to = FixedPoint(to_bits, int(random.integers(-2, 8)), bool(random.integers(2)), rounding, overflow)
        low, high = given_type.code_range
        codes = np.arange(low, high + 1)
        port = input_port(given_type)
        logic = comb_trace([port], [convert(port * float(sign), to)], keep_dead_inputs=True)
        values = np.ldexp(codes.astype(float), -given_type.fraction_bits)[:, None]
        found = dais_interp_run(logic.to_binary(), values, 1).ravel()
        expected = convert_codes(sign * codes, given_type.fraction_bits, to)
        np.testing.assert_array_equal(found, np.ldexp(expected.astype(float), -to.fraction_bits), f"{given_type}→{to}")


def test_a_geometric_mean_is_no_logic() -> None:
    network = random_network(1, scores=("mahalanobis",))
    with pytest.raises(NotLogic, match="geometric mean"):
        network_logic(network, [network.given_type] * network.n_inputs)


def test_the_same_network_gives_the_same_logic() -> None:
    network = network_from(encoder_document(1))
    ports = [network.given_type] * network.n_inputs
    first, second = (network_logic(network, ports) for _ in range(2))
    assert first.ops == second.ops


@pytest.mark.parametrize("power", [-90, -45, 0, 20])
def test_constants_far_above_the_unit_of_a_wire_are_exact(power: int) -> None:
    """As after many layers, each of whose weights has fraction bits."""
    with exact_numbers("far"):
        port = input_port(FixedPoint(12, 12, signed=True))
        far = port * 2.0**power
        limited = far.max_of(-3 * 2.0**power).min_of(1000 * 2.0**power) * 2.0**-power
        logic = comb_trace([port], [limited, (far * 2.0**-power).min_of(1000.0)], keep_dead_inputs=True)
    codes = np.arange(-2048, 2048)
    found = dais_interp_run(logic.to_binary(), codes.astype(float)[:, None], 1)
    np.testing.assert_array_equal(found, np.stack([codes.clip(-3, 1000), codes.clip(None, 1000)], axis=1))


@pytest.mark.parametrize(
    ("given", "to"),
    [
        ("ap_fixed<6,6>", "ap_fixed<31,-3,AP_TRN,AP_SAT>"),  # its greatest number needs 34 fraction bits
        ("ap_fixed<8,8>", "ap_ufixed<40,-4,AP_TRN,AP_SAT>"),
        ("ap_fixed<8,-57>", "ap_fixed<8,8>"),  # −2^-65 is cut to −1
    ],
)
def test_numbers_far_from_each_other_are_converted(given: str, to: str) -> None:
    kinds = [FixedPoint.parse(text) for text in (given, to)]
    with exact_numbers("far"):
        port = input_port(kinds[0])
        logic = comb_trace([port], [convert(port, kinds[1])], keep_dead_inputs=True)
    low, high = kinds[0].code_range
    codes = np.arange(low, high + 1).astype(object)
    values = np.ldexp(codes.astype(float), -kinds[0].fraction_bits)[:, None]
    found = np.ldexp(dais_interp_run(logic.to_binary(), values, 1).ravel(), kinds[1].fraction_bits)
    np.testing.assert_array_equal(found, convert_codes(codes, kinds[0].fraction_bits, kinds[1]).astype(float))


@pytest.mark.parametrize("to", ["ap_fixed<30,27,AP_RND_CONV>", "ap_ufixed<2,-2>", "ap_ufixed<6,0,AP_RND_CONV>"])
def test_numbers_that_rounding_makes_one_are_converted(to: str) -> None:
    kind = FixedPoint.parse(to)
    port = input_port(FixedPoint(2, 2, signed=False))
    logic = comb_trace([port], [convert((port - 32.0) * 2.0**-7, kind)], keep_dead_inputs=True)
    values = np.arange(4.0)
    found = dais_interp_run(logic.to_binary(), values[:, None], 1).ravel()
    np.testing.assert_array_equal(found, kind.quantise((values - 32) / 128))


def test_numbers_beyond_the_range_become_0_whatever_they_were_converted_to_before() -> None:
    """Without care, da4ml asks the highest bit of the sum, which has no sign, and its interpreter misreads it."""
    first, second = (FixedPoint.parse(text) for text in ("ap_fixed<6,5>", "ap_ufixed<6,5,AP_TRN,AP_SAT_ZERO>"))
    port = input_port(FixedPoint(5, 4))
    logic = comb_trace([port], [convert(convert(port + 10.0, first), second)], keep_dead_inputs=True)
    values = np.arange(-8, 8, 0.5)
    found = dais_interp_run(logic.to_binary(), values[:, None], 1).ravel()
    np.testing.assert_array_equal(found, second.quantise(first.quantise(values + 10)))


def test_the_square_of_the_least_number_has_a_bit_more() -> None:
    least = -(1 << 25)
    port = input_port(FixedPoint(26, 26))
    to = FixedPoint(50, 50, signed=False)
    with exact_numbers("wide"):
        logic = comb_trace([port], [convert(port * port, to)], keep_dead_inputs=True)
    found = dais_interp_run(logic.to_binary(), np.array([[least], [-least - 1.0]]), 1).ravel()
    np.testing.assert_array_equal(found, [0, (2.0**25 - 1) ** 2])


def test_an_adder_of_numbers_in_great_or_small_units_costs_as_much_as_any() -> None:
    here, there = QInterval(0.0, 255.0, 1.0), QInterval(-64.0, 63.5, 0.5)
    cost = cost_add(here, there, 0, False, -1, -1)
    assert all(map(math.isfinite, cost))
    for unit in (2.0**110, 2.0**-140):
        scaled = [QInterval(*(end * unit for end in interval)) for interval in (here, there)]
        assert cost_add(*scaled, 0, False, -1, -1) == cost


def test_logarithms_are_integers_for_powers_of_two_only() -> None:
    assert [log2(2.0**power) for power in (-300, 0, 50)] == [-300, 0, 50]
    assert 49 < log2(2**50 - 1) < 50 < log2(2**50 + 1)
    assert [fraction_bits(constant) for constant in (3 * 2.0**-90, 2.0**60, 0.0)] == [90, -60, -32]


@pytest.mark.parametrize(
    ("input_type", "weight", "why"),
    [("ap_uint<40>", (1 << 20) + 1, "numbers of 61 bits"), ("ap_int<40>", 1, "wraps numbers of 40 bits with sign")],
)
def test_numbers_that_da4ml_cannot_tell_apart_are_refused(input_type: str, weight: int, why: str) -> None:
    version = version_from(sum_document([weight, 0], input_type, "ap_int<64>", "ap_ufixed<16,16>"))
    with pytest.raises(NotLogic, match=why):
        open_backend("da4ml", version)


def test_given_numbers_of_any_size_are_converted_exactly() -> None:
    version = version_from(sum_document([1, 3], "ap_fixed<18,16,AP_RND>", "ap_fixed<30,28>", "ap_ufixed<20,18>"))
    backend = open_backend("da4ml", version)
    sets = [
        [[0.12499999999999999, 2.0**52 + 1], [1e300, -1e300], [2.0**60 + 4096, -0.125]],
        [[2**60 + 1, -(2**55) - 3]],
    ]
    for inputs in map(np.array, sets):
        np.testing.assert_array_equal(backend.score_inputs(inputs), fixed.score(version.network, inputs))
