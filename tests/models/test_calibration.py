"""Thresholds for wanted rates."""

from __future__ import annotations

import numpy as np
import pytest

from models.backends.onnx import OnnxBackend
from models.repository import Repository
from models.training.calibration import COLLISION_RATE_HZ, score_histogram, working_points
from triggers.events.crossings import batch_of


def test_collision_rate_is_that_of_2544_bunches() -> None:
    assert round(COLLISION_RATE_HZ / 1e6, 1) == 28.6


def test_the_threshold_whose_rate_is_closest_is_chosen() -> None:
    counts = np.zeros(100, np.int64)
    counts[:5] = (9_000, 900, 90, 9, 1)
    hz = COLLISION_RATE_HZ / 10_000
    points = working_points(counts, {"a": 12 * hz, "b": 1.2 * hz, "c": 800 * hz}, "a sample")
    assert {name: point.threshold for name, point in points.items()} == {"a": 3, "b": 4, "c": 1}
    assert points["a"].rate_hz == pytest.approx(10 * hz, abs=0.05)
    assert points["a"].rate_error_hz == pytest.approx(10**0.5 * hz, abs=0.05)
    assert points["a"].calibrated_on == "a sample"


def test_the_histogram_of_a_source_counts_every_crossing_once(tmp_path, make_version, random_columns) -> None:
    make_version()
    backend = OnnxBackend(Repository(tmp_path).load("axol1tl", "v1"))
    batches = [batch_of(random_columns(n, n)) for n in (100, 50)]

    class TwoBatches:
        info = None

        def batches(self, n_rows: int):
            yield from batches

    scores = np.concatenate([backend.score(random_columns(n, n)) for n in (100, 50)])
    assert np.array_equal(score_histogram(backend, TwoBatches(), 1 << 24), np.bincount(scores, minlength=1 << 24))
