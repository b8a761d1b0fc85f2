"""Exact conversion between fixed-point types, on integer codes (`docs/networks.md`, "Arithmetic")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint, Overflow, Rounding
from models.network_layers import Tensor

Integers = NDArray[Any]
"""Exact integers: int64, or Python's own where 64 bits may not do."""


def convert(codes: Integers, fraction_bits: int, kind: FixedPoint) -> Integers:
    """Codes of `kind` for the numbers `codes` times 2^−`fraction_bits`, same shape and dtype.

    int64 must hold every intermediate (`models.intervals.fits_int64`), else `codes` must be of dtype object.
    """
    return _in_range(rounded(codes, fraction_bits - kind.fraction_bits, kind.rounding), kind)


def convert_elements(codes: Integers, fraction_bits: int, to: Tensor) -> Integers:
    """As `convert`, codes `(n, *to.shape)`, with the type that each element of `to` has."""
    flat = codes.reshape(len(codes), to.size)
    result = np.empty_like(flat)
    for kind, elements in to.by_type():
        result[:, elements] = convert(flat[:, elements], fraction_bits, kind)
    return result.reshape(codes.shape)


def aligned(codes: Integers, tensor: Tensor) -> tuple[Integers, int]:
    """The same numbers with the most fraction bits that any element has, and how many these are.

    Args:
        codes: `(n, *tensor.shape)`.
        tensor: whose types they have.
    """
    fraction_bits = tensor.fraction_bits
    finest = int(fraction_bits.max())
    return codes << (finest - fraction_bits).astype(codes.dtype), finest


def zero_padded(image: Integers, padding: Sequence[tuple[int, int]]) -> Integers:
    """The image with zeros around it; before and after along each axis (NumPy's own `pad` mixes kinds of integers)."""
    shape = [size + sum(zeros) for size, zeros in zip(image.shape, padding, strict=True)]
    result = np.zeros(shape, image.dtype)
    result[tuple(slice(zeros[0], zeros[0] + size) for size, zeros in zip(image.shape, padding, strict=True))] = image
    return result


def rounded(codes: Integers, dropped_bits: int, rounding: Rounding) -> Integers:
    """The codes without their last `dropped_bits` bits (or with that many zeros more, where negative), rounded."""
    if dropped_bits <= 0:
        return codes << -dropped_bits
    quotient: Integers = codes >> dropped_bits
    rest = codes - (quotient << dropped_bits)
    half = 1 << (dropped_bits - 1)
    match rounding:
        case Rounding.DOWN:
            return quotient
        case Rounding.TOWARDS_ZERO:
            up = (codes < 0) & (rest > 0)
        case Rounding.NEAREST_UP:
            up = rest >= half
        case Rounding.NEAREST_DOWN:
            up = rest > half
        case Rounding.NEAREST_EVEN:
            up = (rest > half) | ((rest == half) & ((quotient & 1) == 1))
        case Rounding.NEAREST_TOWARDS_ZERO:
            up = (rest > half) | ((rest == half) & (codes < 0))
        case Rounding.NEAREST_AWAY_FROM_ZERO:
            up = (rest > half) | ((rest == half) & (codes >= 0))
    result: Integers = quotient + up
    return result


def _in_range(codes: Integers, kind: FixedPoint) -> Integers:
    low, high = kind.code_range
    match kind.overflow:
        case Overflow.WRAP:
            return low + (codes - low) % (1 << kind.bits)
        case Overflow.ZERO:
            return np.where((codes < low) | (codes > high), 0, codes)
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            return np.clip(codes, low, high)


def geometric_mean_code(squares: Sequence[int], fraction_bits: int, result_fraction_bits: int) -> int:
    """The greatest integer m for which m·2^−`result_fraction_bits` is at most the geometric mean of the square roots.

    Args:
        squares: integers, none negative, in units of 2^−`fraction_bits`.
        fraction_bits: of the squares.
        result_fraction_bits: of the result.
    """
    n = len(squares)
    product, shift = math.prod(squares), n * (2 * result_fraction_bits - fraction_bits)
    return integer_root(product << shift if shift >= 0 else product >> -shift, 2 * n)


def integer_root(number: int, order: int) -> int:
    """The greatest integer m with m^`order` ≤ `number`, which is not negative."""
    low, high = 0, 1 << -(-number.bit_length() // order)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**order <= number:
            low = middle
        else:
            high = middle - 1
    return low
