"""Angles, pT and charges in the words of objects, and whether two objects overlap (`docs/menu-kernel.md`)."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.packing import MUON
from triggers.menu.limits import CALO_PHI_BINS, MUON_PHI_BINS
from triggers.menu.luts import PT_STEP, Lut, Scale

OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Of all compiled functions. None allocates; counting references to arrays (`_nrt`) would take most of the time."""

PART: Final = OPTIONS | {"inline": "always"}
"""Of functions that are parts of their one caller and get all its arrays: they are compiled with it, not before it."""

INLINE: Final = OPTIONS | {"forceinline": True}
"""Of functions that are called for each hit: handing over an array costs as much as a dozen operations."""

Ints = NDArray[np.int64]
Record = Any
"""One record of a structured array."""

INVALID, POSITIVE, NEGATIVE = 0, 1, 2
"""The charge of a muon."""

_ONE = np.uint64(1)
_CHARGE_NEGATIVE = np.uint64(MUON["charge_negative"].shift)
_CHARGE_VALID = np.uint64(MUON["charge_valid"].shift)
_MUON_SCALE = int(Scale.MUON)
_DELTA_ETA, _DELTA_PHI = int(Lut.DELTA_ETA), int(Lut.DELTA_PHI)


@njit(**INLINE)
def eta_of(word: np.uint64, where: Record) -> int:
    """The η index of an object; 0 if it has none."""
    raw = np.int64((word >> where.eta_shift) & where.eta_mask)
    return raw - ((raw & where.eta_sign) << 1)


@njit(**INLINE)
def phi_of(word: np.uint64, where: Record) -> int:
    """The φ index of an object."""
    return np.int64((word >> where.phi_shift) & where.phi_mask)


@njit(**INLINE)
def pt_of(word: np.uint64, where: Record) -> int:
    """The pT in 0.1 GeV; 0 for a muon that is not there."""
    index = np.int64((word >> where.pt_shift) & where.pt_mask)
    return 0 if where.unconstrained and index == 0 else PT_STEP * index + where.pt_offset


@njit(**INLINE)
def charge_of(muon: np.uint64) -> int:
    """Whether the charge of a muon is not valid, positive or negative."""
    return np.int64((muon >> _CHARGE_VALID) & _ONE) << np.int64((muon >> _CHARGE_NEGATIVE) & _ONE)


@njit(**INLINE)
def n_phi_bins(scale: int) -> int:
    """How many φ bins make a circle."""
    return MUON_PHI_BINS if scale == _MUON_SCALE else CALO_PHI_BINS


@njit(**INLINE)
def folded(difference: int, n_bins: int) -> int:
    """The steps between two φ indices, the short way round the circle."""
    steps = abs(difference)
    return steps if 2 * steps < n_bins else abs(n_bins - steps)


@njit(**INLINE)
def overlap(
    leg: np.uint64,
    reference: np.uint64,
    grid: Record,
    windows: Record,
    where: Record,
    where_reference: Record,
    luts: Ints,
) -> bool:
    """Whether two objects are within one of the windows of an overlap removal; never if the leg is a sum."""
    if grid.scale < 0:
        return False
    eta = grid.factor * eta_of(leg, where) + grid.offset
    phi = grid.factor * phi_of(leg, where) + grid.offset
    eta -= grid.reference_factor * eta_of(reference, where_reference) + grid.reference_offset
    phi -= grid.reference_factor * phi_of(reference, where_reference) + grid.reference_offset
    delta_eta = luts[grid.scale, _DELTA_ETA, abs(eta)]
    delta_phi = luts[grid.scale, _DELTA_PHI, folded(phi, n_phi_bins(grid.scale))]
    squared = delta_eta * delta_eta + delta_phi * delta_phi
    return bool(
        windows.eta_low <= delta_eta <= windows.eta_high
        or windows.phi_low <= delta_phi <= windows.phi_high
        or windows.r_low <= squared <= windows.r_high
    )
