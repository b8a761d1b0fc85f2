"""Metrics of budgets that act (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.services.budget_control import BudgetControllers
from stream.services.budget_kinds import ActionKind


class BudgetControlMetrics(Collector):
    """Exports what the controllers do, as it stands."""

    def __init__(self, budgets: BudgetControllers) -> None:
        self._budgets = budgets

    def collect(self) -> Iterator[Metric]:
        """Targets, rates of the last lumi section, states, thresholds, actions."""
        what = "Rate that the controller of a budget holds."
        target = GaugeMetricFamily("l1chain_budget_target_hz", what, labels=["budget"])
        what = "Rate of a budget's group in the last lumi section, as its controller sees it."
        rate = GaugeMetricFamily("l1chain_budget_controlled_hz", what, labels=["budget"])
        what = "What the controller of a budget moves and does."
        state = GaugeMetricFamily("l1chain_budget_controller_info", what, labels=["budget", "by", "state"])
        what = "Threshold that the controller of a budget has set, of the working point that it moves."
        threshold = GaugeMetricFamily("l1chain_budget_threshold", what, labels=["budget", "model", "working_point"])
        what = "What the controller of a budget did."
        actions = CounterMetricFamily("l1chain_budget_actions", what, labels=["budget", "action"])
        for controller in self._budgets.controllers:
            name, control = controller.name, controller.control
            target.add_metric([name], control.law.target_hz)
            state.add_metric([name, control.by, controller.state], 1.0)
            if controller.rate_hz is not None:
                rate.add_metric([name], controller.rate_hz)
            if control.point is not None and isinstance(controller.setting, int):
                moved = control.point.condition
                threshold.add_metric([name, moved.model, moved.working_point], controller.setting)
            for kind in ActionKind:
                actions.add_metric([name, kind], controller.n_actions[kind])
        yield from (target, rate, state, threshold, actions)

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance."""
        return iter(())
