"""Counter-based random numbers for the synthetic source: a crossing's stream depends on seed and index alone.

The start of a stream is the SplitMix64 hash (Steele, Lea, Flood, OOPSLA 2014) of the crossing's index; within a
crossing a 64-bit linear congruential generator with folded output goes on, which costs four operations a word.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

NUMBA_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "cache": True, "error_model": "numpy", "_nrt": False}
"""Options of every compiled function of the synthetic source.

None allocates; without numba's reference counts (`_nrt`) on arrays that are handed on, a crossing costs half as much.
"""

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_SECOND: Final = np.uint64(0x94D049BB133111EB)
_MULTIPLIER: Final = np.uint64(6364136223846793005)
_U11, _U27, _U30, _U31, _U32 = (np.uint64(bits) for bits in (11, 27, 30, 31, 32))
_ONE: Final = np.uint64(1)
_TO_UNIT: Final = 2.0**-53


@njit(**NUMBA_OPTIONS)
def mix(value):
    """A hash of 64 bits: neighbouring values give unrelated words."""
    value = (value ^ (value >> _U30)) * _MIX_FIRST
    value = (value ^ (value >> _U27)) * _MIX_SECOND
    return value ^ (value >> _U31)


@njit(**NUMBA_OPTIONS)
def stream_of(key, index):
    """The state that starts the stream of crossing `index`."""
    return mix(key + index * _STEP)


@njit(**NUMBA_OPTIONS)
def advance(state):
    """The next state of a stream."""
    return state * _MULTIPLIER + _STEP


@njit(**NUMBA_OPTIONS)
def output(state):
    """The random word of a state: its weak low half is mixed with its high one."""
    return state ^ (state >> _U32)


@njit(**NUMBA_OPTIONS)
def uniform(stream):
    """The next number of the stream whose state is `stream[0]`, in (0, 1]."""
    stream[0] = advance(stream[0])
    return float((output(stream[0]) >> _U11) + _ONE) * _TO_UNIT
