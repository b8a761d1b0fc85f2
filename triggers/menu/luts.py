"""The hardware's look-up tables for distances, masses and pT (`docs/menu-semantics.md`, section "Look-up tables").

A scale is the grid on which two objects are compared: that of the muons if one of them is a muon, else that of the
calorimeter. Entries are integers: the value times a power of ten, rounded, halves away from zero.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.menu.limits import CALO_ETA_STEP, CALO_PHI_BINS, MUON_ETA_STEP, MUON_PHI_BINS

LUT_SIZE: Final = 1024
"""Entries of a table; no difference of two indices that fit in a word's fields is as large."""

INVERSE_SIZE: Final = 256
"""Rows and columns of the table of 1/ΔR²: differences of 8-bit indices."""

ANGLE_FACTOR: Final = 10**3
INVERSE_FACTOR: Final = 10**5

CALO_TO_MUON_FACTOR: Final = 4
CALO_TO_MUON_OFFSET: Final = 2
"""Calorimeter index k becomes 4k + 2 on the grid of the muons, in η as in φ."""

PT_STEP: Final = 5
CALO_PT_OFFSET: Final = 3
MUON_PT_OFFSET: Final = -2
UNCONSTRAINED_PT_STEP: Final = 10
UNCONSTRAINED_PT_OFFSET: Final = -5


class Scale(IntEnum):
    """The grid on which two objects are compared."""

    CALO = 0
    MUON = 1

    @property
    def eta_step(self) -> float:
        """The width of an η bin."""
        return MUON_ETA_STEP if self is Scale.MUON else CALO_ETA_STEP

    @property
    def phi_bins(self) -> int:
        """How many φ bins make a circle."""
        return MUON_PHI_BINS if self is Scale.MUON else CALO_PHI_BINS

    @property
    def math_factor(self) -> int:
        """What cosines and hyperbolic cosines are multiplied with."""
        return 10**4 if self is Scale.MUON else 10**3


class Lut(IntEnum):
    """The tables of a scale; the first four are for differences of indices, the last two for indices in φ."""

    DELTA_ETA = 0
    DELTA_PHI = 1
    COSH = 2
    COS = 3
    COS_PHI = 4
    SIN_PHI = 5


LARGEST_ETA_DIFFERENCE: Final = {Scale.CALO: 255, Scale.MUON: LUT_SIZE - 1}
"""No two words of a scale are further apart; entries beyond are never used."""


@lru_cache(maxsize=1)
def luts() -> NDArray[np.int64]:
    """All tables, `(scales, tables, LUT_SIZE) int64`, by `Scale` and `Lut`; read-only."""
    tables = np.empty((len(Scale), len(Lut), LUT_SIZE), np.int64)
    index = np.arange(LUT_SIZE)
    for scale in Scale:
        eta = np.minimum(index, LARGEST_ETA_DIFFERENCE[scale]) * scale.eta_step
        phi_step = 2 * np.pi / scale.phi_bins
        phi, centre, factor = index * phi_step, (index + 0.5) * phi_step, scale.math_factor
        tables[scale, Lut.DELTA_ETA] = _rounded(eta * ANGLE_FACTOR)
        tables[scale, Lut.DELTA_PHI] = _rounded(phi * ANGLE_FACTOR)
        tables[scale, Lut.COSH] = _rounded(np.cosh(eta) * factor)
        tables[scale, Lut.COS] = _rounded(np.cos(phi) * factor)
        tables[scale, Lut.COS_PHI] = _rounded(np.cos(centre) * factor)
        tables[scale, Lut.SIN_PHI] = _rounded(np.sin(centre) * factor)
    tables.flags.writeable = False
    return tables


@lru_cache(maxsize=1)
def inverse_delta_r_squared() -> NDArray[np.int64]:
    """10^5/ΔR² by differences in η and φ, `(scales, 256, 256) int64`; 0 for no distance; read-only.

    Muons have half their resolution here: indices shifted right by one, steps twice as wide.
    """
    tables = np.empty((len(Scale), INVERSE_SIZE, INVERSE_SIZE), np.int64)
    index = np.arange(INVERSE_SIZE)
    for scale in Scale:
        widened = 2 if scale is Scale.MUON else 1
        eta = index[:, np.newaxis] * (widened * scale.eta_step)
        phi = index * (widened * 2 * np.pi / scale.phi_bins)
        squared = eta**2 + phi**2
        squared[0, 0] = np.inf
        tables[scale] = _rounded(INVERSE_FACTOR / squared)
    tables.flags.writeable = False
    return tables


def _rounded(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """The nearest integers, halves away from zero."""
    return np.asarray(np.copysign(np.floor(np.abs(values) + 0.5), values), np.int64)
