"""Physical limits become the hardware's integers; the numbers were worked out by hand from the scales."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triggers.menu.menu_parts import SCALES, codes, objects, window
from triggers.errors import BadValue
from triggers.menu import limits
from triggers.menu.model import CutKind, ObjectType, ScaleSet

OLD_SCALES = ScaleSet("2015", muon_pt_offset=0)


@pytest.mark.parametrize(
    ("kind", "threshold", "expected"),
    [
        ("EG", 2.5, 5),
        ("EG", 0, 0),
        ("JET", 35, 70),
        ("JET", 35.2, 71),
        ("ETMHF", 100, 200),
        ("HTT", 0.1, 1),
        ("MU", 0, 1),  # a muon must exist
        ("MU", 3.5, 8),
        ("MU", 22, 45),
        ("MU", 3.3, 8),
        ("TOWERCOUNT", 4000, 4000),
        ("ZDCP", 50, 50),
    ],
)
def test_thresholds(kind, threshold, expected):
    assert limits.threshold_hw(objects(kind, threshold), SCALES) == expected


def test_muons_of_2015_have_no_offset():
    assert limits.threshold_hw(objects("MU", 3.5), OLD_SCALES) == 7


def test_single_bits_must_be_set_and_other_objects_without_threshold_always_pass():
    assert limits.threshold_hw(objects("MUS0", None), SCALES) == 1
    assert limits.threshold_hw(objects("CENT7", None), SCALES) == 1
    assert limits.threshold_hw(objects("CICADA", None), SCALES) == 0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-2.523, 2.523, (-58, 57)),  # 58 bins of 0.0435 on either side of 0
        (-5.0, -2.4795, (-115, -58)),  # 5.0 is 0.06 bins short of the edge of bin 115
        (2.4795, 5.0, (57, 114)),
        (-2.13, 2.13, (-49, 48)),  # written with three digits
        (0.01, 0.05, (0, 1)),
        (0.97, -0.97, (22, -23)),  # an inverted window stays inverted
    ],
)
def test_calorimeter_eta_windows(low, high, expected):
    assert limits.window_hw(window(CutKind.ETA, low, high), ObjectType.JET, SCALES) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-2.1043125, 2.1043125, (-193, 193)),  # edges of bins that are centred on multiples of 0.010875
        (-2.45, -1.2451875, (-225, -115)),
        (0.0054375, 0.7993125, (1, 73)),
        (-1.2451875, -2.0064375, (-114, -185)),
    ],
)
def test_muon_eta_windows(low, high, expected):
    assert limits.window_hw(window(CutKind.ETA, low, high), ObjectType.MU, SCALES) == expected


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("MU", 0.523599, 2.617994, (48, 239)),
        ("MU", math.pi, math.tau, (288, 575)),
        ("MU", 5.759587, 0.523599, (528, 47)),
        ("ETM", 0.0, math.pi, (0, 71)),
        ("JET", 0.02, 0.09, (0, 2)),
    ],
)
def test_phi_windows(kind, low, high, expected):
    assert limits.window_hw(window(CutKind.PHI, low, high), ObjectType(kind), SCALES) == expected


@pytest.mark.parametrize(("low", "high", "expected"), [(6, 255, (7, 255)), (0, 255, (1, 255)), (4, 10, (5, 10))])
def test_unconstrained_pt_windows(low, high, expected):
    assert limits.window_hw(window(CutKind.UNCONSTRAINED_PT, low, high), ObjectType.MU, SCALES) == expected


def test_unconstrained_pt_of_0_in_the_scales_of_october_2020_accepts_muons_without_one():
    scales = ScaleSet("scales_2020_10_04", unconstrained_pt_zero=0)
    assert limits.window_hw(window(CutKind.UNCONSTRAINED_PT, 0, 255), ObjectType.MU, scales) == (0, 255)
    assert limits.window_hw(window(CutKind.UNCONSTRAINED_PT, 5, 255), ObjectType.MU, scales) == (6, 255)


def test_index_and_slice_windows_are_integers_already():
    assert limits.window_hw(window(CutKind.INDEX, 36, 71), ObjectType.MU, SCALES) == (36, 71)
    assert limits.window_hw(window(CutKind.SLICE, 0, 3), ObjectType.MU, SCALES) == (0, 3)


@given(first=st.integers(-115, 114), n_bins=st.integers(1, 100), rounding=st.floats(-0.05, 0.05))
def test_limits_near_a_bin_edge_mean_the_edge(first, n_bins, rounding):
    step = limits.CALO_ETA_STEP
    cut = window(CutKind.ETA, (first + rounding) * step, (first + n_bins - rounding) * step)
    assert limits.window_hw(cut, ObjectType.EG, SCALES) == (first, first + n_bins - 1)


@pytest.mark.parametrize(("value", "expected"), [(3.5, 896), (21.640625, 5540), (0.999, 255), (110, 28160)])
def test_cicada_thresholds(value, expected):
    assert limits.cicada_threshold_hw(window(CutKind.CICADA_SCORE, value, 0)) == expected


def test_lists_become_masks():
    assert limits.value_mask(codes(CutKind.QUALITY, 12, 13, 14, 15)) == 0xF000
    assert limits.value_mask(codes(CutKind.ISOLATION, 2, " 3")) == 0xC
    with pytest.raises(BadValue, match="'16' is no code from 0 to 15"):
        limits.value_mask(codes(CutKind.QUALITY, 16))
    with pytest.raises(BadValue, match="'tight' is no code"):
        limits.value_mask(codes(CutKind.ISOLATION, "tight"))


def test_charges():
    assert limits.charge_relation(codes(CutKind.CHARGE_CORRELATION, "ls")) is limits.ChargeRelation.LIKE_SIGN
    assert limits.charge_relation(codes(CutKind.CHARGE_CORRELATION, 0)) is limits.ChargeRelation.LIKE_SIGN
    assert limits.charge_relation(codes(CutKind.CHARGE_CORRELATION, 1)) is limits.ChargeRelation.OPPOSITE_SIGN
    assert limits.wants_negative(codes(CutKind.CHARGE, "negative"))
    assert not limits.wants_negative(codes(CutKind.CHARGE, "positive"))
    with pytest.raises(BadValue, match="unknown charge relation 'same'"):
        limits.charge_relation(codes(CutKind.CHARGE_CORRELATION, "same"))
    with pytest.raises(BadValue, match="unknown charge '\\+'"):
        limits.wants_negative(codes(CutKind.CHARGE, "+"))


def test_a_cut_that_is_no_window_is_an_error():
    with pytest.raises(BadValue, match="a cut of kind QLTY is no window"):
        limits.window_hw(codes(CutKind.QUALITY, 1), ObjectType.MU, SCALES)
