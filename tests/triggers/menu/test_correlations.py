"""Conditions on pairs, triples and overlaps, on crossings made by hand; the oracle and the kernel are both held to it.

pT in the tables is 5 × index + 3 (calorimeter) or 5 × index − 2 (muons) in 0.1 GeV; a calorimeter bin is 0.0435 wide in
η, 2π/144 in φ; a muon bin 0.010875 and 2π/576.
"""

from __future__ import annotations

import pytest

from tests.triggers.menu.menu_parts import codes, jet, muon, objects, window
from tests.triggers.menu.test_conditions import fires
from triggers.events.packing import pack, pack_sums
from triggers.menu.model import CutKind, Function, ObjectCondition

DELTA_ETA, DELTA_PHI, DELTA_R = CutKind.DELTA_ETA, CutKind.DELTA_PHI, CutKind.DELTA_R
FAR = 10.0


def condition(function, *legs, cuts=()):
    return ObjectCondition(Function(function), legs, tuple(cuts))


def upto(kind, limit):
    return window(kind, 0, limit)


def least(kind, limit):
    return window(kind, limit, 0)


def eg(et, **fields):
    return int(pack("eg", et=et, **fields))


def charges(relation):
    return codes(CutKind.CHARGE_CORRELATION, relation)


def test_windows_of_distances_include_their_ends():
    pair = [objects("JET", 20)] * 2
    rows = [{"jet": [jet(40, eta=0), jet(40, eta=steps)]} for steps in (19, 20, 21)]  # 0.827, 0.870, 0.914
    assert fires(condition("dist", *pair, cuts=[window(DELTA_ETA, 0.87, 0.87)]), *rows) == [False, True, False]
    assert fires(condition("dist", *pair, cuts=[window(DELTA_ETA, 0.8701, 0.9)]), *rows) == [False, True, False]
    rows = [{"jet": [jet(40, phi=2), jet(40, phi=phi)]} for phi in (9, 10, 138)]  # 0.305, 0.349, 0.349
    assert fires(condition("dist", *pair, cuts=[window(DELTA_PHI, 0.349, 1)]), *rows) == [False, True, True]
    rows = [{"jet": [jet(40), jet(40, eta=eta, phi=8)]} for eta in (4, 5)]  # 0.174² + 0.349², 0.218² + 0.349²
    assert fires(condition("dist", *pair, cuts=[upto(DELTA_R, 0.4)]), *rows) == [True, False]


def test_thresholds_may_be_met_crosswise_but_not_by_one_object():
    legs = objects("JET", 30), objects("JET", 20)
    near = [upto(DELTA_ETA, 0.5)]
    rows = [[jet(40), jet(60)], [jet(60), jet(40)], [jet(60)], [jet(59), jet(59)]]
    assert fires(condition("dist", *legs, cuts=near), *({"jet": row} for row in rows)) == [True, True, False, False]


def test_one_slot_in_two_crossings_is_two_objects():
    legs = objects("JET", 20, bx=-2), objects("JET", 20)
    rows = [{"jet": [jet(40)]}, {}, {"jet": [jet(40)]}]
    assert fires(condition("dist", *legs, cuts=[upto(DELTA_ETA, 0.1)]), *rows, bx=[5, 6, 7]) == [False, False, True]


def test_each_leg_has_its_own_slice():
    legs = objects("JET", 20, window(CutKind.SLICE, 0, 0)), objects("JET", 20, window(CutKind.SLICE, 2, 3))
    both = [jet(40), jet(40), 0], [jet(40), 0, jet(40)], [0, jet(40), jet(40)]
    rows = [{"jet": list(row)} for row in both]
    assert fires(condition("dist", *legs, cuts=[upto(DELTA_ETA, 5)]), *rows) == [False, True, False]


@pytest.mark.parametrize("order", [("JET", "MU"), ("MU", "JET")])
def test_calorimeter_objects_meet_muons_on_the_grid_of_the_muons(order):
    legs = [objects(kind, 3) for kind in order]
    rows = [{"jet": [jet(40, eta=10)], "muon": [muon(9, eta=eta)]} for eta in (42, 41, 43, 44)]  # 4 × 10 + 2 = 42
    assert fires(condition("dist", *legs, cuts=[upto(DELTA_ETA, 0.011)]), *rows) == [True, True, True, False]


