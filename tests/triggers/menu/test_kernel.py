"""The compiled kernel gives the same bits as the slow and obvious oracle."""

from __future__ import annotations

import numpy as np
import pytest

from tests.triggers.menu.menu_parts import (
    RandomMenu,
    all_of,
    any_of,
    comb,
    crossings,
    jet,
    menu_of,
    negated,
    objects,
    single,
    window,
)
from triggers.menu.block import BLOCK
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.evaluate import Evaluator
from triggers.menu.kernel import evaluate_compiled
from triggers.menu.model import CutKind, ExternalCondition, Operation, Operator


@pytest.mark.parametrize("seed", range(40))
def test_kernel_and_oracle_agree_on_random_menus_and_crossings(seed):
    draw = RandomMenu(seed)
    menu, batch = draw.menu(25), draw.batch(120)
    scores, thresholds = draw.scores(120), draw.thresholds()
    evaluator = Evaluator(menu, scores)
    assert not evaluator.not_evaluated
    bits = evaluator.evaluate(batch, scores, thresholds)
    expected = evaluate_oracle(menu, batch, scores, thresholds)
    differing = np.argwhere(bits.dense(120) != expected)
    assert not len(differing), f"{len(differing)} bits, first {differing[0]}: {menu.algorithms[differing[0][1]]}"
    assert expected.any()
    assert bits.words.any(axis=1).all(), "rows without a bit"
    assert (np.diff(bits.rows.astype(int)) > 0).all(), "rows out of order"


def test_random_menus_exercise_both_outcomes_of_most_algorithms():
    both = []
    for seed in range(40):
        draw = RandomMenu(seed)
        menu, batch = draw.menu(25), draw.batch(120)
        scores, thresholds = draw.scores(120), draw.thresholds()
        bits = Evaluator(menu, scores).evaluate(batch, scores, thresholds).dense(120)[:, :25]
        both += list(bits.any(axis=0) & ~bits.all(axis=0))
    assert np.mean(both) > 0.7


def test_batches_longer_than_a_block_look_across_its_edge():
    draw = RandomMenu(99)
    menu = menu_of(single("JET", 2, bx=1), single("MU", 0, bx=-2), ExternalCondition("EXT_x", 70, 2))
    batch = draw.batch(BLOCK + 70)
    assert (Evaluator(menu).evaluate(batch).dense(batch.num_rows) == evaluate_oracle(menu, batch)).all()


def test_more_than_64_requirements_of_a_type():
    singles = [single("JET", threshold) for threshold in range(150)]
    pairs = [comb(objects("JET", threshold), objects("JET", threshold / 2)) for threshold in range(1, 80)]
    sums = [single("HTT", threshold) for threshold in range(90)]
    menu, batch = menu_of(*singles, *pairs, *sums), RandomMenu(5).batch(150)
    assert (Evaluator(menu).evaluate(batch).dense(150) == evaluate_oracle(menu, batch)).all()


@pytest.mark.parametrize("n_legs", range(2, 13))
def test_combs_of_up_to_12_equal_objects(n_legs):
    menu = menu_of(comb(*[objects("JET", 20)] * n_legs))
    batch = crossings(*({"jet": [jet(40)] * n} for n in range(13)))
    assert Evaluator(menu).evaluate(batch).rows.tolist() == list(range(n_legs, 13))


def test_combs_that_do_not_contain_one_another_need_different_objects():
    forward, backward = window(CutKind.ETA, 0.0, 5.0), window(CutKind.ETA, -5.0, 1.0)
    menu = menu_of(comb(objects("JET", 20, forward), objects("JET", 20, backward)))
    both = jet(50, eta=5)
    batch = crossings(
        {"jet": [both]}, {"jet": [both, both]}, {"jet": [both, jet(50, eta=-5)]}, {"jet": [jet(50, eta=40)] * 3}
    )
    assert Evaluator(menu).evaluate(batch).rows.tolist() == [1, 2]


def test_deeply_nested_expressions_keep_the_stack_small():
    expression = single("JET", 20)
    for depth in range(100):
        operator = (Operator.AND, Operator.OR, Operator.XOR)[depth % 3]
        expression = Operation(operator, (ExternalCondition("EXT_x", depth, 0), negated(expression)))
    menu, batch = menu_of(expression, negated(expression)), RandomMenu(3).batch(200)
    assert (Evaluator(menu).evaluate(batch).dense(200) == evaluate_oracle(menu, batch)).all()


def test_an_algorithm_that_needs_no_object_fires_in_empty_crossings():
    menu = menu_of(negated(single("JET", 20)), any_of(single("MU", 0), negated(single("MU", 0))), single("EG", 0))
    batch = crossings({}, {"jet": [jet(40)]})
    expected = [[True, True, True], [False, True, True]]
    assert Evaluator(menu).evaluate(batch).dense(2)[:, :3].tolist() == expected


def test_the_kernel_is_compiled_for_one_type_only():
    menu = menu_of(all_of(single("JET", 20), ExternalCondition("EXT_x", 3, 1)))
    batch = crossings({"jet": [jet(40)]})
    evaluator = Evaluator(menu)
    evaluator.evaluate(batch)
    columns = {"orbit": np.zeros(2), "bx": np.zeros(2), "jet": np.zeros((2, 12), np.uint64)}
    evaluator.objects(columns | {"external": np.zeros((4, 2), np.uint64).T}, np.array([False, True]))
    Evaluator(menu_of(single("MU", 3))).objects({"muon": np.zeros((1, 8), np.uint64)})
    assert len(evaluate_compiled.signatures) == 1
