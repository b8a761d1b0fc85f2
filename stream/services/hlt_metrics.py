"""Metrics of the stage after the L1 accept (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.services.hlt import Hlt

_MODEL = ["model", "version"]


class HltMetrics(Collector):
    """Exports the counts as the last commit left them."""

    def __init__(self, hlt: Hlt) -> None:
        self._hlt = hlt

    def collect(self) -> Iterator[Metric]:
        """Crossings scored, passed and accepted; threshold and rate limit."""
        total, settings = self._hlt.total, self._hlt.settings
        manifest = self._hlt.scorer.loaded.manifest
        names = [manifest.name, manifest.version]
        crossings = CounterMetricFamily(
            "l1chain_hlt_crossings",
            "L1 accepts that the stage after them scored, that passed its threshold, that its budget kept.",
            labels=[*_MODEL, "step"],
        )
        for step in ("scored", "passed", "accepted"):
            crossings.add_metric([*names, step], getattr(total, step))
        yield crossings
        threshold = GaugeMetricFamily("l1chain_hlt_threshold", "The least score that passes.", labels=_MODEL)
        threshold.add_metric(names, settings.threshold)
        yield threshold
        limit = GaugeMetricFamily("l1chain_hlt_rate_limit_hz", "Rate that the stage's budget allows.", labels=_MODEL)
        limit.add_metric(names, settings.rate_hz)
        yield limit
