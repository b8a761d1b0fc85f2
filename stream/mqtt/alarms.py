"""What deserves an alarm (`docs/mqtt.md`, "Alarms")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stream.services.budget_kinds import ActionKind


def of_lumi_section(row: Mapping[str, Any], l1_rate_limit_hz: float) -> Iterator[tuple[str, str]]:
    """Name and text of each alarm that a lumi section's row gives.

    Args:
        row: of the run record; its rate is per decided second.
        l1_rate_limit_hz: `metrics.l1_rate_limit_hz` of the run.
    """
    where = f"lumi section {row['lumi_section']}"
    if row["accepted_hz"] > l1_rate_limit_hz:
        yield "l1_rate", f"{where}: {row['accepted_hz']:,.0f} Hz accepted, the limit is {l1_rate_limit_hz:,.0f}"
    for cause, crossings in row.get("dead", {}).items():
        if crossings:
            yield "dead_time", f"{where}: {crossings:,} crossings dead, cause {cause}"
    for budget, suppressed in row.get("suppressed", {}).items():
        if suppressed:
            yield "budget", f"{where}: budget '{budget}' suppressed {suppressed:,} crossings"
    for budget, control in row.get("budget_control", {}).items():
        action = control["action"]
        if action is not None and action["action"] == ActionKind.OFF:
            yield "budget_off", f"{where}: budget '{budget}' switches its group off at {action['rate_hz']:,.0f} Hz"


class StatusAlarms:
    """Alarms of what changed since the last status; each is told once."""

    def __init__(self) -> None:
        self._run: str | None = None
        self._problem: str | None = None
        self._incarnations: dict[str, int] = {}

    def of_status(self, status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Name and text of each new alarm."""
        if status["run"] != self._run:
            self._run, self._problem, self._incarnations = status["run"], None, {}
        problem = status["problem"]
        if problem and problem != self._problem:
            yield "problem", str(problem)
        self._problem = problem
        before = self._incarnations
        self._incarnations = {name: service["incarnation"] for name, service in status["services"].items()}
        for name, incarnation in self._incarnations.items():
            if incarnation != before.get(name, incarnation):
                yield "restart", f"service {name} was replaced, it is incarnation {incarnation} now"
