"""Which conditions can be evaluated, and why the others cannot (`docs/menu-semantics.md`, section "Coverage")."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from triggers.menu.conditions.score import score_condition
from triggers.menu.model import (
    Algorithm,
    Condition,
    ExternalCondition,
    Menu,
    conditions_of,
)


def obstacle(condition: Condition, scores: Collection[str]) -> str | None:
    """Why a condition cannot be evaluated, one short sentence, or None if it can.

    Args:
        condition: any condition of a menu.
        scores: the names of the scores that are supplied.
    """
    wanted = score_condition(condition)
    if wanted is not None:
        if wanted.score not in scores:
            return f"needs the score {wanted.score}, which this run does not have"
        return "needs the score of a neighbouring crossing" if wanted.bx_offset else None
    if isinstance(condition, ExternalCondition):
        unknown = condition.channel is None
        return f"the menu gives the external signal {condition.signal} no channel" if unknown else None
    return None


def coverage(menu: Menu, scores: Collection[str]) -> tuple[tuple[Algorithm, ...], Mapping[str, str]]:
    """The algorithms of a menu that are evaluated, and the reason for each that is not, by name."""
    evaluated: list[Algorithm] = []
    reasons: dict[str, str] = {}
    for algorithm in menu.algorithms:
        found = (obstacle(condition, scores) for condition in conditions_of(algorithm.expression))
        reason = next((reason for reason in found if reason is not None), None)
        if reason is None:
            evaluated.append(algorithm)
        else:
            reasons[algorithm.name] = reason
    return tuple(evaluated), reasons
