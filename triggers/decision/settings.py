"""What a decision is made by (`docs/decision.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triggers.decision.budgets import Budget
from triggers.decision.filling import FillingScheme, train_filling
from triggers.decision.prescales import INCREMENT
from triggers.decision.rules import TriggerRule
from triggers.events.schema import ALGORITHM_WORDS, ORBITS_PER_SECOND

PHYSICS_ORBITS_PER_LUMI_SECTION: Final = 2**18
_UNREACHABLE: Final = 2**62
"""The factor of algorithms that are not prescaled, whose counters stand still."""


@dataclass(frozen=True, eq=False)
class ColumnChange:
    """The prescale column from a lumi section on.

    Attributes:
        from_lumi_section: the first lumi section that has it, counted from 1.
        column: its name.
        factors: its prescale factors by algorithm index, `(512,) int64`.
    """

    from_lumi_section: int
    column: str
    factors: NDArray[np.int64]


class Tables(NamedTuple):
    """The settings as the kernel reads them."""

    factors: NDArray[np.int64]
    unprescaled: NDArray[np.uint64]
    prescaled: NDArray[np.uint64]
    slots: NDArray[np.int64]
    masks: NDArray[np.uint64]
    groups: NDArray[np.uint64]
    tokens_per_crossing: NDArray[np.float64]
    bursts: NDArray[np.float64]
    masked: NDArray[np.uint64]
    veto: NDArray[np.uint64]
    rule_accepts: NDArray[np.int64]
    rule_slots: NDArray[np.int64]


def _no_words() -> NDArray[np.uint64]:
    return np.zeros(ALGORITHM_WORDS, np.uint64)


@dataclass(frozen=True, eq=False)
class DecisionSettings:
    """What holds for a whole lumi section, and how that changes from one to the next.

    Attributes:
        factors: prescale factor (100 × prescale) by algorithm index, `(512,) int64`; 0 is off.
        colliding_bunches: crossings an orbit, which sets the simulated time of a crossing.
        budgets: applied in this order.
        masked: algorithm bits left out of the final OR, `(8,) uint64`.
        veto: algorithm bits that forbid the accept of their crossing, `(8,) uint64`.
        crossing_masks: algorithm bits suppressed in each slot of the orbit, `(3564, 8) uint64`; None: nothing is.
        rules: trigger rules, shortest first (`checked_rules`).
        filling: the slots of the colliding bunches; None: trains made from their number.
        orbits_per_lumi_section: which sets how far apart accepts in neighbouring lumi sections are.
        column: name of the prescale column.
        changes: further prescale columns, in ascending order of their lumi section.
        restart_prescales: whether prescale counters start at zero in each lumi section, as in older hardware.
    """

    factors: NDArray[np.int64]
    colliding_bunches: int
    budgets: tuple[Budget, ...] = ()
    masked: NDArray[np.uint64] = field(default_factory=_no_words)
    veto: NDArray[np.uint64] = field(default_factory=_no_words)
    crossing_masks: NDArray[np.uint64] | None = None
    rules: tuple[TriggerRule, ...] = ()
    filling: FillingScheme | None = None
    orbits_per_lumi_section: int = PHYSICS_ORBITS_PER_LUMI_SECTION
    column: str = ""
    changes: tuple[ColumnChange, ...] = ()
    restart_prescales: bool = False

    @property
    def crossings_per_second(self) -> float:
        """Crossings in a simulated second."""
        return self.colliding_bunches * ORBITS_PER_SECOND

    @property
    def crossings_per_lumi_section(self) -> int:
        """Crossings in a full lumi section."""
        return self.colliding_bunches * self.orbits_per_lumi_section

    def in_lumi_section(self, number: int) -> DecisionSettings:
        """The settings with the prescale column of that lumi section, counted from 1."""
        due = [position for position, change in enumerate(self.changes) if change.from_lumi_section <= number]
        return self._by_change[due[-1]] if due else self

    @cached_property
    def _by_change(self) -> tuple[DecisionSettings, ...]:
        return tuple(replace(self, factors=change.factors, column=change.column) for change in self.changes)

    @cached_property
    def tables(self) -> Tables:
        """The settings as the kernel reads them."""
        slots = (self.filling or train_filling(self.colliding_bunches)).slots
        masks = np.zeros((0, ALGORITHM_WORDS), np.uint64)
        if self.crossing_masks is not None and self.crossing_masks[slots].any():
            masks = self.crossing_masks[slots]
        rates_hz = np.array([budget.rate_hz for budget in self.budgets], np.float64)
        return Tables(
            factors=np.where(self.factors > INCREMENT, self.factors, _UNREACHABLE),
            unprescaled=_bits(self.factors == INCREMENT),
            prescaled=_bits(self.factors > INCREMENT),
            slots=slots,
            masks=masks,
            groups=np.array([self.spenders(b) for b in self.budgets], np.uint64).reshape(-1, ALGORITHM_WORDS),
            tokens_per_crossing=rates_hz / self.crossings_per_second,
            bursts=np.array([budget.burst for budget in self.budgets], np.float64),
            masked=self.masked,
            veto=self.veto,
            rule_accepts=np.array([rule.accepts for rule in self.rules], np.int64),
            rule_slots=np.array([rule.slots for rule in self.rules], np.int64),
        )

    def spenders(self, budget: Budget) -> NDArray[np.uint64]:
        """The algorithms whose crossings a budget counts, `(8,) uint64`: what is masked or vetoes keeps nothing.

        Of a group that is masked as a whole all, to tell how often it fires; it spends nothing.
        """
        kept = budget.words & ~(self.masked | self.veto)
        return kept if kept.any() else budget.words


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Flags by algorithm index, `(512,)`, as words, `(8,) uint64`."""
    return np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64)


def simulated_seconds(crossings: int, colliding_bunches: int) -> float:
    """The simulated time that a number of crossings stands for (`docs/architecture.md`, rule 2)."""
    return crossings / (colliding_bunches * ORBITS_PER_SECOND)
