"""The scan of bits, and the two numbers that it compares."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models import zoo
from models.training.rank_metrics import area_under_curve, true_positive_rate
from models.training.settings import TrainingSettings
from models.zoo.adc2021 import Adc2021
from models.zoo.bit_scan import ScanSamples, scan_bits
from tests.models.training_data import random_data, random_inputs
from triggers.errors import BadValue

pytestmark = pytest.mark.train


def test_the_area_is_the_chance_of_a_right_order() -> None:
    background, signal = np.array([0, 1, 1, 3]), np.array([1, 4])
    pairs = [0.5 if s == b else float(s > b) for s in signal for b in background]
    assert area_under_curve(background, signal) == pytest.approx(np.mean(pairs))


def test_the_threshold_selects_at_most_the_part_of_the_background() -> None:
    background = np.array([0, 1, 2, 3, 3, 3, 9, 10, 11, 12])
    signal = np.array([3, 9, 12, 13])
    assert true_positive_rate(background, signal, 0.1) == 0.5  # the 12 of the background is selected, and no other
    assert true_positive_rate(background, signal, 0.5) == 0.75
    with pytest.raises(BadValue, match="background: has 10 crossings, 100 are needed for 0.01; give more"):
        true_positive_rate(background, signal, 0.01)


def test_a_scan_compares_each_number_of_bits_with_float() -> None:
    recipe = zoo.recipe("adc2021_dense_ae")
    assert isinstance(recipe, Adc2021)
    loud = np.clip(random_inputs(recipe.layout, 300, seed=5) * 3, -288, 511).astype(np.int16)
    samples = ScanSamples(random_inputs(recipe.layout, 2000, seed=4), {"loud": loud}, false_positives=0.01)
    settings = TrainingSettings(epochs=2, batch_rows=256)
    points = scan_bits(recipe, random_data(recipe.layout), samples, settings, bits=(2, 12))
    assert [point.bits for point in points] == [None, 2, 12]
    assert points[0].auc_ratio == {"loud": 1.0}
    assert points[2].auc_ratio["loud"] == pytest.approx(1.0, abs=0.05)
    assert all(math.isfinite(point.auc["loud"]) for point in points)
