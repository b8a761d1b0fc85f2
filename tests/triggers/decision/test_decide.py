"""The ordered decision (docs/decision.md), against a slow fold written down again from the rules."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from triggers.decision.bit_counts import count_bits
from triggers.decision.budgets import Budget, algorithm_words
from triggers.decision.counts import Counts, Step
from triggers.decision.decide import Decision, DecisionState, decide
from triggers.decision.filling import FillingScheme, train_filling
from triggers.decision.masks import no_masks
from triggers.decision.rules import DEFAULT_RULES, TriggerRule
from triggers.decision.settings import ColumnChange, DecisionSettings
from triggers.menu.evaluate import SparseBits

BUNCHES = 2544
CROSSINGS_PER_SECOND = BUNCHES * 11_245.5
SLOTS = 3564

Fired = dict[int, list[int]]
"""Algorithms that fire, by crossing."""


def factors_of(prescales: dict[int, int]) -> NDArray[np.int64]:
    factors = np.zeros(512, np.int64)
    factors[list(prescales)] = list(prescales.values())
    return factors


def settings_of(prescales: dict[int, int], budgets: tuple[Budget, ...] = (), **masks: list[int]) -> DecisionSettings:
    words = {name: algorithm_words(indices) for name, indices in masks.items()}
    return DecisionSettings(factors_of(prescales), BUNCHES, budgets, **words)


def bits_of(fired: Fired) -> SparseBits:
    rows = np.array(sorted(fired), np.uint32)
    words = np.array([algorithm_words(fired[row]) for row in sorted(fired)], np.uint64).reshape(-1, 8)
    return SparseBits(rows, words)


def decide_all(
    settings: DecisionSettings, fired: Fired, cuts: list[int] | None = None
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
    assert counts.of(Step.BEFORE_PRESCALE)[100] == len(fired)
    assert counts.of(Step.AFTER_PRESCALE)[100] == len(passing)


def triggers_by_lumi_section(sections: list[tuple[DecisionSettings, int]]) -> list[int]:
    """How many of the triggers in each lumi section are accepted."""
    state, counts, accepted = DecisionState(0), Counts(0), []
    for rules, n in sections:
        state.start_lumi_section(rules)
        part = bits_of({k: [0] for k in range(n)})
        accepted.append(len(decide(rules, state, counts, part, part.rows.astype(np.int64)).rows))
    return accepted


def test_counters_run_on_through_lumi_sections_and_an_off_prescale_resets_them() -> None:
    on, off = settings_of({0: 300}), settings_of({0: 0})
    assert triggers_by_lumi_section([(on, 2), (on, 1), (on, 2), (off, 0), (on, 2), (on, 1)]) == [0, 1, 0, 0, 0, 1]


def test_older_hardware_restarts_counters_in_each_lumi_section() -> None:
    on = replace(settings_of({0: 300}), restart_prescales=True)
    assert triggers_by_lumi_section([(on, 2), (on, 2), (on, 3)]) == [0, 0, 1]


def test_a_new_factor_does_not_reset_the_counter_so_several_triggers_in_a_row_may_pass() -> None:
    slow, fast = settings_of({0: 1000}), settings_of({0: 200})
    assert triggers_by_lumi_section([(slow, 9), (fast, 8)]) == [0, 8]


def test_columns_change_at_the_lumi_section_of_the_schedule() -> None:
    changes = (ColumnChange(10, "low", factors_of({0: 200})), ColumnChange(12, "off", factors_of({})))
    settings = replace(settings_of({0: 100}), column="high", changes=changes)
    columns = {n: settings.in_lumi_section(n).column for n in (1, 9, 10, 11, 12, 99)}
    assert columns == {1: "high", 9: "high", 10: "low", 11: "low", 12: "off", 99: "off"}
    assert settings.in_lumi_section(11).factors[0] == 200


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
    assert [counts.by_step[step, 9] for step in (Step.AFTER_PRESCALE, Step.AFTER_BUDGETS, Step.FINAL)] == [1, 0, 0]


def test_masked_algorithms_spend_no_tokens_but_a_group_that_is_masked_as_a_whole_is_counted() -> None:
    budgets = tuple(
        Budget(name, algorithm_words(members), rate_hz=CROSSINGS_PER_SECOND / 100, burst=1)
        for name, members in (("all", [1, 2]), ("off", [1]))
    )
    rules = settings_of({1: 100, 2: 100}, budgets, masked=[1])
    accepted, counts = decide_all(rules, {100: [1], 101: [2], 102: [1, 2]})
    assert accepted == {101: [2]}
    assert counts.wanted.tolist() == [2, 2]
    assert counts.suppressed.tolist() == [1, 0]
    assert counts.of(Step.AFTER_BUDGETS)[[1, 2]].tolist() == [2, 1]


def test_masked_algorithms_count_but_do_not_keep() -> None:
    accepted, counts = decide_all(settings_of({1: 100, 2: 100}, masked=[1]), {3: [1], 4: [1, 2]})
    assert accepted == {4: [2]}
    assert counts.of(Step.AFTER_BUDGETS)[1] == 2
    assert counts.of(Step.FINAL)[1] == 0
    assert counts.of(Step.PURE)[2] == 1


def test_a_veto_forbids_the_accept_only_after_its_own_prescale() -> None:
    accepted, counts = decide_all(settings_of({1: 100, 2: 200}, veto=[2]), {3: [1, 2], 4: [1, 2], 5: [1]})
    assert accepted == {3: [1], 5: [1]}
    assert counts.vetoed == 1
    assert counts.after_prescale == 3


def test_what_is_vetoed_spends_no_tokens_and_no_budget_lifts_a_veto() -> None:
    """A crossing that is not kept costs no rate; a veto holds whether or not its group has tokens."""
    budget = Budget("all", algorithm_words([1, 2]), rate_hz=CROSSINGS_PER_SECOND / 100, burst=1)
    rules = settings_of({1: 100, 2: 100, 9: 100}, (budget,), veto=[2])
    accepted, counts = decide_all(rules, {100: [1, 2], 101: [1], 102: [2, 9], 103: [1, 9]})
    assert accepted == {101: [1], 103: [9]}
    assert counts.vetoed == 2
    assert (counts.wanted.tolist(), counts.suppressed.tolist()) == ([2], [1])


def test_pure_counts_crossings_that_nothing_else_keeps() -> None:
    _, counts = decide_all(settings_of({1: 100, 64: 100}), {0: [1], 1: [1, 64], 2: [64], 3: [1]})
    assert counts.of(Step.PURE)[[1, 64]].tolist() == [2, 1]
    assert counts.of(Step.FINAL)[[1, 64]].tolist() == [3, 2]
    assert counts.accepted == 4


def test_a_crossing_mask_suppresses_before_the_prescale_counts() -> None:
    masks = no_masks()
    filling = train_filling(BUNCHES)
    masks[filling.slots[50]] = algorithm_words([1])
    settings = replace(settings_of({1: 200, 2: 100}), crossing_masks=masks)
    fired = {49: [1], 50: [1, 2], 51: [1], 50 + BUNCHES: [1]}
    accepted, counts = decide_all(settings, fired)
    assert accepted == {50: [2], 51: [1]}
    assert counts.of(Step.FIRED)[1] == 4
    assert counts.of(Step.BEFORE_PRESCALE)[[1, 2]].tolist() == [2, 1]


def test_trigger_rules_count_slots_not_crossings() -> None:
    """Slots 0, 2, 3, 30 of an orbit: 2 is within three slots of 0, 3 is not."""
    filling = FillingScheme("test", np.array([0, 2, 3, 30], np.int64))
    settings = DecisionSettings(factors_of({0: 100}), 4, rules=(TriggerRule(1, 3),), filling=filling)
    accepted, counts = decide_all(settings, {k: [0] for k in range(8)})
    assert sorted(accepted) == [0, 2, 3, 4, 6, 7]
    assert counts.blocked[0] == 2
    assert counts.dead_time == pytest.approx(0.25)
    assert counts.of(Step.FINAL)[0] == 8
    assert counts.of(Step.ACCEPTED)[0] == 6


def test_the_default_rules_let_few_of_a_long_train_through() -> None:
    """Every slot fires: after 0 the first rule waits until 3, the second until 25, then until 100, and until 240."""
    filling = FillingScheme("test", np.arange(250, dtype=np.int64))
    settings = DecisionSettings(factors_of({0: 100}), 250, rules=DEFAULT_RULES, filling=filling)
    accepted, counts = decide_all(settings, {k: [0] for k in range(250)})
    assert sorted(accepted) == [0, 3, 25, 100, 240, 243]
    assert counts.blocked.sum() == 250 - 6


def test_trigger_rules_see_the_end_of_the_lumi_section_before() -> None:
    filling = FillingScheme("test", np.array([0, 1, SLOTS - 1], np.int64))
    settings = DecisionSettings(
        factors_of({0: 100}), 3, rules=(TriggerRule(1, 3),), filling=filling, orbits_per_lumi_section=2
    )
    state, counts = DecisionState(0), Counts(0)
    accepted = []
    for fired in ([5], [0, 1, 2]):
        state.start_lumi_section(settings)
        part = bits_of({k: [0] for k in fired})
        accepted.append(decide(settings, state, counts, part, part.rows.astype(np.int64)).rows.tolist())
    assert accepted == [[5], [2]]


def test_bits_are_counted_exactly_at_any_density_and_number_of_rows() -> None:
    rng = np.random.default_rng(3)
    for n, density in ((0, 0.5), (7, 0.5), (8, 1.0), (4100, 1.0), (10_001, 0.3), (9000, 0.001)):
        flags = rng.random((n, 512)) < density
        words = np.packbits(flags, axis=1, bitorder="little").view(np.uint64).reshape(n, 8)
        counts = np.zeros(512, np.int64)
        count_bits(words, counts)
        assert (counts == flags.sum(axis=0)).all()


# The whole decision over several lumi sections, against a fold written down again.

ALGORITHMS = [0, 1, 63, 64, 200, 511]
SMALL = FillingScheme("test", np.array([*range(40), *range(90, 130), *range(3400, 3420)], np.int64))
ORBITS = 3
SECTION = 100 * ORBITS
"""Crossings in a lumi section of `SMALL`."""


def whole_settings(restart: bool) -> DecisionSettings:
    per_second = 100 * 11_245.5
    budgets = (
        Budget("a", algorithm_words([0, 1]), per_second / 7, 2),
        Budget("b", algorithm_words([1, 63, 64, 200]), per_second / 3, 1),
    )
    masks = no_masks()
    masks[92:98] = algorithm_words([0, 511])
    masks[3419] = algorithm_words(ALGORITHMS)
    high = {0: 100, 1: 150, 63: 333, 64: 100, 200: 700, 511: 100}
    return DecisionSettings(
        factors_of(high),
        100,
        budgets,
        masked=algorithm_words([63]),
        veto=algorithm_words([200]),
        crossing_masks=masks,
        rules=(TriggerRule(1, 3), TriggerRule(2, 25), TriggerRule(3, 100), TriggerRule(4, 240)),
        filling=SMALL,
        orbits_per_lumi_section=ORBITS,
        changes=(ColumnChange(2, "other", factors_of({**high, 0: 250, 511: 0})), ColumnChange(3, "", factors_of(high))),
        restart_prescales=restart,
    )


class Chain:
    """The fold as a service runs it: batches that end anywhere, but never span two lumi sections."""

    def __init__(self, settings: DecisionSettings) -> None:
        self.settings = settings
        self.state, self.counts = DecisionState(len(settings.budgets)), Counts(len(settings.budgets))
        self.section = 0
        self.accepted: dict[int, list[int]] = {}

    def decide(self, begin: int, end: int, fired: Fired) -> None:
        while begin < end:
            number, first = divmod(begin, SECTION)
            stop = min(end, (number + 1) * SECTION)
            settings = self.settings.in_lumi_section(number + 1)
            if number + 1 != self.section:
                self.section = number + 1
                self.state.start_lumi_section(settings)
            part = bits_of({k - begin: v for k, v in fired.items() if begin <= k < stop})
            decision = decide(settings, self.state, self.counts, part, first + part.rows.astype(np.int64))
            self.accepted |= {begin + row: words for row, words in indices_by_row(decision).items()}
            begin = stop


FIRED = st.dictionaries(
    st.integers(0, 4 * SECTION - 1), st.lists(st.sampled_from(ALGORITHMS), min_size=1, max_size=4), max_size=250
)
DENSE = st.builds(
    lambda begin, length, algorithms: dict.fromkeys(range(begin, begin + length), algorithms),
    st.integers(0, 3 * SECTION),
    st.integers(1, SECTION),
    st.lists(st.sampled_from(ALGORITHMS), min_size=1, max_size=4),
)


@settings(max_examples=50)
@given(fired=FIRED, dense=DENSE, cuts=st.lists(st.integers(0, 4 * SECTION), max_size=8), restart=st.booleans())
def test_any_split_gives_the_decisions_of_the_whole(fired: Fired, dense: Fired, cuts: list[int], restart: bool) -> None:
    fired = dense | fired
    rules = whole_settings(restart)
    whole, split = Chain(rules), Chain(rules)
    whole.decide(0, 4 * SECTION, fired)
    for begin, end in itertools.pairwise([0, *sorted(cuts), 4 * SECTION]):
        split.decide(begin, end, fired)
    assert split.accepted == whole.accepted
    assert (split.counts.by_step == whole.counts.by_step).all()
    assert (split.counts.suppressed == whole.counts.suppressed).all()
    assert (split.counts.blocked == whole.counts.blocked).all()
    assert whole.accepted == slow_fold(rules, fired)
    assert whole.counts.final_or - whole.counts.accepted == whole.counts.blocked.sum()
    assert (np.diff(whole.counts.by_step[: Step.PURE], axis=0) <= 0).all()


def slow_fold(rules: DecisionSettings, fired: Fired) -> dict[int, list[int]]:
    """The rules of docs/decision.md, one crossing and one algorithm at a time."""
    counters: dict[int, int] = {}
    tokens = [(0.0, 0) for _ in rules.budgets]
    taken: list[int] = []
    accepted = {}
    section = 0
    for crossing in sorted(fired):
        while section < crossing // SECTION + 1:
            section += 1
            factors = rules.in_lumi_section(section).factors
            tokens = [(0.0, 0) for _ in rules.budgets]
            counters = {i: 0 if rules.restart_prescales or not factors[i] else c for i, c in counters.items()}
        orbit, bunch = divmod(crossing, 100)
        here = crossing % SECTION
        masked = indices(rules.crossing_masks[SMALL.slots[bunch]])
        passed = []
        for index in sorted(set(fired[crossing]) - set(masked)):
            if factors[index]:
                counters[index] = counters.get(index, 0) + 100
                if counters[index] >= factors[index]:
                    counters[index] -= int(factors[index])
                    passed.append(index)
        if set(passed) & set(indices(rules.veto)):
            continue
        for g, budget in enumerate(rules.budgets):
            members = set(indices(budget.words)) - set(indices(rules.masked))
            if members & set(passed):
                saved, at = tokens[g]
                saved = min(budget.burst, saved + budget.rate_hz / (100 * 11_245.5) * (here - at))
                if saved >= 1:
                    saved -= 1
                else:
                    passed = [index for index in passed if index not in members]
                tokens[g] = (saved, here)
        kept = [index for index in passed if index not in indices(rules.masked)]
        slot = orbit * SLOTS + int(SMALL.slots[bunch])
        obeys = all(sum(slot - r.slots < s for s in taken) < r.accepts for r in rules.rules)
        if kept and obeys:
            accepted[crossing] = kept
            taken.append(slot)
    return accepted


def test_a_crossing_that_two_rules_forbid_counts_for_the_shorter() -> None:
    filling = FillingScheme("test", np.arange(10, dtype=np.int64))
    rules = (TriggerRule(1, 3), TriggerRule(1, 5))
    settings = DecisionSettings(factors_of({0: 100}), 10, rules=rules, filling=filling)
    _, counts = decide_all(settings, {k: [0] for k in range(5)})
    assert counts.blocked[:2].tolist() == [2, 2]
