"""An LHC fill in lumi sections: pile-up that ramps up, is levelled, decays, and ends with the dump."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from triggers.decision.filling import FillingScheme, read_filling, train_filling
from triggers.events.schema import ORBITS_PER_SECOND
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel

MAX_PILEUP = 300.0


class FillProfile(StrictModel):
    """A run of lumi sections with the pile-up of a fill.

    Attributes:
        filling: a file of colliding slots, or null for trains of `colliding_bunches`.
        colliding_bunches: of the trains.
        orbits_per_lumi_section: 2^18 at the LHC; fewer make a fill short enough to simulate.
        lumi_section_minutes: time of the fill that a lumi section stands for (23.31 s at the LHC; a short run that
            shall show a whole fill takes more).
        ramp_minutes: in which collisions are set up, pile-up rising from none.
        levelled_minutes: at `pileup`, the beams being brought together as they decay.
        decay_hours: in which pile-up falls by e after that.
        dump_minutes: length of the fill from the first collisions; lumi sections end there.
        pileup: while levelled.
    """

    filling: str | None = None
    colliding_bunches: int = Field(default=2544, ge=1, le=3564)
    orbits_per_lumi_section: int = Field(default=16, ge=1, le=1 << 18)
    lumi_section_minutes: float = Field(default=23.31 / 60, gt=0)
    ramp_minutes: float = Field(default=10.0, ge=0)
    levelled_minutes: float = Field(default=300.0, ge=0)
    decay_hours: float = Field(default=10.0, gt=0)
    dump_minutes: float = Field(default=720.0, gt=0)
    pileup: float = Field(default=60.0, ge=0, le=MAX_PILEUP)

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.dump_minutes < self.ramp_minutes + self.levelled_minutes:
            raise ValueError("dump_minutes must be at least ramp_minutes + levelled_minutes")
        return self

    @property
    def lumi_sections(self) -> int:
        """How many lumi sections the fill has."""
        return max(1, math.ceil(self.dump_minutes / self.lumi_section_minutes))

    def scheme(self) -> FillingScheme:
        """The slots of the colliding bunches.

        Raises:
            FileMissing, BadValue: `filling` names no scheme.
        """
        if self.filling is None:
            return train_filling(self.colliding_bunches)
        return read_filling(find_file(self.filling, role="filling scheme"))

    def pileup_of(self, lumi_section: NDArray[np.int64]) -> NDArray[np.float64]:
        """The pile-up in the middle of lumi sections, counted from 1, `(n,) float64`."""
        minutes = (lumi_section - 0.5) * self.lumi_section_minutes
        ramp = np.clip(minutes / max(self.ramp_minutes, 1e-9), 0.0, 1.0)
        late = np.maximum(minutes - self.ramp_minutes - self.levelled_minutes, 0.0)
        return np.asarray(self.pileup * ramp * np.exp(-late / (60.0 * self.decay_hours)))

    def times(
        self, index: NDArray[np.int64], scheme: FillingScheme
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Lumi section (from 1), orbit (from 1) and slot of crossings counted from 0."""
        bunches = scheme.colliding_bunches
        orbit = index // bunches
        return 1 + orbit // self.orbits_per_lumi_section, 1 + orbit, scheme.slots[index % bunches]

    @property
    def crossings(self) -> int:
        """Crossings of the whole fill."""
        return self.lumi_sections * self.orbits_per_lumi_section * self.scheme().colliding_bunches

    @property
    def simulated_seconds(self) -> float:
        """Beam time of the whole fill as simulated."""
        return self.lumi_sections * self.orbits_per_lumi_section / ORBITS_PER_SECOND
