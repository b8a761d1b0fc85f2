"""Boolean expressions over conditions, and the oracle for a whole menu (`docs/menu-semantics.md`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.schema import ALGORITHM_SLOTS
from triggers.menu.conditions.comb import comb
from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.external import external
from triggers.menu.conditions.overlap import overlap_removal
from triggers.menu.conditions.pair import pair
from triggers.menu.conditions.score import Scores, Thresholds, score_condition, score_passes
from triggers.menu.conditions.single import single
from triggers.menu.conditions.support import coverage
from triggers.menu.conditions.triple import triple
from triggers.menu.model import (
    Condition,
    Expression,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    Operation,
    Operator,
    ScaleSet,
    WorkingPointCondition,
)

NO_SCORES: Scores = MappingProxyType({})
NO_THRESHOLDS: Thresholds = MappingProxyType({})

_OBJECT_CONDITIONS: Mapping[Function, Callable[[ObjectCondition, Crossings, ScaleSet], NDArray[np.bool_]]] = {
    Function.SINGLE: single,
    Function.COMB: comb,
    Function.COMB_ORM: overlap_removal,
    Function.DIST: pair,
    Function.DIST_ORM: overlap_removal,
    Function.MASS_INV: pair,
    Function.MASS_INV_ORM: overlap_removal,
    Function.MASS_INV_UPT: pair,
    Function.MASS_INV_DR: pair,
    Function.MASS_INV_3: triple,
    Function.MASS_TRV: pair,
    Function.MASS_TRV_ORM: overlap_removal,
}


def combine(expression: Expression, value_of: Callable[[Condition], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The value of an expression, `(n,)`, from those of its conditions."""
    if not isinstance(expression, Operation):
        return value_of(expression)
    values = [combine(operand, value_of) for operand in expression.operands]
    match expression.operator:
        case Operator.NOT:
            return ~values[0]
        case Operator.AND:
            return reduce(np.logical_and, values)
        case Operator.XOR:
            return reduce(np.logical_xor, values)
        case Operator.OR:
            return reduce(np.logical_or, values)


def evaluate_oracle(
    menu: Menu, batch: pa.RecordBatch, scores: Scores = NO_SCORES, thresholds: Thresholds = NO_THRESHOLDS
) -> NDArray[np.bool_]:
    """Every algorithm of a menu in every crossing, the slow and obvious way.

    Args:
        menu: the menu; algorithms that cannot be evaluated (`support.coverage`) stay false.
        batch: crossings of the event format.
        scores: integer scores by name, each `(n,)`.
        thresholds: the threshold of each working point that the menu names.

    Returns:
        `(n, 512) bool`, by algorithm index; all false where `context` is true.
    """
    crossings = Crossings.of(batch)

    def value_of(condition: Condition) -> NDArray[np.bool_]:
        wanted = score_condition(condition)
        if wanted is not None:
            return score_passes(wanted, scores, thresholds)
        if isinstance(condition, ExternalCondition):
            return external(condition, crossings)
        if isinstance(condition, WorkingPointCondition):
            raise TypeError(f"{condition} is a condition on a score")
        return _OBJECT_CONDITIONS[condition.function](condition, crossings, menu.scales)

    bits = np.zeros((len(crossings), ALGORITHM_SLOTS), np.bool_)
    for algorithm in coverage(menu, scores)[0]:
        bits[:, algorithm.index] = combine(algorithm.expression, value_of)
    if "context" in batch.schema.names:
        bits[batch.column("context").to_numpy(zero_copy_only=False)] = False
    return bits
