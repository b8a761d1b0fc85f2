"""Conversion between fixed-point types, in integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fixed_codes import convert, geometric_mean_code, integer_root
from models.fixed_point import FixedPoint, Overflow, Rounding
from tests.models import fraction_network

HALVES = [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
"""−2.5, −2 … 2.5 in units of ½."""


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("AP_TRN", [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2]),
        ("AP_TRN_ZERO", [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2]),
        ("AP_RND", [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3]),
        ("AP_RND_CONV", [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]),
        ("AP_RND_ZERO", [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2]),
        ("AP_RND_INF", [-3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3]),
        ("AP_RND_MIN_INF", [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2]),
    ],
)
def test_rounding_of_halves(rounding: str, expected: list[int]) -> None:
    kind = FixedPoint.parse(f"ap_fixed<8,8,{rounding}>")
    assert convert(np.array(HALVES), 1, kind).tolist() == expected


@pytest.mark.parametrize("rounding", list(Rounding))
def test_what_is_nearer_to_one_side_goes_there_unless_cut(rounding: str) -> None:
    kind = FixedPoint.parse(f"ap_fixed<8,8,{rounding}>")
    cut = {"AP_TRN": [-2, -1, 0, 1], "AP_TRN_ZERO": [-1, 0, 0, 1]}
    assert convert(np.array([-5, -3, 3, 5]), 2, kind).tolist() == cut.get(rounding, [-1, -1, 1, 1])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ap_fixed<4,4>", [7, -8, -7, -1, -8, 7, 4]),
        ("ap_ufixed<4,4>", [7, 8, 9, 15, 8, 7, 4]),
        ("ap_fixed<4,4,AP_TRN,AP_SAT>", [7, 7, 7, -1, -8, -8, 7]),
        ("ap_fixed<4,4,AP_TRN,AP_SAT,0>", [7, 7, 7, -1, -8, -8, 7]),
        ("ap_ufixed<4,4,AP_TRN,AP_SAT>", [7, 8, 9, 0, 0, 0, 15]),
        ("ap_fixed<4,4,AP_TRN,AP_SAT_ZERO>", [7, 0, 0, -1, -8, 0, 0]),
        ("ap_fixed<4,4,AP_TRN,AP_SAT_SYM>", [7, 7, 7, -1, -7, -7, 7]),
        ("ap_fixed<0,0>", [0, 0, 0, 0, 0, 0, 0]),
        ("ap_fixed<1,1>", [-1, 0, -1, -1, 0, -1, 0]),
        ("ap_fixed<1,1,AP_TRN,AP_SAT_SYM>", [0, 0, 0, -1, -1, -1, 0]),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, object])
def test_values_out_of_range(kind: str, expected: list[int], dtype: type) -> None:
    codes = np.array([7, 8, 9, -1, -8, -9, 20], dtype)
    assert convert(codes, 0, FixedPoint.parse(kind, range(64))).tolist() == expected


@given(
    bits=st.integers(0, 40),
    integer=st.integers(-8, 40),
    signed=st.booleans(),
    rounding=st.sampled_from(list(Rounding)),
    overflow=st.sampled_from(list(Overflow)),
    fraction_bits=st.integers(-4, 20),
    codes=st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=8),
)
def test_every_conversion_is_the_one_of_exact_fractions(
    bits, integer, signed, rounding, overflow, fraction_bits, codes
) -> None:
    kind = FixedPoint(bits, integer, signed, rounding, overflow)
    values = [Fraction(code) / Fraction(2) ** fraction_bits for code in codes]
    expected = [fraction_network.convert(value, str(kind)) for value in values]
    result = convert(np.array(codes, object), fraction_bits, kind)
    assert [Fraction(int(code)) / Fraction(2) ** kind.fraction_bits for code in result] == expected
    if abs(kind.fraction_bits - fraction_bits) < 30 and bits < 40:
        assert convert(np.array(codes), fraction_bits, kind).tolist() == result.tolist()


@given(number=st.integers(0, 2**200), order=st.integers(1, 12))
def test_integer_roots_are_exact(number: int, order: int) -> None:
    root = integer_root(number, order)
    assert root**order <= number < (root + 1) ** order


def test_geometric_mean_of_distances() -> None:
    # distances 2 and 8: geometric mean 4; squares in quarters, result in halves
    assert geometric_mean_code([4 * 4, 64 * 4], 2, 1) == 8
    assert geometric_mean_code([4 * 4, 64 * 4 - 1], 2, 1) == 7
    assert geometric_mean_code([0, 99], 2, 1) == 0
