"""`menu explain`: the verdicts are the evaluator's, the distances those that one works out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.triggers.menu.menu_parts import (
    RandomMenu,
    all_of,
    axo,
    codes,
    comb,
    crossings,
    jet,
    menu_of,
    muon,
    negated,
    objects,
    single,
    window,
)
from triggers.events import packing
from triggers.events.open import open_source
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.evaluate import Evaluator
from triggers.menu.explain import Node, explain, tree_lines
from triggers.menu.load import load_menu
from triggers.menu.model import CutKind, Expression, ExternalCondition, Function, ObjectCondition, WorkingPointCondition

ALL_DIFFERENT_JETS = [jet(200, eta=10, phi=0), jet(120, eta=-40, phi=70), jet(60, eta=60, phi=20)]


def of(expression: Expression, batch, row: int = 0, **extra) -> Node:
    menu = menu_of(expression)
    return explain(menu, menu.algorithms[0], batch, row, **extra)


def leaves(node: Node) -> Iterator[Node]:
    if not node.operands:
        yield node
    for operand in node.operands:
        yield from leaves(operand)


def check_consistent(node: Node) -> None:
    """What is told about objects and choices says the same as the verdicts."""
    for leaf in leaves(node):
        for report in leaf.requirements:
            assert all(verdict.passes is not bool(verdict.failures) for verdict in report.objects)
        if leaf.choice is not None:
            assert leaf.choice.accepted is leaf.value
            assert leaf.value is not any(check.failure is not None for check in leaf.choice.checks)
        elif len(leaf.requirements) == 1 and leaf.requirements[0].needed == 1:
            assert leaf.value is any(verdict.passes for verdict in leaf.requirements[0].objects)
        elif leaf.requirements:
            assert leaf.value is False


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_are_the_oracles_on_random_menus(seed):
    random = RandomMenu(seed)
    menu, batch = random.menu(12), random.batch(25)
    scores, thresholds = random.scores(25), random.thresholds()
    bits = evaluate_oracle(menu, batch.select([n for n in batch.schema.names if n != "context"]), scores, thresholds)
    for algorithm in menu.algorithms:
        for row in range(0, 25, 3):
            node = explain(menu, algorithm, batch, row, scores, thresholds)
            assert node.value is bool(bits[row, algorithm.index])
            check_consistent(node)


@pytest.mark.conformance
@pytest.mark.parametrize("number", [9, 12, 18, 23, 27])
def test_verdicts_are_the_evaluators_on_real_menus(conformance, number):
    pair = json.loads((conformance / "pairs.json").read_text())["pairs"][number]
    menu = load_menu(conformance / pair["menu"])
    (batch,) = open_source([conformance / pair["vector"]]).batches(10_000)
    evaluator = Evaluator(menu)
    bits = evaluator.evaluate(batch).dense(batch.num_rows)
    random = np.random.default_rng(number)
    firing = [a for a in evaluator.evaluated if bits[:, a.index].any()]
    for _ in range(40):
        algorithm = firing[random.integers(len(firing))]
        rows = np.flatnonzero(bits[2:-2, algorithm.index] == random.integers(2)) + 2
        row = int(random.choice(rows)) if len(rows) else 2
        node = explain(menu, algorithm, batch.slice(row - 2, 5), 2)
        assert node.value is bool(bits[row, algorithm.index]), (algorithm.name, row)
        check_consistent(node)


def test_a_threshold_is_missed_by_gev_and_by_steps():
    node = of(single("MU", 22), crossings({"muon": [muon(43), 0, muon(9)]}))
    first, second = node.requirements[0].objects
    assert (first.slot, second.slot) == (0, 2)
    (failure,) = first.failures
    assert (failure.cut, failure.by, failure.by_hw) == ("threshold", 1.0, 2)
    assert failure.text == "pT 21 GeV [43] is below 22 GeV [45] by 1 GeV [2]"


def test_a_window_is_missed_by_its_nearer_end():
    cuts = (window(CutKind.ETA, -3.0015, -2.0010), window(CutKind.ETA, 2.0010, 3.0015))
    node = of(single("JET", 30, *cuts), crossings({"jet": [jet(80, eta=40)]}))
    (failure,) = node.requirements[0].objects[0].failures
    assert failure.cut == cuts[1].name
    assert failure.by_hw == 6
    assert failure.by == pytest.approx(6 * 0.0435)
    assert failure.text.startswith("eta 1.76175 [40] is outside 2.001 to 3.0015 [46 to 68] by 0.261")


def test_phi_is_measured_the_short_way_round():
    low, high = 130 * 2 * np.pi / 144, 140 * 2 * np.pi / 144
    node = of(single("JET", 30, window(CutKind.PHI, low, high)), crossings({"jet": [jet(80, phi=2)]}))
    (failure,) = node.requirements[0].objects[0].failures
    assert failure.by_hw == 7  # 139 is the last bin of the window; 140, 141, 142, 143, 0, 1, 2


def test_codes_and_charges_are_told():
    cuts = (codes(CutKind.QUALITY, 12, 13), codes(CutKind.CHARGE, "positive"))
    node = of(single("MU", 3, *cuts), crossings({"muon": [muon(20, -1, quality=8), muon(20, quality=12)]}))
    first, second = node.requirements[0].objects
    assert [f.text for f in first.failures] == ["quality 8 is not among 12, 13", "charge is negative, not positive"]
    assert [f.text for f in second.failures] == ["charge is not valid, not positive"]


def test_too_few_different_objects_are_told():
    node = of(comb(objects("MU", 3), objects("MU", 5)), crossings({"muon": [muon(30)]}))
    assert node.value is False
    assert node.choice is None
    assert "no 2 different objects pass the requirements" in node.reasons


def test_of_a_pair_the_nearest_choice_is_shown_with_its_distance():
    """Slots 0 and 1: |Δη| = 50 × 0.0435 = 2.175; 0 and 2: 2.175; 1 and 2: 4.35, the largest."""
    pair = ObjectCondition(
        Function.DIST, (objects("JET", 20), objects("JET", 20)), (window(CutKind.DELTA_ETA, 4.4, 10),)
    )
    node = of(pair, crossings({"jet": ALL_DIFFERENT_JETS}))
    assert node.value is False
    assert node.choice is not None
    assert set(node.choice.objects) == {"JET slot 1", "JET slot 2"}
    (check,) = node.choice.checks
    assert check.failure is not None
    assert (check.failure.by_hw, check.failure.by) == (50, pytest.approx(0.05))
    assert "delta eta 4.35 [4350] is below 4.4 to 10 [4400 to 10000] by 0.05 [50]" in check.text


def test_masses_are_told_in_gev():
    """The worked example of the reference: jets of 80.5 GeV (centre 80.8), 85 and 58 bins apart, 523.7 GeV."""
    jets = [jet(161, eta=-9, phi=37), jet(161, eta=-94, phi=95)]
    mass = ObjectCondition(
        Function.MASS_INV, (objects("JET", 30), objects("JET", 30)), (window(CutKind.MASS, 600, 900),)
    )
    node = of(mass, crossings({"jet": jets}))
    assert node.choice is not None
    (check,) = node.choice.checks
    assert "mass 523.706 GeV [m²/2 13713408320] is below 600 to 900 GeV" in check.text
    assert check.failure is not None
    assert check.failure.by == pytest.approx(600 - 523.706, abs=0.001)


def test_overlap_with_the_reference_is_told():
    legs = (objects("TAU", 20), objects("JET", 20))
    orm = ObjectCondition(Function.COMB_ORM, legs, (window(CutKind.OVERLAP_DELTA_R, 0, 0.5),))
    tau = int(packing.pack("tau", et=80, eta=12, phi=0))
    node = of(orm, crossings({"tau": [tau], "jet": [jet(100, eta=10, phi=0)]}))
    assert node.value is False
    assert node.choice is not None
    assert "delta R 0.087 [ΔR² 7569] of the TAU to the reference JET is an overlap" in node.choice.checks[0].text
    apart = of(orm, crossings({"tau": [tau], "jet": [jet(100, eta=-40, phi=70)]}))
    assert apart.value is True
    assert "is no overlap" in apart.choice.checks[0].text


def test_charges_of_a_pair_are_told():
    pair = comb(objects("MU", 3), objects("MU", 3), charges="os")
    node = of(pair, crossings({"muon": [muon(20, +1), muon(22, +1)]}))
    assert "charges +, +, wanted not all equal" in node.choice.checks[0].text
    assert of(pair, crossings({"muon": [muon(20, +1), muon(22, -1)]})).value is True


def test_neighbours_and_signals_are_looked_at_where_they_are():
    seed = all_of(single("MU", 3, bx=-1), negated(ExternalCondition("EXT_a", 65, 1)))
    batch = crossings({"muon": [muon(20)]}, {}, {"external": [0, 2]}, bx=[10, 11, 12])
    node = of(seed, batch, 1)
    assert [leaf.value for leaf in leaves(node)] == [True, True]
    assert node.value is False
    lonely = of(seed, batch.slice(1, 1), 0)
    assert "lacks the crossing: one crossing earlier" in lonely.operands[0].text
    assert lonely.operands[1].operands[0].reasons == ("channel 65 is not known: the source lacks that crossing",)


def test_scores_are_told_with_their_distance():
    batch = crossings({}, {})
    node = of(axo(346), batch, 1, scores={"axol1tl/v3": np.array([0, 300])})
    assert node.reasons == ("score axol1tl/v3 300 is below 346 by 46",)
    point = WorkingPointCondition("axol1tl", "production", "tight")
    node = of(point, batch, 0, scores={"axol1tl@production": np.array([9, 0])}, thresholds={point: 7})
    assert (node.value, node.reasons) == (True, ("score axol1tl@production 9 reaches 7, by 2 more",))


def test_what_is_not_evaluated_leaves_the_rest_explained():
    batch = crossings({"jet": [jet(60)]})
    node = of(all_of(single("JET", 20), axo(5)), batch)
    assert node.value is None
    assert [leaf.value for leaf in leaves(node)] == [True, None]
    assert of(all_of(single("JET", 50), axo(5)), batch).value is False


def test_the_text_is_a_tree_with_reasons():
    seed = all_of(single("JET", 20), negated(single("HTT", 100)), single("EG", 30))
    batch = crossings({"jet": [jet(60)], "sums": [0, 150], "eg": []})
    assert list(tree_lines(of(seed, batch))) == [
        "false: AND",
        "  true: JET ET ≥ 20 GeV [≥ 40]",
        "    passes: JET slot 0: ET 30 GeV [60], eta 0.02175 [0], phi 0.0218166 rad [0], displaced 0",
        "  true: NOT",
        "    false: HTT ET ≥ 100 GeV [≥ 200]",
        "      fails: HTT: ET 75 GeV [150] is below 100 GeV [200] by 25 GeV [50]",
        "  false: EG ET ≥ 30 GeV [≥ 60]",
        "    there is no such object",
    ]
