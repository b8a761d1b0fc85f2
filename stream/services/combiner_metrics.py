"""The combiner's metrics (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.services.delivery import DeadTime
from stream.services.exported import ExportedAlgorithms
from stream.services.sinks.tables import RunTables
from triggers.decision.counts import STEPS
from triggers.decision.groups import GroupKind

LATENCY_BUCKETS_S: Final = tuple(2.5e-4 * 2**k for k in range(16))


class CombinerMetrics:
    """Counters read from the decision's own counts, and latencies of batches."""

    def __init__(self, registry: CollectorRegistry, exported: ExportedAlgorithms, tables: RunTables) -> None:
        registry.register(_Decisions(exported, tables))
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

    def __init__(self, exported: ExportedAlgorithms, tables: RunTables) -> None:
        self._exported, self._tables = exported, tables

    def collect(self) -> Iterator[Metric]:
        """Totals, accepts by algorithm and group, dead time, what budgets and rules held back, present settings."""
        yield from self._totals()
        yield from self._dead_time()
        yield from self._algorithms()
        yield from self._groups()
        yield from self._budgets()
        yield from self._present()

    def _totals(self) -> Iterator[Metric]:
        tables, counts = self._tables, self._tables.total
        dead = sum(tables.dead.values())
        yield _counter("l1chain_crossings_decided", "Crossings decided.", counts.crossings)
        yield _counter("l1chain_crossings_final_or", "Crossings with a final OR.", counts.final_or)
        yield _counter("l1chain_crossings_accepted", "Crossings with an L1 accept.", counts.accepted)
        yield _counter("l1chain_simulated_seconds", "Simulated time of the crossings decided.", tables.seconds)
        orbits = (counts.crossings + dead) / tables.settings.colliding_bunches
        yield _counter("l1chain_orbits", "Orbits of the crossings decided or not taken.", orbits)

    def _dead_time(self) -> Iterator[Metric]:
        tables = self._tables
        causes = ((cause.name.lower(), tables.dead.get(cause.name.lower(), 0)) for cause in DeadTime)
        yield _counters("l1chain_crossings_dead", "Crossings that a paced run did not take.", "cause", causes)
        counts = zip(tables.settings.rules, tables.total.blocked.tolist(), strict=False)
        blocked = ((str(rule), n) for rule, n in counts)
        what = "Crossings of the final OR that a trigger rule blocked."
        yield _counters("l1chain_trigger_rule_blocked_crossings", what, "rule", blocked)

    def _algorithms(self) -> Iterator[Metric]:
        counts = self._tables.total
        accepts = CounterMetricFamily(
            "l1chain_algorithm_accepts",
            "Crossings in which an algorithm fired, after each step of the decision.",
            labels=["algorithm", "step"],
        )
        chosen = self._exported.chosen(counts)
        for step, by_algorithm in zip(STEPS, counts.by_step, strict=True):
            for algorithm in chosen:
                accepts.add_metric([algorithm.name, step], float(by_algorithm[algorithm.index]))
        yield accepts
        shares = ((algorithm.name, self._tables.shares[algorithm.index]) for algorithm in chosen)
        what = "Crossings of the final OR, each shared equally among the algorithms that keep it."
        yield _counters("l1chain_algorithm_proportional_accepts", what, "algorithm", shares)

    def _groups(self) -> Iterator[Metric]:
        groups = self._tables.groups
        accepts = CounterMetricFamily(
            "l1chain_group_accepts",
            "Crossings of the final OR that a group of algorithms keeps.",
            labels=["group", "step"],
        )
        for name, (final, pure) in groups.of(GroupKind.MENU).items():
            accepts.add_metric([name, "final"], final)
            accepts.add_metric([name, "pure"], pure)
        yield accepts
        final, pure = groups.of(GroupKind.SCORES).get(GroupKind.SCORES, (0, 0))
        what = "Crossings of the final OR that algorithms on scores keep; pure: that nothing else keeps."
        yield _counters("l1chain_ad_accepts", what, "step", (("final", final), ("pure", pure)))

    def _budgets(self) -> Iterator[Metric]:
        tables = self._tables
        counts = zip(tables.settings.budgets, tables.total.suppressed.tolist(), strict=True)
        suppressed = ((budget.name, n) for budget, n in counts)
        what = "Crossings that a budget suppressed."
        yield _counters("l1chain_budget_suppressed_crossings", what, "budget", suppressed)
        passed = ((name, final) for name, (final, _) in tables.groups.of(GroupKind.BUDGET).items())
        what = "Crossings of the final OR that algorithms of a budget keep."
        yield _counters("l1chain_budget_accepts", what, "budget", passed)
        rates = GaugeMetricFamily("l1chain_budget_rate_hz", "Rate that a budget allows.", labels=["budget"])
        for budget in tables.settings.budgets:
            rates.add_metric([budget.name], budget.rate_hz)
        yield rates

    def _present(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "l1chain_lumi_section", "The lumi section that is being decided.", self._tables.lumi_section
        )
        column = GaugeMetricFamily("l1chain_prescale_column_info", "The prescale column in use.", labels=["column"])
        column.add_metric([self._tables.settings.column or "none"], 1.0)
        yield column


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, value=value)


def _counters(name: str, documentation: str, label: str, values: Iterable[tuple[str, float]]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in values:
        family.add_metric([value], float(count))
    return family
