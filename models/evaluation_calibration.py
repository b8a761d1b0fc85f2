"""Target rates become working points of a new version (`docs/evaluation.md`, "Calibration")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from models.distribution import ScoreDistribution, distribution_of_counts
from models.evaluation_errors import RateUnreachable, TooFewAbove
from models.evaluation_result import Options, RateKind, RatePoint
from models.evaluation_sample import ScoredSample
from models.manifest import Manifest, WorkingPoint
from models.repository import LoadedVersion, Repository
from models.repository_changes import add_version

LEAST_ABOVE: Final = 10.0
"""Effective crossings that a threshold must have above it; its rate is known to a third then."""
_COUNTS: Final = 1 << 40
"""Weights become counts of this sum, so that parts of them are kept to many digits."""


def calibrated_points(
    names: Mapping[float, str], points: list[RatePoint], kind: RateKind, sample: ScoredSample, options: Options
) -> dict[str, WorkingPoint]:
    """Working points of the thresholds of one kind of rate.

    Args:
        names: of the working points, by target rate in Hz.
        points: from `models.evaluation.rate_points`.
        kind: total or pure.
        sample: what rates are of.
        options: how they were made.
    """
    beam = f"{sample.n_crossings:,} crossings, {options.colliding_bunches} bunches"
    beside = "" if kind is RateKind.TOTAL or options.menu is None else f", pure beside {options.menu.description}"
    return {
        names[point.target_hz]: WorkingPoint(
            threshold=int(point.threshold),
            rate_hz=round(point.rate_hz, 1),
            rate_error_hz=round(point.rate_error_hz, 1),
            calibrated_on=f"{sample.name}: {beam}{beside}; {point.effective:.0f} effective crossings above",
            colliding_bunches=options.colliding_bunches,
            is_pure=kind is RateKind.PURE,
        )
        for point in points
        if point.kind is kind
    }


def check_known(sample: ScoredSample, points: Iterable[RatePoint]) -> None:
    """Check that enough crossings lie above the thresholds.

    Raises:
        TooFewAbove: fewer than `LEAST_ABOVE` effective ones lie above one.
    """
    for point in points:
        if point.effective < LEAST_ABOVE:
            raise TooFewAbove(sample.name, sample.n_crossings, point.target_hz, point.effective, LEAST_ABOVE)


def check_reachable(label: str, points: Mapping[str, WorkingPoint], names: Mapping[float, str], largest: int) -> None:
    """Check that thresholds are scores that there are.

    Raises:
        RateUnreachable: one is beyond the greatest score.
    """
    for target_hz, name in names.items():
        if points[name].threshold > largest:
            raise RateUnreachable(label, target_hz, largest)


def weighted_distribution(sample: ScoredSample, scorer: str) -> ScoreDistribution:
    """How integer scores are distributed over a sample, weights respected: what drift is measured against."""
    values, places = np.unique(sample.scores[scorer], return_inverse=True)
    parts = np.bincount(places, sample.weights) / sample.weights.sum()
    counted = distribution_of_counts(np.rint(parts * _COUNTS).astype(np.int64), sample.name)
    return counted.model_copy(update={"edges": tuple(int(values[edge]) for edge in counted.edges)})


def add_calibrated(
    repository: Repository,
    version: LoadedVersion,
    new: str,
    points: Mapping[str, WorkingPoint],
    distribution: ScoreDistribution,
) -> tuple[Manifest, Path]:
    """Write a version with the files of another one, and other working points and reference distribution.

    Args:
        repository: where to write.
        version: whose network it is.
        new: name of the new version.
        points: its working points.
        distribution: of its scores.

    Raises:
        VersionExists, BadValue, RepositoryReadOnly: it cannot be written.
    """
    description = f"{version.manifest.description} Calibrated anew from {version.label} ({version.digest[:12]})."
    changes = {"version": new, "description": description, "working_points": dict(points), "histogram": distribution}
    manifest = version.manifest.model_copy(update=changes)
    return manifest, add_version(repository, manifest, version.files)
