"""Conditions on a network's score, which is computed outside the menu (`docs/menu-semantics.md`, section "Scores")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triggers.errors import UnknownName
from triggers.menu.model import (
    NETWORK_SCORES,
    Condition,
    CutKind,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    WorkingPointCondition,
)

AXOL1TL = "axol1tl"
TOPO = "topo"
ADT_VERSION = "v3"
"""A plain ADT object names no model; the firmware computes this version of AXOL1TL."""

Scores = Mapping[str, NDArray[np.integer]]
"""Integer scores by name, each `(n,)`."""

Thresholds = Mapping[WorkingPointCondition, int]
"""The threshold that each working point stands for at present."""


@dataclass(frozen=True)
class ScoreCondition:
    """A score and the least value of it that passes.

    Attributes:
        score: the score's name: `axol1tl/v3`, or `axol1tl@production` where an alias chooses the version.
        threshold: the integer that the menu states, or the working point that chooses it.
        bx_offset: the crossing whose score is meant.
    """

    score: str
    threshold: int | WorkingPointCondition
    bx_offset: int = 0

    def threshold_at(self, thresholds: Thresholds) -> int:
        """The integer that the score is held against.

        Raises:
            UnknownName: `thresholds` lacks the working point.
        """
        if isinstance(self.threshold, int):
            return self.threshold
        if self.threshold not in thresholds:
            known = [f"{point.model}@{point.alias}:{point.working_point}" for point in thresholds]
            wanted = f"{self.threshold.model}@{self.threshold.alias}:{self.threshold.working_point}"
            raise UnknownName("thresholds of a batch", "working point", wanted, known)
        return thresholds[self.threshold]


def score_condition(condition: Condition) -> ScoreCondition | None:
    """What a condition asks of a score, or None if it is no condition on a network's score."""
    if isinstance(condition, WorkingPointCondition):
        return ScoreCondition(f"{condition.model}@{condition.alias}", condition)
    if isinstance(condition, ObjectCondition) and condition.requirements[0].object in NETWORK_SCORES:
        requirement = condition.requirements[0]
        cuts = requirement.cuts_of(CutKind.SCORE) + requirement.cuts_of(CutKind.ADT_SCORE)
        threshold = max((math.ceil(cut.minimum) for cut in cuts), default=0)
        return ScoreCondition(_score_name(requirement), threshold, requirement.bx_offset)
    return None


def _score_name(requirement: ObjectRequirement) -> str:
    family = TOPO if requirement.object is ObjectType.TOPO else AXOL1TL
    models = [cut.values[0] for cut in requirement.cuts_of(CutKind.MODEL)]
    return f"{family}/{models[0] if models else ADT_VERSION}"


def score_passes(wanted: ScoreCondition, scores: Scores, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Whether the score reaches the threshold, `(n,)`.

    Raises:
        UnknownName: the score or the working point's threshold is not given.
    """
    if wanted.score not in scores:
        raise UnknownName("scores of a batch", "score", wanted.score, scores)
    return np.asarray(scores[wanted.score] >= wanted.threshold_at(thresholds))
