"""Rates, shares and overlaps (docs/replay.md) against sums written down one crossing at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from triggers.decision.budgets import algorithm_words
from triggers.decision.rules import DEFAULT_RULES
from triggers.decision.settings import DecisionSettings
from triggers.errors import UnknownName
from triggers.menu.evaluate import SparseBits
from triggers.menu.load import load_menu
from triggers.studies.compare import Comparison
from triggers.studies.entities import ACCEPT, FINAL_OR, FIRST_GROUP, Group, groups_of
from triggers.studies.study import Crossings, MenuStudy

N = 3000
ALGORITHMS = [0, 5, 63, 64, 300, 511]
GROUPS = (
    Group("low", ("a", "b"), algorithm_words([0, 5])),
    Group("mixed", ("b", "d", "f"), algorithm_words([5, 64, 511])),
)
EVERYTHING = np.full(512, 100, np.int64)


def sample(seed: int, density: float = 0.1) -> list[set[int]]:
    rng = np.random.default_rng(seed)
    return [set(np.flatnonzero(row).tolist()) for row in rng.random((N, len(ALGORITHMS))) < density]


def bits_of(fired: list[set[int]]) -> SparseBits:
    rows = np.array([k for k, some in enumerate(fired) if some], np.uint32)
    words = np.array([algorithm_words([ALGORITHMS[i] for i in fired[k]]) for k in rows], np.uint64)
    return SparseBits(rows, words.reshape(-1, 8))


def crossings_of(begin: int, end: int, weights: NDArray[np.float64] | None) -> Crossings:
    k = np.arange(begin, end, dtype=np.int64)
    values = np.ones(end - begin) if weights is None else weights[begin:end]
    return Crossings(begin, values, weights is None, k // 700, k % 7, k % 3)


def parts(fired: list[set[int]], cuts: list[int]) -> Iterator[tuple[int, int, SparseBits]]:
    for begin, end in itertools.pairwise([0, *cuts, N]):
        yield begin, end, bits_of(fired[begin:end])


def studied(
    fired: list[set[int]],
    weights: NDArray[np.float64] | None,
    cuts: list[int],
    factors: NDArray[np.int64] = EVERYTHING,
) -> MenuStudy:
    settings = DecisionSettings(factors, 100, rules=DEFAULT_RULES, orbits_per_lumi_section=11)
    study = MenuStudy(settings, GROUPS)
    for begin, end, bits in parts(fired, cuts):
        study.add(crossings_of(begin, end, weights), bits)
    return study


WEIGHTS = np.random.default_rng(8).exponential(size=N) / 3


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unit", "weighted"])
def test_total_pure_and_proportional_weights_are_those_of_a_slow_sum(weights: NDArray[np.float64] | None) -> None:
    fired = sample(1)
    study = studied(fired, weights, [1000, 1001])
    w = np.ones(N) if weights is None else weights
    total, squares = study.final.total
    for i, index in enumerate(ALGORITHMS):
        mine = [k for k in range(N) if i in fired[k]]
        assert total[index] == pytest.approx(sum(w[k] for k in mine))
        assert squares[index] == pytest.approx(sum(w[k] ** 2 for k in mine))
        assert study.shares.pure[index] == pytest.approx(sum(w[k] for k in mine if fired[k] == {i}))
        shared = [w[k] / len(fired[k]) for k in mine]
        assert study.shares.proportional[index] == pytest.approx(sum(shared))
        assert study.shares.proportional_squares[index] == pytest.approx(sum(s * s for s in shared))
    assert total[FINAL_OR] == pytest.approx(sum(w[k] for k in range(N) if fired[k]))
    assert study.shares.proportional[:512].sum() == pytest.approx(total[FINAL_OR])
    assert 0 < total[ACCEPT] < total[FINAL_OR]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unit", "weighted"])
def test_groups_are_counted_once_a_crossing_and_pure_if_nothing_else_keeps_it(
    weights: NDArray[np.float64] | None,
) -> None:
    fired = sample(2)
    study = studied(fired, weights, [512])
    w = np.ones(N) if weights is None else weights
    for g, members in enumerate(({0, 1}, {1, 3, 5})):
        entity = FIRST_GROUP + g
        assert study.final.total[0][entity] == pytest.approx(sum(w[k] for k in range(N) if fired[k] & members))
        alone = (w[k] for k in range(N) if fired[k] and fired[k] <= members)
        assert study.shares.pure[entity] == pytest.approx(sum(alone))
        shares = (w[k] * len(fired[k] & members) / len(fired[k]) for k in range(N) if fired[k])
        assert study.shares.proportional[entity] == pytest.approx(sum(shares))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unit", "weighted"])
def test_the_overlap_matrix_has_the_weight_of_every_pair(weights: NDArray[np.float64] | None) -> None:
    fired = sample(3, 0.3)
    matrix = studied(fired, weights, [100]).overlap.matrix
    w = np.ones(N) if weights is None else weights
    for i, j in itertools.product(range(6), repeat=2):
        both = sum(w[k] for k in range(N) if {i, j} <= fired[k])
        assert matrix[ALGORITHMS[i], ALGORITHMS[j]] == pytest.approx(both)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unit", "weighted"])
@pytest.mark.parametrize("cuts", [[1], [700, 701, 702], list(range(64, N, 64))])
def test_no_chunking_changes_a_digit(weights: NDArray[np.float64] | None, cuts: list[int]) -> None:
    fired, factors = sample(4), EVERYTHING.copy()
    factors[[5, 300]] = 250, 700
    whole, split = studied(fired, weights, [], factors), studied(fired, weights, cuts, factors)
    for name in ("fired", "final", "fired_by_pileup", "final_by_pileup", "final_by_process"):
        bins = len(np.flatnonzero(getattr(whole, name).sums.any(axis=1)))
        for quantity in ("sums", "squares"):
            one, other = (getattr(getattr(study, name), quantity)[:bins] for study in (whole, split))
            assert (one == other).all()
    for quantity in ("pure", "pure_squares", "proportional", "proportional_squares"):
        assert (getattr(whole.shares, quantity) == getattr(split.shares, quantity)).all()
    assert (whole.overlap.sums == split.overlap.sums).all()
    assert (whole.counts.by_step == split.counts.by_step).all()
    assert (whole.counts.blocked == split.counts.blocked).all()


def test_rates_are_by_lumi_section_pileup_and_process() -> None:
    fired = sample(5)
    study = studied(fired, None, [])
    for tally, bin_of in ((study.final, lambda k: k // 700), (study.final_by_pileup, lambda k: k % 7)):
        for number in {bin_of(k) for k in range(N)}:
            here = [fired[k] for k in range(N) if bin_of(k) == number]
            assert tally.sums[number, FINAL_OR] == sum(map(bool, here))
            assert tally.sums[number, 300] == sum(4 in some for some in here)
    assert study.final_by_process.sums[:3, FINAL_OR].sum() == sum(map(bool, fired))


def test_a_comparison_finds_what_only_one_menu_keeps_even_if_indices_differ() -> None:
    menu_a = load_menu("shipped:menus/demo.yaml")
    first, second, third = menu_a.algorithms[:3]
    from dataclasses import replace

    menu_a = replace(menu_a, algorithms=(first, second), groups={})
    menu_b = replace(menu_a, algorithms=(replace(second, index=200), third))
    studies = [MenuStudy(DecisionSettings(EVERYTHING, 100), ()) for _ in range(2)]
    comparison = Comparison(menu_a, menu_b, *studies)
    words_a = {0: [first.index], 1: [second.index], 2: [second.index], 3: []}
    words_b = {0: [], 1: [200], 2: [], 3: [third.index]}
    crossings = Crossings(0, np.array([1.0, 2.0, 4.0, 8.0]), False, np.zeros(4, np.int64))
    fired = []
    for words in (words_a, words_b):
        rows = [row for row in words if words[row]]
        bits = np.array([algorithm_words(words[row]) for row in rows], np.uint64)
        fired.append(SparseBits(np.array(rows, np.uint32), bits))
    decided = [study.add(crossings, bits) for study, bits in zip(studies, fired, strict=True)]
    only_a, only_b = comparison.add(crossings, (fired[0], fired[1]), (decided[0], decided[1]))
    assert only_a.rows.tolist() == [0, 2]
    assert only_b.rows.tolist() == [3]
    assert comparison.fired_only_a.total[0][second.index] == 4
    assert not comparison.fired_only_b.total[0][:512].any()
    assert comparison.kept_only_a.crossings.sums[0] == 5
    assert comparison.kept_only_b.crossings.sums[0] == 8
    assert comparison.kept_only_b.shares.pure[third.index] == 8


def test_a_menu_without_groups_is_grouped_by_its_objects() -> None:
    from dataclasses import replace

    menu = replace(load_menu("shipped:menus/demo.yaml"), groups={})
    groups = {group.name: group.members for group in groups_of(menu)}
    assert "L1_SingleMu22" in groups["muons"]
    assert "L1_Mu18er2p1_Tau24er2p1" in groups["mixed objects"]
    assert sum(map(len, groups.values())) == len(menu.algorithms)
    assert [g.name for g in groups_of(menu, {"mine": ["L1_SingleMu22"]})] == ["mine"]
    with pytest.raises(UnknownName, match="L1_None"):
        groups_of(menu, {"mine": ["L1_None"]})
