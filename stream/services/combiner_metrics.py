"""The combiner's metrics (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from triggers.decision.decide import STEPS, Counts, DecisionSettings
from triggers.menu.model import Algorithm

LATENCY_BUCKETS_S: Final = tuple(2.5e-4 * 2**k for k in range(16))


class CombinerMetrics:
    """Counters read from the decision's own counts, and latencies of batches."""

    def __init__(
        self,
        registry: CollectorRegistry,
        algorithms: Iterable[Algorithm],
        settings: DecisionSettings,
        counts: Counts,
    ) -> None:
        registry.register(_Decisions(tuple(algorithms), settings, counts))
        self._latency = Histogram(
            "l1chain_batch_latency_seconds",
            "Time from a batch's making to the arrival of a stage's result, or to its decision.",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.duplicate_results = Counter(
            "l1chain_duplicate_results", "Results dropped because they were there already.", registry=registry
        )
        self._queue = Gauge("l1chain_queue_batches", "Batches waiting, by queue.", ["queue"], registry=registry)

    def stage_latency(self, stage: str, seconds: float) -> None:
        """Count the latency of one batch up to a stage's result, or up to `decision`."""
        self._latency.labels(stage).observe(seconds)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Export the number of batches that wait for results or for their turn."""
        self._queue.labels("combiner").set_function(length)


class _Decisions(Collector):
    """Exports the counts as they stand."""

    def __init__(self, algorithms: tuple[Algorithm, ...], settings: DecisionSettings, counts: Counts) -> None:
        self._algorithms, self._settings, self._counts = algorithms, settings, counts

    def collect(self) -> Iterator[Metric]:
        """Totals, accepts by algorithm and step, crossings suppressed by budget."""
        counts = self._counts
        yield _counter("l1chain_crossings_decided", "Crossings decided.", counts.crossings)
        yield _counter("l1chain_crossings_accepted", "Crossings with an L1 accept.", counts.accepted)
        seconds = counts.crossings / self._settings.crossings_per_second
        yield _counter("l1chain_simulated_seconds", "Simulated time of the crossings decided.", seconds)
        accepts = CounterMetricFamily(
            "l1chain_algorithm_accepts",
            "Crossings in which an algorithm fired, after each step of the decision.",
            labels=["algorithm", "step"],
        )
        for step, by_algorithm in zip(STEPS, counts.by_step, strict=True):
            for algorithm in self._algorithms:
                accepts.add_metric([algorithm.name, step], float(by_algorithm[algorithm.index]))
        yield accepts
        suppressed = CounterMetricFamily(
            "l1chain_budget_suppressed_crossings", "Crossings that a budget suppressed.", labels=["budget"]
        )
        for budget, count in zip(self._settings.budgets, counts.suppressed, strict=True):
            suppressed.add_metric([budget.name], float(count))
        yield suppressed
        blocked = CounterMetricFamily(
            "l1chain_trigger_rule_blocked_crossings",
            "Crossings of the final OR that a trigger rule blocked.",
            labels=["rule"],
        )
        for rule, count in zip(self._settings.rules, counts.blocked, strict=False):
            blocked.add_metric([str(rule)], float(count))
        yield blocked


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, value=value)
