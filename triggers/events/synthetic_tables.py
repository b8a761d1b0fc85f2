"""The tables that the kernel of the synthetic source samples from, made from the tuned numbers for one mean pile-up."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events import packing, schema
from triggers.events import synthetic_spectra as tuned

MAX_PILEUP: Final = 300.0
MAX_INTERACTIONS: Final = 512
"""Rows of the tables by number of interactions: more than 8 standard deviations above the greatest mean."""
MAX_OBJECTS: Final = 160
"""Objects of one type that are told apart by number; the hardware keeps 12."""
PHI_BINS: Final = 144
ENERGY_STEPS: Final = 512
QUANTILE_BITS: Final = 12
COUNT_BITS: Final = 7
SPREAD_BITS: Final = 10
SHORT_BITS: Final = 8
CHANCE_BITS: Final = 16
_SOFT: Final = ("eg", "tau", "jet")


def tables(pileup: float) -> np.void:
    """One record of tables and tuned numbers for crossings with `pileup` interactions on average.

    A record and not a tuple of arrays, because compiled functions hand it on as one pointer. Rows of `count`,
    `least_hw`, `gap_hw` and `eta` are EG, tau, jet; of `tight` and `loose` EG, tau; columns of `hard_chance` are the
    `HardKind`s. All pile-ups have records of one type, so that the kernel is compiled once.
    """
    hard, sums = tuned.HardTuning(), tuned.SumTuning()
    interactions = np.arange(MAX_INTERACTIONS)
    phi = (np.arange(PHI_BINS) + 0.5) * (2 * np.pi / PHI_BINS)
    exponential = _exponential_quantiles()
    content: dict[str, NDArray[np.generic]] = {
        "interactions": _poisson_quantiles(pileup, MAX_INTERACTIONS - 1, QUANTILE_BITS).astype(np.uint16),
        "exponential": exponential.astype(np.float32),
        "rayleigh": np.sqrt(2 * exponential).astype(np.float32),
        "count": np.stack([_counts(tuned.SOFT[name], interactions) for name in _SOFT]),
        "least_hw": np.stack([_least_energies(tuned.SOFT[name]) for name in _SOFT]),
        "gap_hw": np.stack([_gaps(tuned.SOFT[name]) for name in _SOFT]),
        "eta": np.stack([packing.OBJECTS[c]["eta"].put(_eta_quantiles(c)).astype(np.uint32) for c in _SOFT]),
        "hard_eta": _eta_quantiles("hard").astype(np.int16),
        "tight": np.stack([_chances(tuned.EG_ISOLATION, 1), _chances(tuned.TAU_ISOLATION, 1)]),
        "loose": np.stack([_chances(tuned.EG_ISOLATION, 2), np.zeros(ENERGY_STEPS, np.uint16)]),
        "muon_quality": _shares(tuned.MUON_QUALITY),
        "muon_impact_parameter": _shares(tuned.MUON_IMPACT_PARAMETER),
        "ett": (sums.ett_hw * (interactions / tuned.REFERENCE_PILEUP) ** sums.ett_power).astype(np.float32),
        "ett_factor": np.exp(sums.ett_spread * _normal_quantiles()).astype(np.float32),
        "hard_chance": _hard_chances(hard, interactions),
        "cos": np.cos(phi).astype(np.float32),
        "sin": np.sin(phi).astype(np.float32),
        **{name: np.asarray(value, np.float64) for name, value in {**hard._asdict(), **sums._asdict()}.items()},
    }
    kind = np.dtype([(name, value.dtype, value.shape) for name, value in content.items()], align=True)
    record = np.zeros(1, kind)
    for name, value in content.items():
        record[name] = value
    return np.void(record[0])


def _steps(bits: int) -> NDArray[np.float64]:
    """The middles of 2^bits equal steps of probability."""
    return np.asarray((np.arange(1 << bits) + 0.5) / (1 << bits))


def _poisson_quantiles(mean: float, limit: int, bits: int) -> NDArray[np.int64]:
    """Poisson numbers, at most `limit`, at equal steps of probability."""
    if mean == 0:
        return np.zeros(1 << bits, np.int64)
    numbers = np.arange(limit + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(numbers[1:]))])
    total = np.cumsum(np.exp(numbers * np.log(mean) - mean - log_factorial))
    return np.minimum(np.searchsorted(total, _steps(bits)), limit)


def _exponential_quantiles() -> NDArray[np.float64]:
    """Exponential numbers, falling: the mean of each of equal steps of probability."""
    edge = np.arange((1 << QUANTILE_BITS) + 1) / (1 << QUANTILE_BITS)
    integral = edge - edge * np.log(np.maximum(edge, np.finfo(np.float64).tiny))
    return np.asarray(np.diff(integral) * (1 << QUANTILE_BITS))


def _normal_quantiles() -> NDArray[np.float64]:
    return np.array([NormalDist().inv_cdf(step) for step in _steps(SPREAD_BITS)])


def _counts(soft: tuned.SoftSpectrum, interactions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """How many objects, `(n_interactions, 2^COUNT_BITS)`: Poisson around the mean for that many interactions."""
    means = soft.mean * (interactions / tuned.REFERENCE_PILEUP) ** soft.pileup_power
    return np.stack([_poisson_quantiles(mean, MAX_OBJECTS, COUNT_BITS) for mean in means]).astype(np.uint8)


def _gaps(soft: tuned.SoftSpectrum) -> NDArray[np.float32]:
    """Mean distance in energy of the object of each rank, 1 the most energetic, from the next lower one (Rényi)."""
    return np.asarray(soft.slope_hw / np.maximum(np.arange(1 + schema.N_CALO_OBJECTS), 1)).astype(np.float32)


def _least_energies(soft: tuned.SoftSpectrum) -> NDArray[np.float32]:
    """Where the spectrum of the 12 that are kept starts on average, by the number of all objects."""
    number = np.arange(1, MAX_OBJECTS + 1)
    dropped = np.concatenate([[0.0], np.cumsum(np.where(number > schema.N_CALO_OBJECTS, 1 / number, 0.0))])
    return np.asarray(soft.threshold_hw + soft.slope_hw * dropped).astype(np.float32)


def _chances(points: tuple[tuple[float, ...], ...], column: int) -> NDArray[np.uint16]:
    """A probability by energy in hardware units, in 1/256."""
    energy_gev = 0.5 * np.arange(ENERGY_STEPS)
    values = np.interp(energy_gev, [point[0] for point in points], [point[column] for point in points])
    return np.asarray((1 << SHORT_BITS) * values).astype(np.uint16)


def _shares(parts: dict[int, float]) -> NDArray[np.uint8]:
    """Values with given shares, at equal steps of probability."""
    share = np.cumsum(list(parts.values())) / sum(parts.values())
    return np.array(list(parts))[np.searchsorted(share, _steps(SHORT_BITS))].astype(np.uint8)


def _hard_chances(hard: tuned.HardTuning, interactions: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The probability of each `HardKind`, in 2^-CHANCE_BITS, by the number of interactions."""
    rates = [
        hard.dijet_per_interaction,
        hard.electron_per_interaction,
        hard.muon_per_interaction,
        hard.soft_muon_per_interaction,
    ]
    chance = -np.expm1(-np.outer(interactions, rates))
    return np.asarray(chance * (1 << CHANCE_BITS)).astype(np.uint32)


def _eta_quantiles(name: str) -> NDArray[np.int64]:
    """Signed eta in hardware units at equal steps of probability, from towers weighted with the profile."""
    edges, profile = np.array(tuned.TOWER_EDGES_HW), tuned.ETA[name]
    centres = (edges[1:] + edges[:-1]) / 2
    weight = np.interp(centres, profile.points_hw, profile.density) * np.diff(edges)
    share = np.cumsum(np.concatenate([weight[::-1], weight])) / (2 * weight.sum())
    values = np.concatenate([-np.floor(centres[::-1]), np.floor(centres)]).astype(np.int64)
    return np.asarray(values[np.searchsorted(share, _steps(SHORT_BITS))])
