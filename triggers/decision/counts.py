"""What a decision counts, before and after each of its steps (`docs/decision.md`)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.rules import MAX_RULES
from triggers.events.schema import ALGORITHM_SLOTS


class Step(IntEnum):
    """What is counted by algorithm, in the order of the decision."""

    FIRED = 0
    """its bit was set"""
    BEFORE_PRESCALE = 1
    """… and no crossing mask suppressed it"""
    AFTER_PRESCALE = 2
    """… and it passed its prescale"""
    AFTER_BUDGETS = 3
    """… and no budget suppressed it"""
    FINAL = 4
    """… and it kept a crossing of the final OR"""
    PURE = 5
    """… alone"""
    ACCEPTED = 6
    """it kept a crossing of the final OR that the trigger rules let through: an L1 accept"""


STEPS: Final = tuple(step.name.lower() for step in Step)
"""The steps as tables and metrics call them, in the order of `Step`."""


class Counts:
    """How often each algorithm fired at each step, and the totals; added up over batches.

    Attributes:
        by_step: one row a step, `(7, 512) int64`.
        wanted: crossings in which each budget's group had an algorithm left when it was its turn, `(n_budgets,) int64`.
        suppressed: crossings that each budget suppressed, `(n_budgets,) int64`.
        blocked: crossings of the final OR that each trigger rule blocked, `(8,) int64`, shortest rule first.
        crossings: decided.
        after_prescale: with an algorithm that passed its prescale.
        vetoed: of these, those that a veto forbade.
        final_or: with a final OR.
        accepted: with an L1 accept.
    """

    def __init__(self, n_budgets: int) -> None:
        self.by_step: NDArray[np.int64] = np.zeros((len(STEPS), ALGORITHM_SLOTS), np.int64)
        self.wanted = np.zeros(n_budgets, np.int64)
        self.suppressed = np.zeros(n_budgets, np.int64)
        self.blocked = np.zeros(MAX_RULES, np.int64)
        self.crossings = 0
        self.after_prescale = 0
        self.vetoed = 0
        self.final_or = 0
        self.accepted = 0

    def add(self, other: Counts) -> None:
        """Add another part of the same run."""
        self.by_step += other.by_step
        self.wanted += other.wanted
        self.suppressed += other.suppressed
        self.blocked += other.blocked
        self.crossings += other.crossings
        self.after_prescale += other.after_prescale
        self.vetoed += other.vetoed
        self.final_or += other.final_or
        self.accepted += other.accepted

    def of(self, step: Step) -> NDArray[np.int64]:
        """The counts of one step by algorithm index, `(512,) int64`."""
        counts: NDArray[np.int64] = self.by_step[step]
        return counts

    @property
    def dead_time(self) -> float:
        """The fraction of the final OR that the trigger rules blocked."""
        return 1.0 - self.accepted / self.final_or if self.final_or else 0.0
