"""The compiled kernel gives the bits of the oracle for every condition that measures objects against one another."""

from __future__ import annotations

import numpy as np
import pytest

from tests.triggers.menu.random_correlations import RandomCorrelations
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import Function, conditions_of

N_ALGORITHMS, N_CROSSINGS = 24, 40
SEEDS = range(16)


@pytest.mark.parametrize("seed", SEEDS)
def test_kernel_and_oracle_agree(seed):
    draw = RandomCorrelations(seed)
    menu, batch = draw.menu(N_ALGORITHMS), draw.batch(N_CROSSINGS)
    evaluator = Evaluator(menu)
    assert not evaluator.not_evaluated
    bits = evaluator.evaluate(batch).dense(N_CROSSINGS)
    differing = np.argwhere(bits != evaluate_oracle(menu, batch))
    assert not len(differing), f"{len(differing)} bits, first {differing[0]}: {menu.algorithms[differing[0][1]]}"


def test_every_type_of_condition_both_passes_and_fails():
    passed, failed = set(), set()
    for seed in range(60):
        draw = RandomCorrelations(seed)
        menu, batch = draw.menu(N_ALGORITHMS), draw.batch(N_CROSSINGS)
        bits = Evaluator(menu).evaluate(batch).dense(N_CROSSINGS)
        for algorithm in menu.algorithms:
            conditions = list(conditions_of(algorithm.expression))
            if len(conditions) == 1:
                condition = conditions[0]
                name = condition.function, len(condition.requirements), frozenset(cut.kind for cut in condition.cuts)
                fraction = bits[:, algorithm.index].mean()
                passed |= {name} if fraction > 0 else set()
                failed |= {name} if 0 < fraction < 1 else set()
    assert {name[0] for name in passed} == set(Function) - {Function.SINGLE}
    assert len(passed & failed) > 100
