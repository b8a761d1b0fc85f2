"""How well a score tells signal from background, by ranks alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue


def area_under_curve(background: NDArray[np.generic], signal: NDArray[np.generic]) -> float:
    """The chance that a signal's score is above a background's; equal scores count half."""
    scores = np.sort(background)
    below, not_above = np.searchsorted(scores, signal, "left"), np.searchsorted(scores, signal, "right")
    return float((below + not_above).mean() / (2.0 * len(scores)))


def true_positive_rate(background: NDArray[np.generic], signal: NDArray[np.generic], false_positives: float) -> float:
    """The part of the signal that is selected by a threshold that selects at most a part of the background.

    Raises:
        BadValue: the background is too small for one crossing of it to be such a part.
    """
    selected = math.floor(false_positives * len(background))
    if selected < 1:
        what = f"has {len(background)} crossings, {math.ceil(1 / false_positives)} are needed for {false_positives:g}"
        raise BadValue("background", what, "give more crossings, or a larger part")
    threshold = np.sort(background)[len(background) - selected - 1]
    return float((signal > threshold).mean())
