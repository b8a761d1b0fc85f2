"""The compiled fold over crossings (`docs/decision.md`): in order, with everything that it changes as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from triggers.decision.counts import Step
from triggers.decision.prescales import INCREMENT
from triggers.events.schema import ALGORITHM_WORDS, SLOTS_PER_ORBIT
from triggers.menu.word_bits import bit_count, lowest_bit

_PASSED = int(Step.AFTER_PRESCALE)
_BUDGETED = int(Step.AFTER_BUDGETS)
_PURE = int(Step.PURE)
_BLOCK = 64
"""Rows whose prescales are counted together: the bits of a word."""


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
        by_step: bits lost to budgets (negative), passed by a prescale above 1, pure, `(7, 512)`, added to.
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
    fired = np.empty((_BLOCK, ALGORITHM_WORDS), np.uint64)
    passed = np.empty((_BLOCK, ALGORITHM_WORDS), np.uint64)
    for k in range(len(words)):
        in_block = k % _BLOCK
        if in_block == 0:
            _prescale(words, k, prescaled, factors, counters, by_step, fired, passed)
        passed_any = np.uint64(0)
        for w in range(ALGORITHM_WORDS):
            bits = (words[k, w] & unprescaled[w]) | passed[in_block, w]
            final_words[n_final, w] = bits
            passed_any |= bits
        if not passed_any:
            continue
        n_passed += 1
        if has_groups:
            _apply_budgets(
                final_words, n_final, crossings[k], groups, fill, bursts, tokens, token_times, by_step, suppressed
            )
        vetoed = np.uint64(0)
        n_bits = np.uint64(0)
        for w in range(ALGORITHM_WORDS):
            vetoed |= final_words[n_final, w] & veto[w]
            final = final_words[n_final, w] & ~masked[w]
            final_words[n_final, w] = final
            n_bits += bit_count(final)
        if vetoed:
            n_vetoed += 1
        elif n_bits:
            if n_bits == 1:
                for w in range(ALGORITHM_WORDS):
                    if final_words[n_final, w]:
                        by_step[_PURE, 64 * w + np.int64(lowest_bit(final_words[n_final, w]))] += 1
            final_rows[n_final] = k
            n_final += 1
    return n_final, n_passed, n_vetoed


@njit(nogil=True, cache=True)
def _prescale(
    words: Any, first: Any, prescaled: Any, factors: Any, counters: Any, by_step: Any, fired: Any, passed: Any
) -> None:
    """Which bits of up to 64 rows their prescales let pass; algorithm by algorithm, since counters know no others.

    Args:
        words: bits that fired, `(k, 8) uint64`.
        first: the first of the rows.
        prescaled: the bits that have a prescale above 1, `(8,) uint64`.
        factors: by algorithm, `(512,) int64`.
        counters: changed.
        by_step: passed bits are added to.
        fired: work space, `(64, 8) uint64`.
        passed: the bits that pass, `(64, 8) uint64`, overwritten.
    """
    n = min(len(words) - first, _BLOCK)
    present = np.uint64(0)
    passed[:] = 0
    for k in range(n):
        for w in range(ALGORITHM_WORDS):
            fired[k, w] = words[first + k, w] & prescaled[w]
            present |= fired[k, w]
    if not present:
        return
    fired[n:] = 0
    _transpose(fired)
    for b in range(_BLOCK):
        for w in range(ALGORITHM_WORDS):
            rows, algorithm = fired[b, w], _BLOCK * w + b
            counter = counters[algorithm] + INCREMENT * np.int64(bit_count(rows))
            if counter >= factors[algorithm]:  # seldom: most algorithms are done without a look at their bits
                counter = _pass(rows, counters[algorithm], factors[algorithm], b, w, by_step[_PASSED], passed)
            counters[algorithm] = counter


@njit(nogil=True, cache=True)
def _pass(rows: Any, counter: Any, factor: Any, b: Any, w: Any, n_passed: Any, passed: Any) -> Any:
    """Sets the bits that one algorithm's counter lets pass, and returns the counter after the last row."""
    while rows:
        counter += INCREMENT
        if counter >= factor:
            counter -= factor
            n_passed[_BLOCK * w + b] += 1
            passed[np.int64(lowest_bit(rows)), w] |= np.uint64(1) << np.uint64(b)
        rows &= rows - np.uint64(1)
    return counter


@njit(nogil=True, cache=True)
def _transpose(words: Any) -> None:
    """Swaps rows and bits of 64 rows, in each column, `(64, 8) uint64`; halves, quarters, … change places."""
    width = np.uint64(_BLOCK // 2)
    low = np.uint64((1 << (_BLOCK // 2)) - 1)
    while width:
        step = np.int64(width)
        for start in range(0, _BLOCK, 2 * step):
            for k in range(start, start + step):
                for w in range(ALGORITHM_WORDS):
                    swapped = ((words[k, w] >> width) ^ words[k + step, w]) & low
                    words[k, w] ^= swapped << width
                    words[k + step, w] ^= swapped
        width >>= np.uint64(1)
        low ^= low << width


@njit(nogil=True, cache=True)
def _apply_budgets(
    words: Any,
    k: Any,
    crossing: Any,
    groups: Any,
    fill: Any,
    bursts: Any,
    tokens: Any,
    token_times: Any,
    by_step: Any,
    suppressed: Any,
) -> None:
    for g in range(len(groups)):
        wanted = np.uint64(0)
        for w in range(ALGORITHM_WORDS):
            wanted |= words[k, w] & groups[g, w]
        if wanted:
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
                        by_step[_BUDGETED, 64 * w + np.int64(lowest_bit(lost))] -= 1
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
