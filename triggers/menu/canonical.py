"""Expressions by what they mean: equal however their cuts are called and their parts are ordered."""

from __future__ import annotations

from collections.abc import Hashable

from triggers.menu.model import (
    Cut,
    Expression,
    Function,
    ObjectCondition,
    ObjectRequirement,
    Operation,
)
from triggers.menu.rules import FUNCTION_RULES


def canonical(expression: Expression) -> Hashable:
    """A key that is equal for two expressions if one is the other with other names of cuts, or its parts reordered."""
    if isinstance(expression, Operation):
        return expression.operator, tuple(sorted((canonical(operand) for operand in expression.operands), key=repr))
    if not isinstance(expression, ObjectCondition):
        return expression
    legs = [canonical_requirement(requirement) for requirement in expression.requirements]
    n_references = int(expression.function is not Function.SINGLE and FUNCTION_RULES[expression.function].reference)
    n_legs = len(legs) - n_references
    cuts = tuple(sorted((canonical_cut(cut) for cut in expression.cuts), key=repr))
    return expression.function, tuple(sorted(legs[:n_legs], key=repr)), tuple(legs[n_legs:]), cuts


def canonical_requirement(requirement: ObjectRequirement) -> Hashable:
    """A requirement without the names of its cuts, whose order is nothing."""
    threshold = None if requirement.threshold is None else float(requirement.threshold)
    cuts = tuple(sorted({canonical_cut(cut) for cut in requirement.cuts}, key=repr))
    return requirement.object, threshold, requirement.comparison, requirement.bx_offset, cuts


def canonical_cut(cut: Cut) -> Hashable:
    """A cut without its name."""
    return cut.kind, cut.object, cut.minimum, cut.maximum, cut.values
