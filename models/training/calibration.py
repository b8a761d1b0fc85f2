"""Thresholds that give wanted rates on a sample of crossings (`docs/models.md`, "Working points")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.protocol import Backend
from models.manifest import COLLIDING_BUNCHES, WorkingPoint
from triggers.events.crossings import column_view
from triggers.events.schema import ORBITS_PER_SECOND
from triggers.events.source import Source

COLLISION_RATE_HZ: Final = COLLIDING_BUNCHES * ORBITS_PER_SECOND


def score_histogram(backend: Backend, source: Source, n_integers: int, batch_rows: int = 1 << 16) -> NDArray[np.int64]:
    """How many crossings of a source have each score integer, `(n_integers,) int64`; one pass in constant memory."""
    counts = np.zeros(n_integers, np.int64)
    for batch in source.batches(batch_rows):
        columns = {name: column_view(batch.column(name)) for name in backend.needed_columns}
        counts += np.bincount(backend.score(columns), minlength=n_integers)
    return counts


def working_points(
    counts: NDArray[np.int64], targets_hz: Mapping[str, float], calibrated_on: str
) -> dict[str, WorkingPoint]:
    """The threshold closest to each target rate, with the rate that it gives on the sample.

    Args:
        counts: crossings at each score integer, from `score_histogram`.
        targets_hz: wanted rate at `COLLISION_RATE_HZ`, by working point.
        calibrated_on: the sample, for the manifest.
    """
    hz_per_crossing = COLLISION_RATE_HZ / counts.sum()
    selected = counts[::-1].cumsum()[::-1]
    points = {}
    for name, target_hz in targets_hz.items():
        threshold = int(np.argmin(np.abs(selected * hz_per_crossing - target_hz)))
        points[name] = WorkingPoint(
            threshold=threshold,
            rate_hz=round(float(selected[threshold]) * hz_per_crossing, 1),
            rate_error_hz=round(math.sqrt(selected[threshold]) * hz_per_crossing, 1),
            calibrated_on=calibrated_on,
        )
    return points
