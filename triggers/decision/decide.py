"""The ordered half of the trigger: algorithm bits → L1 accept (`docs/decision.md`).

Order, fixed once: crossing mask → prescale → veto → group budgets → final-OR mask → final OR → trigger rules → L1
accept, each counted before and after. `decide` is a fold: the state after a batch is the state before the next, so any
split of the crossings gives the same decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.bit_counts import count_bits
from triggers.decision.counts import STEPS, Counts, Step
from triggers.decision.kernel import apply_rules, decide_rows, mask_rows
from triggers.decision.prescales import INCREMENT
from triggers.decision.rules import MAX_ACCEPTS
from triggers.decision.settings import ColumnChange, DecisionSettings, simulated_seconds
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS, SLOTS_PER_ORBIT
from triggers.menu.evaluate import SparseBits

__all__ = [
    "STEPS",
    "ColumnChange",
    "Counts",
    "Decision",
    "DecisionSettings",
    "DecisionState",
    "Step",
    "decide",
    "simulated_seconds",
]

_LONG_AGO: Final = -(2**62)


@dataclass(frozen=True)
class Decision:
    """The crossings of a batch that have a final OR.

    Attributes:
        final_rows: their rows of the batch, ascending, `(m,) uint32`.
        final_words: the algorithm bits that keep each of them, `(m, 8) uint64`.
        accepted: which of them get an L1 accept: the trigger rules let them through, `(m,) bool`.
    """

    final_rows: NDArray[np.uint32]
    final_words: NDArray[np.uint64]
    accepted: NDArray[np.bool_]

    @property
    def rows(self) -> NDArray[np.uint32]:
        """Rows of the batch with an L1 accept, ascending, `(k,) uint32`."""
        return self.final_rows[self.accepted]

    @property
    def words(self) -> NDArray[np.uint64]:
        """The algorithm bits that kept each of `rows`, `(k, 8) uint64`."""
        return self.final_words[self.accepted]


class DecisionState:
    """What one crossing's decision leaves for the next.

    Attributes:
        prescale_counters: by algorithm index, `(512,) int64`.
        tokens: saved up by each budget, `(n_budgets,) float64`.
        token_times: the crossing of the lumi section at which `tokens` were true, `(n_budgets,) int64`.
        recent_accepts: slots of the last accepts since the start of the lumi section, latest first, `(16,) int64`;
            negative: in earlier lumi sections.
    """

    def __init__(self, n_budgets: int) -> None:
        self.prescale_counters = np.zeros(ALGORITHM_SLOTS, np.int64)
        self.tokens = np.zeros(n_budgets, np.float64)
        self.token_times = np.zeros(n_budgets, np.int64)
        self.recent_accepts = np.full(MAX_ACCEPTS, _LONG_AGO, np.int64)

    def start_lumi_section(self, settings: DecisionSettings) -> None:
        """Begin the next lumi section: empty the budgets, and hold the counters that are off at zero.

        The other counters run on, as in today's hardware, unless `settings.restart_prescales` says otherwise; the
        trigger rules see the accepts at the end of the lumi section before.
        """
        self.prescale_counters[(settings.factors == 0) | settings.restart_prescales] = 0
        self.tokens[:] = 0.0
        self.token_times[:] = 0
        self.recent_accepts -= settings.orbits_per_lumi_section * SLOTS_PER_ORBIT


def decide(
    settings: DecisionSettings,
    state: DecisionState,
    counts: Counts,
    bits: SparseBits,
    crossing_of_row: NDArray[np.int64],
) -> Decision:
    """Decide the crossings of one batch, all of one lumi section, in order.

    Args:
        settings: those of this lumi section (`DecisionSettings.in_lumi_section`).
        state: changed in place.
        counts: added to; the caller adds the batch's crossings to `counts.crossings`.
        bits: algorithm bits of the crossings that have any, `(k, 8)`.
        crossing_of_row: index in the lumi section of each of those crossings, ascending, `(k,) int64`.
    """
    tables = settings.tables
    words, crossings = _read_only(bits.words), _read_only(crossing_of_row)
    by_step = np.zeros_like(counts.by_step)
    if len(tables.masks):
        count_bits(words, by_step[Step.FIRED])
        words = _read_only(mask_rows(words, crossings, tables.masks))
    final_rows = np.empty(len(words), np.int64)
    final_words = np.empty((len(words) + 1, ALGORITHM_WORDS), np.uint64)
    n_final, n_passed, n_vetoed = decide_rows(
        words,
        crossings,
        tables,
        state.prescale_counters,
        state.tokens,
        state.token_times,
        by_step,
        counts.wanted,
        counts.suppressed,
        final_rows,
        final_words,
    )
    if not len(tables.masks):
        by_step[Step.FIRED] = by_step[Step.BEFORE_PRESCALE]
    accepted = np.ones(n_final, np.bool_)
    if settings.rules:
        apply_rules(crossing_of_row[final_rows[:n_final]], tables, state.recent_accepts, counts.blocked, accepted)
    decision = Decision(bits.rows[final_rows[:n_final]], final_words[:n_final], accepted)
    _complete(by_step, settings, decision)
    counts.by_step += by_step
    counts.after_prescale += n_passed
    counts.vetoed += n_vetoed
    counts.final_or += n_final
    counts.accepted += int(np.count_nonzero(decision.accepted))
    return decision


def _complete(by_step: NDArray[np.int64], settings: DecisionSettings, decision: Decision) -> None:
    """The counts that follow from those of the kernel."""
    unprescaled = settings.factors == INCREMENT
    by_step[Step.AFTER_PRESCALE, unprescaled] = by_step[Step.BEFORE_PRESCALE, unprescaled]
    by_step[Step.AFTER_BUDGETS] += by_step[Step.AFTER_PRESCALE]
    count_bits(_read_only(decision.final_words), by_step[Step.FINAL])
    if settings.rules:
        count_bits(_read_only(decision.words), by_step[Step.ACCEPTED])
    else:
        by_step[Step.ACCEPTED] = by_step[Step.FINAL]


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A contiguous view that cannot be written, so that the kernels are compiled for one type only."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
