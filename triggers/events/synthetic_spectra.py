"""The tuned numbers of the synthetic source, all in one place.

Those marked "tuned" were chosen so that the source's rates and multiplicities come out like measured ones: the rates of
L1 seeds in LHC fill 7005 (2018, pile-up 5 to 44), and in zero-bias crossings of Run 3 at pile-up near 60 the numbers of
objects and the medians of their energies. Energies are in hardware units of 0.5 GeV unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

REFERENCE_PILEUP: Final = 60.0
"""Interactions at which means are stated."""


@dataclass(frozen=True)
class SoftSpectrum:
    """Objects that come from pile-up: an exponential spectrum above a threshold (all tuned).

    Attributes:
        mean: objects in a crossing with 60 interactions, before the hardware's limit of 12.
        threshold_hw: least transverse energy.
        slope_hw: transverse energy over which their number falls by e.
        pileup_power: growth of the mean with the number of interactions.
    """

    mean: float
    threshold_hw: float
    slope_hw: float
    pileup_power: float


SOFT: Final = {
    "eg": SoftSpectrum(5.8, 5.0, 3.7, 1.3),
    "tau": SoftSpectrum(10.6, 6.0, 10.0, 1.3),
    "jet": SoftSpectrum(3.6, 16.0, 17.0, 1.3),
}


class HardTuning(NamedTuple):
    """Hard interactions and muons: power-law spectra, and what goes with the leading object (all tuned).

    `…_per_interaction` are probabilities of a kind above its least energy `…_min_hw`; `…_power` is the exponent of the
    integral spectrum; the others are probabilities or fractions of an energy unless the name ends in a unit.
    """

    dijet_per_interaction: float = 5.4e-4
    dijet_min_hw: float = 70.0
    dijet_power: float = 3.4
    third_jet: float = 0.55
    fourth_jet: float = 0.85
    second_jet_fraction_min: float = 0.53
    later_jet_fraction_min: float = 0.27
    jet_resolution: float = 0.12
    lost_jet_per_hw: float = 0.0013
    tau_of_jet: float = 0.6
    tau_fraction_min: float = 0.46
    tau_fraction_max: float = 0.92
    tau_of_jet_isolation: float = 0.7
    eg_of_jet: float = 0.5
    eg_fraction_max: float = 0.6
    eg_fraction_power: float = 4.0
    eg_of_jet_isolation: float = 0.5
    muon_of_jet_per_hw: float = 4e-4
    muon_of_jet_mean_hw: float = 10.0
    neutrino_fraction: float = 0.3

    electron_per_interaction: float = 1.1e-4
    electron_min_hw: float = 30.0
    electron_power: float = 3.0
    electron_endcap: float = 0.25
    electron_unbalanced: float = 0.8
    tau_of_electron: float = 0.5
    second_electron: float = 0.1
    muon_of_electron: float = 0.01

    muon_per_interaction: float = 1.14e-4
    muon_min_hw: float = 10.0
    muon_power: float = 1.9
    jet_of_muon: float = 0.4
    jet_of_muon_hw: float = 20.0
    second_muon: float = 0.08
    third_muon: float = 0.35

    soft_muon_per_interaction: float = 1.75e-3
    soft_muon_min_hw: float = 4.0
    soft_muon_slope_hw: float = 5.0
    soft_second_muon: float = 0.004


class SumTuning(NamedTuple):
    """The energy sums (all tuned).

    Attributes:
        ett_hw: total transverse energy of a crossing with 60 interactions.
        ett_power: its growth with the number of interactions.
        ett_spread: its relative spread at a fixed number of interactions.
        etm_resolution: width of a component of missing energy / √ETT, both in hardware units.
        em_fraction: electromagnetic part of ETT.
        towers_per_ett: calorimeter towers above threshold per hardware unit of ETT.
        mbt_per_interaction: forward towers above threshold per interaction (the hardware counts to 15).
    """

    ett_hw: float = 800.0
    ett_power: float = 1.15
    ett_spread: float = 0.2
    etm_resolution: float = 1.0
    em_fraction: float = 0.62
    towers_per_ett: float = 0.75
    mbt_per_interaction: float = 0.9


EG_ISOLATION: Final = (
    (2.0, 0.72, 0.72),
    (10.0, 0.55, 0.56),
    (20.0, 0.62, 0.75),
    (28.0, 0.69, 0.93),
    (36.0, 0.93, 0.97),
    (50.0, 1.0, 1.0),
)
"""Energy in GeV, part of EG with tight isolation, part with loose isolation; linear between (tuned)."""
TAU_ISOLATION: Final = ((3.0, 0.98), (10.0, 0.93), (20.0, 0.85), (30.0, 0.75), (50.0, 0.75), (80.0, 0.88), (100.0, 1.0))
"""Energy in GeV, part of taus that are isolated; linear between (tuned)."""
HARD_JET_DISPLACED: Final = 0.01
"""Part of hard jets with the displaced bit (tuned)."""
MUON_QUALITY: Final = dict(
    zip(range(4, 16), (0.02, 0.01, 0.03, 0.05, 0.01, 0.02, 0.02, 0.04, 0.25, 0.08, 0.16, 0.31), strict=True)
)
MUON_IMPACT_PARAMETER: Final = {0: 0.77, 1: 0.15, 2: 0.05, 3: 0.03}
"""Shares of muon qualities and of impact-parameter codes (tuned)."""

TOWER_EDGES_HW: Final = (
    *(2.0 * tower for tower in range(21)),
    *(42.07, 44.37, 46.97, 49.93, 53.38, 57.47, 60.92, 68.97),
    *(72.1 + 4.02 * tower for tower in range(11)),
)
"""Edges of calorimeter towers in |eta| / 0.0435 (geometry of CMS: 0.087 wide, then wider, forward 0.175)."""


@dataclass(frozen=True)
class EtaProfile:
    """Density of objects in |eta| (tuned): relative values at points in hardware units of 0.0435, linear between."""

    points_hw: tuple[float, ...]
    density: tuple[float, ...]


ETA: Final = {
    "eg": EtaProfile((0, 20, 34, 46, 52, 57, 62), (1.0, 0.75, 0.5, 0.75, 1.0, 0.6, 0.0)),
    "tau": EtaProfile((0, 20, 45, 53, 54), (1.0, 0.7, 0.45, 0.6, 0.0)),
    "jet": EtaProfile((0, 20, 45, 58, 70, 90, 115), (1.0, 0.7, 0.4, 0.45, 0.45, 0.25, 0.0)),
    "hard": EtaProfile((0, 25, 45, 57, 65, 90), (1.0, 0.8, 0.45, 0.35, 0.2, 0.0)),
}
"""Of soft EG, taus and jets, and of what is hard."""