def test_egs_and_taus_are_different_objects_at_one_place():
    legs = objects("TAU", 20), objects("EG", 20)
    row = {"tau": [int(pack("tau", et=40, eta=3, phi=7))], "eg": [eg(40, eta=3, phi=7)]}
    assert fires(condition("dist", *legs, cuts=[window(DELTA_R, 0, 0.2)]), row) == [True]
    assert fires(condition("dist", *legs, cuts=[window(DELTA_R, 0.2, FAR)]), row) == [False]


def test_sums_have_a_direction_in_phi_only():
    legs = objects("JET", 20), objects("ETMHF", 30)
    rows = [
        {"jet": [jet(40, phi=0)], "sums": list(pack_sums(etmhf=et, etmhf_phi=phi)[0])}
        for et, phi in ((60, 72), (59, 72), (60, 0))
    ]
    assert fires(condition("dist", *legs, cuts=[window(DELTA_PHI, 3.0, 3.142)]), *rows) == [True, False, False]


def test_two_sums_and_one_sum_twice():
    row = {"sums": list(pack_sums(etm=60, etm_phi=10, htm=60, htm_phi=10)[0])}
    near = [upto(DELTA_PHI, 0.1)]
    assert fires(condition("dist", objects("ETM", 20), objects("HTM", 20), cuts=near), row) == [True]
    assert fires(condition("dist", objects("ETM", 20), objects("ETM", 20), cuts=near), row) == [False]


def test_mass_of_two_jets_back_to_back():
    # pT of index 100 is 50.3 GeV; cosh 0 − cos π = 2: m²/2 = 50.3² × 2 = 5060.18 GeV², m = 100.6 GeV
    pair = [objects("JET", 20)] * 2
    row = {"jet": [jet(100, phi=0), jet(100, phi=72)]}
    for low, high, expected in ((100.5, 100.6, True), (100.7, 200, False), (0, 100.5, False), (0, 101, True)):
        assert fires(condition("mass_inv", *pair, cuts=[window(CutKind.MASS, low, high)]), row) == [expected]


def test_unconstrained_mass_of_muons():
    # unconstrained pT of index 11 is 10.5 GeV, of 0 nothing; back to back m = 21 GeV
    pair = [objects("MU", 0)] * 2
    first, second = muon(5, pt_unconstrained=11), muon(5, pt_unconstrained=11, phi=288)
    rows = [{"muon": [first, second]}, {"muon": [first, muon(5, phi=288)]}]
    cut = window(CutKind.MASS_UNCONSTRAINED, 21, 22)
    assert fires(condition("mass_inv_upt", *pair, cuts=[cut]), *rows) == [True, False]
    assert fires(condition("mass_inv_upt", *pair, cuts=[window(CutKind.MASS_UNCONSTRAINED, 0, 1)]), rows[1]) == [True]


def test_transverse_mass_uses_phi_only():
    # 50.3 × 30.3 GeV² × (1 − cos π) = 3048.18 GeV², m = 78.08 GeV, whatever the jet's η
    legs = objects("EG", 20), objects("ETM", 20)
    row = {"eg": [eg(100, eta=60)], "sums": list(pack_sums(etm=60, etm_phi=72)[0])}
    for low, expected in ((78, True), (78.2, False)):
        cuts = [window(CutKind.MASS, low, 1000)]
        assert fires(condition("mass_trv", *legs, cuts=cuts), row) == [expected]


@pytest.mark.parametrize(("eta", "over_delta_r"), [(1, 34_581.0), (2, 34_581.2), (4, 32_421.2)])
def test_mass_over_distance_of_egs(eta, over_delta_r):
    # pT of index 511 is 255.8 GeV, 255.8² = 65433.64. cosh is 1.001, 1.004 and 1.015 at 1, 2 and 4 bins, and 1/ΔR²
    # is 528.47140, 132.11785 and 33.02946: m²/2 over ΔR² is 34580.8, 34579.9 and 32418.3 GeV²
    pair = [objects("EG", 20)] * 2
    row = {"eg": [eg(0x1FF), eg(0x1FF, eta=eta)]}
    for factor, expected in ((0.999, True), (1.001, False)):
        limit = (2 * factor * over_delta_r) ** 0.5
        assert fires(condition("mass_inv_dr", *pair, cuts=[least(CutKind.MASS_OVER_DELTA_R, limit)]), row) == [expected]
    cuts, at_one_place = [least(CutKind.MASS_OVER_DELTA_R, 10_000)], {"eg": [eg(0x1FF)] * 2}
    assert fires(condition("mass_inv_dr", *pair, cuts=cuts), at_one_place) == [True]


