"""The numbers of the calorimeters' response, each with its source or marked as tuned (`docs/simulation.md`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np


@dataclass(frozen=True)
class Response:
    """How particles become energy in trigger towers; energies in GeV, lengths in metres.

    Sources: [JINST] CMS Collaboration, "The CMS experiment at the CERN LHC", JINST 3 (2008) S08004; [HCAL] CMS
    HCAL/ECAL Collaborations, Eur. Phys. J. C 60 (2009) 359 (combined test beam); [HF] Eur. Phys. J. C 53 (2008) 139.

    Attributes:
        field_tesla: solenoid field [JINST, section 2].
        radius_m, half_length_m: inner face of the calorimeters [JINST, section 4].
        em_stochastic, em_constant: σ(E)/E of photons and electrons: a/√E ⊕ c ([JINST, section 4] gives 0.028 and
            0.003 for crystals; the larger numbers here include the trigger's resolution of 0.5 GeV; tuned).
        em_spread: width in eta and phi of an electromagnetic shower (Molière radius of PbWO4, 22 mm, at 1.29 m).
        hadron_stochastic, hadron_constant: of hadrons in ECAL and HCAL together [HCAL]: 0.847 and 0.074; larger here
            for the trigger's single time sample (tuned).
        hadron_loss, hadron_power: mean response to hadrons 1 − loss × E^−power, from h/e (tuned to [HCAL], figure 12).
        mip_fraction: part of hadrons that cross ECAL without a shower [HCAL].
        mip_gev: what they leave there [HCAL].
        em_part_max: greatest part of its energy that a showering hadron leaves in ECAL (tuned).
        hadron_spread: width in eta and phi of a hadronic shower (tuned).
        forward_em_stochastic, forward_hadron_stochastic, forward_constant: of HF [HF]: 1.98 and 2.8, 0.09.
        least_gev: deposits below this are left out (tuned).
    """

    field_tesla: float = 3.8
    radius_m: float = 1.29
    half_length_m: float = 3.17
    em_stochastic: float = 0.06
    em_constant: float = 0.02
    em_spread: float = 0.012
    hadron_stochastic: float = 1.0
    hadron_constant: float = 0.09
    hadron_loss: float = 0.40
    hadron_power: float = 0.17
    mip_fraction: float = 0.4
    mip_gev: float = 0.3
    em_part_max: float = 0.9
    hadron_spread: float = 0.03
    forward_em_stochastic: float = 1.98
    forward_hadron_stochastic: float = 2.8
    forward_constant: float = 0.09
    least_gev: float = 0.06


RESPONSE_VERSION: Final = 1
"""Raised when `response.py` gives other deposits for the same numbers."""


def record_of(numbers: Any) -> np.void:
    """The numbers of a dataclass as one NumPy record, which compiled functions take."""
    values = asdict(numbers)
    kind = np.dtype([(name, np.float64) for name in values], align=True)
    record = np.zeros(1, kind)
    for name, value in values.items():
        record[name] = value
    return np.void(record[0])


def digest_of(numbers: Any, version: int) -> str:
    """The digest that stands for a set of numbers in the cache."""
    text = json.dumps({"version": version, **asdict(numbers)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
