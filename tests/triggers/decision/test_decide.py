"""The ordered decision (docs/decision.md), against a slow fold written down again from the rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from triggers.decision.budgets import Budget, algorithm_words
from triggers.decision.decide import Counts, Decision, DecisionSettings, DecisionState, decide
from triggers.menu.evaluate import SparseBits

BUNCHES = 2544
CROSSINGS_PER_SECOND = BUNCHES * 11_245.5


def settings_of(prescales: dict[int, int], budgets: tuple[Budget, ...] = (), **masks: list[int]) -> DecisionSettings:
    factors = np.zeros(512, np.int64)
    for index, factor in prescales.items():
        factors[index] = factor
    words = {name: algorithm_words(indices) for name, indices in masks.items()}
    return DecisionSettings(factors, BUNCHES, budgets, **words)


def bits_of(fired: dict[int, list[int]]) -> SparseBits:
    rows = np.array(sorted(fired), np.uint32)
    words = np.array([algorithm_words(fired[row]) for row in sorted(fired)], np.uint64).reshape(-1, 8)
    return SparseBits(rows, words)


def decide_all(
    settings: DecisionSettings, fired: dict[int, list[int]], cuts: list[int] | None = None
) -> tuple[dict[int, list[int]], Counts]:
    """Decide crossings in one lumi section, cut into batches at the given crossings."""
    state, counts = DecisionState(len(settings.budgets)), Counts(len(settings.budgets))
    state.start_lumi_section(settings)
    accepted: dict[int, list[int]] = {}
    edges = [0, *sorted(cuts or []), 10**9]
    for begin, end in itertools.pairwise(edges):
        part = bits_of({k: v for k, v in fired.items() if begin <= k < end})
        decision = decide(settings, state, counts, part, part.rows.astype(np.int64))
        accepted |= indices_by_row(decision)
    return accepted, counts


def indices_by_row(decision: Decision) -> dict[int, list[int]]:
    return {int(row): indices(words) for row, words in zip(decision.rows, decision.words, strict=True)}


def indices(words: NDArray[np.uint64]) -> list[int]:
    return [64 * w + b for w in range(8) for b in range(64) if int(words[w]) >> b & 1]


@pytest.mark.parametrize(
    ("factor", "passing"), [(100, [1, 2, 3, 4, 5, 6]), (300, [3, 6]), (250, [3, 5, 8, 10]), (0, [])]
)
def test_prescale_n_passes_the_nth_trigger(factor: int, passing: list[int]) -> None:
    fired = {trigger: [100] for trigger in range(1, max(passing, default=6) + 1)}
    accepted, counts = decide_all(settings_of({100: factor}), fired)
    assert sorted(accepted) == passing
    assert counts.by_step[0, 100] == len(fired)
    assert counts.by_step[1, 100] == len(passing)


def test_counters_run_on_through_lumi_sections_and_an_off_prescale_resets_them() -> None:
    on, off = settings_of({0: 300}), settings_of({0: 0})
    state, counts = DecisionState(0), Counts(0)

    def triggers(settings: DecisionSettings, n: int) -> int:
        state.start_lumi_section(settings)
        part = bits_of({k: [0] for k in range(n)})
        return len(decide(settings, state, counts, part, part.rows.astype(np.int64)).rows)

    assert triggers(on, 2) == 0
    assert triggers(on, 1) == 1
    assert triggers(on, 2) == 0
    assert triggers(off, 0) == 0
    assert triggers(on, 2) == 0
    assert triggers(on, 1) == 1


def test_a_budget_starts_empty_fills_with_simulated_time_and_is_capped_by_its_burst() -> None:
    budget = Budget("ad", algorithm_words([9]), rate_hz=CROSSINGS_PER_SECOND / 100, burst=2)
    fired = {k: [9] for k in (0, 99, 100, 101, 1000, 1001, 1002)}
    accepted, counts = decide_all(settings_of({9: 100}, (budget,)), fired)
    assert sorted(accepted) == [100, 1000, 1001]
    assert counts.suppressed.tolist() == [4]


def test_a_suppressed_crossing_may_be_kept_by_another_algorithm() -> None:
    budget = Budget("ad", algorithm_words([9, 10]), rate_hz=0, burst=1)
    accepted, counts = decide_all(settings_of({9: 100, 10: 100, 300: 100}, (budget,)), {5: [9, 10, 300]})
    assert accepted == {5: [300]}
    assert counts.by_step[2, 9] == 0
    assert counts.by_step[1, 9] == 1


def test_masked_algorithms_count_but_do_not_keep() -> None:
    accepted, counts = decide_all(settings_of({1: 100, 2: 100}, masked=[1]), {3: [1], 4: [1, 2]})
    assert accepted == {4: [2]}
    assert counts.by_step[1, 1] == 2
    assert counts.by_step[2, 1] == 0
    assert counts.by_step[3, 2] == 1


def test_a_veto_forbids_the_accept_only_after_its_own_prescale() -> None:
    accepted, _ = decide_all(settings_of({1: 100, 2: 200}, veto=[2]), {3: [1, 2], 4: [1, 2], 5: [1]})
    assert accepted == {3: [1], 5: [1]}


def test_pure_counts_crossings_that_nothing_else_keeps() -> None:
    _, counts = decide_all(settings_of({1: 100, 64: 100}), {0: [1], 1: [1, 64], 2: [64], 3: [1]})
    assert counts.by_step[3, [1, 64]].tolist() == [2, 1]
    assert counts.by_step[2, [1, 64]].tolist() == [3, 2]
    assert counts.accepted == 4


FIRED = st.dictionaries(
    st.integers(0, 400), st.lists(st.sampled_from([0, 1, 63, 64, 200, 511]), min_size=1, max_size=4), max_size=80
)


@settings(max_examples=60, deadline=None)
@given(fired=FIRED, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_split_into_batches_gives_the_decisions_of_the_whole(fired: dict[int, list[int]], cuts: list[int]) -> None:
    budgets = (
        Budget("a", algorithm_words([0, 1]), CROSSINGS_PER_SECOND / 7, 2),
        Budget("b", algorithm_words([1, 64]), CROSSINGS_PER_SECOND / 3, 1),
    )
    rules = settings_of({0: 100, 1: 150, 63: 333, 64: 100, 200: 700, 511: 100}, budgets, masked=[63], veto=[200])
    whole, counts = decide_all(rules, fired)
    split, split_counts = decide_all(rules, fired, cuts)
    assert split == whole
    assert (split_counts.by_step == counts.by_step).all()
    assert (split_counts.suppressed == counts.suppressed).all()
    assert whole == slow_fold(rules, fired)


def slow_fold(rules: DecisionSettings, fired: dict[int, list[int]]) -> dict[int, list[int]]:
    """The rules of docs/decision.md, one crossing and one algorithm at a time."""
    counters: dict[int, int] = {}
    tokens = [(0.0, 0) for _ in rules.budgets]
    accepted = {}
    for crossing in sorted(fired):
        passed = []
        for index in sorted(set(fired[crossing])):
            counters[index] = counters.get(index, 0) + 100
            if counters[index] >= rules.factors[index]:
                counters[index] -= int(rules.factors[index])
                passed.append(index)
        for g, budget in enumerate(rules.budgets):
            members = set(indices(budget.words))
            if members & set(passed):
                saved, at = tokens[g]
                saved = min(budget.burst, saved + budget.rate_hz / CROSSINGS_PER_SECOND * (crossing - at))
                if saved >= 1:
                    saved -= 1
                else:
                    passed = [index for index in passed if index not in members]
                tokens[g] = (saved, crossing)
        kept = [index for index in passed if index not in indices(rules.masked)]
        if kept and not set(passed) & set(indices(rules.veto)):
            accepted[crossing] = kept
    return accepted