def test_mass_over_distance_needs_more_than_64_bits():
    # two jets of 1023.8 GeV, 9.9 apart in η and 1 bin in φ: m²/2 = 1.04·10^10 GeV², over ΔR² 97.6: 1.07·10^8 GeV²
    pair = [objects("JET", 20)] * 2
    row = {"jet": [jet(0x7FF, eta=-114), jet(0x7FF, eta=114, phi=1)]}
    for limit, expected in ((14_000, True), (15_500, False)):
        cuts = [least(CutKind.MASS_OVER_DELTA_R, limit)]
        assert fires(condition("mass_inv_dr", *pair, cuts=cuts), row) == [expected]


@pytest.mark.parametrize("function", ["comb", "dist", "mass_inv"])
def test_two_body_pt(function):
    # 10.3 GeV and 20.3 GeV at right angles: sum 22.76 GeV; at one φ 30.6 GeV; back to back 10 GeV
    pair = objects("EG", 10), objects("EG", 5)
    rows = [{"eg": [eg(20, phi=0), eg(40, phi=phi)]} for phi in (0, 36, 72)]
    for limit, expected in ((30, [True, False, False]), (22, [True, True, False]), (9, [True, True, True])):
        cuts = [least(CutKind.TWO_BODY_PT, limit)]
        assert fires(condition(function, *pair, cuts=cuts), *rows) == expected


@pytest.mark.parametrize("function", ["dist", "mass_inv", "mass_inv_upt", "mass_inv_dr"])
def test_charge_correlation_of_pairs(function):
    pair = [objects("MU", 3)] * 2
    rows = [{"muon": [muon(9, one, eta=9), muon(9, other)]} for one, other in ((1, 1), (1, -1), (-1, -1), (1, None))]
    assert fires(condition(function, *pair, cuts=[charges("ls")]), *rows) == [True, False, True, False]
    assert fires(condition(function, *pair, cuts=[charges("os")]), *rows) == [False, True, False, False]


def test_charges_are_those_of_the_pair_that_is_near():
    pair = [objects("MU", 3)] * 2
    cuts = [upto(DELTA_ETA, 0.2), charges("os")]
    row = {"muon": [muon(9, 1, eta=0), muon(9, 1, eta=5), muon(9, -1, eta=100)]}
    assert fires(condition("dist", *pair, cuts=cuts), row) == [False]


def test_mass_of_three_muons_is_the_sum_over_pairs():
    # 4.8 GeV each (index 10), a third of a circle apart: each pair has 4.8² × (1 + ½) = 34.56 GeV²; 103.68 together,
    # m = 14.4 GeV
    legs = [objects("MU", 3)] * 3
    row = {"muon": [muon(10, charge, phi=phi) for charge, phi in ((1, 0), (1, 192), (-1, 384))]}
    for low, high, expected in ((14.3, 14.5, True), (14.5, 20, False), (0, 14.3, False)):
        assert fires(condition("mass_inv_3", *legs, cuts=[window(CutKind.MASS, low, high)]), row) == [expected]
    inside = window(CutKind.MASS, 14, 15)
    assert fires(condition("mass_inv_3", *legs, cuts=[inside, charges("os")]), row) == [True]
    assert fires(condition("mass_inv_3", *legs, cuts=[inside, charges("ls")]), row) == [False]
    assert fires(condition("mass_inv_3", *legs, cuts=[inside]), {"muon": row["muon"][:2]}) == [False]


def tau(et, **fields):
    return int(pack("tau", et=et, **fields))


REMOVE = upto(CutKind.OVERLAP_DELTA_R, 0.2)


def test_without_a_passing_reference_nothing_passes():
    legs = objects("JET", 20), objects("JET", 20), objects("TAU", 30)
    rows = [{"jet": [jet(40), jet(40, eta=50)], "tau": [tau(et, eta=-50)]} for et in (60, 59)]
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE]), *rows) == [True, False]


def test_one_reference_that_overlaps_with_no_leg_is_enough():
    legs = objects("JET", 20), objects("JET", 20), objects("TAU", 30)
    jets = [jet(40, eta=0), jet(40, eta=50)]
    on_first, on_second, elsewhere = tau(60, eta=1), tau(60, eta=51), tau(60, eta=-50)
    rows = [[on_first], [on_first, elsewhere], [on_first, on_second], [elsewhere]]
    expected = [False, True, False, True]
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE]), *({"jet": jets, "tau": row} for row in rows)) == expected


