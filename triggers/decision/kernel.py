"""The compiled fold over crossings (`docs/decision.md`): in order, with everything that it changes as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from triggers.decision.bit_counts import count_bits
from triggers.decision.counts import Step
from triggers.decision.prescales import INCREMENT
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS, SLOTS_PER_ORBIT
from triggers.menu.tables import WORD_BITS
from triggers.menu.word_bits import bit_count, lowest_bit

_BEFORE = int(Step.BEFORE_PRESCALE)
_PASSED = int(Step.AFTER_PRESCALE)
_BUDGETED = int(Step.AFTER_BUDGETS)
_PURE = int(Step.PURE)
_BLOCK = 1024
"""Rows whose prescales are counted together: most algorithms let none of them pass, which their number alone tells."""


@njit(nogil=True, cache=True)
def mask_rows(words: Any, crossings: Any, masks: Any) -> Any:
    """The words without the bits that are masked in their slot, `(k, 8) uint64`.

    Args:
        words: bits that fired, `(k, 8) uint64`.
        crossings: index in the lumi section of each row, `(k,) int64`.
        masks: suppressed bits in the slot of each colliding bunch, `(n, 8) uint64`.
    """
    kept = np.empty_like(words)
    for k in range(len(words)):
        bunch = crossings[k] % len(masks)
        for w in range(ALGORITHM_WORDS):
            kept[k, w] = words[k, w] & ~masks[bunch, w]
    return kept


@njit(nogil=True, cache=True)
def decide_rows(
    words: Any,
    crossings: Any,
    tables: Any,
    counters: Any,
    tokens: Any,
    token_times: Any,
    by_step: Any,
    wanted_by: Any,
    suppressed: Any,
    final_rows: Any,
    final_words: Any,
) -> Any:
    """Decides rows in order, up to the final OR.

    Args:
        words: bits that fired and are not masked in their slot, `(k, 8) uint64`.
        crossings: index in the lumi section of each row, ascending, `(k,) int64`.
        tables: `DecisionSettings.tables`.
        counters: `DecisionState.prescale_counters`, changed.
        tokens: `DecisionState.tokens`, changed.
        token_times: `DecisionState.token_times`, changed.
        by_step: bits before the prescale, passed by a prescale above 1, lost to budgets (negative), pure, `(7, 512)`,
            added to.
        wanted_by: crossings that each budget's group had left when it was its turn, added to.
        suppressed: crossings that each budget suppressed, added to.
        final_rows: the rows that have a final OR, filled from the start, `(k,) int64`.
        final_words: their bits, `(k + 1, 8) uint64`: a row is written before it is known whether it stays.

    Returns:
        how many rows have a final OR, how many a bit after the prescale, how many were vetoed.
    """
    # Unpacked once: access to a field in the loop would count references to its array.
    factors, unprescaled, prescaled, _, _, groups, fill, bursts, masked, veto, _, _ = tables
    has_groups = len(groups) > 0
    n_final, n_passed, n_vetoed = 0, 0, 0
    fired = np.empty(ALGORITHM_SLOTS, np.int64)
    passing = np.empty(ALGORITHM_WORDS, np.uint64)
    wanted = np.empty(ALGORITHM_WORDS, np.uint64)
    for first in range(0, len(words), _BLOCK):
        block = words[first : first + _BLOCK]
        fired[:] = 0
        count_bits(block, fired)
        by_step[_BEFORE] += fired
        _count_prescales(fired, prescaled, factors, counters, passing)
        for w in range(ALGORITHM_WORDS):
            wanted[w] = unprescaled[w] | passing[w]
        for k in range(len(block)):
            found = np.uint64(0)
            for w in range(ALGORITHM_WORDS):
                found |= block[k, w] & wanted[w]
            if not found:
                continue
            passed, vetoed = np.uint64(0), np.uint64(0)
            for w in range(ALGORITHM_WORDS):
                bits = block[k, w] & unprescaled[w]
                bits |= _pass(block[k, w] & passing[w], w, factors, counters, by_step[_PASSED])
                final_words[n_final, w] = bits
                passed |= bits
                vetoed |= bits & veto[w]
            if not passed:
                continue
            n_passed += 1
            if vetoed:
                n_vetoed += 1
                continue
            row = first + k
            if has_groups:
                _apply_budgets(
                    final_words,
                    n_final,
                    crossings[row],
                    groups,
                    masked,
                    fill,
                    bursts,
                    tokens,
                    token_times,
                    by_step,
                    wanted_by,
                    suppressed,
                )
            n_bits = np.uint64(0)
            for w in range(ALGORITHM_WORDS):
                final = final_words[n_final, w] & ~masked[w]
                final_words[n_final, w] = final
                n_bits += bit_count(final)
            if n_bits:
                if n_bits == 1:
                    for w in range(ALGORITHM_WORDS):
                        if final_words[n_final, w]:
                            by_step[_PURE, WORD_BITS * w + np.int64(lowest_bit(final_words[n_final, w]))] += 1
                final_rows[n_final] = row
                n_final += 1
    return n_final, n_passed, n_vetoed


@njit(nogil=True, cache=True)
def _count_prescales(fired: Any, prescaled: Any, factors: Any, counters: Any, passing: Any) -> None:
    """Counts a block's bits where no prescale lets one of them pass, and finds the algorithms that need a closer look.

    Args:
        fired: how often each algorithm fired in the block, `(512,) int64`.
        prescaled: the bits that have a prescale above 1, `(8,) uint64`.
        factors: by algorithm, `(512,) int64`.
        counters: changed for all algorithms but those in `passing`.
        passing: the algorithms of which some bit in the block passes, `(8,) uint64`, overwritten.
    """
    for w in range(ALGORITHM_WORDS):
        passing[w] = 0
        rest = prescaled[w]
        while rest:
            bit = lowest_bit(rest)
            rest &= rest - np.uint64(1)
            algorithm = WORD_BITS * w + np.int64(bit)
            counter = counters[algorithm] + INCREMENT * fired[algorithm]
            if counter < factors[algorithm]:
                counters[algorithm] = counter
            else:
                passing[w] |= np.uint64(1) << bit


@njit(nogil=True, cache=True, inline="always")
def _pass(bits: Any, w: Any, factors: Any, counters: Any, n_passed: Any) -> Any:
    """Counts the bits of one word of a row, and returns those that their counters let pass."""
    passed = np.uint64(0)
    rest = np.uint64(bits)
    while rest:
        bit = lowest_bit(rest)
        rest &= rest - np.uint64(1)
        algorithm = WORD_BITS * w + np.int64(bit)
        counters[algorithm] += INCREMENT
        if counters[algorithm] >= factors[algorithm]:
            counters[algorithm] -= factors[algorithm]
            n_passed[algorithm] += 1
            passed |= np.uint64(1) << bit
    return passed


@njit(nogil=True, cache=True)
def _apply_budgets(
    words: Any,
    k: Any,
    crossing: Any,
    groups: Any,
    masked: Any,
    fill: Any,
    bursts: Any,
    tokens: Any,
    token_times: Any,
    by_step: Any,
    wanted_by: Any,
    suppressed: Any,
) -> None:
    for g in range(len(groups)):
        wanted, paying = np.uint64(0), np.uint64(0)
        for w in range(ALGORITHM_WORDS):
            passed = words[k, w] & groups[g, w]
            wanted |= passed
            paying |= passed & ~masked[w]
        if wanted:
            wanted_by[g] += 1
        if paying:
            tokens[g] = min(bursts[g], tokens[g] + fill[g] * (crossing - token_times[g]))
            token_times[g] = crossing
            if tokens[g] >= 1.0:
                tokens[g] -= 1.0
            else:
                suppressed[g] += 1
                for w in range(ALGORITHM_WORDS):
                    lost = words[k, w] & groups[g, w]
                    words[k, w] &= ~groups[g, w]
                    while lost:
                        by_step[_BUDGETED, WORD_BITS * w + np.int64(lowest_bit(lost))] -= 1
                        lost &= lost - np.uint64(1)


@njit(nogil=True, cache=True)
def apply_rules(crossings: Any, tables: Any, recent: Any, blocked: Any, accepted: Any) -> None:
    """Which crossings of the final OR the trigger rules let through.

    Args:
        crossings: index in the lumi section of each crossing, ascending, `(m,) int64`.
        tables: `DecisionSettings.tables`.
        recent: slots of the last accepts, latest first; changed.
        blocked: crossings that each rule blocked, added to; a crossing counts for the first rule that forbids it.
        accepted: `(m,) bool`, filled.
    """
    _, _, _, slots, _, _, _, _, _, _, rule_accepts, rule_slots = tables
    n = len(slots)
    orbit, first_of_orbit = 0, 0
    for k in range(len(crossings)):
        if crossings[k] - first_of_orbit >= n:
            orbit = crossings[k] // n
            first_of_orbit = orbit * n
        slot = orbit * SLOTS_PER_ORBIT + slots[crossings[k] - first_of_orbit]
        accepted[k] = True
        for r in range(len(rule_slots)):
            if slot - recent[rule_accepts[r] - 1] < rule_slots[r]:
                blocked[r] += 1
                accepted[k] = False
                break
        if accepted[k]:
            for place in range(len(recent) - 1, 0, -1):
                recent[place] = recent[place - 1]
            recent[0] = slot
