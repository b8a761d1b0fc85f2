"""Rates, thresholds and efficiencies: what lies at and above a score, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation_curves import ScoreCurve, separation
from models.evaluation_float import float_scores
from models.reference import reference_inputs, reference_scores
from models.repository import Repository
from tests.models.encoder_networks import network_from, region_document, sum_document
from tests.models.random_networks import random_inputs, random_network

ONES = np.ones(10)
scores_of_crossings = st.lists(st.integers(0, 30), min_size=1, max_size=60)


def test_a_threshold_selects_the_crossings_that_have_at_least_this_score() -> None:
    curve = ScoreCurve.of(np.array([3, 3, 5, 7, 7, 7, 9, 1, 1, 1]), ONES)
    assert [curve.at(t).fraction for t in (0, 3, 4, 7, 8, 10)] == pytest.approx([1, 0.7, 0.5, 0.4, 0.1, 0])
    assert curve.at(7).effective == 4


def test_with_ties_the_threshold_is_the_least_integer_whose_rate_is_not_above_the_target() -> None:
    curve = ScoreCurve.of(np.array([3, 3, 5, 7, 7, 7, 9, 1, 1, 1]), ONES)
    assert curve.threshold(0.3) == 8  # 7 would give 0.4, and there is nothing in between
    assert curve.threshold(0.4) == 6
    assert curve.threshold(0.0) == 10
    assert curve.threshold(1.0) == 1


@given(scores_of_crossings, st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_one_less_than_the_threshold_gives_more_than_the_target(scores: list[int], fraction: float) -> None:
    curve = ScoreCurve.of(np.array(scores), np.ones(len(scores)))
    threshold = curve.threshold(fraction)
    assert curve.at(threshold).fraction <= fraction or threshold == min(scores)
    assert threshold == min(scores) or curve.at(threshold - 1).fraction > fraction


@given(scores_of_crossings)
@settings(max_examples=40)
def test_integers_and_floats_of_the_same_value_have_the_same_curve(scores: list[int]) -> None:
    weights = np.linspace(0.5, 2, len(scores))
    integers = ScoreCurve.of(np.array(scores, np.int32), weights)
    floats = ScoreCurve.of(np.array(scores, np.float64), weights)
    for threshold in range(-1, 32):
        assert integers.at(threshold) == pytest.approx(floats.at(threshold))


def test_the_error_of_a_fraction_is_binomial() -> None:
    curve = ScoreCurve.of(np.repeat([0, 1], [900, 100]), np.ones(1000))
    assert curve.at(1).error == pytest.approx(np.sqrt(0.1 * 0.9 / 1000))
    assert curve.at(2).error == pytest.approx(1 / 1000)  # nothing is as uncertain as one crossing


def test_the_error_with_weights_is_that_of_repeated_samples() -> None:
    random = np.random.default_rng(1)
    found, stated = [], []
    for _ in range(400):
        signal = random.random(500) < 0.3
        curve = ScoreCurve.of(signal.astype(int), np.where(random.random(500) < 0.5, 0.2, 3.0))
        found.append(curve.at(1).fraction)
        stated.append(curve.at(1).error)
    assert np.std(found) == pytest.approx(np.mean(stated), rel=0.12)


def test_what_the_menu_keeps_does_not_count_but_stays_in_the_sample() -> None:
    curve = ScoreCurve.of(np.array([1, 2, 3, 4]), np.ones(4), np.array([1.0, 1.0, 0.5, 0.0]))
    assert curve.at(3).fraction == pytest.approx(0.125)
    assert curve.at(1).fraction == pytest.approx(0.625)


def test_auc_counts_equal_scores_half() -> None:
    random = np.random.default_rng(2)
    signal, background = random.integers(2, 9, 40), random.integers(0, 7, 60)
    wins = (signal[:, None] > background) + 0.5 * (signal[:, None] == background)
    found = separation(ScoreCurve.of(signal, np.ones(40)), ScoreCurve.of(background, np.ones(60)))
    assert found.auc == pytest.approx(wins.mean())
    assert 0.01 < found.error < 0.1


def test_without_rounding_a_network_gives_about_its_integers() -> None:
    network = Repository().load("axol1tl", "demo-v1").network
    inputs = reference_inputs(network, 1)
    exact, free = reference_scores(network, inputs), float_scores(network, inputs)
    least, greatest = network.score_type.code_range
    assert ((free >= least) & (free <= greatest)).all()
    middle = (exact > 1000) & (exact < greatest)
    assert np.median(np.abs(free[middle] / exact[middle] - 1)) < 0.1
    assert (free != np.floor(free)).any()


def test_a_network_that_never_rounds_is_the_same_in_float() -> None:
    network = network_from(sum_document([3, -2, 7], "ap_int<20>", "ap_int<40>", "ap_ufixed<20,20,AP_TRN,AP_SAT>"))
    inputs = np.random.default_rng(1).integers(0, 500, (50, 3))
    assert np.array_equal(float_scores(network, inputs), reference_scores(network, inputs))


def test_a_convolution_without_rounding_is_near_its_integers() -> None:
    network = network_from(region_document(3))
    inputs = np.random.default_rng(1).integers(0, 12, (40, 252))
    exact, free = reference_scores(network, inputs), float_scores(network, inputs)
    assert np.abs(free - exact).max() < 0.02 * max(exact.max(), 100)


@pytest.mark.parametrize("seed", range(25))
def test_every_layer_and_score_has_a_meaning_without_rounding(seed: int) -> None:
    network = random_network(seed)
    found = float_scores(network, random_inputs(network, 20, seed))
    assert found.shape == (20,)
    assert np.isfinite(found).all()