def test_a_leg_that_overlaps_may_be_replaced_by_another():
    legs = objects("JET", 20), objects("JET", 20), objects("TAU", 30)
    jets = [jet(40, eta=0), jet(40, eta=50), jet(40, eta=25)]
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE]), {"jet": jets, "tau": [tau(60, eta=1)]}) == [True]


@pytest.mark.parametrize("n_legs", [1, 2, 3, 4])
def test_comb_orm_of_every_size(n_legs):
    legs = [objects("EG", 10)] * n_legs + [objects("JET", 20)]
    egs = [eg(30, eta=10 * k) for k in range(n_legs)]
    clear, overlapping = {"jet": [jet(40, eta=-40)]}, {"jet": [jet(40, eta=0)]}
    rows = [{"eg": egs} | clear, {"eg": egs} | overlapping, {"eg": egs[1:]} | clear]
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE]), *rows) == [True, False, False]


def test_comb_orm_with_charges_and_two_body_pt():
    legs = objects("MU", 3), objects("MU", 3), objects("JET", 20)
    rows = [
        {"muon": [muon(10, 1), muon(10, second, phi=phi)], "jet": [jet(40, eta=-40)]}
        for second, phi in ((-1, 0), (1, 0), (-1, 288))
    ]
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE, charges("os")]), *rows) == [True, False, True]
    # 4.8 GeV twice: 9.6 GeV together at one φ, nothing back to back
    cuts = [REMOVE, least(CutKind.TWO_BODY_PT, 9)]
    assert fires(condition("comb_orm", *legs, cuts=cuts), *rows) == [True, True, False]


@pytest.mark.parametrize(
    ("kind", "limit", "inside", "outside"),
    [
        (CutKind.OVERLAP_DELTA_ETA, 0.2, {"eta": 4, "phi": 70}, {"eta": 5}),  # 0.174, 0.218
        (CutKind.OVERLAP_DELTA_PHI, 0.2, {"phi": 4, "eta": 70}, {"phi": 5}),  # 0.175, 0.218
        (CutKind.OVERLAP_DELTA_R, 0.2, {"eta": 3, "phi": 3}, {"eta": 4, "phi": 4}),  # 0.0342, 0.0609 above 0.041
    ],
)
def test_kinds_of_overlap(kind, limit, inside, outside):
    legs = objects("TAU", 20), objects("EG", 20)
    rows = [{"tau": [tau(60)], "eg": [eg(60, **where)]} for where in (inside, outside)]
    assert fires(condition("comb_orm", *legs, cuts=[upto(kind, limit)]), *rows) == [False, True]
    assert fires(condition("dist_orm", *legs, cuts=[upto(kind, limit)]), *rows) == [False, True]
    three = objects("TAU", 20), objects("TAU", 20), objects("EG", 20)
    rows = [{**row, "tau": [tau(60), tau(60)]} for row in rows]
    assert fires(condition("dist_orm", *three, cuts=[upto(kind, limit)]), *rows) == [False, True]


def test_overlaps_of_different_kinds_are_or_ed():
    legs = objects("TAU", 20), objects("EG", 20)
    cuts = [upto(CutKind.OVERLAP_DELTA_ETA, 0.1), upto(CutKind.OVERLAP_DELTA_PHI, 0.1)]
    rows = [{"tau": [tau(60)], "eg": [eg(60, eta=eta, phi=phi)]} for eta, phi in ((0, 9), (9, 0), (9, 9))]
    assert fires(condition("comb_orm", *legs, cuts=cuts), *rows) == [False, False, True]


def test_of_two_objects_the_reference_is_the_partner():
    legs = objects("JET", 20), objects("TAU", 20)
    rows = [{"jet": [jet(40)], "tau": [tau(60, eta=eta)]} for eta in (2, 10, 30)]
    cuts = [upto(DELTA_ETA, 1.0), REMOVE]
    assert fires(condition("dist_orm", *legs, cuts=cuts), *rows) == [False, True, False]
    back_to_back = {"jet": [jet(100)], "tau": [tau(100, phi=72)]}
    cuts = [window(CutKind.MASS, 100, 101), REMOVE]
    assert fires(condition("mass_inv_orm", *legs, cuts=cuts), back_to_back) == [True]


