"""Score and rate against what a crossing is like: pile-up, objects, lumi section (`docs/evaluation.md`, "Profiles")."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation_curves import Part, part_of
from models.evaluation_sample import ScoredSample

_PILEUP_BINS: Final = 12
_MOST_OBJECT_BINS: Final = 20
_MOST_LUMI_BINS: Final = 30
_LEAST_ABOVE: Final = 10
"""Crossings above the threshold that a bin of lumi sections should have on average."""


class Quantity(StrEnum):
    """What crossings are sorted by."""

    PILEUP = "pile-up"
    OBJECTS = "objects"
    LUMI_SECTION = "lumi section"


@dataclass(frozen=True)
class Profile:
    """One bin.

    Attributes:
        scorer: column of the evaluation.
        quantity: what crossings are sorted by.
        low, high: least and greatest value in the bin; lumi sections are counted from 1 in the order of the source.
        crossings: in it.
        mean_score, mean_error: weighted mean of the score.
        rate_hz, rate_error_hz: what the threshold would give if all crossings were like these.
    """

    scorer: str
    quantity: Quantity
    low: float
    high: float
    crossings: int
    mean_score: float
    mean_error: float
    rate_hz: float
    rate_error_hz: float


@dataclass(frozen=True)
class Stability:
    """How steady a rate is over the lumi sections of a source.

    Attributes:
        scorer: column of the evaluation.
        bins: of neighbouring lumi sections.
        chi_squared: of a constant rate, with `bins − 1` degrees of freedom.
        excess_spread: standard deviation of the rate relative to its mean, beyond what statistics make.
        excess_error: its statistical error.
        largest_to_smallest: rates of the bins with most and least.
    """

    scorer: str
    bins: int
    chi_squared: float
    excess_spread: float
    excess_error: float
    largest_to_smallest: float


def profiles(sample: ScoredSample, scorer: str, threshold: float, collisions_hz: float) -> Iterator[Profile]:
    """All bins of all quantities that the sample knows."""
    for quantity, values, places in _binnings(sample, scorer, threshold):
        scores = sample.scores[scorer].astype(np.float64)
        parts = _parts(sample, places, sample.scores[scorer] >= threshold)
        for place, part in enumerate(parts):
            inside = places == place
            mean, error = _mean(scores[inside], sample.weights[inside])
            found = values[inside]
            low, high = float(found.min()), float(found.max())
            rate, rate_error = part.fraction * collisions_hz, part.error * collisions_hz
            yield Profile(scorer, quantity, low, high, len(found), mean, error, rate, rate_error)


def stability(sample: ScoredSample, scorer: str, threshold: float) -> Stability | None:
    """How steady the rate is; None if the source has one lumi section only, or nothing lies above the threshold."""
    above = sample.scores[scorer] >= threshold
    places = _lumi_bins(sample, int(above.sum()))
    parts = _parts(sample, places, above)
    rates, errors = np.array([part.fraction for part in parts]), np.array([part.error for part in parts])
    if len(parts) < 2 or not rates.any():
        return None
    weights = 1 / errors**2
    mean = float((weights * rates).sum() / weights.sum())
    chi_squared = float((((rates - mean) / errors) ** 2).sum())
    n = len(rates)
    plain = float(rates.mean())
    excess = max(float(rates.var(ddof=1)) - float((errors**2).mean()), 0.0)
    statistical = float(np.sqrt((errors**2).mean())) / plain
    error = statistical * (2 / (n - 1)) ** 0.25
    ratio = float(rates.max() / rates.min()) if rates.min() > 0 else math.inf
    return Stability(scorer, n, chi_squared, math.sqrt(excess) / plain, error, ratio)


def _binnings(
    sample: ScoredSample, scorer: str, threshold: float
) -> Iterator[tuple[Quantity, NDArray[Any], NDArray[np.intp]]]:
    if sample.pileup is not None:
        yield Quantity.PILEUP, sample.pileup, _quantile_bins(sample.pileup, _PILEUP_BINS)
    yield Quantity.OBJECTS, sample.objects, _quantile_bins(sample.objects, _MOST_OBJECT_BINS)
    n_above = int(np.count_nonzero(sample.scores[scorer] >= threshold))
    yield Quantity.LUMI_SECTION, sample.lumi_section + 1, _lumi_bins(sample, n_above)


def _quantile_bins(values: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Bins of about equal crossings, none empty; equal values share one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n + 1)[1:-1], method="inverted_cdf"))
    return _without_gaps(np.searchsorted(edges, values, "left"))


def _lumi_bins(sample: ScoredSample, n_above: int) -> NDArray[np.intp]:
    n = max(1, min(_MOST_LUMI_BINS, len(sample.lumi_sections), n_above // _LEAST_ABOVE))
    return _without_gaps(sample.lumi_section.astype(np.intp) * n // max(len(sample.lumi_sections), 1))


def _without_gaps(places: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(places, return_inverse=True)[1]


def _parts(sample: ScoredSample, places: NDArray[np.intp], above: NDArray[np.bool_]) -> list[Part]:
    """The fraction of each bin's own weight that lies above a threshold."""
    weights, counted = sample.weights, np.where(above, sample.weights, 0.0)
    sums = (np.bincount(places, values) for values in (counted, counted**2, weights, weights**2))
    return [part_of(*row) for row in zip(*(column.tolist() for column in sums), strict=True) if row[2] > 0]


def _mean(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    total = weights.sum()
    if not total > 0:
        return 0.0, 0.0
    mean = float((weights * scores).sum() / total)
    return mean, float(np.sqrt((weights**2 * (scores - mean) ** 2).sum()) / total)
