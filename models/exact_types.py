"""Types that hold sums and constants exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from models.fixed_point import NETWORK_BITS, FixedPoint


def exact_type_of_sums(products: Sequence[tuple[FixedPoint, FixedPoint]], bias: FixedPoint) -> FixedPoint:
    """A type that holds any sum of products of two types each, and of a bias, with all digits.

    Raises:
        ValueError: it would need more bits than a network's type may have.
    """
    digits = max([bias.fraction_bits, *(a.fraction_bits + b.fraction_bits for a, b in products)])
    largest = max([bias.integer_bits, *(a.integer_bits + b.integer_bits for a, b in products)])
    whole = largest + math.ceil(math.log2(len(products) + 1)) + 1
    bits = max(whole + digits, 1)
    if bits not in NETWORK_BITS:
        raise ValueError(f"the sum needs {bits} bits, at most {NETWORK_BITS[-1]} are allowed")
    return FixedPoint(bits, bits - digits)


def narrowest_type(numbers: ArrayLike) -> FixedPoint:
    """The narrowest signed type that holds numbers exactly.

    Raises:
        ValueError: one has more digits than a network's type may have.
    """
    values = np.asarray(numbers, np.float64)
    digits = 0
    while (np.ldexp(values, digits) % 1).any():
        digits += 1
        if digits not in NETWORK_BITS:
            raise ValueError(f"a number has more than {NETWORK_BITS[-1]} binary digits")
    largest = int(np.abs(np.ldexp(values, digits)).max(initial=0))
    bits = largest.bit_length() + 1
    if bits not in NETWORK_BITS:
        raise ValueError(f"a number needs {bits} bits, at most {NETWORK_BITS[-1]} are allowed")
    return FixedPoint(bits, bits - digits)
