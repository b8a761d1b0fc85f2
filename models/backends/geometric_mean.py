"""Geometric means: in floating point where that is sure of the integer, else exact (`docs/networks.md`, "Score")."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import convert, geometric_mean_code
from models.fixed_point import FixedPoint

_ERROR: Final = 1e-12
"""Relative; far above that of a mean of logarithms in float64."""


_LARGE: Final = 2.0**52
"""Estimates from here on are not sure of their last digit."""


def geometric_means(squares: NDArray[np.int64], fraction_bits: int, kind: FixedPoint) -> NDArray[np.int64]:
    """Codes `(n,)` of the geometric mean of square roots, as the layer `GeometricMean` defines it.

    Args:
        squares: codes `(n, k)`, not negative, times 2^−`fraction_bits`.
        fraction_bits: of the squares.
        kind: of the result.
    """
    with np.errstate(divide="ignore"):
        exponents = np.log2(squares.astype(np.float64)).mean(axis=1) / 2
    estimates = np.exp2(exponents - fraction_bits / 2 + kind.fraction_bits)
    large = bool((estimates >= _LARGE).any())
    codes = np.floor(np.minimum(estimates, _LARGE)).astype(np.object_ if large else np.int64)
    margin = _ERROR * estimates
    unsure = (np.floor(estimates - margin) != np.floor(estimates + margin)) | (estimates >= _LARGE)
    for row in np.flatnonzero(unsure):
        codes[row] = geometric_mean_code(squares[row].tolist(), fraction_bits, kind.fraction_bits)
    return np.asarray(convert(codes, kind.fraction_bits, kind), np.int64)
