"""Networks as logic give the bits of the backend `fixed` (docs/firmware.md, "The logic")."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from da4ml._binary import dais_interp_run
from da4ml.trace import comb_trace

from firmware.logic import convert, exact_constants, input_port, network_logic
from firmware.rtl_errors import NotLogic
from models.backends import fixed
from models.fixed_codes import convert as convert_codes
from models.fixed_point import FixedPoint, Overflow, Rounding
from tests.models.encoder_networks import encoder_document, network_from
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
    port = input_port(FixedPoint(12, 12, signed=True))
    far = port * 2.0**power
    limited = far.max_of(-3 * 2.0**power).min_of(1000 * 2.0**power) * 2.0**-power
    logic = exact_constants(comb_trace([port], [limited, (far * 2.0**-power).min_of(1000.0)], keep_dead_inputs=True))
    codes = np.arange(-2048, 2048)
    found = dais_interp_run(logic.to_binary(), codes.astype(float)[:, None], 1)
    np.testing.assert_array_equal(found, np.stack([codes.clip(-3, 1000), codes.clip(None, 1000)], axis=1))
