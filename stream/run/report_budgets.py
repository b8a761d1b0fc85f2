"""What budgets that act did in a run, in words and on a page (`docs/budgets.md`, section "Records")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from triggers.studies import html, plots
from triggers.studies.html import rate_text

_MOST_LISTED: Final = 500

Row = dict[str, Any]


def budget_actions(record: Row) -> Iterator[tuple[str, Row]]:
    """The name of the budget and the action, for all actions of a run in order."""
    for row in record["lumi_sections"]:
        for name, control in row.get("budget_control", {}).items():
            if control["action"] is not None:
                yield name, control["action"]


def budget_sentences(record: Row) -> Iterator[str]:
    """A sentence for each budget that acts."""
    for budget in record.get("budget_control", ()):
        done = ", ".join(f"{kind} × {n}" for kind, n in budget["actions"].items()) or "nothing had to be done"
        setting = "" if budget["setting"] is None else f", {budget['by']} {budget['setting']}"
        yield (
            f"Budget {budget['budget']} was to hold its {budget['rate']} rate at {rate_text(budget['target_hz'])}: "
            f"{done}; at the end {budget['state']}{setting}."
        )


def budget_section(record: Row) -> Iterator[str]:
    """The part of the page about budgets that act; nothing if there are none."""
    budgets = record.get("budget_control", ())
    if not budgets:
        return
    yield html.heading("Budgets that act")
    for sentence in budget_sentences(record):
        yield html.paragraph(sentence)
    series = {budget["budget"]: _over_target(record, budget["budget"], budget["target_hz"]) for budget in budgets}
    caption = (
        "Rates of the groups as their controllers see them: before caps, per decided second. "
        "A lumi section sets the next one."
    )
    yield html.figure(plots.lines(series, "lumi section", "rate over target", {"target": 1.0}), caption)
    actions = list(budget_actions(record))
    if not actions:
        return
    header = ["from lumi section", "budget", "action", "before", "after", "rate that caused it", "target"]
    yield html.table(header, (_cells(name, action) for name, action in actions[:_MOST_LISTED]), n_text=5)
    if len(actions) > _MOST_LISTED:
        rest = len(actions) - _MOST_LISTED
        yield html.paragraph(f"{rest:,} further actions stand in the rows of their lumi sections.", "note")


def _over_target(record: Row, name: str, target_hz: float) -> tuple[list[int], list[float]]:
    seen = [(row["lumi_section"], row["budget_control"][name]["rate_hz"]) for row in record["lumi_sections"]]
    known = [(number, rate_hz / target_hz) for number, rate_hz in seen if rate_hz is not None]
    return [number for number, _ in known], [ratio for _, ratio in known]


def _cells(budget: str, action: Row) -> list[str]:
    before, after = _setting(action["before"]), _setting(action["after"])
    rates = rate_text(action["rate_hz"]), rate_text(action["target_hz"])
    return [str(action["lumi_section"]), budget, action["action"], before, after, *rates]


def _setting(setting: str | int | None) -> str:
    return "–" if setting is None else str(setting)
