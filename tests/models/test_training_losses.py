"""Augmented views are crossings that could be, and the terms of losses are what the docs say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

import tensorflow as tf

from models.fixed_point import FixedPoint
from models.layouts import named_elements, named_layout
from models.scaling import InputScaling
from models.training.augmentations import Augmentations, Augmenter
from models.training.embedding import WHITENING, whiten
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes
from models.training.losses import SaturationAwareReconstruction, covariance_term, divergence, variance_term
from models.training.outliers import LARGEST_ET, outliers
from models.training.quantiles import UNSCALED, momentum_inputs, quantile_scaling
from models.training.scaled_inputs import ScaledInputs
from models.zoo.vicreg import INPUTS
from tests.models.training_data import random_data, random_inputs

pytestmark = pytest.mark.train

LAYOUT = "axol1tl-57"
SEED = tf.constant([1, 2], tf.int32)
MOMENTUM = momentum_inputs(LAYOUT)
EXACT = Augmentations(momentum_resolution={}, position_resolution=0.0, masked=0.0, rotated=False)


def view(inputs: np.ndarray, settings: Augmentations) -> np.ndarray:
    return Augmenter(LAYOUT, settings)(tf.constant(inputs), SEED).numpy()


def test_a_view_without_augmentation_is_the_crossing_without_positions_of_missing_objects() -> None:
    inputs = random_inputs(LAYOUT, 200)
    assert np.array_equal(view(inputs, EXACT), inputs)


def test_views_stay_within_the_fields_and_missing_objects_stay_missing() -> None:
    inputs = random_inputs(LAYOUT, 500)
    seen = view(inputs, Augmentations(position_resolution=3.0))
    low, high = np.array([f.field.allowed if f.field.bits else (0, 0) for f in named_layout(LAYOUT).fields]).T
    assert ((low <= seen) & (seen <= high)).all()
    assert np.array_equal(seen, np.rint(seen))
    assert not seen[inputs[:, MOMENTUM] == 0].any()
    assert not np.array_equal(seen, inputs)


def test_masked_objects_are_missing_as_a_whole_with_the_stated_chance() -> None:
    inputs = random_inputs(LAYOUT, 2000)
    seen = view(inputs, EXACT.model_copy(update={"masked": 0.3}))
    gone = (seen[:, MOMENTUM] == 0) & (inputs[:, MOMENTUM] > 0)
    assert not seen[gone].any()
    assert np.array_equal(seen[~gone], inputs[~gone])
    assert gone.sum() / (inputs[:, MOMENTUM] > 0).sum() == pytest.approx(0.3, abs=0.01)


def test_a_turn_is_the_same_angle_for_muons_and_calorimeter_objects() -> None:
    inputs = random_inputs(LAYOUT, 300)
    elements = named_elements(LAYOUT)
    phi = np.array([element.quantity == "phi" for element in elements])
    turn = np.array([576 if element.object == "muon" else 144 for element in elements])
    inputs = np.where(phi, inputs % turn, inputs).astype(np.int16)
    seen = view(inputs, EXACT.model_copy(update={"rotated": True}))
    assert np.array_equal(seen[:, ~phi], inputs[:, ~phi])
    angles = ((seen - inputs) % turn / turn)[:, phi]
    there = (inputs[:, MOMENTUM] > 0)[:, phi]
    for row, present in zip(angles, there, strict=True):
        assert np.ptp(row[present]) < 1e-6


def test_the_scaling_in_the_graph_is_that_of_the_network() -> None:
    data = random_data(LAYOUT)
    scaling = quantile_scaling(data, INPUTS, allow_constant=False)
    assert isinstance(scaling, InputScaling)
    assert scaling.unscaled_type == UNSCALED
    assert np.array_equal(ScaledInputs(scaling)(data.inputs).numpy(), scaling.apply(data.inputs))


def test_the_reconstruction_of_saturated_momenta_and_missing_objects_is_forgiven() -> None:
    loss = SaturationAwareReconstruction(LAYOUT)
    inputs = np.zeros((1, 57), np.int16)
    inputs[0, 3:6] = 255, 4, 5  # an e/γ at the end of its scale, pt >> 1
    targets = np.zeros((1, 57), np.float32)

    def of(index: int, value: float) -> float:
        made = targets.copy()
        made[0, index] = value
        return float(loss(inputs, targets, made))

    assert of(3, 2.0) == 0.0
    assert of(3, -2.0) > 0.0
    assert of(4, 1.0) > 0.0
    assert of(7, 1.0) == 0.0  # eta of the second e/γ, which is missing
    assert of(6, 1.0) > 0.0  # its momentum: that it is missing counts
    assert of(1, 1.0) == 0.0  # the missing energy has no eta


def test_divergence_variance_and_covariance() -> None:
    assert float(divergence(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32))) == 0.0
    assert float(divergence(np.full((3, 2), 2.0, np.float32), np.zeros((3, 2), np.float32))) == pytest.approx(4.0)
    random = np.random.default_rng(1).normal(size=(4000, 3)).astype(np.float32)
    assert float(variance_term(tf.constant(2.0 * random))) == 0.0
    assert float(variance_term(tf.constant(0.0 * random))) == pytest.approx(0.99)
    assert float(covariance_term(tf.constant(random))) == pytest.approx(0.0, abs=0.01)
    assert float(covariance_term(tf.constant(random[:, [0, 0, 1]]))) == pytest.approx(2 / 3, abs=0.1)


def test_outliers_have_more_energy_than_zero_bias_and_stay_on_the_scale() -> None:
    regions = random_inputs("cicada-252", 300) // 8
    made = outliers(regions, 900, seed=1)
    assert made.shape == (900, 252)
    assert made.min() >= 0
    assert made.max() <= LARGEST_ET
    for kind in range(3):
        assert made[kind::3].sum(axis=1).mean() > regions.sum(axis=1).mean()
    assert np.array_equal(made, outliers(regions, 900, seed=1))


WIDE = FixedPoint.parse("ap_fixed<20,10,AP_RND_CONV,AP_SAT>")


def identity_layer(n: int) -> FakeQuantisedDense:
    layer = FakeQuantisedDense(n, LayerTypes(WIDE, WIDE, WIDE))
    layer.build((None, n))
    layer.follow(np.linalg.inv(layer.exported().weights), np.zeros(n), WIDE)
    return layer


def test_a_whitened_embedding_has_mean_0_and_equal_spreads_without_covariance() -> None:
    independent = np.random.default_rng(1).normal(2.0, 1.0, (5000, 2))
    values = tf.constant(independent @ [[3.0, 2.0], [0.0, 1.0]], tf.float32)
    layer = identity_layer(2)
    whiten(layer, layer(values).numpy(), spread=2.0, least_variance=0.01)
    found = layer(values).numpy()
    assert found.mean(axis=0) == pytest.approx([0.0, 0.0], abs=0.1)
    assert np.cov(found.T) == pytest.approx(4.0 * np.eye(2), abs=0.3)
    assert layer.exported().weight_type == WHITENING


def test_directions_that_hardly_vary_stay_small_in_a_whitened_embedding() -> None:
    values = tf.constant(np.random.default_rng(1).normal(0.0, [3.0, 0.3], (5000, 2)), tf.float32)
    layer = identity_layer(2)
    whiten(layer, layer(values).numpy(), spread=2.0, least_variance=1.0)
    found = layer(values).numpy().std(axis=0)
    assert found == pytest.approx([2.0 * 3.0 / np.sqrt(10.0), 2.0 * 0.3 / np.sqrt(1.09)], rel=0.1)
