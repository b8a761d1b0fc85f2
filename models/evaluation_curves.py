"""Sums of weights at and above each score: rates, thresholds, efficiencies, their errors (`docs/evaluation.md`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MOST_COUNTED: Final = 1 << 24
"""Integers in a range of at most this are counted, not sorted."""


class Part(NamedTuple):
    """A part of a sample.

    Attributes:
        fraction: of the sample's weight.
        error: of it, statistical; the error of nothing is that of one effective crossing.
        effective: crossings of equal weight that would be as many: (Σw)² / Σw².
    """

    fraction: float
    error: float
    effective: float


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """How much of a sample lies at or above each score.

    Attributes:
        values: distinct scores, ascending, `(k,)`; integers or float64.
        sums: weight counted at or above each value, `(k + 1,)`; the last is 0.
        squares: the same of squared weights.
        total, total_squares: of the whole sample, counted or not.
    """

    values: NDArray[Any]
    sums: Floats
    squares: Floats
    total: float
    total_squares: float

    @classmethod
    def of(cls, scores: NDArray[Any], weights: Floats, counted: Floats | None = None) -> ScoreCurve:
        """The curve of a sample.

        Args:
            scores: `(n,)`, integers or float64.
            weights: `(n,)`.
            counted: which share of each crossing counts above a threshold, `(n,)`, 0 to 1; None: all of it.
        """
        values, places = _distinct(scores)
        above = weights if counted is None else weights * counted
        return cls(
            values,
            _from_above(places, above, len(values)),
            _from_above(places, above * weights, len(values)),
            float(weights.sum()),
            float((weights * weights).sum()),
        )

    def at(self, threshold: float) -> Part:
        """What has at least this score."""
        place = int(np.searchsorted(self.values, threshold, "left"))
        return part_of(float(self.sums[place]), float(self.squares[place]), self.total, self.total_squares)

    def threshold(self, fraction: float) -> float:
        """The least threshold above which there is at most that fraction; an integer if scores are integers."""
        fitting = int(np.argmax(self.sums <= fraction * self.total))
        if not fitting:
            return self.values[0].item() if len(self.values) else 0
        below = self.values[fitting - 1]
        return int(below) + 1 if self.values.dtype.kind in "iu" else float(np.nextafter(below, np.inf))

    def fractions(self) -> Floats:
        """The fraction at or above each value, `(k,)`."""
        return self.sums[:-1] / self.total


def part_of(weight: float, squares: float, total: float, total_squares: float) -> Part:
    """A part of a weighted sample with its binomial error.

    The variance of Σ_part w / Σ w is ((1 − p)² Σ_part w² + p² Σ_rest w²) / (Σ w)².
    """
    p = weight / total
    variance = (1 - p) ** 2 * squares + p * p * max(total_squares - squares, 0.0)
    one = total_squares / (total * total)  # the fraction that one effective crossing is
    error = math.sqrt(variance) / total if 0 < p < 1 and variance > 0 else one
    return Part(p, error, weight * weight / squares if squares > 0 else 0.0)


class Separation(NamedTuple):
    """The area under the curve of true against false positives.

    Attributes:
        auc: equal scores count half.
        error: after Hanley and McNeil (Radiology 143, 1982, 29), with effective crossings.
    """

    auc: float
    error: float


def separation(signal: ScoreCurve, background: ScoreCurve) -> Separation:
    """How a score separates two samples."""
    values = np.union1d(signal.values, background.values)
    true, false = _fractions_at(signal, values), _fractions_at(background, values)
    background_higher = float(((true[:-1] - true[1:]) * (false[:-1] + false[1:]) / 2).sum())
    auc = 1.0 - background_higher
    n_signal, n_background = (curve.total**2 / curve.total_squares for curve in (signal, background))
    both_signal, both_background = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (n_signal - 1) * (both_signal - auc * auc)
        + (n_background - 1) * (both_background - auc * auc)
    ) / (n_signal * n_background)
    return Separation(auc, math.sqrt(max(variance, 0.0)))


def _fractions_at(curve: ScoreCurve, values: NDArray[Any]) -> Floats:
    """The fraction at or above each of the values, then 0, `(n + 1,)`."""
    found: Floats = curve.sums[np.searchsorted(curve.values, values, "left")] / curve.total
    return np.append(found, 0.0)


def _distinct(scores: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct scores, ascending, and the place of each score among them."""
    least = int(scores.min(initial=0)) if scores.dtype.kind in "iu" else 0
    if scores.dtype.kind not in "iu" or int(scores.max(initial=0)) - least > _MOST_COUNTED:
        values, places = np.unique(scores, return_inverse=True)
        return values, places
    shifted = scores.astype(np.int64) - least
    there = np.bincount(shifted) > 0  # without sorting: samples have millions of crossings
    return np.flatnonzero(there) + least, (np.cumsum(there) - 1)[shifted]


def _from_above(places: NDArray[np.intp], weights: Floats, n: int) -> Floats:
    """The weight at or above each of n places, then 0."""
    sums = np.bincount(places, weights, n).astype(np.float64)
    return np.append(sums[::-1].cumsum()[::-1], 0.0)
