"""Look-up tables, limits and quantities of pairs against numbers of the hardware, worked out by hand."""

from __future__ import annotations

import pytest

from tests.triggers.menu.menu_parts import codes, jet, muon, window
from triggers.errors import BadValue
from triggers.events.packing import pack, pack_sums
from triggers.menu.conditions.measured import Measured, MeasuredPair, charge_of, folded, pair_cut_holds
from triggers.menu.correlation_limits import UNLIMITED, correlation_window
from triggers.menu.luts import Lut, Scale, inverse_delta_r_squared, luts
from triggers.menu.model import CutKind, ObjectType

CALO, MUON = Scale.CALO, Scale.MUON

JETS = MeasuredPair(
    Measured(ObjectType.JET, jet(161, eta=-9, phi=37)), Measured(ObjectType.JET, jet(161, eta=-94, phi=95))
)
ETMHF = Measured(ObjectType.ETMHF, int(pack_sums(etmhf=82, etmhf_phi=48)[0, 4]))
MUONS = MeasuredPair(Measured(ObjectType.MU, 0x804B789B4FF0298F), Measured(ObjectType.MU, 0x008A50AF6E38152E))


@pytest.mark.parametrize(
    ("scale", "lut", "index", "expected"),
    [
        (CALO, Lut.COSH, 229, 10_597_282),
        (MUON, Lut.COSH, 450, 667_303),
        (MUON, Lut.COSH, 919, 109_487_199),
        (CALO, Lut.DELTA_ETA, 1, 44),  # 43.5 is rounded away from zero
        (CALO, Lut.DELTA_PHI, 72, 3142),
        (MUON, Lut.DELTA_PHI, 288, 3142),
        (CALO, Lut.COS, 72, -1000),
        (MUON, Lut.COS, 0, 10_000),
        (MUON, Lut.COS_PHI, 0, 10_000),
        (MUON, Lut.SIN_PHI, 143, 10_000),
        (CALO, Lut.SIN_PHI, 36, 1000),
    ],
)
def test_entries_of_the_tables(scale, lut, index, expected):
    assert luts()[scale, lut, index] == expected


def test_entries_of_the_table_of_1_over_delta_r_squared():
    assert inverse_delta_r_squared()[:, 1, 0].tolist() == [52_847_140, 211_388_559]
    assert inverse_delta_r_squared()[:, 0, 0].tolist() == [0, 0]


def test_two_jets_of_real_data():
    assert (JETS.first.pt(), JETS.second.pt()) == (808, 808)
    assert (luts()[CALO, Lut.COSH, 85], luts()[CALO, Lut.COS, 58]) == (20_186, -819)
    assert JETS.mass() == 13_713_408_320
    assert JETS.delta_r_squared() == 20_081_165
    assert JETS.two_body_pt_squared() == 235_612_088_960


def test_transverse_mass_of_a_jet_and_a_sum():
    assert MeasuredPair(JETS.first, ETMHF).mass() == MeasuredPair(ETMHF, JETS.first).mass() == 37_708_552


def test_two_muons_of_real_data():
    assert (MUONS.first.pt(), MUONS.second.pt()) == (48, 23)
    assert (luts()[MUON, Lut.COSH, 61], luts()[MUON, Lut.COS, 97]) == (12_282, 4905)
    assert (MUONS.mass(), MUONS.mass_unconstrained()) == (8_144_208, 3_872_925)
    assert MUONS.delta_r_squared() == 1_558_933
    assert MUONS.mass_over_delta_r() == 8_144_208 * 64_465
    assert [charge_of(MUONS.first), charge_of(MUONS.second)] == [1, -1]


def test_a_jet_and_a_muon_meet_on_the_grid_of_the_muons():
    one = Measured(ObjectType.JET, jet(100, eta=74, phi=23))
    assert (one.eta(MUON), one.phi(MUON)) == (298, 94)
    pair = MeasuredPair(one, MUONS.first)
    assert (pair.delta_eta(), pair.delta_phi(), pair.delta_r_squared()) == (1512, 2956, 11_024_080)


def test_objects_that_are_not_there_have_bins_too_but_no_muon_has_pt():
    assert Measured(ObjectType.EG, 0).pt() == 3
    assert (Measured(ObjectType.MU, 0).pt(), Measured(ObjectType.MU, 0).unconstrained_pt()) == (0, 0)
    assert Measured(ObjectType.MU, muon(1, pt_unconstrained=1)).unconstrained_pt() == 5


