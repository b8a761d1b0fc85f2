"""Changes of the decision in the course of a run: prescale column, masks (`docs/protocol.md`, section "Changes")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stream.services.changes import Change, ChangeList
from triggers.decision.budgets import algorithm_words, member_indices
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue
from triggers.menu.model import Menu


class DecisionChange(StrEnum):
    """A kind of change that the combiner follows."""

    PRESCALE = "prescale"
    MASK = "mask"
    UNMASK = "unmask"
    EMERGENCY_OFF = "emergency-off"
    """Masks all algorithms on scores."""
    BUDGET_HOLD = "budget-hold"
    """Takes a budget's controller out of action."""
    BUDGET_RELEASE = "budget-release"
    """Lets a budget's controller act again, and the group that it switched off count."""


class DecisionTimeline:
    """What the decision is made by in each lumi section.

    Args:
        base: what the configuration says, with its own schedule of prescale columns.
        menu: for the names of algorithms.
        factors_of: the prescale factors of a column, `(512,) int64`; None: the run has no prescale table.
        on_scores: names of the algorithms that look at a network's score.
    """

    def __init__(
        self,
        base: DecisionSettings,
        menu: Menu,
        factors_of: Callable[[str], NDArray[np.int64]] | None = None,
        on_scores: Sequence[str] = (),
    ) -> None:
        self._base, self._menu, self._factors_of, self._on_scores = base, menu, factors_of, tuple(on_scores)
        self._changes = ChangeList()

    def check(self, change: Change) -> None:
        """Check a change.

        Raises:
            L1ChainError: it cannot be made.
        """
        match change.kind:
            case DecisionChange.PRESCALE:
                self._factors(change)
            case DecisionChange.EMERGENCY_OFF if not self._on_scores:
                raise BadValue("emergency off", "no algorithm of the menu looks at a score", "mask others by name")
            case DecisionChange.MASK | DecisionChange.UNMASK | DecisionChange.EMERGENCY_OFF:
                self._words(change)
            case DecisionChange.BUDGET_HOLD | DecisionChange.BUDGET_RELEASE:
                pass  # the controllers know their names
            case other:
                raise BadValue("change of the decision", f"'{other}' is no kind of it", "see docs/protocol.md")

    def add(self, changes: Iterable[Change]) -> None:
        """Follow changes of the decision; other kinds are for others."""
        self._changes.add(change for change in changes if change.kind in set(DecisionChange))

    def settings_in(self, lumi_section: int) -> DecisionSettings:
        """The settings of a lumi section."""
        settings = self._base.in_lumi_section(lumi_section)
        since = max((c.from_lumi_section for c in self._base.changes if c.from_lumi_section <= lumi_section), default=0)
        masked = settings.masked
        for change in self._changes.until(lumi_section):
            if change.kind in (DecisionChange.MASK, DecisionChange.EMERGENCY_OFF):
                masked = masked | self._words(change)
            elif change.kind == DecisionChange.UNMASK:
                masked = masked & ~self._words(change)
            elif change.kind == DecisionChange.PRESCALE and change.lumi_section >= since:
                column = str(change.arguments["column"])
                settings = replace(settings, factors=self._factors(change), column=column)
        return replace(settings, masked=masked, changes=())

    @property
    def masked_at_first(self) -> NDArray[np.uint64]:
        """Algorithm bits that the configuration leaves out of the final OR, `(8,) uint64`."""
        return self._base.masked

    def latest(self, lumi_section: int, kinds: Iterable[DecisionChange], budget: str | None = None) -> Change | None:
        """The last of the changes of some kinds that hold in a lumi section; of budgets, only of that one."""
        wanted = set(kinds)
        found = (c for c in self._changes.until(lumi_section) if c.kind in wanted)
        mine = [c for c in found if c.arguments.get("budget") in (None, budget)]
        return mine[-1] if mine else None

    def masked_names(self, settings: DecisionSettings) -> list[str]:
        """The algorithms that settings leave out of the final OR."""
        bits = np.unpackbits(settings.masked.astype("<u8").view(np.uint8), bitorder="little")
        return [algorithm.name for algorithm in self._menu.algorithms if bits[algorithm.index]]

    def _factors(self, change: Change) -> NDArray[np.int64]:
        if self._factors_of is None:
            remedy = "start it with prescales.path and prescales.column"
            raise BadValue("prescale column", "the run has no prescale table", remedy)
        return self._factors_of(str(change.arguments.get("column")))

    def _words(self, change: Change) -> NDArray[np.uint64]:
        is_off = change.kind == DecisionChange.EMERGENCY_OFF
        names = list(self._on_scores) if is_off else [str(change.arguments.get("algorithm"))]
        return algorithm_words(member_indices(change.kind, names, self._menu))
