"""From the options of a replay to menus that decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.run.replay import ReplayMenu
from triggers.decision.filling import FillingScheme, read_filling
from triggers.decision.masks import crossing_masks
from triggers.decision.prescales import INCREMENT, read_prescales, unprescaled
from triggers.decision.rules import DEFAULT_RULES, TriggerRule, checked_rules, parse_rule
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue, UnknownName
from triggers.menu.load import load_menu
from triggers.menu.model import Menu
from triggers.shipped import find_file
from triggers.studies.curves import curve_of
from triggers.studies.entities import groups_of


@dataclass(frozen=True)
class DecisionOptions:
    """What both menus share.

    Attributes:
        colliding_bunches: crossings an orbit; with `filling`, its own number counts.
        filling: a file with their slots.
        rules: trigger rules, `N/M` each; None: those of CMS.
        no_rules: none at all.
        crossing_masks: a CSV table.
        calibration_gap: suppress all algorithms from BX 3480 to 3505.
        restart_prescales: counters start at zero in each lumi section.
    """

    colliding_bunches: int = 2544
    filling: Path | None = None
    rules: tuple[str, ...] | None = None
    no_rules: bool = False
    crossing_masks: Path | None = None
    calibration_gap: bool = False
    restart_prescales: bool = False

    @property
    def trigger_rules(self) -> tuple[TriggerRule, ...]:
        """The rules, shortest first.

        Raises:
            BadValue: a rule that is none.
        """
        if self.no_rules:
            return ()
        return DEFAULT_RULES if self.rules is None else checked_rules(parse_rule(text) for text in self.rules)


def replay_menus(
    paths: Sequence[str],
    prescales: Sequence[tuple[str | None, str | None]],
    options: DecisionOptions,
    groups: Mapping[str, Sequence[str]],
    curve: str | None,
) -> tuple[ReplayMenu, ...]:
    """The menus A and B, ready to decide.

    Args:
        paths: one or two menu files.
        prescales: table and column of each.
        options: what both share.
        groups: further groups: names or patterns of algorithms, by name.
        curve: a seed to vary; at least one menu must have it.

    Raises:
        L1ChainError: a file or a name is not right.
    """
    menus = [load_menu(path) for path in paths]
    if curve is not None and not any(menu.algorithm(curve) for menu in menus):
        raise UnknownName("--curve", "algorithm", curve, [a.name for menu in menus for a in menu.algorithms])
    filling = read_filling(options.filling) if options.filling else None
    return tuple(
        _replay_menu(label, menu, table, options, filling, groups, curve)
        for label, menu, table in zip("AB", menus, prescales, strict=False)
    )


def _replay_menu(
    label: str,
    menu: Menu,
    prescales: tuple[str | None, str | None],
    options: DecisionOptions,
    filling: FillingScheme | None,
    groups: Mapping[str, Sequence[str]],
    curve: str | None,
) -> ReplayMenu:
    factors, words, lacking = _prescales(menu, *prescales)
    settings = DecisionSettings(
        factors,
        filling.colliding_bunches if filling else options.colliding_bunches,
        crossing_masks=crossing_masks(options.crossing_masks, options.calibration_gap, menu),
        rules=options.trigger_rules,
        filling=filling,
        column=prescales[1] or "",
        restart_prescales=options.restart_prescales,
    )
    further = {name: _members(name, patterns, menu) for name, patterns in groups.items()}
    return ReplayMenu(
        label,
        menu,
        settings,
        groups_of(menu, further),
        words,
        lacking,
        curve_of(menu, curve) if curve is not None and menu.algorithm(curve) else None,
    )


def _prescales(menu: Menu, path: str | None, column: str | None) -> tuple[NDArray[np.int64], str, tuple[str, ...]]:
    """Factors, where they come from, and the algorithms that the table does not list: they get prescale 1."""
    if path is None:
        if column is not None:
            raise BadValue("--column", f"column '{column}' of no table", "name the table with --prescales")
        return unprescaled(menu.algorithms), "no prescales", ()
    table = read_prescales(find_file(path, role="prescale table"))
    if column is None:
        raise BadValue("--prescales", f"{path} has the columns {', '.join(table.columns)}", "choose one with --column")
    lacking = table.lacking(menu.algorithms)
    factors = table.factors(column, [a for a in menu.algorithms if a not in lacking])
    factors[[algorithm.index for algorithm in lacking]] = INCREMENT
    return factors, f"{Path(path).name}, column {column}", tuple(algorithm.name for algorithm in lacking)


def _members(group: str, patterns: Sequence[str], menu: Menu) -> list[str]:
    names = [algorithm.name for algorithm in menu.algorithms]
    found: list[str] = []
    for pattern in patterns:
        chosen = [name for name in names if fnmatchcase(name, pattern)] or [*menu.groups.get(pattern, ())]
        if not chosen:
            raise UnknownName(f"--group {group}", "algorithm or pattern", pattern, [*names, *menu.groups])
        found += chosen
    return found
