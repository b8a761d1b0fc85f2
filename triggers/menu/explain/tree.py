"""The expression of a seed with the truth value of each part, and the reasons below each condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from triggers.menu.conditions.expression import NO_SCORES, NO_THRESHOLDS, evaluate_oracle
from triggers.menu.conditions.score import Scores, Thresholds, score_condition
from triggers.menu.conditions.support import obstacle
from triggers.menu.describe import condition_cut_text, condition_title, object_cut_text, offset_text, requirement_text
from triggers.menu.explain.choices import Choice, best_choice
from triggers.menu.explain.moment import Moment
from triggers.menu.explain.objects import THRESHOLD, Failure, ObjectVerdict, object_verdicts
from triggers.menu.model import (
    Algorithm,
    Condition,
    Expression,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    Operation,
    Operator,
    conditions_of,
)
from triggers.menu.rules import FUNCTION_RULES


@dataclass(frozen=True)
class RequirementReport:
    """A requirement and the objects held against it.

    Attributes:
        text: the requirement in words.
        needed: how many different objects the condition wants of it.
        objects: every object of the type.
    """

    text: str
    needed: int
    objects: tuple[ObjectVerdict, ...]


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        text: the operator, or the condition in words.
        value: whether it is true; None if it cannot be evaluated.
        reasons: what decides it, in words.
        operands: the parts of an operation.
        requirements: the objects of a condition.
        choice: the choice of objects that a condition on several accepts, or that comes nearest.
    """

    text: str
    value: bool | None
    reasons: tuple[str, ...] = ()
    operands: tuple[Node, ...] = ()
    requirements: tuple[RequirementReport, ...] = ()
    choice: Choice | None = None


def explain(
    menu: Menu,
    algorithm: Algorithm,
    batch: pa.RecordBatch,
    row: int,
    scores: Scores = NO_SCORES,
    thresholds: Thresholds = NO_THRESHOLDS,
) -> Node:
    """Why an algorithm fires in a crossing or does not; truth values are those of `conditions.expression`.

    Args:
        menu: the menu.
        algorithm: one of its algorithms.
        batch: crossings of the event format, of which two before and two after `row` count as neighbours.
        row: the crossing.
        scores: integer scores by name, each `(n,)`.
        thresholds: the threshold of each working point that the menu names.
    """
    return _Explainer(menu, algorithm, batch, row, scores, thresholds).node(algorithm.expression)


class _Explainer:
    def __init__(
        self, menu: Menu, algorithm: Algorithm, batch: pa.RecordBatch, row: int, scores: Scores, thresholds: Thresholds
    ) -> None:
        self._menu, self._scores, self._thresholds, self._row = menu, scores, thresholds, row
        self._moment = Moment.of_row(batch, row)
        self._values = self._oracle(algorithm, batch)

    def _oracle(self, algorithm: Algorithm, batch: pa.RecordBatch) -> Mapping[Condition, bool | None]:
        """The oracle's value of each condition, as an algorithm of its own."""
        conditions = list(dict.fromkeys(conditions_of(algorithm.expression)))
        alone = tuple(replace(algorithm, index=i, expression=condition) for i, condition in enumerate(conditions))
        names = [name for name in batch.schema.names if name != "context"]
        bits = evaluate_oracle(
            replace(self._menu, algorithms=alone), batch.select(names), self._scores, self._thresholds
        )
        return {
            condition: None if obstacle(condition, self._scores) else bool(bits[self._row, i])
            for i, condition in enumerate(conditions)
        }

    def node(self, expression: Expression) -> Node:
        if isinstance(expression, Operation):
            operands = tuple(self.node(operand) for operand in expression.operands)
            value = _combined(expression.operator, [operand.value for operand in operands])
            return Node(expression.operator.value, value, operands=operands)
        return self._condition(expression, self._values[expression])

    def _condition(self, condition: Condition, value: bool | None) -> Node:
        title = condition_title(condition)
        missing = obstacle(condition, self._scores)
        if missing is not None:
            return Node(title, None, (f"not evaluated: {missing}",))
        if score_condition(condition) is not None:
            return Node(title, value, (self._score_reason(condition),))
        if isinstance(condition, ExternalCondition):
            known = condition.bx_offset in self._moment.known
            state = ("is set" if value else "is not set") if known else "is not known: the source lacks that crossing"
            return Node(title, value, (f"channel {condition.channel} {state}",))
        if not isinstance(condition, ObjectCondition):
            raise TypeError(f"{title} is neither on objects, nor on a signal, nor on a score")
        return self._objects(condition, title, value)

    def _score_reason(self, condition: Condition) -> str:
        wanted = score_condition(condition)
        if wanted is None:
            raise TypeError("no condition on a score")
        score, threshold = int(self._scores[wanted.score][self._row]), wanted.threshold_at(self._thresholds)
        distance = f"by {abs(score - threshold)}"
        side = f"reaches {threshold}, {distance} more" if score >= threshold else f"is below {threshold} {distance}"
        return f"score {wanted.score} {score} {side}"

    def _objects(self, condition: ObjectCondition, title: str, value: bool | None) -> Node:
        reports = tuple(self._requirements(condition))
        if condition.function is Function.SINGLE:
            return Node(reports[0].text, value, requirements=reports)
        cuts = tuple(f"{cut.name}: {condition_cut_text(cut, condition)}" for cut in condition.cuts)
        choice = best_choice(condition, self._moment, self._menu.scales)
        return Node(title, value, (*cuts, *_choice_reasons(condition, reports, choice)), (), reports, choice)

    def _requirements(self, condition: ObjectCondition) -> Iterator[RequirementReport]:
        reference = FUNCTION_RULES[condition.function].reference if condition.function in FUNCTION_RULES else False
        legs = condition.requirements[:-1] if reference else condition.requirements
        for requirement, needed in Counter(legs).items():
            yield self._report(requirement, needed, "")
        if reference:
            yield self._report(condition.requirements[-1], 1, "reference ")

    def _report(self, requirement: ObjectRequirement, needed: int, role: str) -> RequirementReport:
        scales = self._menu.scales
        cuts = [f"{cut.name} ({object_cut_text(cut, requirement.object, scales)})" for cut in requirement.cuts]
        text = role + ", ".join([requirement_text(requirement, scales), *cuts])
        columns = self._moment.at(requirement.bx_offset)
        if requirement.bx_offset not in self._moment.known:
            text += f" (the source lacks the crossing: {offset_text(requirement.bx_offset)})"
        return RequirementReport(text, needed, object_verdicts(requirement, columns, scales))


