"""Samples as configuration: which process, how many crossings, with what pile-up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from triggers.events.simulation.fill import MAX_PILEUP, FillProfile
from triggers.events.simulation.process import ZERO_BIAS
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel, read_yaml

Pair = Annotated[tuple[float, float], Field(strict=False)]


class Sample(StrictModel):
    """A sample of simulated crossings.

    Attributes:
        process: name of a process, or path of a process file.
        crossings: how many; with a fill, at most those that it has (null: all).
        seed: of all random numbers.
        pileup: mean number of inelastic interactions in a crossing.
        pileup_profile: shares of mean pile-ups instead, as pairs of pile-up and share.
        fill: a fill instead.
        weighted: draw rare crossings of zero bias more often, with weights.
        regions: with the calorimeter regions, half of the sample's size.
        interactions: limit on the pooled interactions of each component (null: as the processes say).
        run: run number.
    """

    process: str = ZERO_BIAS
    crossings: int | None = Field(default=None, ge=1, le=2**31)
    seed: int = Field(default=1, ge=0, lt=2**63)
    pileup: float | None = Field(default=None, ge=0, le=MAX_PILEUP)
    pileup_profile: tuple[Pair, ...] | None = Field(default=None, min_length=1, strict=False)
    fill: FillProfile | None = None
    weighted: bool = False
    regions: bool = True
    interactions: int | None = Field(default=None, ge=1)
    run: int = Field(default=1, ge=1, lt=2**32)

    @model_validator(mode="after")
    def _one_pileup(self) -> Self:
        given = [self.pileup is not None, self.pileup_profile is not None, self.fill is not None]
        if sum(given) != 1:
            raise ValueError("give one of pileup, pileup_profile, fill")
        if self.fill is None and self.crossings is None:
            raise ValueError("say how many crossings; only a fill has a number of its own")
        if self.weighted and self.pileup is None:
            raise ValueError("a weighted sample needs one pileup")
        if self.weighted and self.process != ZERO_BIAS:
            raise ValueError("only zero bias is weighted; a signal has one interaction of its process in each crossing")
        if self.pileup_profile is not None:
            if any(not 0 <= value <= MAX_PILEUP or share < 0 for value, share in self.pileup_profile):
                raise ValueError(f"pile-ups must be 0 to {MAX_PILEUP:g}, and shares not negative")
            if sum(share for _, share in self.pileup_profile) <= 0:
                raise ValueError("one share must be more than 0")
        return self

    @property
    def n_crossings(self) -> int:
        """How many crossings the sample has."""
        if self.fill is None:
            return self.crossings or 0
        return min(self.fill.crossings, self.crossings or self.fill.crossings)


class SampleSet(StrictModel):
    """Several samples and the files that they become.

    Attributes:
        samples: by file name.
    """

    samples: dict[str, Sample] = Field(min_length=1)

    @model_validator(mode="after")
    def _plain_names(self) -> Self:
        for name in self.samples:
            if Path(name).name != name or Path(name).suffix not in (".parquet", ".arrow"):
                raise ValueError(f"'{name}' is no file name that ends in .parquet or .arrow")
        return self


def load_samples(path: str | Path) -> SampleSet:
    """Read a file of samples.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: as `triggers.strict_yaml.read_yaml`.
    """
    file = find_file(path, role="sample file")
    return read_yaml(file.read_bytes(), str(path), SampleSet)
