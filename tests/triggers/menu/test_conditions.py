"""What each condition means, on crossings made by hand; the oracle and the kernel are both held to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.triggers.menu.menu_parts import (
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
from triggers.events.packing import pack
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import (
    CutKind,
    ExternalCondition,
    Function,
    ObjectCondition,
    Operation,
    Operator,
    WorkingPointCondition,
)


def fires(expression, *rows, bx=None, scores=None, thresholds=None):
    """Whether an algorithm fires in each crossing; oracle and kernel must agree."""
    menu, batch = menu_of(expression), crossings(*rows, bx=bx)
    scores = {name: np.array(values) for name, values in (scores or {}).items()}
    expected = evaluate_oracle(menu, batch, scores, thresholds or {})[:, 0].tolist()
    evaluator = Evaluator(menu, scores)
    assert not evaluator.not_evaluated
    assert evaluator.evaluate(batch, scores, thresholds or {}).dense(len(rows))[:, 0].tolist() == expected
    return expected


def sums(**words):
    row = [0] * 12
    for word, value in words.items():
        row[int(word[1:])] = value
    return {"sums": row}


def test_a_single_condition_needs_one_object_in_any_slot():
    assert fires(single("JET", 20), {"jet": [jet(39)]}, {"jet": [0, 0, jet(40)]}, {}) == [False, True, False]


def test_an_empty_slot_is_compared_like_any_other():
    assert fires(single("EG", 0), {}) == [True]
    assert fires(single("MU", 0), {}, {"muon": [muon(1)]}) == [False, True]


def test_overflows_are_ordinary_large_numbers():
    assert fires(single("JET", 1000), {"jet": [jet(2047)]}) == [True]


def test_equal_comparison():
    condition = ObjectCondition(Function.SINGLE, (objects("JET", 20, equal=True),))
    assert fires(condition, {"jet": [jet(39)]}, {"jet": [jet(40)]}, {"jet": [jet(41)]}) == [False, True, False]


def test_eta_windows_are_alternatives():
    condition = single("JET", 20, window(CutKind.ETA, -5, -3.0015), window(CutKind.ETA, 3.0015, 5))
    rows = [{"jet": [jet(50, eta=eta)]} for eta in (-115, -70, -69, 0, 68, 69, 114)]
    assert fires(condition, *rows) == [True, True, False, False, False, True, True]


def test_an_inverted_eta_window_wraps():
    condition = single("MU", 0, window(CutKind.ETA, -1.2451875, -2.0064375))
    rows = [{"muon": [muon(5, eta=eta)]} for eta in (-200, -185, -184, -115, -114, 0)]
    assert fires(condition, *rows) == [True, True, False, False, True, True]


def test_phi_windows_wrap_through_0():
    condition = single("JET", 20, window(CutKind.PHI, 1.5 * math.pi, 0.5 * math.pi))
    rows = [{"jet": [jet(50, phi=phi)]} for phi in (107, 108, 143, 0, 35, 36)]
    assert fires(condition, *rows) == [False, True, True, True, True, False]


def test_phi_of_a_vector_sum():
    condition = single("ETM", 10, window(CutKind.PHI, 0, math.pi))
    assert fires(condition, sums(w2=20 | 71 << 12), sums(w2=20 | 72 << 12)) == [True, False]


def test_lists_of_codes():
    condition = single(
        "MU", 3, codes(CutKind.QUALITY, 12, 15), codes(CutKind.ISOLATION, 1), codes(CutKind.IMPACT_PARAMETER, 2)
    )
    good = {"quality": 15, "isolation": 1, "impact_parameter": 2}
    words = [muon(7, **good)] + [muon(7, **(good | {name: 3})) for name in good]
    assert fires(condition, *({"muon": [word]} for word in words)) == [True, False, False, False]


def test_cuts_must_hold_for_the_same_object():
    condition = single("MU", 10, codes(CutKind.QUALITY, 12))
    assert fires(condition, {"muon": [muon(30, quality=8), muon(5, quality=12)]}) == [False]


def test_charge_needs_the_valid_bit():
    rows = [{"muon": [muon(9, charge)]} for charge in (1, -1, None)]
    assert fires(single("MU", 3, codes(CutKind.CHARGE, "positive")), *rows) == [True, False, False]
    assert fires(single("MU", 3, codes(CutKind.CHARGE, "negative")), *rows) == [False, True, False]


def test_unconstrained_pt_index_slice_and_displaced():
    rows = [{"muon": [muon(9, pt_unconstrained=value)]} for value in (0, 6, 7, 255)]
    assert fires(single("MU", 0, window(CutKind.UNCONSTRAINED_PT, 6, 255)), *rows) == [False, False, True, True]
    rows = [{"muon": [muon(9, index=value)]} for value in (17, 18, 35, 80)]
    barrel = [window(CutKind.INDEX, 18, 35), window(CutKind.INDEX, 72, 89)]
    assert fires(single("MU", 0, *barrel), *rows) == [False, True, True, True]
    rows = [{"jet": [0] * slot + [jet(50)]} for slot in range(4)]
    assert fires(single("JET", 20, window(CutKind.SLICE, 1, 2)), *rows) == [False, True, True, False]
    rows = [{"jet": [jet(50, displaced=value)]} for value in (0, 1)]
    assert fires(single("JET", 20, codes(CutKind.DISPLACED, 1)), *rows) == [False, True]


@pytest.mark.parametrize(
    ("kind", "threshold", "word", "below", "at"),
    [
        ("ETT", 100, 0, 199, 200),
        ("ETTEM", 100, 0, 199 << 12, 200 << 12),
        ("TOWERCOUNT", 4000, 1, 3999 << 12, 4000 << 12),
        ("MBT0HFP", 3, 0, 2 << 28, 3 << 28),
        ("MBT1HFM", 3, 3, 2 << 28, 3 << 28),
        ("ASYMETHF", 9, 4, 8 << 20, 9 << 20),
        ("ZDCM", 70, 7, 69, 70),
        ("ZDCP", 70, 8, 69, 70),
        ("CENT3", None, 4, 7 << 28, 8 << 28),
        ("CENT4", None, 5, 14 << 28, 1 << 28),
    ],
)
def test_sums_counts_and_centrality_bits(kind, threshold, word, below, at):
    assert fires(single(kind, threshold), sums(**{f"w{word}": below}), sums(**{f"w{word}": at})) == [False, True]


def test_a_count_cut_is_a_threshold():
    condition = single("TOWERCOUNT", 0, window(CutKind.COUNT, 12, 0))
    assert fires(condition, sums(w1=11 << 12), sums(w1=12 << 12)) == [False, True]


@pytest.mark.parametrize(("kind", "slot"), [("MUS0", 0), ("MUS1", 2), ("MUS2", 3), ("MUSOOT0", 4), ("MUSOOT1", 6)])
def test_muon_showers_are_bits_of_certain_muon_slots(kind, slot):
    shower = int(pack("muon", shower=1))
    rows = [{"muon": [0] * position + [shower]} for position in range(8)]
    assert fires(single(kind), *rows) == [position == slot for position in range(8)]


def test_cicada_score_from_four_nibbles():
    condition = single("CICADA", None, window(CutKind.CICADA_SCORE, 3.5, 0))  # 896 = 0x0380
    exact = sums(w6=0, w7=3 << 28, w8=8 << 28, w9=0)
    below = sums(w6=0, w7=3 << 28, w8=7 << 28, w9=15 << 28)
    assert fires(condition, exact, below) == [True, False]


def test_comb_needs_different_objects_in_any_order():
    condition = comb(objects("JET", 30), objects("JET", 20))
    rows = [[60], [60, 39], [40, 60], [60, 60], [0, 45, 0, 61]]
    assert fires(condition, *({"jet": [jet(et) for et in row]} for row in rows)) == [False, False, True, True, True]


def test_comb_with_requirements_that_do_not_contain_one_another():
    central = objects("EG", 10, window(CutKind.ETA, -1, 1))
    isolated = objects("EG", 5, codes(CutKind.ISOLATION, 3))
    both = int(pack("eg", et=40, isolation=3))
    rows = [[both], [both, int(pack("eg", et=12, isolation=3, eta=50))], [both, int(pack("eg", et=12, eta=50))]]
    assert fires(comb(central, isolated), *({"eg": row} for row in rows)) == [False, True, False]


@pytest.mark.parametrize(
    ("charges", "like", "opposite"),
    [
        ([1, 1], True, False),
        ([-1, -1], True, False),
        ([1, -1], False, True),
        ([1, None], False, False),
        ([1, None, 1], True, False),
        ([1, 1, -1], True, True),
    ],
)
def test_charge_correlation_of_two_muons(charges, like, opposite):
    row = {"muon": [muon(9, charge) for charge in charges]}
    legs = [objects("MU", 3)] * 2
    assert fires(comb(*legs, charges="ls"), row) == [like]
    assert fires(comb(*legs, charges="os"), row) == [opposite]


@pytest.mark.parametrize(
    ("charges", "like", "opposite"),
    [
        ([1, 1, 1, 1], True, False),
        ([1, 1, 1, -1], False, True),
        ([1, 1, -1, -1], False, True),
        ([1, -1, 1, None], False, False),
    ],
)
def test_opposite_charges_of_four_muons_means_not_all_equal(charges, like, opposite):
    row = {"muon": [muon(9, charge) for charge in charges]}
    legs = [objects("MU", 3)] * 4
    assert fires(comb(*legs, charges="ls"), row) == [like]
    assert fires(comb(*legs, charges="os"), row) == [opposite]


def test_charges_are_those_of_the_chosen_muons():
    condition = comb(objects("MU", 10), objects("MU", 3), charges="os")
    rows = [[muon(30, 1), muon(8, 1), muon(2, -1)], [muon(30, 1), muon(8, 1), muon(8, -1)]]
    assert fires(condition, *({"muon": row} for row in rows)) == [False, True]


def test_external_signals_of_every_word():
    rows = [{"external": [1 << 5, 0, 0, 1 << 63]}, {"external": [0, 1 << 5]}]
    for channel, expected in ((5, [True, False]), (69, [False, True]), (255, [True, False]), (254, [False, False])):
        assert fires(ExternalCondition("EXT_x", channel), *rows) == expected


def test_crossing_offsets_find_neighbours_by_time():
    rows = [{"jet": [jet(50)]}, {}, {}, {"jet": [jet(50)]}]
    assert fires(single("JET", 20, bx=1), *rows, bx=[10, 12, 13, 14]) == [False, False, True, False]
    assert fires(single("JET", 20, bx=2), *rows, bx=[10, 12, 13, 14]) == [False, True, False, False]
    assert fires(single("JET", 20, bx=-2), *rows, bx=[10, 12, 13, 14]) == [False, True, False, False]
    assert fires(single("JET", 20, bx=-1), *rows, bx=[10, 11, 13, 14]) == [False, True, False, False]


def test_a_neighbour_that_is_not_there_has_no_objects():
    assert fires(negated(ExternalCondition("EXT_x", 0, -1)), {"external": [1]}) == [True]
    assert fires(single("EG", 0, bx=1), {}) == [True]


def test_operators():
    a, b = ExternalCondition("EXT_a", 0), ExternalCondition("EXT_b", 1)
    rows = [{"external": [value]} for value in range(4)]
    for operator, expected in (("AND", [0, 0, 0, 1]), ("OR", [0, 1, 1, 1]), ("XOR", [0, 1, 1, 0])):
        assert fires(Operation(Operator(operator), (a, b)), *rows) == [bool(bit) for bit in expected]
    assert fires(Operation(Operator.NOT, (a,)), *rows) == [True, False, True, False]


def test_scores_reach_their_threshold():
    scores = {"axol1tl/v3": [9772, 9773], "topo/HH": [7, 3]}
    assert fires(axo(9773), {}, {}, scores=scores) == [False, True]
    adt = single("ADT", None, window(CutKind.ADT_SCORE, 9773, 9773))
    assert fires(adt, {}, {}, scores=scores) == [False, True]
    topo = single("TOPO", None, codes(CutKind.MODEL, "HH"), window(CutKind.SCORE, 7, 0))
    assert fires(topo, {}, {}, scores=scores) == [True, False]


def test_scores_with_objects():
    scores = {"axol1tl/v3": [5, 5, 9, 9]}
    rows = [{}, {"jet": [jet(50)]}, {}, {"jet": [jet(50)]}]
    seed = single("JET", 20)
    assert fires(all_of(axo(9), seed), *rows, scores=scores) == [False, False, False, True]
    assert fires(all_of(axo(9), negated(seed)), *rows, scores=scores) == [False, False, True, False]
    assert fires(all_of(negated(axo(9)), seed), *rows, scores=scores) == [False, True, False, False]
    assert fires(negated(axo(9)), *rows, scores=scores) == [True, True, False, False]


def test_a_working_point_takes_its_threshold_from_outside():
    point = WorkingPointCondition("axol1tl", "production", "nominal")
    scores = {"axol1tl@production": [10, 20]}
    assert fires(point, {}, {}, scores=scores, thresholds={point: 20}) == [False, True]
    assert fires(point, {}, {}, scores=scores, thresholds={point: 10}) == [True, True]
