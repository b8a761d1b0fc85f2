"""Rate versus threshold of one seed: the seed again and again with other thresholds (`docs/replay.md`, "Curves")."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, UnknownName
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.evaluate import SparseBits
from triggers.menu.model import (
    ENERGY_SUMS,
    PARTICLES,
    Algorithm,
    Condition,
    CutKind,
    Expression,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    Operation,
    conditions_of,
)
from triggers.studies.entities import with_groups
from triggers.studies.study import Crossings
from triggers.studies.tally import Tally

N_POINTS: Final = 33
_HALF_GEV: Final = Decimal("0.5")
_SCORE_CUTS: Final = (CutKind.ADT_SCORE, CutKind.SCORE, CutKind.CICADA_SCORE)
_NO_GROUPS: Final = np.zeros((0, ALGORITHM_WORDS), np.uint64)
_NARROWEST: Final = 8
"""Curves of thresholds near zero still span this many GeV, or counts."""


@dataclass(frozen=True)
class Curve:
    """A seed at other thresholds.

    Attributes:
        seed: its name.
        unit: of the thresholds: GeV, or what a score or count has.
        thresholds: ascending; the seed's own is among them.
        own: the seed's own threshold.
        menu: a menu whose algorithm of index i is the seed at `thresholds[i]`.
        index: the seed's index in its own menu.
    """

    seed: str
    unit: str
    thresholds: tuple[float, ...]
    own: float
    menu: Menu
    index: int


def curve_of(menu: Menu, seed: str) -> Curve:
    """The curve of a seed that has one object, sum or score with a threshold; external conditions may stand beside it.

    Raises:
        UnknownName: no such algorithm.
        BadValue: it has no threshold, or several.
    """
    algorithm = menu.algorithm(seed)
    if algorithm is None:
        raise UnknownName("--curve", "algorithm", seed, [a.name for a in menu.algorithms])
    varied = [condition for condition in conditions_of(algorithm.expression) if _own_threshold(condition) is not None]
    requirements = [
        requirement
        for condition in conditions_of(algorithm.expression)
        if isinstance(condition, ObjectCondition)
        for requirement in condition.requirements
    ]
    if len(varied) != 1 or len(requirements) != 1:
        what = f"'{seed}' has {len(requirements)} objects with conditions"
        raise BadValue("--curve", what, "choose a seed with one object, sum or score that has a threshold")
    condition = varied[0]
    own = _own_threshold(condition)
    if own is None:
        raise BadValue("--curve", f"'{seed}' has no threshold", "choose another seed")
    thresholds, unit = _grid(own, requirements[0])
    variants = tuple(_variant(algorithm, index, condition, threshold) for index, threshold in enumerate(thresholds))
    values = tuple(float(threshold) for threshold in thresholds)
    return Curve(seed, unit, values, float(own), replace(menu, algorithms=variants, groups={}), algorithm.index)


def _own_threshold(condition: Condition) -> Decimal | None:
    """The one threshold of a condition, if it has just one."""
    if not isinstance(condition, ObjectCondition) or len(condition.requirements) != 1:
        return None
    (requirement,) = condition.requirements
    if requirement.threshold is not None:
        return requirement.threshold
    scores = [cut for cut in requirement.cuts if cut.kind in _SCORE_CUTS]
    return Decimal(str(scores[0].minimum)) if len(scores) == 1 else None


def _grid(own: Decimal, requirement: ObjectRequirement) -> tuple[tuple[Decimal, ...], str]:
    """About `N_POINTS` thresholds from half of the seed's own to twice it, in steps that the hardware can tell."""
    is_energy = requirement.object in PARTICLES | ENERGY_SUMS
    is_score = requirement.threshold is None
    unit = "GeV" if is_energy else ("score" if is_score else "count")
    low, high = own / 2, max(own * 2, own + _NARROWEST)
    coarse = Decimal(1) if own >= N_POINTS or not is_score else own / N_POINTS
    finest = _HALF_GEV if is_energy else coarse
    step = math.ceil((high - low) / (N_POINTS - 1) / finest) * finest
    first = math.ceil((max(low, Decimal(0)) - own) / step)
    return tuple(own + number * step for number in range(first, int((high - own) / step) + 1)), unit


def _variant(algorithm: Algorithm, index: int, condition: Condition, threshold: Decimal) -> Algorithm:
    expression = _replaced(algorithm.expression, condition, threshold)
    return Algorithm(index, f"{algorithm.name}@{threshold}", algorithm.text, expression)


def _replaced(expression: Expression, condition: Condition, threshold: Decimal) -> Expression:
    if isinstance(expression, Operation):
        return replace(expression, operands=tuple(_replaced(e, condition, threshold) for e in expression.operands))
    if expression != condition or not isinstance(expression, ObjectCondition):
        return expression
    (requirement,) = expression.requirements
    if requirement.threshold is not None:
        return replace(expression, requirements=(replace(requirement, threshold=threshold),))
    cuts = tuple(
        replace(cut, name=f"{cut.name}@{threshold}", minimum=float(threshold)) if cut.kind in _SCORE_CUTS else cut
        for cut in requirement.cuts
    )
    return replace(expression, requirements=(replace(requirement, cuts=cuts),))


class CurveTally:
    """Adds up a curve.

    Attributes:
        total: weights of crossings in which the seed fires at each threshold, prescale 1.
        added: of these, those that nothing else in the menu keeps.
    """

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.total, self.added = Tally(), Tally()

    def add(
        self,
        crossings: Crossings,
        variants: SparseBits,
        final_rows: NDArray[np.uint32],
        final_words: NDArray[np.uint64],
    ) -> None:
        """Add crossings: what fires at each threshold, and what the whole menu keeps."""
        kept_by_others = np.zeros(len(crossings), np.bool_)
        kept_by_others[final_rows] = (final_words & ~self._own_bit).any(axis=1)
        words = with_groups(variants.words, _NO_GROUPS, np.zeros(len(variants.rows), np.bool_))
        alone = ~kept_by_others[variants.rows]
        weights, bins = crossings.weights[variants.rows], np.zeros(len(variants.rows), np.int64)
        self.total.add(words, bins, weights)
        self.added.add(words[alone], bins[alone], weights[alone])

    @property
    def _own_bit(self) -> NDArray[np.uint64]:
        words = np.zeros(ALGORITHM_WORDS, np.uint64)
        words[self.curve.index // 64] = np.uint64(1 << (self.curve.index % 64))
        return words
