"""What an evaluation gives: rates, efficiencies, separations (`docs/evaluation.md`, "Tables")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from models.evaluation_menu import CutBasedMenu
from models.evaluation_profiles import Profile, Stability
from models.evaluation_sample import ScoredSample
from models.evaluation_scorers import Arithmetic, LeftOut, Scorer
from models.manifest import COLLIDING_BUNCHES
from triggers.events.schema import ORBITS_PER_SECOND

TARGETS_HZ: Final = (250.0, 500.0, 1000.0, 5000.0)
REFERENCE_HZ: Final = 1000.0
"""The rate at which profiles and side-by-side comparisons are made, unless another target is nearer."""
LEAST_EFFECTIVE: Final = 100.0
"""Effective crossings above a threshold below which its rate is called uncertain."""


class RateKind(StrEnum):
    """Which crossings a rate counts."""

    TOTAL = "total"
    """All above the threshold."""
    PURE = "pure"
    """Those that the cut-based menu does not keep."""


@dataclass(frozen=True)
class Options:
    """How rates are made.

    Attributes:
        targets_hz: rates at which efficiencies are stated.
        colliding_bunches: each of them collides 11,245.5 times a second.
        menu: beside which pure rates count.
    """

    targets_hz: tuple[float, ...] = TARGETS_HZ
    colliding_bunches: int = COLLIDING_BUNCHES
    menu: CutBasedMenu | None = None

    @property
    def collisions_hz(self) -> float:
        """Crossings of colliding bunches."""
        return self.colliding_bunches * ORBITS_PER_SECOND

    @property
    def reference_hz(self) -> float:
        """The target nearest to 1 kHz."""
        return min(self.targets_hz, key=lambda target: abs(target - REFERENCE_HZ))


@dataclass(frozen=True)
class RatePoint:
    """A threshold, and the rate it gives on the background.

    Attributes:
        scorer: column of the evaluation.
        kind: total or pure.
        target_hz: what was asked for.
        threshold: the least one whose rate is not above it.
        rate_hz, rate_error_hz: what it gives.
        effective: crossings above the threshold.
        looser, tighter: thresholds of a rate one error above and below.
    """

    scorer: str
    kind: RateKind
    target_hz: float
    threshold: float
    rate_hz: float
    rate_error_hz: float
    effective: float
    looser: float
    tighter: float

    @property
    def uncertain(self) -> bool:
        """Whether so few crossings lie above it that its rate is uncertain."""
        return self.effective < LEAST_EFFECTIVE


@dataclass(frozen=True)
class Efficiency:
    """How much of a signal a threshold keeps.

    Attributes:
        scorer, kind, target_hz: as `RatePoint`.
        signal: its name.
        efficiency: fraction at or above the threshold.
        sample_error: from the number of signal crossings.
        threshold_error: from the error of the rate: half the difference between the looser and tighter threshold.
        added: fraction at or above the threshold that the menu does not keep; None without a menu.
        menu: fraction that the menu keeps; None without a menu.
    """

    scorer: str
    kind: RateKind
    target_hz: float
    signal: str
    efficiency: float
    sample_error: float
    threshold_error: float
    added: float | None
    menu: float | None

    @property
    def error(self) -> float:
        """Both errors together."""
        return float(np.hypot(self.sample_error, self.threshold_error))


@dataclass(frozen=True)
class Separated:
    """How a score separates a signal from the background, whatever the rate.

    Attributes:
        scorer, signal: which.
        auc, auc_error: area under the curve of true against false positives.
        true_positives, true_positives_error: at the least threshold with at most 10⁻⁵ false positives.
        false_positives: reached there.
        effective: background crossings above that threshold.
    """

    scorer: str
    signal: str
    auc: float
    auc_error: float
    true_positives: float
    true_positives_error: float
    false_positives: float
    effective: float


@dataclass(frozen=True)
class Difference:
    """A column against the fixed-point scores of the same version.

    Attributes:
        scorer: the other column.
        crossings: of the background.
        differing: those whose integers differ.
        largest: the largest difference, integers.
    """

    scorer: str
    crossings: int
    differing: int
    largest: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The whole result.

    Attributes:
        options: how rates were made.
        scorers: the columns.
        left_out: columns that there are not, and why.
        background: zero bias.
        signals: by name.
        rates, efficiencies, separations: tables.
        differences: between arithmetics.
        profiles: score and rate against pile-up, multiplicity, lumi section.
        stabilities: of the rate over lumi sections; none if the source has one only.
    """

    options: Options
    scorers: tuple[Scorer, ...]
    left_out: tuple[LeftOut, ...]
    background: ScoredSample
    signals: Mapping[str, ScoredSample]
    rates: tuple[RatePoint, ...]
    efficiencies: tuple[Efficiency, ...]
    separations: tuple[Separated, ...]
    differences: tuple[Difference, ...]
    profiles: tuple[Profile, ...] = field(default=())
    stabilities: tuple[Stability, ...] = field(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each fixed-point threshold whose rate is uncertain."""
        exact = {scorer.name for scorer in self.scorers if scorer.arithmetic is Arithmetic.FIXED}
        return tuple(
            f"{point.scorer} at {point.target_hz:g} Hz {point.kind}: only {point.effective:.0f} effective crossings lie"
            f" above the threshold, {LEAST_EFFECTIVE:.0f} are wanted; give more background."
            for point in self.rates
            if point.uncertain and point.scorer in exact
        )

    def rate(self, scorer: str, kind: RateKind, target_hz: float) -> RatePoint:
        """One threshold of the table."""
        return next(p for p in self.rates if (p.scorer, p.kind, p.target_hz) == (scorer, kind, target_hz))

    def efficiency(self, scorer: str, signal: str, kind: RateKind, target_hz: float) -> Efficiency:
        """One efficiency of the table."""
        key = (scorer, signal, kind, target_hz)
        return next(e for e in self.efficiencies if (e.scorer, e.signal, e.kind, e.target_hz) == key)
