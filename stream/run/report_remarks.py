"""What was out of the ordinary in a run, as sentences (`docs/run-folder.md`, section "Report")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from triggers.studies.html import rate_text

MOST_DEAD_TIME: Final = 0.01
"""Of all crossings, as the alert `DeadTime` has it (docs/runbook.md)."""
MOST_TRIGGER_RULE_DEAD_TIME: Final = 0.05
"""Of the final OR, as the alert `TriggerRuleDeadTime` has it."""
_MOST_LISTED: Final = 10


def remarks(record: dict[str, Any]) -> Iterator[str]:
    """Sentences about what an operator must know of a run.

    Args:
        record: of a run that has ended.
    """
    if record["failure"]:
        yield f"The run failed: {record['failure']}."
    dead = sum(record["dead"].values())
    lost = record["produced"] - record["decided"] - dead
    if lost:
        yield f"{lost:,} crossings were neither decided nor counted as dead time."
    if dead > MOST_DEAD_TIME * record["produced"]:
        yield f"{dead / record['produced']:.1%} of the crossings were not taken (dead time)."
    if record["dead_time"] > MOST_TRIGGER_RULE_DEAD_TIME:
        yield f"Trigger rules blocked {record['dead_time']:.1%} of the final OR."
    yield from _above_limit(record)
    yield from _different_bits(record)
    for service, n in record["restarts"].items():
        yield f"{service} was started again {n} times." if n > 1 else f"{service} was started again once."
    yield from _not_evaluated(record)


def _above_limit(record: dict[str, Any]) -> Iterator[str]:
    limit_hz = record["config"]["metrics"]["l1_rate_limit_hz"]
    above = [row for row in record["lumi_sections"] if row["accepted_hz"] - row["accepted_error_hz"] > limit_hz]
    if above:
        listed = ", ".join(str(row["lumi_section"]) for row in above[:_MOST_LISTED])
        more = f" and {len(above) - _MOST_LISTED} more" if len(above) > _MOST_LISTED else ""
        yield f"The rate of L1 accepts was above {rate_text(limit_hz)} in the lumi sections {listed}{more}."


def _different_bits(record: dict[str, Any]) -> Iterator[str]:
    differing = (record["expected"] or {}).get("differing_bits", {})
    if differing:
        listed = ", ".join(f"{name}: {n}" for name, n in differing.items())
        yield f"Bits differ from those that the source knows: {listed}."


def _not_evaluated(record: dict[str, Any]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in record["menu"]["not_evaluated"].items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"Not evaluated ({reason}): {', '.join(names)}."
