"""Metrics of candidates and of the drift of scores (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.services.scoring import Scoring

_PAIR: Final = ["model", "version", "production"]


class ShadowMetrics(Collector):
    """Exports the counts as they stand."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring

    def collect(self) -> Iterator[Metric]:
        """Crossings, selections by working point, scores of candidates and production; drift by version."""
        crossings = CounterMetricFamily(
            "l1chain_shadow_crossings", "Crossings that candidate and production both scored.", labels=_PAIR
        )
        selected = CounterMetricFamily(
            "l1chain_shadow_selected",
            "Crossings that a working point of candidate or production selects, or that both or only one of them do.",
            labels=[*_PAIR, "working_point", "by"],
        )
        scores = HistogramMetricFamily(
            "l1chain_shadow_score", "Scores of crossings that both scored.", labels=[*_PAIR, "by"]
        )
        for shadow in list(self._scoring.shadows.values()):
            names = [shadow.candidate.model, shadow.candidate.version, shadow.production.version]
            crossings.add_metric(names, shadow.crossings)
            for point, counts in shadow.summary()["working_points"].items():
                for by, n in counts.items():
                    selected.add_metric([*names, point, by], n)
            for by, octaves, total in zip(("production", "candidate"), shadow.octaves, shadow.sums, strict=True):
                cumulative = np.cumsum(octaves).tolist()
                buckets = [(str(float(2**k - 1)), float(n)) for k, n in enumerate(cumulative[:-1])]
                scores.add_metric([*names, by], [*buckets, ("+Inf", float(cumulative[-1]))], total)
        yield from (crossings, selected, scores)
        yield self._drift()

    def _drift(self) -> Metric:
        drift = GaugeMetricFamily(
            "l1chain_score_drift_psi",
            "Population stability index of the scores of a version in use against its reference distribution.",
            labels=["model", "version"],
        )
        for found in self._scoring.drifts_in_use:
            if found.psi is not None:
                drift.add_metric([found.model, found.version], found.psi)
        return drift
