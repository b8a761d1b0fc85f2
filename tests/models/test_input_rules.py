"""Functions of fields are found as shifts, sums and limits, and are the functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fixed_point import FixedPoint
from models.input_rules import computed, function_columns

SIGNED, UNSIGNED = np.arange(-256, 256), np.arange(1024)


def codes_of(x: np.ndarray, offset: float, shift: int, kind: FixedPoint) -> np.ndarray:
    """As a network scales its inputs: offset, a truncating shift with 5 fraction bits, then its input type."""
    scaled = np.floor(np.ldexp(x - offset, 5 - shift)) / 32
    return np.ldexp(kind.quantise(scaled), kind.fraction_bits).astype(np.int64)


@given(
    x=st.sampled_from([SIGNED, UNSIGNED]),
    offset=st.integers(-160, 600).map(lambda halves: halves / 2),
    shift=st.integers(-2, 9),
    bits=st.integers(6, 16),
    rounding=st.sampled_from(["TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_MIN_INF", "RND_INF", "RND_CONV"]),
)
def test_scalings_are_found_with_every_rounding(
    x: np.ndarray, offset: float, shift: int, bits: int, rounding: str
) -> None:
    codes = codes_of(x, offset, shift, FixedPoint.parse(f"ap_fixed<{bits},6,AP_{rounding},AP_SAT>"))
    rule = function_columns(x, codes)
    assert rule is not None
    assert np.array_equal(computed(rule, x), codes)


@pytest.mark.parametrize("kind", ["ap_fixed<6,6>", "ap_fixed<6,6,AP_TRN,AP_SAT_ZERO>"])
def test_what_wraps_or_falls_back_to_zero_is_looked_up(kind: str) -> None:
    assert function_columns(SIGNED, codes_of(SIGNED, 0, 0, FixedPoint.parse(kind))) is None


def test_no_other_function_is_taken_for_one() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        codes = np.sort(random.integers(-40, 40, 512))
        rule = function_columns(SIGNED, codes)
        assert rule is None or np.array_equal(computed(rule, SIGNED), codes)


@given(low=st.integers(-(2**31) + 1, 2**31 - 1), place=st.integers(1, 511), height=st.integers(1, 2**20))
def test_a_single_step_is_never_wrong(low: int, place: int, height: int) -> None:
    codes = np.where(np.arange(512) < place, low, min(low + height, 2**31 - 1))
    rule = function_columns(SIGNED, codes)
    assert rule is None or np.array_equal(computed(rule, SIGNED), codes)
