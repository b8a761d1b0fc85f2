"""A score stage: one model version on every crossing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from models.backends.protocol import Backend
from stream.services.stage import Columns, Result, Worker
from stream.wire.columns import SCORE
from triggers.events.crossings import batch_of, column_view

_MANTISSA_BITS: Final = 23
_EXPONENT_OF_ONE: Final = 127
_OCTAVES: Final = 31


class ScoreWorker(Worker):
    """Scores crossings with one backend of one version."""

    def __init__(self, backend: Backend, model: str, version: str) -> None:
        self._backend = backend
        self._histogram = ScoreHistogram(model, version)
        self.columns = tuple(backend.needed_columns)

    def work(self, columns: Columns, context: NDArray[np.bool_] | None) -> Result:
        """`score` of every decided crossing, the menu's integer."""
        scores = self._backend.score(columns)
        if context is not None:
            scores = scores[~context]
        self._histogram.add(scores)
        return [(SCORE, scores)]

    def warm_up(self) -> None:
        """Compile the input kernel and let the backend allocate."""
        batch = batch_of({"bx": np.zeros(64, np.uint16)})
        self._backend.score({name: column_view(batch.column(name)) for name in self.columns})

    def register(self, registry: CollectorRegistry) -> None:
        """The histogram of scores."""
        registry.register(self._histogram)


class ScoreHistogram(Collector):
    """Counts scores by octave, read off the exponent of a float: about a nanosecond a score."""

    def __init__(self, model: str, version: str) -> None:
        self._labels = (model, version)
        self._below_power = np.zeros(_OCTAVES + 1, np.int64)
        self._sum = 0

    def add(self, scores: NDArray[np.int32]) -> None:
        """Count a batch of scores, which are not negative."""
        octaves = (scores.astype(np.float32).view(np.int32) >> _MANTISSA_BITS) - (_EXPONENT_OF_ONE - 1)
        self._below_power += np.bincount(np.maximum(octaves, 0), minlength=_OCTAVES + 1)
        self._sum += int(scores.sum(dtype=np.int64))

    def collect(self) -> Iterator[Metric]:
        """The histogram in Prometheus' terms: a bucket holds the integers up to 2^k − 1."""
        family = HistogramMetricFamily("l1chain_score", "Scores of crossings.", labels=["model", "version"])
        cumulative = np.cumsum(self._below_power)
        buckets = [(str(float(2**k - 1)), float(n)) for k, n in enumerate(cumulative[:-1])]
        family.add_metric(self._labels, [*buckets, ("+Inf", float(cumulative[-1]))], self._sum)
        yield family
