"""What a score selects of signals at a rate of zero bias (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation_curves import Part, ScoreCurve, Separation, separation
from triggers.errors import BadValue
from triggers.events.schema import ORBITS_PER_SECOND

Scores = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """What a score selects.

    Attributes:
        threshold: the least score integer at which the background's rate is at most the wanted one.
        rate_hz: the background's rate there.
        rate_error_hz: its statistical error.
        efficiencies: part of each signal at or above the threshold (the true positive rate), by name.
        areas: under the curve of efficiency against part of the background, by name of the signal.
    """

    threshold: int
    rate_hz: float
    rate_error_hz: float
    efficiencies: Mapping[str, Part]
    areas: Mapping[str, Separation]

    @property
    def mean_efficiency(self) -> float:
        """Over the signals."""
        return float(np.mean([part.fraction for part in self.efficiencies.values()]))

    @property
    def mean_auc(self) -> float:
        """Over the signals."""
        return float(np.mean([area.auc for area in self.areas.values()]))


def selection(background: Scores, signals: Mapping[str, Scores], rate_hz: float, colliding_bunches: int) -> Selection:
    """What a score selects at a rate of zero bias, which is all crossings of colliding bunches.

    Args:
        background: score integers `(n,)` of zero bias.
        signals: score integers by name.
        rate_hz: that the background may have.
        colliding_bunches: of the beam that the background stands for.

    Raises:
        BadValue: there is no background or no signal.
    """
    if not len(background) or not signals or not all(len(scores) for scores in signals.values()):
        raise BadValue("scan", "there are no crossings of background, or of a signal", "name sources that have some")
    collisions_hz = colliding_bunches * ORBITS_PER_SECOND
    zero_bias = _curve(background)
    curves = {name: _curve(scores) for name, scores in signals.items()}
    threshold = int(zero_bias.threshold(rate_hz / collisions_hz))
    selected = zero_bias.at(threshold)
    return Selection(
        threshold=threshold,
        rate_hz=selected.fraction * collisions_hz,
        rate_error_hz=selected.error * collisions_hz,
        efficiencies={name: curve.at(threshold) for name, curve in curves.items()},
        areas={name: separation(curve, zero_bias) for name, curve in curves.items()},
    )


def _curve(scores: Scores) -> ScoreCurve:
    """Every crossing counts once."""
    return ScoreCurve.of(scores, np.ones(len(scores)))
