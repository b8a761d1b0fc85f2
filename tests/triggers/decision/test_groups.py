"""Crossings of the final OR by group, and shared (docs/decision.md, "Groups")."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.decision.budgets import algorithm_words, make_budget
from triggers.decision.groups import Group, GroupCounts, GroupKind, groups_of, share_crossings
from triggers.errors import UnknownName
from triggers.menu.load import load_menu

A, B = 3, 130
KEPT = st.lists(st.frozensets(st.sampled_from([A, B, 200, 511]), min_size=1), max_size=40)


def words_of(kept: list[frozenset[int]]) -> np.ndarray:
    return np.array([algorithm_words(sorted(algorithms)) for algorithms in kept], np.uint64).reshape(-1, 8)


@settings(max_examples=50)
@given(kept=KEPT, cut=st.integers(0, 40))
def test_groups_count_what_they_keep_and_what_they_keep_alone(kept: list[frozenset[int]], cut: int) -> None:
    members = {"one": {A}, "both": {A, B}, "none": set()}
    groups = [Group(GroupKind.MENU, name, algorithm_words(sorted(m))) for name, m in members.items()]
    counts = GroupCounts(groups)
    counts.count(words_of(kept[:cut]))
    counts.count(words_of(kept[cut:]))
    assert counts.of(GroupKind.MENU) == {
        name: (sum(bool(m & k) for k in kept), sum(bool(m & k) and k <= m for k in kept)) for name, m in members.items()
    }
    assert counts.of(GroupKind.BUDGET) == {}
    counts.clear()
    assert not counts.final.any()
    assert not counts.pure.any()


@settings(max_examples=50)
@given(kept=KEPT, cut=st.integers(0, 40))
def test_shares_add_up_to_the_crossings_and_do_not_depend_on_the_cut(kept: list[frozenset[int]], cut: int) -> None:
    whole, pieces = np.zeros(512), np.zeros(512)
    share_crossings(words_of(kept), whole)
    share_crossings(words_of(kept[:cut]), pieces)
    share_crossings(words_of(kept[cut:]), pieces)
    assert whole.sum() == pytest.approx(len(kept))
    assert whole[A] == pytest.approx(sum(1 / len(k) for k in kept if A in k))
    assert np.array_equal(whole, pieces)


def test_the_groups_of_a_menu_are_its_own_its_budgets_and_the_algorithms_on_scores() -> None:
    menu = load_menu("shipped:menus/demo.yaml")
    on_scores = [algorithm.name for algorithm in menu.algorithms if algorithm.name.startswith("L1_AXO")]
    groups = groups_of(menu, [make_budget("anomaly", ["ad"], 1000, 8, menu)], on_scores)
    assert [group.name for group in groups] == [*menu.groups, "anomaly", "anomaly_detection"]
    by_name = {group.name: group.words.tolist() for group in groups}
    assert by_name["ad"] == by_name["anomaly"] == by_name["anomaly_detection"]
    with pytest.raises(UnknownName):
        make_budget("anomaly", ["adc"], 1000, 8, menu)
