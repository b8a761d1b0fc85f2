"""Reads an expression into the tree of `triggers.menu.model` (`docs/menu-format.md`, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from triggers.errors import MenuSyntax, UnknownName
from triggers.menu.model import (
    Condition,
    Cut,
    Expression,
    Function,
    ObjectCondition,
    ObjectRequirement,
    Operation,
    Operator,
)
from triggers.menu.rules import check_condition, check_condition_cut, check_object_cut, check_requirement
from triggers.menu.tokens import Position, Token, TokenKind, excerpt, tokenize
from triggers.menu.words import EXTERNAL_PREFIX, read_external, read_object, read_working_point

FUNCTIONS: Mapping[str, Function] = {
    **{function.value: function for function in Function if function is not Function.SINGLE},
    "mass": Function.MASS_INV,
}
"""Function names as written; `mass` is the old name of `mass_inv`."""

DEEPEST_NESTING = 64
"""Parentheses and NOTs inside one another; real menus have fewer than five."""

_WEAKEST_FIRST = (Operator.OR, Operator.XOR, Operator.AND)


def parse(text: str, where: str, cuts: Mapping[str, Cut], channels: Mapping[str, int | None]) -> Expression:
    """The tree of an expression; operands of equal operators stand side by side.

    Args:
        text: the expression, e.g. `comb{MU15[MU-QLTY_DBLE], MU7[MU-QLTY_DBLE]} AND NOT ETMHF100`.
        where: what messages name, e.g. `menu.xml, algorithm L1_ZeroBias`.
        cuts: the menu's cuts by name.
        channels: the channel of each external signal, by its name with `EXT_`; None where it has none.

    Raises:
        MenuSyntax: the text does not follow the grammar.
        UnknownName: an object, function or cut does not exist.
        BadValue: a threshold, offset, cut or number of objects is not allowed where it stands.

    Example:
        >>> parse("MU22", "example", {}, {}).requirements[0].threshold
        Decimal('22')
    """
    return _Parser(text, where, cuts, channels).whole()


class _Parser:
    """Recursive descent: one method a rule of the grammar."""

    def __init__(self, text: str, where: str, cuts: Mapping[str, Cut], channels: Mapping[str, int | None]) -> None:
        self._text, self._where, self._cuts, self._channels = text, where, cuts, channels
        self._tokens = tokenize(text, where)
        self._position = 0
        self._depth = 0

    def whole(self) -> Expression:
        expression = self._operation(0)
        if self._next.kind is not TokenKind.END:
            raise self._expected("AND, XOR, OR or the end of the expression")
        return expression

    def _operation(self, level: int) -> Expression:
        if level == len(_WEAKEST_FIRST):
            return self._negation()
        operator = _WEAKEST_FIRST[level]
        operands = [self._operation(level + 1)]
        while self._take(operator.value):
            operands.append(self._operation(level + 1))
        return _joined(operator, operands)

    def _negation(self) -> Expression:
        if not self._take(Operator.NOT.value):
            return self._operand()
        with self._nested():
            return Operation(Operator.NOT, (self._negation(),))

    def _operand(self) -> Expression:
        if not self._take("("):
            return self._condition()
        with self._nested():
            expression = self._operation(0)
        self._require(")")
        return expression

    def _condition(self) -> Condition:
        token = self._word("an object, a function, a signal, NOT or '('")
        if token.text.startswith(EXTERNAL_PREFIX):
            return read_external(token.text, self._place(token), self._channels)
        if "@" in token.text:
            return read_working_point(token.text, self._place(token))
        if token.text in FUNCTIONS or self._next.text == "{":
            return self._function(token)
        return ObjectCondition(Function.SINGLE, (self._requirement(token),))

    def _function(self, name: Token) -> ObjectCondition:
        place = self._place(name)
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise UnknownName(str(place), "function", name.text, FUNCTIONS)
        self._require("{")
        requirements: list[ObjectRequirement] = []
        places: list[Position] = []
        while not requirements or self._take(","):
            token = self._word("an object")
            requirements.append(self._requirement(token))
            places.append(self._place(token))
        self._require("}", "',' or '}'")
        cuts: list[Cut] = []
        for cut, at in self._cut_list():
            check_condition_cut(cut, function, at)
            cuts.append(cut)
        condition = ObjectCondition(function, tuple(requirements), tuple(cuts))
        check_condition(condition, place, places)
        return condition

    def _requirement(self, name: Token) -> ObjectRequirement:
        place = self._place(name)
        bare = read_object(name.text, place)
        cuts: list[Cut] = []
        for cut, at in self._cut_list():
            check_object_cut(cut, bare.object, at)
            cuts.append(cut)
        requirement = ObjectRequirement(bare.object, bare.threshold, bare.comparison, bare.bx_offset, tuple(cuts))
        check_requirement(requirement, place)
        return requirement

    def _cut_list(self) -> Iterator[tuple[Cut, Position]]:
        """The cuts of a bracket, each with its place; none where no bracket stands."""
        if not self._take("["):
            return
        first = True
        while first or self._take(","):
            first = False
            token = self._word("a cut")
            cut = self._cuts.get(token.text)
            if cut is None:
                raise UnknownName(str(self._place(token)), "cut", token.text, self._cuts)
            yield cut, self._place(token)
        self._require("]", "',' or ']'")

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _take(self, text: str) -> bool:
        """Whether the next token is this one; then it is consumed."""
        if self._next.text != text:
            return False
        self._position += 1
        return True

    def _require(self, text: str, wanted: str = "") -> None:
        if not self._take(text):
            raise self._expected(wanted or f"'{text}'")

    def _word(self, wanted: str) -> Token:
        token = self._next
        if token.kind is not TokenKind.WORD or token.text in Operator.__members__:
            raise self._expected(wanted)
        self._position += 1
        return token

    def _place(self, token: Token) -> Position:
        return Position(self._where, token.column)

    def _expected(self, wanted: str) -> MenuSyntax:
        return MenuSyntax(
            self._where, f"expected {wanted} {excerpt(self._text, self._next.column)}", "correct the expression"
        )

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise MenuSyntax(
                self._where,
                f"more than {DEEPEST_NESTING} parentheses and NOTs inside one another "
                f"{excerpt(self._text, self._next.column)}",
                "simplify the expression",
            )
        yield
        self._depth -= 1


def _joined(operator: Operator, operands: list[Expression]) -> Expression:
    """One operation of all operands, taking in those that are operations of the same operator."""
    if len(operands) == 1:
        return operands[0]
    flat: list[Expression] = []
    for operand in operands:
        if isinstance(operand, Operation) and operand.operator is operator:
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    return Operation(operator, tuple(flat))
