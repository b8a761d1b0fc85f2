"""Builds cuts and algorithms from what a menu file states, for both syntaxes alike (`docs/menu-format.md`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from triggers.errors import BadValue, L1ChainError, MenuSyntax
from triggers.menu.grammar import parse
from triggers.menu.model import Algorithm, Cut, CutKind, ObjectType
from triggers.menu.rules import CUT_OBJECTS
from triggers.menu.tokens import is_word

N_ALGORITHMS = 512
"""Algorithm bits of the global trigger: indices 0 to 511."""

LARGEST_CODE: Mapping[CutKind, int] = {
    CutKind.QUALITY: 15,
    CutKind.ISOLATION: 3,
    CutKind.IMPACT_PARAMETER: 3,
}
"""The largest code of the cuts that list accepted codes."""

KEYWORDS: Mapping[CutKind, tuple[str, ...]] = {
    CutKind.CHARGE: ("positive", "negative"),
    CutKind.CHARGE_CORRELATION: ("ls", "os"),
    CutKind.DISPLACED: ("0", "1"),
}
"""The words of the cuts that state one of a few; `ls` is equal charges, `os` is not all equal."""


VALUE_KINDS = frozenset({*LARGEST_CODE, *KEYWORDS, CutKind.MODEL})
"""The cuts that list values instead of limits."""

MINIMA = frozenset(
    {
        CutKind.COUNT,
        CutKind.ADT_SCORE,
        CutKind.SCORE,
        CutKind.CICADA_SCORE,
        CutKind.MASS_OVER_DELTA_R,
        CutKind.TWO_BODY_PT,
    }
)
"""The cuts that state a least value and no greatest one."""

Report = Callable[[L1ChainError], None]
"""What is done about an error in one part of a menu, while the other parts are still read."""


def raise_at_once(error: L1ChainError) -> NoReturn:
    """The `Report` of those who need a menu without errors."""
    raise error


@dataclass(frozen=True)
class Entry:
    """An algorithm as a menu file states it; `place` says where in the file."""

    place: str
    name: str
    index: int
    text: str
    comment: str


def build_cut(
    where: str,
    name: str,
    kind: CutKind,
    object_type: ObjectType | None,
    limits: tuple[float, float] = (0.0, 0.0),
    values: Sequence[str] = (),
) -> Cut:
    """A cut, checked.

    Args:
        where: what messages name.
        name: the name that expressions use.
        kind: what it restricts.
        object_type: the type it belongs to; None for cuts of a condition.
        limits: the window, in the quantity's unit; of a minimum the second one means nothing.
        values: codes, a word, or a model's name, where the kind wants them instead.

    Raises:
        BadValue: expressions cannot use the name, or object type or values do not suit the kind.
    """
    if not is_word(name):
        raise BadValue(where, f"'{name}' is not a name that expressions can use", "use letters, digits, _ and -")
    allowed = CUT_OBJECTS.get(kind)
    if allowed is None and object_type is not None:
        raise BadValue(where, f"a {kind} cut belongs to a condition, not to {object_type}", "leave the object out")
    if allowed is not None and object_type not in allowed:
        found = "none is given" if object_type is None else f"found {object_type}"
        raise BadValue(
            where, f"a {kind} cut belongs to one of {', '.join(sorted(allowed))}; {found}", "correct the object"
        )
    if not all(math.isfinite(limit) for limit in limits):
        raise BadValue(where, f"the limits {limits[0]} and {limits[1]} are not finite", "write plain numbers")
    minimum, maximum = (0.0, 0.0) if kind in VALUE_KINDS else limits
    maximum = 0.0 if kind in MINIMA else maximum
    return Cut(name, kind, object_type, minimum, maximum, _checked_values(where, kind, values))


def build_algorithms(
    source: str,
    entries: Iterable[Entry],
    cuts: Mapping[str, Cut],
    channels: Mapping[str, int | None],
    report: Report = raise_at_once,
) -> tuple[Algorithm, ...]:
    """The algorithms of a menu in ascending order of their index.

    Args:
        source: the file, as messages name it.
        entries: what the file states.
        cuts: the menu's cuts by name.
        channels: the channel of each external signal, by its name with `EXT_`; None where it has none.
        report: takes the error of an entry, which is then left out.

    Raises:
        BadValue: a name or index is malformed or used twice, or a part of an expression is not allowed.
        MenuSyntax: there are no algorithms, or an expression does not parse.
        UnknownName: an expression names something that does not exist.
    """
    by_index: dict[int, Algorithm] = {}
    names: dict[str, int] = {}
    empty = True
    for entry in entries:
        empty = False
        try:
            _check_entry(entry, f"{source}, {entry.place}", by_index, names)
            expression = parse(entry.text, f"{source}, algorithm {entry.name}", cuts, channels)
        except L1ChainError as error:
            report(error)
            continue
        names[entry.name] = entry.index
        by_index[entry.index] = Algorithm(entry.index, entry.name, entry.text, expression, entry.comment)
    if empty:
        report(MenuSyntax(source, "the menu has no algorithms", "add some"))
    return tuple(by_index[index] for index in sorted(by_index))


def _check_entry(entry: Entry, where: str, by_index: Mapping[int, Algorithm], names: Mapping[str, int]) -> None:
    if not entry.name or any(character.isspace() for character in entry.name):
        raise BadValue(where, f"'{entry.name}' is not an algorithm name", "write one without blanks")
    if not 0 <= entry.index < N_ALGORITHMS:
        raise BadValue(where, f"index {entry.index} of {entry.name} is out of range", "use 0 to 511")
    if entry.index in by_index:
        other = by_index[entry.index].name
        raise BadValue(where, f"index {entry.index} of {entry.name} belongs to {other}", "give it a free one")
    if entry.name in names:
        raise BadValue(where, f"a second algorithm {entry.name}", f"rename it; the first has index {names[entry.name]}")


def _checked_values(where: str, kind: CutKind, values: Sequence[str]) -> tuple[str, ...]:
    if kind in LARGEST_CODE:
        return tuple(str(code) for code in _codes(where, kind, values))
    if kind in KEYWORDS:
        if len(values) != 1 or values[0] not in KEYWORDS[kind]:
            found = ", ".join(values) or "nothing"
            raise BadValue(where, f"a {kind} cut cannot be '{found}'", f"write {' or '.join(KEYWORDS[kind])}")
        return tuple(values)
    if kind is CutKind.MODEL:
        if len(values) != 1 or not values[0]:
            raise BadValue(where, "a MODEL cut lacks the model's name", "write one, such as v5")
        return tuple(values)
    if values:
        raise BadValue(where, f"a {kind} cut takes limits, found '{', '.join(values)}'", "write its limits")
    return ()


def _codes(where: str, kind: CutKind, values: Sequence[str]) -> list[int]:
    codes: list[int] = []
    for value in values:
        if not (value.isascii() and value.isdigit() and len(value) <= 2 and int(value) <= LARGEST_CODE[kind]):
            raise BadValue(where, f"'{value}' is not a {kind} code", f"use 0 to {LARGEST_CODE[kind]}")
        codes.append(int(value))
    if not codes:
        raise BadValue(where, f"a {kind} cut lists no codes", f"list some of 0 to {LARGEST_CODE[kind]}")
    return sorted(set(codes))
