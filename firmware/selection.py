"""How well scores tell signals from background (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        efficiency: part of each signal at or above the threshold (the true positive rate), by name.
        auc: area under the curve of efficiency against part of the background, by name of the signal.
    """

    threshold: int
    rate_hz: float
    rate_error_hz: float
    efficiency: Mapping[str, float]
    auc: Mapping[str, float]

    @property
    def mean_efficiency(self) -> float:
        """Over the signals."""
        return float(np.mean(list(self.efficiency.values())))

    @property
    def mean_auc(self) -> float:
        """Over the signals."""
        return float(np.mean(list(self.auc.values())))


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
    hz_per_crossing = colliding_bunches * ORBITS_PER_SECOND / len(background)
    ordered = np.sort(background)
    allowed = min(int(rate_hz / hz_per_crossing), len(ordered))
    threshold = int(ordered[-1]) + 1 if allowed == 0 else _threshold(ordered, allowed)
    n_above = int(len(ordered) - np.searchsorted(ordered, threshold))
    return Selection(
        threshold=threshold,
        rate_hz=n_above * hz_per_crossing,
        rate_error_hz=math.sqrt(max(n_above, 1)) * hz_per_crossing,
        efficiency={name: float(np.mean(scores >= threshold)) for name, scores in signals.items()},
        auc={name: _auc(ordered, scores) for name, scores in signals.items()},
    )


def _threshold(ordered: Scores, allowed: int) -> int:
    """The least integer that at most so many of the sorted scores reach."""
    return int(ordered[-1 - allowed]) + 1 if allowed < len(ordered) else int(ordered[0])


def _auc(background: Scores, signal: Scores) -> float:
    """The probability that a signal's score is above a background's, ties counting half; `background` sorted."""
    below, up_to = (np.searchsorted(background, signal, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(background)))
