"""Weights, biases and table values: from written numbers to exact integers (`docs/networks.md`, "Weights")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.network_layers import Constants

_MANTISSA_BITS: Final = 53
_WIDEST_CODE: Final = 62


def as_array(values: Sequence[object], what: str) -> NDArray[np.float64]:
    """Nested lists of numbers as an array.

    Raises:
        ValueError: lists of different lengths stand beside each other.
    """
    try:
        return np.array(values, np.float64)
    except ValueError:
        raise ValueError(f"the lists in {what} differ in length") from None


def constants(values: NDArray[np.float64], types: tuple[FixedPoint, ...], what: str) -> Constants:
    """The numbers as integers with the least common fraction.

    Args:
        values: of any shape.
        types: one, or one per number in C order.
        what: such as `weights`, for messages.

    Raises:
        ValueError: a number is not one of its type, or there are more types than one and fewer or more than numbers.
    """
    flat = values.ravel()
    if len(types) not in (1, flat.size):
        raise ValueError(f"{len(types)} types for {flat.size} {what}, expected one type or one for each")
    for kind in dict.fromkeys(types):
        _check_representable(flat if len(types) == 1 else flat[[other == kind for other in types]], kind, what)
    return exact(values, what)


def exact(values: NDArray[np.float64], what: str) -> Constants:
    """The numbers as integers with the least common fraction, whatever their type.

    Raises:
        ValueError: the integers would be too large.
    """
    fraction_bits = _least_fraction_bits(values.ravel())
    codes = np.ldexp(values, fraction_bits)
    if np.abs(codes).max(initial=0.0) >= 2.0**_WIDEST_CODE:
        raise ValueError(f"{what} need more than {_WIDEST_CODE} bits together, from the greatest to the smallest digit")
    integers = codes.astype(np.int64)
    integers.flags.writeable = False
    return Constants(integers, fraction_bits)


def _check_representable(values: NDArray[np.float64], kind: FixedPoint, what: str) -> None:
    low, high = kind.code_range
    codes = np.ldexp(values, kind.fraction_bits)
    bad = np.flatnonzero((codes != np.rint(codes)) | (codes < low) | (codes > high))
    if len(bad):
        raise ValueError(f"{values[bad[0]]:.17g} in {what} is no number of type {kind}")


def _least_fraction_bits(values: NDArray[np.float64]) -> int:
    """The least F for which all numbers are integers times 2^−F; 0 if all are 0."""
    mantissa, exponent = np.frexp(values[values != 0])
    integers = np.ldexp(mantissa, _MANTISSA_BITS).astype(np.int64)
    lowest_bit = np.log2(integers & -integers).astype(np.int64)
    return int(np.max(_MANTISSA_BITS - exponent - lowest_bit)) if len(integers) else 0
