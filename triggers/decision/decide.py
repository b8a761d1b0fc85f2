"""The ordered half of the trigger: algorithm bits → L1 accept (`docs/decision.md`).

Order, fixed once: prescale → group budgets → final-OR mask and veto → final OR, each counted. `decide` is a fold: the
state after a batch is the state before the next, so any split of the crossings gives the same decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.decision.budgets import Budget
from triggers.decision.prescales import INCREMENT
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS, ORBITS_PER_SECOND
from triggers.menu.evaluate import SparseBits

STEPS: Final = ("before_prescale", "after_prescale", "final", "pure")
"""What is counted by algorithm: fired; passed its prescale; kept an accepted crossing; kept it alone."""


@dataclass(frozen=True)
class DecisionSettings:
    """What holds for a whole lumi section.

    Attributes:
        factors: prescale factor (100 × prescale) by algorithm index, `(512,) int64`; 0 is off.
        colliding_bunches: crossings an orbit, which sets the simulated time of a crossing.
        budgets: applied in this order.
        masked: algorithm bits left out of the final OR, `(8,) uint64`.
        veto: algorithm bits that forbid the accept of their crossing, `(8,) uint64`.
    """

    factors: NDArray[np.int64]
    colliding_bunches: int
    budgets: tuple[Budget, ...] = ()
    masked: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(ALGORITHM_WORDS, np.uint64))
    veto: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(ALGORITHM_WORDS, np.uint64))

    @property
    def crossings_per_second(self) -> float:
        """Crossings in a simulated second."""
        return self.colliding_bunches * ORBITS_PER_SECOND


class Counts:
    """How often each algorithm fired at each step, and the totals; added up over batches.

    Attributes:
        by_step: one row a step of `STEPS`, `(4, 512) int64`.
        suppressed: crossings that each budget suppressed, `(n_budgets,)`.
        crossings, accepted: totals.
    """

    def __init__(self, n_budgets: int) -> None:
        self.by_step: NDArray[np.int64] = np.zeros((len(STEPS), ALGORITHM_SLOTS), np.int64)
        self.suppressed = np.zeros(n_budgets, np.int64)
        self.crossings = 0
        self.accepted = 0

    def add(self, other: Counts) -> None:
        """Add another part of the same run."""
        self.by_step += other.by_step
        self.suppressed += other.suppressed
        self.crossings += other.crossings
        self.accepted += other.accepted


@dataclass(frozen=True)
class Decision:
    """The accepted crossings of a batch.

    Attributes:
        rows: rows of the batch, ascending, `(k,) uint32`.
        words: the algorithm bits that kept each of them, `(k, 8) uint64`.
    """

    rows: NDArray[np.uint32]
    words: NDArray[np.uint64]


class DecisionState:
    """What one crossing's decision leaves for the next: prescale counters and budget tokens."""

    def __init__(self, n_budgets: int) -> None:
        self.prescale_counters = np.zeros(ALGORITHM_SLOTS, np.int64)
        self.tokens = np.zeros(n_budgets, np.float64)
        self.token_times = np.zeros(n_budgets, np.int64)

    def start_lumi_section(self, settings: DecisionSettings) -> None:
        """Empty the budgets and hold the counters that are off at zero; the others run on, as in today's hardware."""
        self.prescale_counters[settings.factors == 0] = 0
        self.tokens[:] = 0.0
        self.token_times[:] = 0


def decide(
    settings: DecisionSettings,
    state: DecisionState,
    counts: Counts,
    bits: SparseBits,
    crossing_of_row: NDArray[np.int64],
) -> Decision:
    """Decide the crossings of one batch, all of one lumi section, in order.

    Args:
        settings: prescales, budgets and masks of this lumi section.
        state: changed in place.
        counts: added to; the caller adds the batch's crossings to `counts.crossings`.
        bits: algorithm bits of the crossings that have any, `(k, 8)`.
        crossing_of_row: index in the lumi section of each of those crossings, ascending, `(k,) int64`.
    """
    budgets = settings.budgets
    group_words = np.zeros((len(budgets), ALGORITHM_WORDS), np.uint64)
    for i, budget in enumerate(budgets):
        group_words[i] = budget.words
    tokens_per_crossing = np.array([b.rate_hz for b in budgets], np.float64) / settings.crossings_per_second
    bursts = np.array([b.burst for b in budgets], np.float64)
    final = bits.words.copy()
    accepted = _decide(
        final,
        crossing_of_row,
        settings.factors,
        state.prescale_counters,
        group_words,
        tokens_per_crossing,
        bursts,
        state.tokens,
        state.token_times,
        settings.masked,
        settings.veto,
        counts.by_step,
        counts.suppressed,
    )
    keep = np.flatnonzero(accepted)
    counts.accepted += len(keep)
    return Decision(bits.rows[keep], final[keep])


@njit(nogil=True, cache=True)
def _decide(  # type: ignore[no-untyped-def]
    words, crossings, factors, counters, groups, fill, bursts, tokens, times, masked, veto, by_step, suppressed
):
    one = np.uint64(1)
    zero = np.uint64(0)
    accepted = np.zeros(len(words), np.bool_)
    for k in range(len(words)):
        for w in range(ALGORITHM_WORDS):
            rest = words[k, w]
            passed = zero
            while rest:
                low = rest & (~rest + one)
                rest ^= low
                a = 64 * w + _position(low)
                by_step[0, a] += 1
                if factors[a]:
                    counters[a] += INCREMENT
                    if counters[a] >= factors[a]:
                        counters[a] -= factors[a]
                        by_step[1, a] += 1
                        passed |= low
            words[k, w] = passed
        for g in range(len(groups)):
            wanted = zero
            for w in range(ALGORITHM_WORDS):
                wanted |= words[k, w] & groups[g, w]
            if wanted:
                tokens[g] = min(bursts[g], tokens[g] + fill[g] * (crossings[k] - times[g]))
                times[g] = crossings[k]
                if tokens[g] >= 1.0:
                    tokens[g] -= 1.0
                else:
                    suppressed[g] += 1
                    for w in range(ALGORITHM_WORDS):
                        words[k, w] &= ~groups[g, w]
        vetoed = zero
        kept = 0
        last = 0
        for w in range(ALGORITHM_WORDS):
            vetoed |= words[k, w] & veto[w]
            words[k, w] &= ~masked[w]
        if vetoed:
            continue
        for w in range(ALGORITHM_WORDS):
            rest = words[k, w]
            while rest:
                low = rest & (~rest + one)
                rest ^= low
                last = 64 * w + _position(low)
                by_step[2, last] += 1
                kept += 1
        accepted[k] = kept > 0
        if kept == 1:
            by_step[3, last] += 1
    return accepted


@njit(nogil=True, cache=True, inline="always")
def _position(single_bit):  # type: ignore[no-untyped-def]
    """Index of the only set bit of a 64-bit word, by bisection."""
    position = 0
    bit = np.uint64(single_bit)
    for width in (32, 16, 8, 4, 2, 1):
        if bit >> np.uint64(width):
            bit >>= np.uint64(width)
            position += width
    return position


def simulated_seconds(crossings: int, colliding_bunches: int) -> float:
    """The simulated time that a number of crossings stands for (`docs/architecture.md`, rule 2)."""
    return crossings / (colliding_bunches * ORBITS_PER_SECOND)
