"""Metrics of what a run is: its menu, its limits, its changes (`docs/metrics.md`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.run.assembly import Assembly
from stream.services.changes import Change
from triggers.menu.model import Menu, WorkingPointCondition


def facts_of(assembly: Assembly) -> tuple[Metric, ...]:
    """What does not change in the course of a run: what it runs, the limit of its rate, what its AD algorithms are.

    Raises:
        L1ChainError: the menu cannot be loaded.
    """
    run = GaugeMetricFamily("l1chain_run_info", "The run.", labels=["menu", "menu_digest", "l1chain"])
    run.add_metric([assembly.menu.name, assembly.menu.digest, version("l1chain")], 1.0)
    limit_hz = assembly.config.metrics.l1_rate_limit_hz
    limit = GaugeMetricFamily("l1chain_l1_rate_limit_hz", "Rate of L1 accepts that is alerted above.", limit_hz)
    what = "Colliding bunches in an orbit, which rates are proportional to."
    bunches = GaugeMetricFamily("l1chain_colliding_bunches", what, assembly.config.run.colliding_bunches)
    return run, limit, bunches, _working_points(assembly.menu)


def _working_points(menu: Menu) -> Metric:
    """Algorithms that are a working point of a model and nothing else, so that their rate is known beforehand."""
    family = GaugeMetricFamily(
        "l1chain_algorithm_working_point_info",
        "An algorithm that is one working point of a model.",
        labels=["algorithm", "model", "working_point"],
    )
    for algorithm in menu.algorithms:
        condition = algorithm.expression
        if isinstance(condition, WorkingPointCondition):
            family.add_metric([algorithm.name, condition.model, condition.working_point], 1.0)
    return family


def register_changes(registry: CollectorRegistry, changes: Callable[[], Iterable[Change]]) -> None:
    """Add the number of changes that were agreed on."""
    registry.register(_Changes(changes))


class _Changes(Collector):
    def __init__(self, changes: Callable[[], Iterable[Change]]) -> None:
        self._changes = changes

    def collect(self) -> Iterator[Metric]:
        """Changes by kind."""
        family = CounterMetricFamily("l1chain_changes", "Changes of the running chain.", labels=["kind"])
        for kind, n in Counter(change.kind for change in self._changes()).items():
            family.add_metric([kind], n)
        yield family

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: there are no changes before the run."""
        return iter(())
