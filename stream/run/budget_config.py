"""The configuration of budgets, and of what they do to hold a rate (`docs/budgets.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import ConfigDict, Field, model_validator

from stream.services.budget_kinds import MovedBy, RateKind
from triggers.strict_yaml import StrictModel

EVERYTHING: Final = "*"
"""As an algorithm of a budget: all of the menu."""
_MOVES_THRESHOLD: Final = (MovedBy.WORKING_POINT, MovedBy.THRESHOLD)


class ControlSection(StrictModel):
    """A controller that holds the rate of a budget's group.

    Attributes:
        by: what it moves.
        target_hz: rate that it holds; null: the budget's `rate_hz`.
        rate: the group's total rate, or what nothing else keeps.
        tolerance: relative deviation within which it does nothing.
        emergency_factor: times the target, above which it switches the group off; null: never.
        columns: of the prescale table, the loosest first; for `by: column`.
        between: two working points that the threshold stays between; null: those of the version with the lowest and
            the highest threshold.
    """

    model_config = ConfigDict(strict=False)

    by: MovedBy = MovedBy.CAP
    target_hz: Annotated[float, Field(gt=0)] | None = None
    rate: RateKind = RateKind.TOTAL
    tolerance: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    emergency_factor: Annotated[float, Field(ge=1.5)] | None = 10.0
    columns: tuple[str, ...] = ()
    between: tuple[str, str] | None = None

    @model_validator(mode="after")
    def _check(self) -> ControlSection:
        if self.by is MovedBy.COLUMN and len(set(self.columns)) < max(2, len(self.columns)):
            raise ValueError("by: column needs two or more different columns, the loosest first")
        if self.by is not MovedBy.COLUMN and self.columns:
            raise ValueError("columns are for by: column; remove them, or set it")
        if self.between is not None and self.by not in _MOVES_THRESHOLD:
            raise ValueError("between is for by: working_point and by: threshold; remove it, or set one of them")
        return self


class BudgetSection(StrictModel):
    """A rate budget of a group: algorithms or groups of the menu, `*` for all; and what it does to hold its rate."""

    model_config = ConfigDict(strict=False)

    name: str
    algorithms: tuple[str, ...]
    rate_hz: Annotated[float, Field(ge=0)]
    burst: Annotated[float, Field(ge=1)] = 8.0
    control: ControlSection | None = None

    @model_validator(mode="after")
    def _check(self) -> BudgetSection:
        if self.control is not None and self.control.target_hz is None and not self.rate_hz:
            raise ValueError("a rate of 0 Hz cannot be held; set control.target_hz, or remove control")
        return self

    @property
    def target_hz(self) -> float:
        """The rate that its controller holds."""
        target_hz = self.control.target_hz if self.control else None
        return self.rate_hz if target_hz is None else target_hz


def check_budgets(budgets: Sequence[BudgetSection], has_table: bool, has_schedule: bool) -> None:
    """Check budgets against each other and against the prescales.

    Args:
        budgets: all of the run.
        has_table: whether it has a prescale table.
        has_schedule: whether the configuration changes its column in the course of the run.

    Raises:
        ValueError: they contradict each other.
    """
    columns = [budget.name for budget in budgets if budget.control and budget.control.by is MovedBy.COLUMN]
    if len(columns) > 1:
        raise ValueError(f"the budgets {', '.join(columns)} all choose the prescale column; let one do it")
    if columns and not has_table:
        raise ValueError(f"budget {columns[0]} chooses a prescale column of no table; set prescales.path and .column")
    if columns and has_schedule:
        raise ValueError(f"budget {columns[0]} and prescales.schedule both choose the column; remove one of them")
