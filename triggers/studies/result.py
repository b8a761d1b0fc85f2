"""What a replay found, ready for tables and a report (`docs/replay.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triggers.decision.prescales import INCREMENT
from triggers.menu.model import Menu
from triggers.studies.compare import Comparison
from triggers.studies.curves import CurveTally
from triggers.studies.entities import ACCEPT, FINAL_OR, FIRST_GROUP
from triggers.studies.normalisation import Normalisation
from triggers.studies.study import MenuStudy
from triggers.studies.tally import CrossingTally


@dataclass(frozen=True)
class Entity:
    """Something that has a rate.

    Attributes:
        number: its bit in tallies.
        kind: `total`, `accept`, `group` or `algorithm`.
        name: of the algorithm or group.
        index: of the algorithm.
        prescale: of the algorithm.
    """

    number: int
    kind: str
    name: str
    index: int | None = None
    prescale: float | None = None


@dataclass(frozen=True, eq=False)
class MenuResult:
    """One menu's part.

    Attributes:
        label: `A` or `B`.
        menu: the menu.
        study: what was added up.
        not_evaluated: reasons by algorithm name.
        scores: score name in the menu → model version that supplied it.
        prescales: the prescale table and column, in words.
        without_prescale: algorithms that the prescale table does not list, taken with prescale 1.
        curve: the seed's rate versus threshold.
    """

    label: str
    menu: Menu
    study: MenuStudy
    not_evaluated: Mapping[str, str]
    scores: Mapping[str, str]
    prescales: str
    without_prescale: tuple[str, ...]
    curve: CurveTally | None = None

    @property
    def entities(self) -> list[Entity]:
        """Final OR, L1 accept, groups, and the algorithms that were evaluated."""
        found = [Entity(FINAL_OR, "total", "final OR"), Entity(ACCEPT, "accept", "L1 accept")]
        found += [Entity(FIRST_GROUP + g, "group", group.name) for g, group in enumerate(self.study.groups)]
        factors = self.study.settings.factors
        for algorithm in self.menu.algorithms:
            if algorithm.name not in self.not_evaluated:
                prescale = float(factors[algorithm.index]) / INCREMENT
                found.append(Entity(algorithm.index, "algorithm", algorithm.name, algorithm.index, prescale))
        return found


@dataclass(frozen=True)
class Example:
    """A crossing that only one menu keeps.

    Attributes:
        label: the menu that keeps it.
        crossing: its number in the replay, from 0.
        kept_by: names of the algorithms that keep it.
        record: its objects (`triggers.events.show.crossing_record`).
    """

    label: str
    crossing: int
    kept_by: tuple[str, ...]
    record: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """A whole replay.

    Attributes:
        source: what was read, in words.
        missing: what the source cannot tell, one sentence each.
        selection: what was asked of crossings, in words.
        normalisation: from weights to rates.
        menus: one or two.
        lumi_sections: run and lumi section of each bin.
        processes: the process of each bin; empty if the source knows none.
        by_lumi_section, by_pileup, by_process: weights of all crossings in each bin.
        mean_pileup: weighted, or None if the source does not know it.
        comparison: menu A against menu B.
        examples: crossings that only one menu keeps.
        kept_only: how many crossings only each menu keeps, and how many of these were written out, by label.
        seconds: wall-clock time.
    """

    source: str
    missing: tuple[str, ...]
    selection: str
    normalisation: Normalisation
    menus: tuple[MenuResult, ...]
    lumi_sections: tuple[tuple[int, int], ...]
    processes: tuple[str, ...]
    by_lumi_section: CrossingTally
    by_pileup: CrossingTally
    by_process: CrossingTally
    mean_pileup: float | None = None
    comparison: Comparison | None = None
    examples: tuple[Example, ...] = ()
    kept_only: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def n_crossings(self) -> int:
        """Crossings decided."""
        return int(self.by_lumi_section.counts.sum())

    @property
    def mean_square(self) -> float:
        """The mean squared weight of a crossing."""
        return float(self.by_lumi_section.squares.sum()) / max(self.n_crossings, 1)

    def rates(self, sums: NDArray[np.float64], squares: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rates and errors in Hz of sums of weights and of squared weights."""
        return self.normalisation.rate(sums, squares, self.mean_square)
