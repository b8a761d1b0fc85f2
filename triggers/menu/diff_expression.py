"""What changed between two expressions, in words."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from triggers.menu import limits
from triggers.menu.canonical import canonical, canonical_cut, canonical_requirement
from triggers.menu.describe import (
    amount,
    condition_cut_text,
    condition_title,
    object_cut_text,
    offset_text,
    threshold_text,
    value_name,
)
from triggers.menu.model import (
    Cut,
    Expression,
    ExternalCondition,
    Function,
    ObjectCondition,
    ObjectRequirement,
    Operation,
    Operator,
    ScaleSet,
)
from triggers.menu.write import object_word

Scales = tuple[ScaleSet, ScaleSet]
"""The conventions of the old and of the new menu."""
Redefined = Mapping[str, tuple[Cut, Cut]]
"""Cuts with another definition under the same name: told once for the menu, not for each expression."""

Part = TypeVar("Part")


def expression_changes(old: Expression, new: Expression, scales: Scales, redefined: Redefined) -> Iterator[str]:
    """The changes from one expression to another; none if they mean the same."""
    if canonical(old) == canonical(new):
        return
    if isinstance(old, ObjectCondition) and isinstance(new, ObjectCondition) and _alike(old) == _alike(new):
        yield from _condition_changes(old, new, scales, redefined)
        return
    operator = _common_operator(old, new)
    if operator is None:
        yield f"{_words(old)} becomes {_words(new)}"
        return
    matched, gone, come = _matched(_operands(old, operator), _operands(new, operator), canonical, _alike)
    for one, other in matched:
        yield from expression_changes(one, other, scales, redefined)
    lost, gained = ("no longer needs", "needs also") if operator is Operator.AND else ("no longer takes", "takes also")
    yield from (f"{lost} {_words(one)}" for one in gone)
    yield from (f"{gained} {_words(one)}" for one in come)


def _common_operator(old: Expression, new: Expression) -> Operator | None:
    """The operator whose operands are compared one by one."""
    operators = {part.operator for part in (old, new) if isinstance(part, Operation)}
    (operator,) = operators if len(operators) == 1 else (None,)
    if operator in {Operator.AND, Operator.OR, Operator.XOR}:
        return operator
    both = isinstance(old, Operation) and isinstance(new, Operation)
    return operator if both else None


def _operands(expression: Expression, operator: Operator) -> tuple[Expression, ...]:
    return (
        expression.operands if isinstance(expression, Operation) and expression.operator is operator else (expression,)
    )


def _alike(expression: Expression) -> Hashable:
    """Equal for two conditions of one type on the same types of objects: a change is then one of thresholds or cuts."""
    if isinstance(expression, Operation):
        return expression.operator
    if isinstance(expression, ExternalCondition):
        return expression.signal
    if isinstance(expression, ObjectCondition):
        return expression.function, tuple(requirement.object for requirement in expression.requirements)
    return expression


def _matched(
    old: Sequence[Part], new: Sequence[Part], same: Callable[[Part], Hashable], alike: Callable[[Part], Hashable]
) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
    """The parts that changed into one another, those that are gone, and those that are new; equal ones are left out."""
    gone, come = list(old), list(new)
    for one in old:
        twin = next((other for other in come if same(other) == same(one)), None)
        if twin is not None:
            gone.remove(one)
            come.remove(twin)
    changed = []
    for one in list(gone):
        partner = next((other for other in come if alike(other) == alike(one)), None)
        if partner is not None:
            gone.remove(one)
            come.remove(partner)
            changed.append((one, partner))
    return changed, gone, come


def _words(expression: Expression) -> str:
    if isinstance(expression, Operation):
        if expression.operator is Operator.NOT:
            return f"NOT {_words(expression.operands[0])}"
        return "(" + f" {expression.operator} ".join(_words(operand) for operand in expression.operands) + ")"
    if isinstance(expression, ObjectCondition):
        requirements = [_requirement_words(requirement) for requirement in expression.requirements]
        cuts = f"[{', '.join(cut.name for cut in expression.cuts)}]" if expression.cuts else ""
        single = expression.function is Function.SINGLE
        return requirements[0] if single else f"{expression.function}{{{', '.join(requirements)}}}{cuts}"
    return condition_title(expression)


def _requirement_words(requirement: ObjectRequirement) -> str:
    cuts = f"[{', '.join(cut.name for cut in requirement.cuts)}]" if requirement.cuts else ""
    return object_word(requirement) + cuts


def _condition_changes(
    old: ObjectCondition, new: ObjectCondition, scales: Scales, redefined: Redefined
) -> Iterator[str]:
    before, after = old.requirements, new.requirements
    matched, _, _ = _matched(before, after, canonical_requirement, lambda requirement: requirement.object)
    for one, other in matched:
        yield from _requirement_changes(one, other, scales, redefined)
    for was, now in _changed_cuts(old.cuts, new.cuts, redefined):
        before_text = "none" if was is None else f"{condition_cut_text(was, old)} ({was.name})"
        after_text = "none" if now is None else f"{condition_cut_text(now, new)} ({now.name})"
        yield f"{old.function}: {before_text} → {after_text}"


def _requirement_changes(
    old: ObjectRequirement, new: ObjectRequirement, scales: Scales, redefined: Redefined
) -> Iterator[str]:
    kind = old.object
    if (old.threshold, old.comparison) != (new.threshold, new.comparison):
        yield f"{kind}: {_threshold_change(old, new, scales)}"
    if old.bx_offset != new.bx_offset:
        before, after = (offset_text(one.bx_offset) or "the same crossing" for one in (old, new))
        yield f"{kind}: {before} → {after}"
    for one, other in _changed_cuts(old.cuts, new.cuts, redefined):
        before = "none" if one is None else f"{object_cut_text(one, kind, scales[0])} ({one.name})"
        after = "none" if other is None else f"{object_cut_text(other, kind, scales[1])} ({other.name})"
        yield f"{kind}: {before} → {after}"


def _threshold_change(old: ObjectRequirement, new: ObjectRequirement, scales: Scales) -> str:
    if old.comparison != new.comparison or old.threshold is None or new.threshold is None:
        return f"{threshold_text(old, scales[0])} → {threshold_text(new, scales[1])}"
    name, unit = value_name(old.object)
    hardware = [limits.threshold_hw(one, scale) for one, scale in zip((old, new), scales, strict=True)]
    values = f"{amount(float(old.threshold), '')} → {amount(float(new.threshold), unit)}"
    return f"{name} threshold {values} [{hardware[0]} → {hardware[1]}]"


def _changed_cuts(
    old: Sequence[Cut], new: Sequence[Cut], redefined: Redefined
) -> Iterator[tuple[Cut | None, Cut | None]]:
    """The cuts that changed, were added (from None) or removed (to None)."""
    before = [cut for cut in old if not (cut.name in redefined and any(other.name == cut.name for other in new))]
    after = [cut for cut in new if not (cut.name in redefined and any(other.name == cut.name for other in old))]
    changed, gone, come = _matched(before, after, canonical_cut, lambda cut: cut.kind)
    yield from changed
    yield from ((cut, None) for cut in gone)
    yield from ((None, cut) for cut in come)
