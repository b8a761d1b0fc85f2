"""Fixed-point types and the input scaling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.backends.fixed import given_codes
from models.fixed_point import FixedPoint, Overflow, Rounding
from models.scaling import InputScaling

ROUNDED = "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("ap_fixed<8,6>", 1.99, 1.75),
        ("ap_fixed<8,6>", -0.01, -0.25),
        ("ap_fixed<8,6>", 32.0, -32.0),
        ("ap_fixed<8,6>", -32.25, 31.75),
        ("ap_ufixed<8,6>", -0.25, 63.75),
        ("ap_int<5>", 16.7, -16.0),
        (ROUNDED, 0.125, 0.0),
        (ROUNDED, 0.375, 0.5),
        (ROUNDED, -0.125, 0.0),
        (ROUNDED, 1000.0, 31.75),
        (ROUNDED, -1000.0, -32.0),
        ("ap_ufixed<10,6,AP_RND_CONV,AP_SAT,0>", -5.0, 0.0),
        ("ap_fixed<8,6,AP_RND>", -0.125, 0.0),
        ("ap_fixed<8,6,AP_RND>", 0.125, 0.25),
    ],
)
def test_conversion(text: str, value: float, expected: float) -> None:
    assert FixedPoint.parse(text).quantise(value) == expected


@given(
    bits=st.integers(1, 50),
    integer=st.integers(-256, 256),
    signed=st.booleans(),
    rounding=st.sampled_from(list(Rounding)),
    overflow=st.sampled_from(list(Overflow)),
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
)
@example(18, 16, True, Rounding.NEAREST_UP, Overflow.WRAP, [0.12499999999999999, 2.0**52 + 1, 1e300])
def test_numbers_of_any_size_are_converted_exactly(bits, integer, signed, rounding, overflow, values) -> None:
    kind = FixedPoint(bits, integer, signed, rounding, overflow)
    codes = given_codes(np.array(values), kind).astype(float)
    assert np.array_equal(kind.quantise(values), np.ldexp(codes, -kind.fraction_bits))


@given(
    bits=st.integers(1, 30),
    fraction=st.integers(-4, 20),
    signed=st.booleans(),
    rounding=st.sampled_from(list(Rounding)),
    overflow=st.sampled_from(list(Overflow)),
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
)
def test_every_result_is_a_value_of_the_type_and_stays_itself(
    bits, fraction, signed, rounding, overflow, values
) -> None:
    kind = FixedPoint(bits, bits - fraction, signed, rounding, overflow)
    result = kind.quantise(values)
    low, high = kind.range
    assert ((low <= result) & (result <= high)).all()
    assert np.array_equal(kind.quantise(result), result)
    assert FixedPoint.parse(str(kind)) == kind


@pytest.mark.parametrize("text", ["float", "ap_fixed<8>", "ap_fixed<8,6,AP_ROUND>", "ap_fixed<0,0>", "ap_int<51>"])
def test_other_texts_are_no_type(text: str) -> None:
    with pytest.raises(ValueError, match=r"fixed-point type|allowed are 1 to 50"):
        FixedPoint.parse(text)


def test_scaling_truncates_in_the_unscaled_type_before_it_rounds() -> None:
    scaling = InputScaling(
        unscaled_type="ap_fixed<18,13>", network_input_type=ROUNDED, offset=(0,) * 4, shift=(6, 6, -1, 3)
    )
    # 9/64 = 0.140625 is cut to 4/32, a tie, which goes to the even multiple of 1/4: 0; rounding at once would give 1/4
    assert scaling.apply([[9, 10, 3, -9]]).tolist() == [[0.0, 0.25, 6.0, -1.0]]


def test_one_shift_for_each_offset() -> None:
    with pytest.raises(ValidationError, match="one of each per input"):
        InputScaling(unscaled_type="ap_fixed<18,13>", network_input_type=ROUNDED, offset=(0, 0), shift=(1,))
