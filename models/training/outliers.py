"""Outliers made of zero bias: images with energies that it does not have (`docs/training.md`, "cicada")."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LARGEST_ET: Final = 1023
"""The end of a region's scale."""
_LARGEST_FACTOR: Final = 10.0
_MOST_ADDED: Final = 4
_MOST_HOT: Final = 8
_HOT_ET: Final = 60.0


def outliers(regions: NDArray[np.int16], n: int, seed: int) -> NDArray[np.int16]:
    """Images `(n, 252) int16` that zero bias does not have, of three kinds in turn; no signal is needed.

    They are a crossing whose energies are multiplied by 1 to 10; the sum of two to five crossings; a crossing with one
    to eight hot regions of exponential energy.

    Args:
        regions: zero bias, `(n_crossings, 252) int16`.
        n: how many.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    images = regions[random.integers(0, len(regions), n)].astype(np.float64)
    kind = np.arange(n) % 3
    factors = np.exp(random.uniform(0.0, np.log(_LARGEST_FACTOR), n))
    images[kind == 0] *= factors[kind == 0, None]
    more = random.integers(1, _MOST_ADDED, n, endpoint=True)
    for i in range(_MOST_ADDED):
        rows = np.flatnonzero((kind == 1) & (more > i))
        images[rows] += regions[random.integers(0, len(regions), len(rows))]
    hot = random.integers(1, _MOST_HOT, n, endpoint=True)
    for i in range(_MOST_HOT):
        rows = np.flatnonzero((kind == 2) & (hot > i))
        places = random.integers(0, regions.shape[1], len(rows))
        images[rows, places] += random.exponential(_HOT_ET, len(rows))
    return np.clip(np.rint(images), 0, LARGEST_ET).astype(np.int16)
