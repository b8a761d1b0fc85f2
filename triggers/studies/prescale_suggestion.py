"""A prescale column for a target rate (`docs/replay.md`, section "Suggested prescales").

The prescales of a base column are multiplied by one number, but for protected algorithms, until the total rate is the
target. The total rate counts overlaps: a crossing is kept unless every algorithm that fired in it is prescaled away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.prescales import INCREMENT, MAX_FACTOR
from triggers.errors import BadValue

_STEPS: Final = 60
"""Bisections: the common number is then known to more digits than a prescale has."""
_LEAST, _GREATEST = 1e-6, 1e6


@dataclass(frozen=True, eq=False)
class FiredPatterns:
    """Which algorithms fired together, and how often.

    Attributes:
        bits: `(n, n_algorithms) bool`, distinct rows.
        rates_hz: `(n,)`, the rate of each.
        algorithms: names of the columns.
    """

    bits: NDArray[np.bool_]
    rates_hz: NDArray[np.float64]
    algorithms: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Suggestion:
    """A prescale column.

    Attributes:
        factors: 100 × prescale by algorithm, 0 is off.
        multiplier: what the unprotected prescales of the base column were multiplied by.
        base_hz: total rate with the base column.
        total_hz: total rate with this column.
        rates_hz: rate after prescale by algorithm.
    """

    factors: Mapping[str, int]
    multiplier: float
    base_hz: float
    total_hz: float
    rates_hz: Mapping[str, float]


def suggest(fired: FiredPatterns, base: Mapping[str, int], protected: frozenset[str], target_hz: float) -> Suggestion:
    """The column whose total rate is the target or just below it.

    Args:
        fired: what fires.
        base: factors (100 × prescale, 0 is off) of the column to begin with.
        protected: algorithms that keep their prescale.
        target_hz: total rate to reach.

    Raises:
        BadValue: protected algorithms alone exceed the target, or all algorithms at prescale 1 stay below it.
    """
    factors = np.array([base[name] for name in fired.algorithms], np.float64)
    is_fixed = np.array([name in protected for name in fired.algorithms]) | (factors == 0)
    least_hz = total_rate_hz(fired, np.where(is_fixed, factors, 0))
    if least_hz > target_hz:
        what = f"the protected algorithms alone make {least_hz:,.0f} Hz, the target is {target_hz:,.0f} Hz"
        raise BadValue("target rate", what, "protect fewer algorithms or raise the target")
    most_hz = total_rate_hz(fired, _scaled(factors, is_fixed, _LEAST))
    if most_hz < target_hz:
        what = f"without prescales there are {most_hz:,.0f} Hz, the target is {target_hz:,.0f} Hz"
        raise BadValue("target rate", what, "lower the target, or switch further algorithms on in the base column")
    low, high = np.log(_LEAST), np.log(_GREATEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        is_above = total_rate_hz(fired, _scaled(factors, is_fixed, float(np.exp(middle)))) > target_hz
        low, high = (middle, high) if is_above else (low, middle)
    multiplier = float(np.exp(high))
    found = _scaled(factors, is_fixed, multiplier)
    passed = _passing(found)
    single_hz = fired.rates_hz @ fired.bits * passed
    return Suggestion(
        {name: int(factor) for name, factor in zip(fired.algorithms, found, strict=True)},
        multiplier,
        total_rate_hz(fired, factors),
        total_rate_hz(fired, found),
        {name: float(rate) for name, rate in zip(fired.algorithms, single_hz, strict=True)},
    )


def total_rate_hz(fired: FiredPatterns, factors: NDArray[np.float64]) -> float:
    """The rate of crossings that at least one algorithm keeps, if prescales choose independently of each other."""
    dropped = np.where(fired.bits, 1 - _passing(factors), 1.0).prod(axis=1)
    return float(fired.rates_hz @ (1 - dropped))


def _passing(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of its triggers that each algorithm passes."""
    return np.where(factors > 0, INCREMENT / np.maximum(factors, INCREMENT), 0.0)


def _scaled(factors: NDArray[np.float64], is_fixed: NDArray[np.bool_], multiplier: float) -> NDArray[np.float64]:
    """Whole factors, none below prescale 1."""
    scaled = np.clip(np.ceil(factors * multiplier), INCREMENT, MAX_FACTOR)
    return np.where(is_fixed, factors, scaled)
