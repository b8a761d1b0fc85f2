"""A score stage: every crossing by the version that its lumi section has, some by a candidate beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from models.repository import LoadedVersion
from stream.services.changes import Change
from stream.services.columns_sent import ColumnsSent
from stream.services.model_changes import ModelTimeline, RunVersion, Serving, score_stage, swapped
from stream.services.scorers import Scorer, Scorers
from stream.services.stage import Columns, Result, Worker
from stream.wire.columns import ROWS, SCORE
from stream.wire.messages import Header
from triggers.errors import BadValue

_MANTISSA_BITS: Final = 23
_EXPONENT_OF_ONE: Final = 127
_OCTAVES: Final = 31
PRODUCTION: Final = "production"
"""The role of a version whose scores decide."""
ALSO: Final = "also"
"""The role of a version that the menu asks for by name."""
SHADOW: Final = "shadow"
"""The role of a candidate that decides nothing."""

Scores = NDArray[np.int32]
_log = logging.getLogger("l1chain.stream.score")


class ScoreWorker(Worker):
    """Scores crossings with the versions that their lumi section has.

    Args:
        timeline: which versions those are.
        scorers: has them ready.
    """

    def __init__(self, timeline: ModelTimeline, scorers: Scorers) -> None:
        self._timeline, self._scorers = timeline, scorers
        self._metrics = ScoreMetrics()
        self._failures: Counter | None = None
        needed = {name for version in timeline.base.versions for name in scorers.get(version).columns}
        self.columns = tuple(sorted(needed))
        self._sent = ColumnsSent()

    def work(self, columns: Columns, context: NDArray[np.bool_] | None, header: Header) -> Result:
        """`score` of every decided crossing by each version, the menu's integers; `rows` and `score` of the shadow."""
        serving = self._timeline.serving_in(header.lumi_section)
        found: dict[str, Scores] = {}
        for version in serving.scored:
            scores = self._scorers.get(version).backend.score(columns)
            found[version.label] = scores if context is None else scores[~context]
        result: Result = [(SCORE, scores) for scores in found.values()]
        self._note(serving, found)
        if serving.shadow is not None:
            rows = serving.shadowed(header)
            shadow = self._shadow(serving.shadow, found, columns, context, rows)
            result += [(ROWS, rows[: len(shadow)]), (SCORE, shadow)]
        return result

    def columns_in(self, lumi_section: int) -> tuple[str, ...]:
        """What the first versions read, and what those read that came since."""
        return self._sent.columns(score_stage(self._timeline.model), self.columns, lumi_section)

    def about(self, lumi_section: int) -> dict[str, str]:
        """The version that scores a lumi section, as its own manifest says."""
        return {"version": self._scorers.get(self._timeline.serving_in(lumi_section).production).label}

    def warm_up(self) -> None:
        """Load all versions."""
        for version in self._timeline.latest.versions:
            self._scorers.get(version)

    def register(self, registry: CollectorRegistry) -> None:
        """The histograms of scores, and which versions give them."""
        registry.register(self._metrics)
        self._failures = Counter(
            "l1chain_shadow_failures", "Batches that a candidate could not score.", ["model"], registry=registry
        )

    def prepare(self, change: Change) -> None:
        """Load, warm up and check what a change brings; called in a thread of its own."""
        for version in swapped(self._timeline.latest, change).versions:
            scorer = self._scorers.prepare(version)
            unstated = sorted(set(scorer.columns) - {*self.columns, *version.columns})
            if unstated:
                what = f"reads {', '.join(unstated)} with {version.backend}, which its inputs do not name"
                raise BadValue(version.label, what, f"start a run with `also: [{version.version}]` in scores")

    def change(self, change: Change) -> None:
        """Follow a change."""
        self._timeline.add([change])
        if self._timeline.concerns(change):
            self._sent.follow(change)
        for version in self._timeline.latest.versions:
            self._scorers.get(version)

    def _shadow(
        self,
        version: RunVersion,
        found: dict[str, Scores],
        columns: Columns,
        context: NDArray[np.bool_] | None,
        rows: NDArray[np.uint32],
    ) -> Scores:
        """The candidate's scores; none if it fails, which is no matter of the run's."""
        if version.label in found:
            return found[version.label][rows]
        whole = rows if context is None else np.flatnonzero(~context)[rows]
        try:
            backend = self._scorers.get(version).backend
            return backend.score({name: values[whole] for name, values in columns.items()})
        except Exception as error:  # noqa: BLE001 — whatever a candidate does, production goes on
            _log.warning("%s does not score: %s", version.label, error)
            if self._failures is not None:
                self._failures.labels(version.model).inc()
            return np.empty(0, np.int32)

    def _note(self, serving: Serving, found: dict[str, Scores]) -> None:
        roles = {version.label: ALSO for version in serving.also} | {serving.production.label: PRODUCTION}
        self._metrics.note([(self._scorers.get(v), roles.get(v.label, SHADOW)) for v in serving.versions], found)