def _choice_reasons(
    condition: ObjectCondition, reports: tuple[RequirementReport, ...], choice: Choice | None
) -> Iterator[str]:
    if choice is None:
        if all(any(verdict.passes for verdict in report.objects) for report in reports):
            yield f"no {len(condition.requirements)} different objects pass the requirements"
        return
    objects = ", ".join(choice.objects)
    yield f"chosen: {objects}" if choice.accepted else f"nearest: {objects}"
    yield from (f"  {'' if check.failure is None else 'FAILS '}{check.text}" for check in choice.checks)


def _combined(operator: Operator, values: list[bool | None]) -> bool | None:
    """An operation's value; unknown only where what is unknown matters."""
    match operator:
        case Operator.NOT:
            return None if values[0] is None else not values[0]
        case Operator.AND:
            return False if False in values else None if None in values else True
        case Operator.OR:
            return True if True in values else None if None in values else False
        case Operator.XOR:
            return None if None in values else values.count(True) % 2 == 1


_VALUE_WORDS = {True: "true", False: "false", None: "not evaluated"}


def tree_lines(node: Node, indent: str = "") -> Iterator[str]:
    """The tree as text for a terminal; of conditions that hold, only the objects that pass."""
    yield f"{indent}{_VALUE_WORDS[node.value]}: {node.text}"
    inner = indent + "  "
    for report in node.requirements:
        if report.text == node.text:
            yield from (f"{inner}{line}" for line in _object_lines(report, node.value))
        else:
            times = f" ({report.needed} different ones)" if report.needed > 1 else ""
            yield f"{inner}{report.text}{times}"
            yield from (f"{inner}  {line}" for line in _object_lines(report, node.value))
    yield from (f"{inner}{reason}" for reason in node.reasons)
    for operand in node.operands:
        yield from tree_lines(operand, inner)


def _object_lines(report: RequirementReport, value: bool | None) -> Iterator[str]:
    if not report.objects:
        yield "there is no such object"
    failing = [verdict for verdict in report.objects if not verdict.passes]
    for verdict in report.objects:
        if verdict.passes:
            yield f"passes: {verdict.text}"
        elif not value:
            yield f"fails: {verdict.where}: {'; '.join(_failure_text(failure) for failure in verdict.failures)}"
    if value and failing:
        yield f"fail: {len(failing)} more"


def _failure_text(failure: Failure) -> str:
    return failure.text if failure.cut == THRESHOLD else f"{failure.text} ({failure.cut})"