def test_of_three_objects_the_cuts_are_on_the_first_two():
    legs = objects("JET", 20), objects("JET", 20), objects("TAU", 20)
    jets = [jet(100), jet(100, phi=72)]
    cuts = [window(CutKind.MASS, 100, 101), REMOVE]
    rows = [{"jet": jets, "tau": [tau(60, eta=eta)]} for eta in (2, 30)]
    assert fires(condition("mass_inv_orm", *legs, cuts=cuts), *rows) == [False, True]
    one_jet = {"jet": jets[:1], "tau": [tau(60, eta=30)]}
    assert fires(condition("dist_orm", *legs, cuts=[upto(DELTA_ETA, 1), REMOVE]), one_jet) == [False]


def test_transverse_mass_with_overlap_removal_compares_the_object_with_the_reference_not_the_sum():
    legs = objects("EG", 20), objects("ETM", 20), objects("TAU", 20)
    sums = list(pack_sums(etm=60, etm_phi=72)[0])
    rows = [{"eg": [eg(100)], "sums": sums, "tau": [tau(60, eta=eta, phi=phi)]} for eta, phi in ((0, 0), (0, 72))]
    cuts = [window(CutKind.MASS, 78, 79), upto(CutKind.OVERLAP_DELTA_PHI, 0.2)]
    assert fires(condition("mass_trv_orm", *legs, cuts=cuts), *rows) == [False, True]


def test_transverse_mass_of_an_object_and_its_reference():
    """Half of m² is (5·200 + 3)(5·120 + 3)(1000 − cos Δφ) = 1209 · 10⁶ at Δφ = π, whatever Δη is; m = 155.5 GeV."""
    legs = objects("EG", 20), objects("TAU", 20)
    rows = [{"eg": [eg(200)], "tau": [tau(120, eta=eta, phi=phi)]} for eta, phi in ((40, 72), (0, 72), (0, 60), (0, 0))]
    cuts = [window(CutKind.MASS, 155, 156), upto(CutKind.OVERLAP_DELTA_ETA, 0.1)]
    assert fires(condition("mass_trv_orm", *legs, cuts=cuts), *rows) == [True, False, False, False]
    apart = [window(CutKind.MASS, 155, 156), upto(CutKind.OVERLAP_DELTA_PHI, 0.1)]
    assert fires(condition("mass_trv_orm", *legs, cuts=apart), *rows) == [True, True, False, False]


def test_an_object_may_be_its_own_reference_in_a_transverse_mass():
    """One object with itself: the mass is 0, and only a lower limit on the overlap lets it pass."""
    legs = objects("JET", 20), objects("JET", 20)
    massless = window(CutKind.MASS, 0, 1)
    itself, neighbours = upto(CutKind.OVERLAP_DELTA_PHI, 0.1), window(CutKind.OVERLAP_DELTA_PHI, 0.01, 0.1)
    assert fires(condition("mass_trv_orm", *legs, cuts=[massless, itself]), {"jet": [jet(60)]}) == [False]
    assert fires(condition("mass_trv_orm", *legs, cuts=[massless, neighbours]), {"jet": [jet(60)]}) == [True]


def test_a_sum_as_reference_overlaps_in_phi_only():
    legs = objects("EG", 20), objects("ETM", 20)
    rows = [{"eg": [eg(100)], "sums": list(pack_sums(etm=60, etm_phi=phi)[0])} for phi in (72, 0, 3)]
    cuts = [window(CutKind.MASS, 0, 79), upto(CutKind.OVERLAP_DELTA_PHI, 0.1)]
    assert fires(condition("mass_trv_orm", *legs, cuts=cuts), *rows) == [True, False, True]


def test_overlap_of_calorimeter_objects_and_muons_is_on_the_grid_of_the_muons():
    legs = objects("JET", 20), objects("MU", 3)
    rows = [{"jet": [jet(40, eta=10)], "muon": [muon(9, eta=eta)]} for eta in (42, 43, 44)]
    cuts = [upto(CutKind.OVERLAP_DELTA_ETA, 0.011)]
    assert fires(condition("comb_orm", *legs, cuts=cuts), *rows) == [False, False, True]


def test_requirements_that_nothing_passes():
    never = objects("EG", 20, codes(CutKind.ISOLATION, 5))
    row = {"eg": [eg(60), eg(60, isolation=1)], "jet": [jet(60)]}
    assert fires(condition("dist", never, objects("EG", 20), cuts=[upto(DELTA_ETA, FAR)]), row) == [False]
    legs = objects("JET", 20), never
    assert fires(condition("comb_orm", *legs, cuts=[REMOVE]), row) == [False]
    upside_down = window(DELTA_ETA, 2.0, 1.0)
    assert fires(condition("dist", *[objects("EG", 20)] * 2, cuts=[upside_down]), row) == [False]
