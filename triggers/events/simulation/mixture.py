"""Pools of one mixture: how often each component is in a crossing, and how crossings are drawn from them.

The components have a rank. A crossing of zero bias belongs to its highest component: class k. With Poisson numbers of
interactions the probability of class k is exp(−μ F_above) − exp(−μ (F_above + f_k)), f the parts of the components and
F_above the sum of those above k; given the class, the numbers of interactions of the components are independent Poisson
numbers, that of component k at least 1, those above it 0. So classes may be drawn with any frequencies q, and the
weight P_k / q_k makes every expectation right: nothing is counted twice, and nothing is rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.simulation.responses import Deposits, Pool, joined_deposits

_LEAST_NATURAL: Final = 0.05


@dataclass(frozen=True, eq=False)
class Mixture:
    """Components joined for the crossing kernel.

    Attributes:
        names: of the components, in rank.
        deposits: of all their interactions, one component after the other.
        first: where each component's interactions begin, `(c + 1,) int64`.
        fractions: part of each component in all interactions, `(c,) float64`.
        sigma_mb: total cross section.
    """

    names: tuple[str, ...]
    deposits: Deposits
    first: NDArray[np.int64]
    fractions: NDArray[np.float64]
    sigma_mb: float

    def class_chances(self, pileup: float) -> NDArray[np.float64]:
        """The probability of each class at a mean number of interactions; class 0 includes empty crossings, `(c,)`."""
        above = np.concatenate([np.cumsum(self.fractions[::-1])[::-1][1:], [0.0]])
        chances = np.exp(-pileup * above) * -np.expm1(-pileup * self.fractions)
        chances[0] = np.exp(-pileup * above[0])
        return np.asarray(chances)


def mixture_of(pools: Sequence[Pool]) -> Mixture:
    """The mixture of some pools in the order of their rank."""
    sigma = np.array([pool.sigma_mb for pool in pools])
    first = np.concatenate([[0], np.cumsum([len(pool.deposits) for pool in pools])]).astype(np.int64)
    deposits = joined_deposits([pool.deposits for pool in pools])
    return Mixture(tuple(p.name for p in pools), deposits, first, sigma / sigma.sum(), float(sigma.sum()))


def biased_shares(mixture: Mixture, pileup: float, natural: float) -> NDArray[np.float64]:
    """How often classes are drawn: the part `natural` of them as nature does, the rest evenly, `(c,)`."""
    chances = mixture.class_chances(pileup)
    even = np.full(len(chances), 1.0 / len(chances))
    share = max(natural, _LEAST_NATURAL)
    return np.asarray(share * chances + (1.0 - share) * even)
