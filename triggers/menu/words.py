"""What a single word of an expression says: `MU3p5-1`, `EXT_x+1`, `axol1tl@production:nominal`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from triggers.errors import BadValue, UnknownName
from triggers.menu.model import (
    COUNTS,
    ENERGY_SUMS,
    PARTICLES,
    Comparison,
    ExternalCondition,
    ObjectRequirement,
    ObjectType,
    WorkingPointCondition,
)
from triggers.menu.tokens import Position

EXTERNAL_PREFIX = "EXT_"
LARGEST_BX_OFFSET = 2
WITH_THRESHOLD = PARTICLES | ENERGY_SUMS | COUNTS
_LONGEST_NAME_FIRST = sorted(ObjectType, key=lambda object_type: -len(object_type.value))
_DIGITS = frozenset("0123456789")


def read_object(word: str, place: Position) -> ObjectRequirement:
    """The requirement that an object's word states, without cuts.

    Raises:
        UnknownName: no object type begins the word.
        BadValue: the comparison, threshold or crossing offset is malformed, missing or not allowed.
    """
    object_type = _object_type(word)
    if object_type is None:
        raise UnknownName(str(place), "object", _name_part(word), list(ObjectType))
    rest = word.removeprefix(object_type)
    comparison, rest = _split_comparison(rest, word, place)
    rest, offset = _split_offset(rest)
    return ObjectRequirement(
        object_type, _threshold(rest, object_type, word, place), comparison, _bx_offset(offset, word, place)
    )


def read_external(word: str, place: Position, channels: Mapping[str, int | None]) -> ExternalCondition:
    """The external signal that a word names; the full word is looked up first, as names may end like an offset.

    Raises:
        BadValue: the name is empty, or the crossing offset is beyond ±2.
    """
    if word in channels:
        return ExternalCondition(word, channels[word])
    name, offset = _split_offset(word)
    if name == EXTERNAL_PREFIX:
        raise BadValue(str(place), f"'{word}' names no signal", "write EXT_ and the signal's name")
    return ExternalCondition(name, channels.get(name), _bx_offset(offset, word, place))


def read_working_point(word: str, place: Position) -> WorkingPointCondition:
    """The model, alias or version, and working point that a word names.

    Raises:
        BadValue: it is not of the form MODEL@ALIAS:WORKING_POINT.
    """
    model, _, rest = word.partition("@")
    alias, _, working_point = rest.partition(":")
    names = (model, alias, working_point)
    if not all(names) or any("@" in name or ":" in name for name in names):
        raise BadValue(
            str(place), f"'{word}' is not a working point", "write it like axol1tl@production:nominal, without offset"
        )
    return WorkingPointCondition(model, alias, working_point)


def _object_type(word: str) -> ObjectType | None:
    """The longest type name that begins the word and is not followed by more letters."""
    for object_type in _LONGEST_NAME_FIRST:
        if word.startswith(object_type.value):
            following = word[len(object_type.value) :][:1]
            if not following or following in _DIGITS or following in "+-.":
                return object_type
    return None


def _name_part(word: str) -> str:
    """A word without threshold and offset, for the message about an unknown object."""
    return word.partition(".")[0].partition("+")[0].partition("-")[0].rstrip("p0123456789") or word


def _split_comparison(rest: str, word: str, place: Position) -> tuple[Comparison, str]:
    for comparison in Comparison:
        if rest.startswith(comparison.value):
            return comparison, rest.removeprefix(comparison.value)
    if rest.startswith("."):
        raise BadValue(str(place), f"'{word}' has an unknown comparison", "use .ge. (which may be left out) or .eq.")
    return Comparison.AT_LEAST, rest


def _split_offset(word: str) -> tuple[str, int]:
    """A word without the crossing offset at its end, and that offset (0 where it has none)."""
    head = word.rstrip("0123456789")
    if head != word and head.endswith(("+", "-")):
        return head[:-1], int(word[len(head) - 1 :])
    return word, 0


def _bx_offset(offset: int, word: str, place: Position) -> int:
    if abs(offset) > LARGEST_BX_OFFSET:
        raise BadValue(str(place), f"'{word}' has the crossing offset {offset:+d}", "offsets go from -2 to +2")
    return offset


def _threshold(text: str, object_type: ObjectType, word: str, place: Position) -> Decimal | None:
    if object_type not in WITH_THRESHOLD:
        if text:
            raise BadValue(str(place), f"{object_type} has no threshold, found '{word}'", f"write {object_type} alone")
        return None
    whole, point, fraction = text.partition("p")
    if not text:
        raise BadValue(str(place), f"'{word}' lacks its threshold", f"write one, such as {object_type}10")
    if not _is_number(whole) or (point and not _is_number(fraction)):
        raise BadValue(
            str(place), f"'{text}' in '{word}' is not a threshold", "write digits, with 'p' for the decimal point"
        )
    if point and object_type in COUNTS:
        raise BadValue(str(place), f"{object_type} is a count, found '{word}'", "write a whole number")
    return Decimal(f"{whole}.{fraction}" if point else whole)


def _is_number(text: str) -> bool:
    return bool(text) and _DIGITS.issuperset(text)