def test_the_way_round_the_circle_is_the_short_one():
    assert [folded(steps, 144) for steps in (0, 71, 72, 73, -143)] == [0, 71, 72, 71, 1]


def test_two_objects_at_one_place_pass_every_cut_on_mass_over_distance():
    pair = MeasuredPair(Measured(ObjectType.EG, int(pack("eg", et=9))), Measured(ObjectType.EG, int(pack("eg", et=9))))
    assert pair.mass_over_delta_r() is None
    assert pair_cut_holds(window(CutKind.MASS_OVER_DELTA_R, 1000, 0), pair)


def test_opposite_pt_never_gives_less_than_nothing():
    first, second = (Measured(ObjectType.MU, muon(10, phi=phi)) for phi in (0, 288))
    assert MeasuredPair(first, second).two_body_pt_squared() == 0


def test_muons_at_neighbouring_bins_may_be_at_one_place_in_half_resolution():
    first, second = (Measured(ObjectType.MU, muon(9, eta=eta, phi=6)) for eta in (-2, -1))
    assert MeasuredPair(first, second).mass_over_delta_r() is None  # −2 >> 1 = −1 >> 1 = −1
    third = Measured(ObjectType.MU, muon(9, eta=0, phi=6))
    assert MeasuredPair(second, third).mass_over_delta_r() is not None


@pytest.mark.parametrize(
    ("delta_r", "squared"),
    [
        (0.2, 41), (0.4, 161), (0.5, 250), (0.6, 361), (0.7, 491), (0.8, 641), (0.9, 810), (1.2, 1441), (1.4, 1961),
        (1.6, 2561), (2.0, 4000), (2.4, 5761), (3.5, 12_250), (11.8, 139_240),
    ],
)  # fmt: skip
def test_delta_r_limits_carry_the_rounding_of_double_precision(delta_r, squared):
    for scale in Scale:
        assert correlation_window(window(CutKind.DELTA_R, 0, delta_r), scale) == (0, squared * 1000)
    overlap = window(CutKind.OVERLAP_DELTA_R, delta_r, delta_r)
    assert correlation_window(overlap, CALO)[1] == squared * 1000


@pytest.mark.parametrize(
    ("kind", "low", "high", "scale", "expected"),
    [
        (CutKind.DELTA_ETA, 0, 1.5, CALO, (0, 1500)),
        (CutKind.DELTA_PHI, 2.618, 3.142, MUON, (2618, 3142)),
        (CutKind.DELTA_PHI, 0.5236, 0.5236, MUON, (523, 524)),
        (CutKind.OVERLAP_DELTA_PHI, 0.1, 1.2000000000000002, CALO, (100, 1200)),
        (CutKind.MASS, 5, 17, CALO, (125 * 10**4, 1445 * 10**4)),  # 25/2 = 12.5 and 289/2 = 144.5 GeV²
        (CutKind.MASS, 5, 17, MUON, (125 * 10**5, 1445 * 10**5)),
        (CutKind.MASS, 1.3, 1.3, CALO, (8 * 10**4, 9 * 10**4)),  # 1.69/2 = 0.845 GeV², rounded outwards
        (CutKind.MASS_UNCONSTRAINED, 7, 18, MUON, (245 * 10**5, 1620 * 10**5)),
        (CutKind.MASS_OVER_DELTA_R, 30, 0, CALO, (4500 * 10**9, UNLIMITED)),
        (CutKind.TWO_BODY_PT, 10, 0, CALO, (1000 * 10**7, UNLIMITED)),
        (CutKind.TWO_BODY_PT, 10, 0, MUON, (1000 * 10**9, UNLIMITED)),
    ],
)
def test_limits_are_rounded_outwards_and_scaled(kind, low, high, scale, expected):
    assert correlation_window(window(kind, low, high), scale) == expected


def test_a_cut_that_is_not_on_a_pair_has_no_window():
    with pytest.raises(BadValue, match="a cut of kind CHGCOR is no window of a pair"):
        correlation_window(codes(CutKind.CHARGE_CORRELATION, "ls"), CALO)
