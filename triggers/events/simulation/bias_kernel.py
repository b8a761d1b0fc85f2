"""Random numbers of crossings by index, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit

from triggers.events.simulation.response_kernel import OPTIONS
from triggers.events.synthetic_random import stream_of, uniform


@njit(**OPTIONS)
def uniforms(key, first, stream, out):
    """Fill `out`, `(n, m) float64`, with the first `m` random numbers of the crossings from `first` on."""
    for row in range(out.shape[0]):
        stream[0] = stream_of(key, first + np.uint64(row))
        for column in range(out.shape[1]):
            out[row, column] = uniform(stream)
