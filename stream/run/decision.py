"""From a configuration to what the decision is made by (`docs/decision.md`)."""

from __future__ import annotations

from pathlib import Path

from stream.run.budget_config import EVERYTHING, BudgetSection
from stream.run.config import ChainConfig, RunSection
from triggers.decision.budgets import algorithm_words, make_budget, member_indices
from triggers.decision.filling import FillingScheme, read_filling
from triggers.decision.masks import crossing_masks
from triggers.decision.prescales import read_prescales, unprescaled
from triggers.decision.rules import TriggerRule, checked_rules
from triggers.decision.settings import ColumnChange, DecisionSettings
from triggers.errors import BadValue
from triggers.menu.model import Menu


def decision_settings(config: ChainConfig, menu: Menu) -> DecisionSettings:
    """Prescales, budgets, masks and trigger rules of a run.

    Raises:
        L1ChainError: a table or a name in the configuration is not right.
    """
    factors, column = unprescaled(menu.algorithms), ""
    changes: tuple[ColumnChange, ...] = ()
    section, masks = config.prescales, config.crossing_masks
    if section:
        table = read_prescales(Path(section.path))
        column, factors = section.column, table.factors(section.column, menu.algorithms)
        changes = tuple(
            ColumnChange(change.from_lumi_section, change.column, table.factors(change.column, menu.algorithms))
            for change in section.schedule
        )
    return DecisionSettings(
        factors,
        config.run.colliding_bunches,
        tuple(make_budget(b.name, _members(b, menu), b.rate_hz, b.burst, menu) for b in config.budgets),
        masked=algorithm_words(member_indices("menu.masked", config.menu.masked, menu)),
        veto=algorithm_words(member_indices("menu.veto", config.menu.veto, menu)),
        crossing_masks=crossing_masks(Path(masks.path) if masks.path else None, masks.calibration_gap, menu),
        rules=checked_rules(TriggerRule(rule.accepts, rule.slots) for rule in config.trigger_rules),
        filling=_filling(config.run),
        orbits_per_lumi_section=config.run.orbits_per_lumi_section,
        column=column,
        changes=changes,
        restart_prescales=bool(section and section.restart_each_lumi_section),
    )


def _members(budget: BudgetSection, menu: Menu) -> list[str]:
    """The names that a budget lists, or all algorithms."""
    is_on_all = EVERYTHING in budget.algorithms
    return [algorithm.name for algorithm in menu.algorithms] if is_on_all else list(budget.algorithms)


def _filling(run: RunSection) -> FillingScheme | None:
    if not run.filling_scheme:
        return None
    filling = read_filling(Path(run.filling_scheme))
    if filling.colliding_bunches != run.colliding_bunches:
        found = f"has {filling.colliding_bunches} colliding bunches, but run.colliding_bunches is"
        raise BadValue(filling.name, f"{found} {run.colliding_bunches}", "make the two agree")
    return filling
