"""From the configuration of budgets to controllers (`docs/budgets.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.run.budget_config import BudgetSection
from stream.services.budget_control import BudgetControl
from stream.services.budget_kinds import MovedBy
from stream.services.budget_levers import Column, MovedPoint
from stream.services.model_changes import ModelTimeline
from triggers.decision.budgets import Budget
from triggers.decision.rate_control import RateLaw
from triggers.errors import BadValue
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import Algorithm, WorkingPointCondition, conditions_of

_MOVES_THRESHOLD: Final = (MovedBy.WORKING_POINT, MovedBy.THRESHOLD)


def budget_controls(
    sections: Iterable[BudgetSection],
    budgets: Mapping[str, Budget],
    evaluator: Evaluator,
    timelines: Iterable[ModelTimeline],
    factors_of: Callable[[str], NDArray[np.int64]],
) -> tuple[BudgetControl, ...]:
    """The controllers that the configuration asks for.

    Args:
        sections: of the configuration.
        budgets: by name.
        evaluator: of the menu.
        timelines: of the run's models.
        factors_of: the prescale factors of a column.

    Raises:
        UnknownName: no such column or working point.
        BadValue: a budget without a threshold to move, with several, or with one that others use or move too.
    """
    controls: list[BudgetControl] = []
    for section in sections:
        control = section.control
        if control is None:
            continue
        budget = budgets[section.name]
        point = None
        if control.by in _MOVES_THRESHOLD:
            point = MovedPoint(_condition(budget, evaluator), control.by, control.between)
            _check_options(point, budget, timelines)
            _check_alone(point, budget, controls)
        law = RateLaw(section.target_hz, control.tolerance, control.emergency_factor)
        columns = tuple(Column(name, factors_of(name)) for name in control.columns)
        controls.append(BudgetControl(budget, law, control.rate, control.by, columns, point))
    return tuple(controls)


def _check_options(point: MovedPoint, budget: Budget, timelines: Iterable[ModelTimeline]) -> None:
    condition = point.condition
    for timeline in timelines:
        if timeline.model == condition.model:
            if f"{condition.model}@{condition.alias}" not in timeline.alias_names:
                what = f"moves {condition.model}@{condition.alias}, which is not the version that decides"
                raise BadValue(f"budget '{budget.name}'", what, "name that by an alias in the menu")
            point.options(timeline.base.production)


def _check_alone(point: MovedPoint, budget: Budget, before: Iterable[BudgetControl]) -> None:
    for other in before:
        if other.point is not None and other.point.condition == point.condition:
            what = f"moves the same threshold as budget '{other.budget.name}'"
            raise BadValue(f"budget '{budget.name}'", what, "let one do it; choose control.by: cap for the other")


def _condition(budget: Budget, evaluator: Evaluator) -> WorkingPointCondition:
    """The working point that the budget's algorithms have in common, and no others."""
    where = f"budget '{budget.name}'"
    by_point: dict[WorkingPointCondition, list[Algorithm]] = {}
    for algorithm in evaluator.evaluated:
        for condition in conditions_of(algorithm.expression):
            if isinstance(condition, WorkingPointCondition):
                by_point.setdefault(condition, []).append(algorithm)
    mine = [point for point, users in by_point.items() if any(_is_member(budget, user) for user in users)]
    if len(mine) != 1:
        names = ", ".join(f"{point.model}@{point.alias}:{point.working_point}" for point in mine) or "none"
        what = f"moves the threshold of one working point, but its algorithms name {names}"
        remedy = "give it one algorithm on a working point" if mine else "name one in the menu (model@alias:point)"
        raise BadValue(where, what, f"{remedy}, or choose control.by: column or cap")
    others = [user.name for user in by_point[mine[0]] if not _is_member(budget, user)]
    if others:
        what = f"would move the threshold of {', '.join(others)} too"
        raise BadValue(where, what, "put all algorithms with this working point into the budget")
    return mine[0]


def _is_member(budget: Budget, algorithm: Algorithm) -> bool:
    word, bit = divmod(algorithm.index, 64)
    return bool(int(budget.words[word]) >> bit & 1)