class ScoreMetrics(Collector):
    """Histograms of scores, and the versions in use."""

    def __init__(self) -> None:
        self._in_use: list[tuple[Scorer, str]] = []
        self._histograms: dict[str, ScoreHistogram] = {}

    def note(self, in_use: list[tuple[Scorer, str]], scores: dict[str, Scores]) -> None:
        """Count the scores of a batch, by version."""
        self._in_use = in_use
        for scorer, _ in in_use:
            if scorer.label in scores:
                if scorer.label not in self._histograms:
                    manifest = scorer.loaded.manifest
                    self._histograms[scorer.label] = ScoreHistogram(manifest.name, manifest.version)
                self._histograms[scorer.label].add(scores[scorer.label])

    def collect(self) -> Iterator[Metric]:
        """Histograms by version, versions with their roles, rates of working points."""
        yield from version_families([(scorer.loaded, role) for scorer, role in self._in_use])
        family = HistogramMetricFamily("l1chain_score", "Scores of crossings.", labels=["model", "version"])
        for histogram in list(self._histograms.values()):
            histogram.add_to(family)
        yield family


def version_families(versions: list[tuple[LoadedVersion, str]]) -> Iterator[Metric]:
    """Versions in use with their roles, and the rates that their working points were calibrated to."""
    labels = ["model", "version", "digest", "role"]
    info = GaugeMetricFamily("l1chain_model_info", "A model version in use.", labels=labels)
    labels = ["model", "version", "working_point", "role"]
    rates = GaugeMetricFamily(
        "l1chain_working_point_rate_hz", "Rate that a working point was calibrated to, of a full beam.", labels=labels
    )
    for version, role in versions:
        manifest = version.manifest
        info.add_metric([manifest.name, manifest.version, version.digest, role], 1.0)
        for name, point in manifest.working_points.items():
            if point.full_beam_hz is not None:
                rates.add_metric([manifest.name, manifest.version, name, role], point.full_beam_hz)
    yield info
    yield rates


class ScoreHistogram:
    """Counts scores by octave, read off the exponent of a float: about a nanosecond a score."""

    def __init__(self, model: str, version: str) -> None:
        self._labels = (model, version)
        self._below_power = np.zeros(_OCTAVES + 1, np.int64)
        self._sum = 0

    def add(self, scores: Scores) -> None:
        """Count a batch of scores, which are not negative."""
        octaves = (scores.astype(np.float32).view(np.int32) >> _MANTISSA_BITS) - (_EXPONENT_OF_ONE - 1)
        self._below_power += np.bincount(np.maximum(octaves, 0), minlength=_OCTAVES + 1)
        self._sum += int(scores.sum(dtype=np.int64))

    def add_to(self, family: HistogramMetricFamily) -> None:
        """The histogram in Prometheus' terms: a bucket holds the integers up to 2^k − 1."""
        cumulative = np.cumsum(self._below_power)
        buckets = [(str(float(2**k - 1)), float(n)) for k, n in enumerate(cumulative[:-1])]
        family.add_metric(self._labels, [*buckets, ("+Inf", float(cumulative[-1]))], self._sum)
