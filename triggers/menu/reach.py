"""Whether an expression can be true at all, or false at all: by truth tables of its conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events import scales as event_scales
from triggers.menu import limits
from triggers.menu.build import MINIMA, VALUE_KINDS
from triggers.menu.conditions.expression import combine
from triggers.menu.describe import WINDOWS
from triggers.menu.model import (
    NETWORK_SCORES,
    Condition,
    Cut,
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
    WorkingPointCondition,
    conditions_of,
)
from triggers.menu.places import PLACES
from triggers.menu.rules import FUNCTION_RULES
from triggers.menu.selections import Selection, selection

MOST_CONDITIONS: Final = 14
"""Expressions with more different conditions are taken to be reachable: their truth tables are too long."""


_MAX_DELTA_ETA: Final = 10.0
LARGEST_QUANTITY: Final[Mapping[CutKind, float]] = {
    CutKind.DELTA_ETA: _MAX_DELTA_ETA,
    CutKind.DELTA_PHI: math.pi,
    CutKind.DELTA_R: math.hypot(_MAX_DELTA_ETA, math.pi),
}
"""Farther apart no two objects are."""


MAX_MUON_INDEX: Final = 107


class Reach(Enum):
    """What values an expression can have."""

    NEVER = auto()
    SOMETIMES = auto()
    ALWAYS = auto()


def reach(expression: Expression, scales: ScaleSet) -> Reach:
    """Whether some crossing makes an expression true, and some other one false.

    Known are thresholds off the scale, empty windows, objects that empty slots satisfy, and single conditions that
    imply one another; how likely the rest is, nobody asks.
    """
    conditions = list(dict.fromkeys(conditions_of(expression)))
    if len(conditions) > MOST_CONDITIONS:
        return Reach.SOMETIMES
    table = np.arange(1 << len(conditions))
    value_of = {condition: table >> position & 1 == 1 for position, condition in enumerate(conditions)}
    possible = _possible(conditions, value_of, scales)
    values = combine(expression, lambda condition: value_of[condition])[possible]
    if not values.any():
        return Reach.NEVER
    return Reach.ALWAYS if values.all() else Reach.SOMETIMES


def _possible(
    conditions: Sequence[Condition], value_of: Mapping[Condition, NDArray[np.bool_]], scales: ScaleSet
) -> NDArray[np.bool_]:
    """The rows of the truth table that some crossing has."""
    possible = np.ones(1 << len(conditions), np.bool_)
    for condition in conditions:
        match condition_reach(condition, scales):
            case Reach.NEVER:
                possible &= ~value_of[condition]
            case Reach.ALWAYS:
                possible &= value_of[condition]
    singles = {c: chosen for c in conditions if (chosen := _single_selection(c, scales)) is not None}
    for (one, narrow), (other, wide) in permutations(singles.items(), 2):
        if narrow.group == wide.group and narrow.within(wide):
            possible &= ~value_of[one] | value_of[other]
    return possible


def condition_reach(condition: Condition, scales: ScaleSet) -> Reach:
    """Whether a condition by itself can be true, and false."""
    if isinstance(condition, ExternalCondition | WorkingPointCondition):
        return Reach.SOMETIMES
    if condition.requirements[0].object in NETWORK_SCORES:
        return Reach.SOMETIMES
    selections = [selection(requirement, scales) for requirement in condition.requirements]
    off_scale = any(_is_off_scale(requirement, scales) for requirement in condition.requirements)
    if off_scale or any(chosen.accepts_nothing for chosen in selections) or any(map(window_is_empty, condition.cuts)):
        return Reach.NEVER
    has_reference = condition.function is not Function.SINGLE and FUNCTION_RULES[condition.function].reference
    legs = selections[:-1] if has_reference else selections
    slots = [chosen.slots for chosen in legs]
    if len({chosen.group for chosen in legs}) == 1 and int(np.bitwise_or.reduce(slots)).bit_count() < len(legs):
        return Reach.NEVER
    simple = condition.function in {Function.SINGLE, Function.COMB} and not condition.cuts
    return Reach.ALWAYS if simple and not any(chosen.sets for chosen in selections) else Reach.SOMETIMES


def window_is_empty(cut: Cut) -> bool:
    """Whether no two objects can be within a cut of a condition: it is upside down, or begins beyond the farthest."""
    if cut.kind in VALUE_KINDS or cut.kind in MINIMA:
        return False
    return cut.minimum > min(cut.maximum, LARGEST_QUANTITY.get(cut.kind, math.inf))


def window_is_off_scale(cut: Cut, kind: ObjectType, scales: ScaleSet) -> bool:
    """Whether a window of an object begins above the greatest value that there is, or ends below the least."""
    low, high = limits.window_hw(cut, kind, scales)
    first, last = scale_ends(cut.kind, kind)
    return low <= high and (low > last or high < first)


def _is_off_scale(requirement: ObjectRequirement, scales: ScaleSet) -> bool:
    """Whether all windows of some kind are off the scale."""
    return any(
        all(window_is_off_scale(cut, requirement.object, scales) for cut in cuts)
        for kind in WINDOWS
        if (cuts := requirement.cuts_of(kind))
    )


def scale_ends(kind: CutKind, object_type: ObjectType) -> tuple[int, int]:
    """The least and the greatest integer that an object can have for a cut of that kind."""
    if kind is CutKind.SLICE:
        return 0, PLACES[object_type].n_slots - 1
    if kind is CutKind.INDEX:
        return 0, MAX_MUON_INDEX
    muon = object_type is ObjectType.MU
    if kind is CutKind.ETA:
        scale = event_scales.MUON_ETA if muon else event_scales.CALO_ETA
    elif kind is CutKind.PHI:
        scale = event_scales.MUON_PHI if muon else event_scales.CALO_PHI
    else:
        scale = event_scales.MUON_PT_UNCONSTRAINED
    return scale.lowest, scale.highest


def _single_selection(condition: Condition, scales: ScaleSet) -> Selection | None:
    if not isinstance(condition, ObjectCondition) or condition.function is not Function.SINGLE:
        return None
    (requirement,) = condition.requirements
    return None if requirement.object in NETWORK_SCORES else selection(requirement, scales)
