"""Processes as named configurations: what Pythia generates, and how parts are stitched (`docs/simulation.md`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from triggers.errors import UnknownName
from triggers.shipped import CONFIGS
from triggers.strict_yaml import StrictModel, read_yaml

FOLDER: Final = CONFIGS / "processes"
ZERO_BIAS: Final = "zero_bias"
_REFUSED: Final = ("init:", "beams:", "random:", "print:", "next:", "main:", "parallelism:", "vincia:", "include")
"""Settings that belong to the program, or name files and plug-ins."""


class Component(StrictModel):
    """Interactions of one generator setting.

    Attributes:
        name: what reports call it.
        pythia: settings of Pythia 8.3, `NAME = VALUE` each.
        pthat_gev: least and greatest transverse momentum of the hard process kept; the generator is told both unless
            the process is soft.
        soft: the process is inelastic scattering as a whole: its hard part is cut off afterwards at `pthat_gev`.
        suppress_small_pt: damp the cross section at small transverse momentum as in multiparton interactions.
        without_quarkonium: drop interactions with promptly born quarkonium, which another component has.
        cross_section_factor: correction of the generator's leading-order cross section.
        interactions: how many to generate.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    pythia: tuple[str, ...] = Field(min_length=1, strict=False)
    pthat_gev: tuple[float, float | None] | None = Field(default=None, strict=False)
    soft: bool = False
    suppress_small_pt: bool = False
    without_quarkonium: bool = False
    cross_section_factor: float = Field(default=1.0, gt=0, le=10)
    interactions: int = Field(default=5000, ge=1, le=10_000_000)

    @model_validator(mode="after")
    def _physical(self) -> Self:
        for line in self.pythia:
            name, equals, value = line.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise ValueError(f"'{line}' is no setting; write 'NAME = VALUE'")
            if name.strip().lower().startswith(_REFUSED):
                raise ValueError(f"'{name.strip()}' is set by l1chain; leave it out")
        if self.pthat_gev is not None:
            low, high = self.pthat_gev
            if not (0 <= low < math.inf) or (high is not None and not low < high < math.inf):
                raise ValueError("pthat_gev must rise from a number of at least 0; the upper end may be null")
        if self.soft and (self.pthat_gev is None or self.pthat_gev[1] is None):
            raise ValueError("a soft component needs the upper end of pthat_gev, where harder components take over")
        return self

    @property
    def settings(self) -> tuple[str, ...]:
        """All settings that say what is generated."""
        limits: list[str] = []
        if self.pthat_gev is not None and not self.soft:
            low, high = self.pthat_gev
            limits.append(f"PhaseSpace:pTHatMin = {low:g}")
            if high is not None:
                limits.append(f"PhaseSpace:pTHatMax = {high:g}")
        return (*self.pythia, *limits)


class Process(StrictModel):
    """A process: the components whose sum it is.

    Attributes:
        description: what it is, and how it is made, one or two sentences.
        components: in order of rank: a crossing of zero bias belongs to the last component that it has one of.
    """

    description: str
    components: tuple[Component, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [component.name for component in self.components]
        if len(set(names)) < len(names):
            raise ValueError("two components have one name")
        return self


def process_names() -> list[str]:
    """The names of all shipped processes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_process(name: str | Path) -> tuple[str, Process]:
    """A process by the name of a shipped one, or by the path of a YAML file; with its name.

    Raises:
        UnknownName: there is no such process.
        FileUnreadable, BadValue: the file is not one of a process.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise UnknownName("process", "process", str(name), process_names())
    return path.stem, read_yaml(path.read_bytes(), str(path), Process)
