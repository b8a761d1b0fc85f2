"""Hardware integers ↔ physical units, at the edges of the chain only (`docs/formats.md`, section "Scales")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triggers.events import packing

_ON_EDGE: Final = 1e-6
"""A value within this part of a bin below an edge is on the edge: what rounding takes from k × step."""

CALO_PHI_BINS: Final = 144
MUON_PHI_BINS: Final = 576


@dataclass(frozen=True)
class Scale:
    """Equal bins: index k stands for values from `(k − zero) × step` up to `(k + 1 − zero) × step`.

    Attributes:
        unit: the suffix of names that carry such values: `gev`, `rad`, or empty.
        step: the width of a bin, in that unit.
        lowest: the least index.
        highest: the greatest index; for energies it also stands for everything above.
        zero: the index, or half index, whose lower edge is 0.
        cyclic: whether the greatest index is followed by the least one.
    """

    unit: str
    step: float
    lowest: int
    highest: int
    zero: float = 0.0
    cyclic: bool = False

    def lower_edge(self, index: ArrayLike) -> NDArray[np.float64]:
        """The lower edge of each bin, same shape, in the scale's unit."""
        return (np.asarray(index, np.float64) - self.zero) * self.step

    def centre(self, index: ArrayLike) -> NDArray[np.float64]:
        """The centre of each bin, same shape, in the scale's unit."""
        return (np.asarray(index, np.float64) + (0.5 - self.zero)) * self.step

    def index(self, values: ArrayLike) -> NDArray[np.int64]:
        """The bin of each value, same shape; beyond the ends it is the outermost bin, unless the scale is cyclic.

        Raises:
            ValueError: a value is not finite.
        """
        position = np.asarray(values, np.float64) / self.step + self.zero
        if not np.isfinite(position).all():
            raise ValueError("only finite values have an index")
        index = np.floor(position + _ON_EDGE)
        if self.cyclic:
            return (self.lowest + (index - self.lowest) % (self.highest - self.lowest + 1)).astype(np.int64)
        return np.clip(index, self.lowest, self.highest).astype(np.int64)


EG_ET: Final = Scale("gev", 0.5, 0, packing.EG["et"].mask)
TAU_ET: Final = Scale("gev", 0.5, 0, packing.TAU["et"].mask)
JET_ET: Final = Scale("gev", 0.5, 0, packing.JET["et"].mask)
SUM_ET: Final = Scale("gev", 0.5, 0, packing.SUMS["ett"][1].mask)
CALO_ETA: Final = Scale("", 0.0435, -115, 114)
CALO_PHI: Final = Scale("rad", 2 * math.pi / CALO_PHI_BINS, 0, CALO_PHI_BINS - 1, cyclic=True)

MUON_PT: Final = Scale("gev", 0.5, 0, packing.MUON["pt"].mask, zero=1)
"""Since March 2016: index 0 is no muon, index 1 is 0 to 0.5 GeV."""
MUON_PT_2015: Final = Scale("gev", 0.5, 0, packing.MUON["pt"].mask)
"""Before March 2016: index 0 is 0 to 0.5 GeV."""
MUON_PT_UNCONSTRAINED: Final = Scale("gev", 1.0, 0, packing.MUON["pt_unconstrained"].mask, zero=1)
"""Index 0 is no measurement, index 1 is 0 to 1 GeV."""
MUON_ETA: Final = Scale("", 0.010875, -225, 225, zero=0.5)
"""Bins centred on k × step, unlike those of the calorimeter."""
MUON_PHI: Final = Scale("rad", 2 * math.pi / MUON_PHI_BINS, 0, MUON_PHI_BINS - 1, cyclic=True)

CICADA_SCORE: Final = Scale("", 1 / 256, 0, (1 << 16) - 1)
"""The score is the bin's lower edge."""

OBJECT_SCALES: Final = {
    "muon": {
        "pt": MUON_PT,
        "eta": MUON_ETA,
        "phi": MUON_PHI,
        "phi_raw": MUON_PHI,
        "pt_unconstrained": MUON_PT_UNCONSTRAINED,
    },
    "eg": {"et": EG_ET, "eta": CALO_ETA, "phi": CALO_PHI},
    "tau": {"et": TAU_ET, "eta": CALO_ETA, "phi": CALO_PHI},
    "jet": {"et": JET_ET, "eta": CALO_ETA, "phi": CALO_PHI},
}
"""The scale of each field of an object word that has one; the other fields are codes."""

SUM_SCALES: Final = {
    **dict.fromkeys(("ett", "ettem", "htt", "etm", "htm", "etmhf", "htmhf"), SUM_ET),
    **dict.fromkeys(("etm_phi", "htm_phi", "etmhf_phi", "htmhf_phi"), CALO_PHI),
}
"""The scale of each quantity of the `sums` column that has one; the others are counts."""


def object_values(column: str, words: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """The fields of `muon`, `eg`, `tau` or `jet` that have a scale, in physical units.

    Energies are lower bin edges, which is what thresholds compare; eta and phi are bin centres. Empty slots have no
    physical value: leave them out (`words != 0`) before use.

    Returns:
        Arrays of the words' shape by name with unit: `pt_gev` or `et_gev`, `eta`, `phi_rad` …
    """
    fields = packing.unpack(column, words)
    return {
        f"{name}_{scale.unit}" if scale.unit else name: physical(scale, fields[name])
        for name, scale in OBJECT_SCALES[column].items()
    }


def physical(scale: Scale, index: ArrayLike) -> NDArray[np.float64]:
    """The value that stands for a bin: the lower edge of an energy, the centre of an angle."""
    return scale.lower_edge(index) if scale.unit == "gev" else scale.centre(index)
