"""From expressions to trees of atoms (`docs/menu-kernel.md`, section "Atoms").

A `comb` whose requirements contain one another, such as comb{MU15, MU7}, needs no search for different objects: at
least one passes the tightest, at least two the next …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from triggers.menu import limits
from triggers.menu.atoms import MAX_LEVEL, AtLeast, Branch, Distinct, Signal, Tree
from triggers.menu.correlations import correlation
from triggers.menu.model import (
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    ObjectCondition,
    Operation,
    Operator,
    ScaleSet,
)
from triggers.menu.selections import Selection, selection


def tree_of(expression: Expression, scales: ScaleSet) -> Tree:
    """The tree of atoms of an expression without network scores that `support.obstacle` accepts.

    Raises:
        TypeError: it has a condition that is not evaluated (a programming error).
    """
    if isinstance(expression, Operation):
        return Branch(expression.operator, tuple(tree_of(operand, scales) for operand in expression.operands))
    if isinstance(expression, ExternalCondition) and expression.channel is not None:
        return Signal(expression.channel, expression.bx_offset)
    if isinstance(expression, ObjectCondition) and expression.function is Function.SINGLE:
        return AtLeast(selection(expression.requirements[0], scales), 1)
    if isinstance(expression, ObjectCondition) and _needs_no_pair(expression):
        return _comb(expression, scales)
    if isinstance(expression, ObjectCondition):
        return correlation(expression, scales)
    raise TypeError(f"{expression} is not evaluated")


def _needs_no_pair(condition: ObjectCondition) -> bool:
    return condition.function is Function.COMB and not condition.cuts_of(CutKind.TWO_BODY_PT)


def _comb(condition: ObjectCondition, scales: ScaleSet) -> Tree:
    selections = [selection(requirement, scales) for requirement in condition.requirements]
    relations = [limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)]
    if relations:
        searches = tuple(Distinct(tuple((leg, 1) for leg in selections), relation) for relation in relations)
        return searches[0] if len(searches) == 1 else Branch(Operator.AND, searches)
    legs = tuple(Counter(selections).items())
    chain = _chain(legs)
    if chain is None or chain[-1].level > MAX_LEVEL:
        return Distinct(legs)
    return chain[0] if len(chain) == 1 else Branch(Operator.AND, tuple(chain))


def _chain(legs: Sequence[tuple[Selection, int]]) -> list[AtLeast] | None:
    """The counts that decide legs which contain one another, tightest first; None if two legs do not."""
    tightest_first = sorted(legs, key=lambda leg: -sum(leg[0].within(other) for other, _ in legs))
    if not all(tight.within(loose) for (tight, _), (loose, _) in pairwise(tightest_first)):
        return None
    chain, needed = [], 0
    for leg, count in tightest_first:
        needed += count
        chain.append(AtLeast(leg, needed))
    return chain
