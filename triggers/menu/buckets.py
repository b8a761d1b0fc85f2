"""Buckets of numbers: coarse logarithmic bins, so that most comparisons with limits are one look-up.

A bucket holds numbers with the same bit length and the same leading `BUCKET_BITS` bits; small numbers have one each.
`docs/menu-kernel.md`, section "Pairs".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS: Final = 7
_PER_OCTAVE: Final = 1 << (BUCKET_BITS - 1)
N_BUCKETS: Final = _PER_OCTAVE * (63 - BUCKET_BITS) + 2 * _PER_OCTAVE
"""Buckets of the numbers from 0 to 2^63 − 1."""


def bucket_edges() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the greatest number of each bucket, `(N_BUCKETS,) int64` each."""
    bucket = np.arange(N_BUCKETS)
    shift = np.maximum(bucket // _PER_OCTAVE - 1, 0)
    low = (bucket - shift * _PER_OCTAVE) << shift
    return low, low + (np.int64(1) << shift) - 1
