"""Fixed-point types, numbers and names as C++ (`docs/firmware.md`, "Project")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint, Overflow, Rounding
from models.network_layers import Constants

ZERO_TYPE: Final = FixedPoint(1, 1, signed=False)
"""Holds the numbers of types of 0 bits, which C++ does not have: all of them are 0."""
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_FLOAT_MANTISSA: Final = 53


def cpp_type(kind: FixedPoint) -> str:
    """The type in C++; default rounding and overflow are left out."""
    kind = kind if kind.bits else ZERO_TYPE
    name = "ap_fixed" if kind.signed else "ap_ufixed"
    if (kind.rounding, kind.overflow) == (Rounding.DOWN, Overflow.WRAP):
        return f"{name}<{kind.bits},{kind.integer_bits}>"
    return f"{name}<{kind.bits},{kind.integer_bits},{kind.rounding},{kind.overflow}>"


def common_type(types: Iterable[FixedPoint]) -> FixedPoint:
    """A type that holds every number of each of the types: the one that they all are, if they are all one."""
    distinct = dict.fromkeys(kind for kind in types if kind.bits)
    if len(distinct) < 2:
        return next(iter(distinct), ZERO_TYPE)
    signed = any(kind.signed for kind in distinct)
    integer_bits = max(kind.integer_bits + (signed and not kind.signed) for kind in distinct)
    fraction_bits = max(kind.fraction_bits for kind in distinct)
    return FixedPoint(integer_bits + fraction_bits, integer_bits, signed)


def least_type(numbers: Constants) -> FixedPoint:
    """The narrowest type that holds all of the numbers."""
    low, high = int(numbers.codes.min(initial=0)), int(numbers.codes.max(initial=0))
    signed = low < 0
    bits = max(high.bit_length(), (low + 1).bit_length() if signed else 0) + signed or 1
    return FixedPoint(bits, bits - numbers.fraction_bits, signed)


def literals(codes: NDArray[np.int64], fraction_bits: int) -> list[str]:
    """The numbers `codes` times 2^−`fraction_bits`, as C++ writes float64, in C order.

    Raises:
        ValueError: float64 does not hold one of them.
    """
    flat = codes.ravel()
    if any(
        abs(code) >= 1 << _FLOAT_MANTISSA and code % (1 << (code.bit_length() - _FLOAT_MANTISSA))
        for code in map(int, flat)
    ):
        raise ValueError(f"numbers of more than {_FLOAT_MANTISSA} bits")
    return [repr(value + 0.0) for value in np.ldexp(flat.astype(np.float64), -fraction_bits).tolist()]


def identifier(*parts: str) -> str:
    """The parts as one name that C++ allows: letters, digits and single `_`, a letter first."""
    joined = _NO_NAME.sub("_", "_".join(parts)).strip("_")
    return joined if joined[:1].isalpha() else f"model_{joined}"
