"""Which generated particles matter to the detector, and the codes that stand for them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What a stable particle is to the calorimeters; stored with the sign of its charge."""

    PHOTON = 1
    ELECTRON = 2
    PION = 3
    KAON = 4
    PROTON = 5
    NEUTRAL_HADRON = 6


LATE: Final = 8
"""Added to a kind: the particle was born inside the hadron calorimeter, or reaches it late (`LATE_NS`)."""

KIND_OF_PDG: Final = {
    22: Kind.PHOTON,
    11: Kind.ELECTRON,
    211: Kind.PION,
    321: Kind.KAON,
    2212: Kind.PROTON,
    130: Kind.NEUTRAL_HADRON,
    2112: Kind.NEUTRAL_HADRON,
}
MUON: Final = 13
_NEGATIVE_LEPTON: Final = 11

BEAUTY: Final = (511, 521, 531, 541, 5122, 5132, 5232, 5332)
CHARM: Final = (411, 421, 431, 4122, 4132, 4232, 4332)
QUARKONIUM: Final = (443, 100443, 553, 100553, 200553)
REDECAYED: Final = (*BEAUTY, *CHARM, *QUARKONIUM)
"""Hadrons whose decays to muons are drawn anew for each crossing (PDG codes)."""


def contains(pdg: NDArray[np.int64], quark: int) -> NDArray[np.bool_]:
    """Which PDG codes are hadrons that contain the quark (4 or 5), `(n,) bool`."""
    number = np.abs(pdg) % 10_000
    digits = np.stack([number // 10 % 10, number // 100 % 10, number // 1000 % 10])
    return np.asarray((np.abs(pdg) > 100) & (np.abs(pdg) < 1_000_000) & (digits.max(axis=0) == quark))


def signed_kinds(pdg: NDArray[np.int64]) -> NDArray[np.int8]:
    """The kind of each particle with the sign of its charge, 0 for those that leave no energy, `(n,) int8`."""
    kinds = np.zeros(len(pdg), np.int8)
    for code, kind in KIND_OF_PDG.items():
        sign = -1 if code == _NEGATIVE_LEPTON else 1
        neutral = kind in (Kind.PHOTON, Kind.NEUTRAL_HADRON)
        kinds[pdg == code] = kind if neutral else sign * kind
        kinds[pdg == -code] = kind if neutral else -sign * kind
    return kinds
