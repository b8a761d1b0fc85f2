"""Trigger rules: at most n L1 accepts in any m consecutive slots (`docs/decision.md`, section "Trigger rules")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from triggers.errors import BadValue

MAX_RULES: Final = 8
MAX_ACCEPTS: Final = 16


@dataclass(frozen=True)
class TriggerRule:
    """At most `accepts` L1 accepts in any `slots` consecutive 25 ns slots, empty ones included."""

    accepts: int
    slots: int

    def __str__(self) -> str:
        return f"{self.accepts} in {self.slots}"


DEFAULT_RULES: Final = (TriggerRule(1, 3), TriggerRule(2, 25), TriggerRule(3, 100), TriggerRule(4, 240))
"""Those of CMS: what the read-out electronics of the detectors can take."""


def checked_rules(rules: Iterable[TriggerRule]) -> tuple[TriggerRule, ...]:
    """The rules, shortest window first, so that a crossing which several forbid counts for the shortest.

    Raises:
        BadValue: a rule that forbids nothing or everything, or too many rules.
    """
    ordered = tuple(sorted(rules, key=lambda rule: (rule.slots, rule.accepts)))
    if len(ordered) > MAX_RULES:
        raise BadValue("trigger rules", f"there are {len(ordered)}", f"give at most {MAX_RULES}")
    for rule in ordered:
        if not 1 <= rule.accepts <= min(MAX_ACCEPTS, rule.slots - 1):
            remedy = f"give 1 to {MAX_ACCEPTS} accepts in more slots than that"
            raise BadValue("trigger rules", f"'{rule}' is no rule", remedy)
    return ordered


def parse_rule(text: str) -> TriggerRule:
    """A rule written as `ACCEPTS/SLOTS`, such as `1/3`.

    Raises:
        BadValue: it has another form.
    """
    accepts, slash, slots = text.partition("/")
    if not (slash and accepts.isdecimal() and slots.isdecimal()):
        raise BadValue("trigger rules", f"'{text}' is no rule", "write ACCEPTS/SLOTS, such as 1/3")
    return TriggerRule(int(accepts), int(slots))
