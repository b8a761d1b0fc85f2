"""What each object, cut and function of a menu may be combined with (`docs/menu-format.md`, sections 4 and 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triggers.errors import BadValue
from triggers.menu.model import (
    COUNTS,
    PARTICLES,
    VECTOR_SUMS,
    Cut,
    CutKind,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
)
from triggers.menu.tokens import Position

_MUON = frozenset({ObjectType.MU})
_DIRECTED = PARTICLES | VECTOR_SUMS

CUT_OBJECTS: Mapping[CutKind, frozenset[ObjectType]] = {
    CutKind.ETA: PARTICLES,
    CutKind.PHI: _DIRECTED,
    CutKind.QUALITY: _MUON,
    CutKind.ISOLATION: frozenset({ObjectType.MU, ObjectType.EG, ObjectType.TAU}),
    CutKind.IMPACT_PARAMETER: _MUON,
    CutKind.CHARGE: _MUON,
    CutKind.UNCONSTRAINED_PT: _MUON,
    CutKind.DISPLACED: frozenset({ObjectType.JET}),
    CutKind.SLICE: PARTICLES,
    CutKind.INDEX: _MUON,
    CutKind.COUNT: COUNTS,
    CutKind.ADT_SCORE: frozenset({ObjectType.ADT}),
    CutKind.SCORE: frozenset({ObjectType.AXO, ObjectType.TOPO}),
    CutKind.CICADA_SCORE: frozenset({ObjectType.CICADA}),
    CutKind.MODEL: frozenset({ObjectType.AXO, ObjectType.TOPO}),
}
"""The object types that each cut of an object may belong to; a kind that is not here is a cut of a condition."""

_ALTERNATIVES = {CutKind.ETA: 5, CutKind.PHI: 2, CutKind.INDEX: 5}
"""How many windows of one kind an object may have, any of which may hold."""

_NEEDED_CUTS: Mapping[ObjectType, tuple[CutKind, ...]] = {
    ObjectType.ADT: (CutKind.ADT_SCORE,),
    ObjectType.AXO: (CutKind.MODEL, CutKind.SCORE),
    ObjectType.TOPO: (CutKind.MODEL, CutKind.SCORE),
    ObjectType.CICADA: (CutKind.CICADA_SCORE,),
}

_NEED_ETA = (CutKind.DELTA_ETA, CutKind.DELTA_R)
_OVERLAP = frozenset({CutKind.OVERLAP_DELTA_ETA, CutKind.OVERLAP_DELTA_PHI, CutKind.OVERLAP_DELTA_R})
_TUPLE = frozenset({CutKind.CHARGE_CORRELATION, CutKind.TWO_BODY_PT})
_PAIR = _TUPLE | {CutKind.DELTA_ETA, CutKind.DELTA_PHI, CutKind.DELTA_R}

_NEED_ETA_OF_REFERENCE = (CutKind.OVERLAP_DELTA_ETA, CutKind.OVERLAP_DELTA_R)
_PAIR_SIZE = 2

LARGEST_CALO_COMB = 12
LARGEST_COMB = 4


@dataclass(frozen=True)
class FunctionRule:
    """What stands in the braces of a function and after them.

    Attributes:
        fewest: least number of objects.
        most: largest number of objects.
        types: allowed object types by position; the last entry holds for all that follow.
        types_of_two: the same where two objects stand in braces that hold three, if they differ.
        cuts: allowed kinds of the condition's own cuts.
        alike: the objects (but for the reference) share one type and crossing.
        reference: the last object is the reference of an overlap removal.
    """

    fewest: int
    most: int
    types: tuple[frozenset[ObjectType], ...]
    cuts: frozenset[CutKind]
    alike: bool = False
    reference: bool = False
    types_of_two: tuple[frozenset[ObjectType], ...] | None = None

    def allowed(self, number: int, n_objects: int) -> frozenset[ObjectType]:
        """The types of one object, counted from 1, of so many."""
        types = self.types_of_two if n_objects == _PAIR_SIZE and self.types_of_two else self.types
        return types[min(number, len(types)) - 1]


_MASS_PAIR = _PAIR | {CutKind.MASS}
FUNCTION_RULES: Mapping[Function, FunctionRule] = {
    Function.COMB: FunctionRule(2, LARGEST_CALO_COMB, (PARTICLES,), _TUPLE, alike=True),
    Function.COMB_ORM: FunctionRule(2, LARGEST_COMB + 1, (PARTICLES,), _TUPLE | _OVERLAP, alike=True, reference=True),
    Function.DIST: FunctionRule(2, 2, (_DIRECTED,), _PAIR),
    Function.DIST_ORM: FunctionRule(2, 3, (PARTICLES,), _PAIR | _OVERLAP, reference=True),
    Function.MASS_INV: FunctionRule(2, 2, (PARTICLES,), _MASS_PAIR),
    Function.MASS_INV_ORM: FunctionRule(2, 3, (PARTICLES,), _MASS_PAIR | _OVERLAP, reference=True),
    Function.MASS_INV_UPT: FunctionRule(2, 2, (_MUON,), _PAIR | {CutKind.MASS_UNCONSTRAINED}),
    Function.MASS_INV_DR: FunctionRule(2, 2, (PARTICLES,), _PAIR | {CutKind.MASS_OVER_DELTA_R}, alike=True),
    Function.MASS_INV_3: FunctionRule(
        3, 3, (PARTICLES,), frozenset({CutKind.MASS, CutKind.CHARGE_CORRELATION}), alike=True
    ),
    Function.MASS_TRV: FunctionRule(2, 2, (PARTICLES, VECTOR_SUMS), _MASS_PAIR),
    Function.MASS_TRV_ORM: FunctionRule(
        2,
        3,
        (PARTICLES, VECTOR_SUMS, PARTICLES),
        _MASS_PAIR | _OVERLAP,
        reference=True,
        types_of_two=(PARTICLES, _DIRECTED),
    ),
}


def check_object_cut(cut: Cut, object_type: ObjectType, place: Position) -> None:
    """That a cut may stand at an object of this type.

    Raises:
        BadValue: it is a cut of a condition, or of another type.
    """
    if cut.kind not in CUT_OBJECTS:
        raise BadValue(
            str(place), f"cut '{cut.name}' belongs to a condition, not to an object", "write it after the closing brace"
        )
    if cut.object is not object_type:
        raise BadValue(str(place), f"cut '{cut.name}' is for {cut.object}, not for {object_type}", "use another cut")


def check_condition_cut(cut: Cut, function: Function, place: Position) -> None:
    """That a cut may stand after the braces of this function.

    Raises:
        BadValue: it is a cut of an object, or the function has no such quantity.
    """
    if cut.kind in CUT_OBJECTS:
        raise BadValue(
            str(place),
            f"cut '{cut.name}' belongs to an object, not to {function}",
            "write it at an object in the braces",
        )
    allowed = FUNCTION_RULES[function].cuts
    if cut.kind not in allowed:
        raise BadValue(
            str(place), f"{function} takes no {cut.kind} cut, found '{cut.name}'", f"it takes {_listed(allowed)}"
        )


def check_requirement(requirement: ObjectRequirement, place: Position) -> None:
    """That an object has the cuts it needs, and none twice that has no alternatives.

    Raises:
        BadValue: a score without its threshold or model, or too many cuts of one kind.
    """
    counts = Counter(cut.kind for cut in requirement.cuts)
    for kind in _NEEDED_CUTS.get(requirement.object, ()):
        if not counts[kind]:
            raise BadValue(str(place), f"{requirement.object} lacks its {kind} cut", "add one in brackets after it")
    for kind, count in counts.items():
        most = _ALTERNATIVES.get(kind, 1)
        if count > most:
            raise BadValue(
                str(place), f"{requirement.object} has {count} {kind} cuts, at most {most} are possible", "remove some"
            )


def check_condition(condition: ObjectCondition, place: Position, places: Sequence[Position]) -> None:
    """That number, types and crossings of a function's objects suit it, and its cuts suit them.

    Args:
        condition: what is checked; not a single object.
        place: of the function's name.
        places: of its objects.

    Raises:
        BadValue: they do not.
    """
    function, objects = condition.function, condition.requirements
    rule = FUNCTION_RULES[function]
    if not rule.fewest <= len(objects) <= rule.most:
        counts = f"{rule.fewest}" if rule.fewest == rule.most else f"{rule.fewest} to {rule.most}"
        raise BadValue(str(place), f"{function} takes {counts} objects, found {len(objects)}", "add or remove objects")
    for number, (requirement, at) in enumerate(zip(objects, places, strict=True), start=1):
        allowed = rule.allowed(number, len(objects))
        if requirement.object not in allowed:
            raise BadValue(
                str(at),
                f"{function} takes no {requirement.object} as object {number}",
                f"use one of {_listed(allowed)}",
            )
    legs = objects[:-1] if rule.reference else objects
    if rule.alike and len({(leg.object, leg.bx_offset) for leg in legs}) > 1:
        raise BadValue(
            str(place),
            f"the objects of {function} differ in type or crossing",
            "combine different ones with AND or dist",
        )
    if function is Function.COMB and len(objects) > LARGEST_COMB:
        _check_large_comb(condition, place)
    reference_is_partner = len(objects) == _PAIR_SIZE and function is not Function.COMB_ORM
    _check_own_cuts(condition, objects if reference_is_partner else legs, place)


def _check_large_comb(condition: ObjectCondition, place: Position) -> None:
    """Beyond four objects the firmware only counts calorimeter objects above one threshold."""
    objects = condition.requirements
    if objects[0].object is ObjectType.MU:
        raise BadValue(str(place), f"comb takes 2 to 4 muons, found {len(objects)}", "remove objects")
    if len(set(objects)) > 1 or objects[0].cuts or condition.cuts:
        raise BadValue(
            str(place), f"comb of {len(objects)} objects has different thresholds or cuts", "use one threshold, no cuts"
        )


def _check_own_cuts(condition: ObjectCondition, measured: Sequence[ObjectRequirement], place: Position) -> None:
    """Checks a condition's own cuts against the objects whose charges, distances or masses are measured."""
    counts = Counter(cut.kind for cut in condition.cuts)
    twice = next((kind for kind, count in counts.items() if count > 1), None)
    if twice is not None:
        raise BadValue(str(place), f"{condition.function} has {counts[twice]} {twice} cuts", "keep one")
    if counts[CutKind.CHARGE_CORRELATION] and any(one.object is not ObjectType.MU for one in measured):
        raise BadValue(str(place), "a CHGCOR cut needs muons, the only objects with a charge", "remove the cut")
    if counts[CutKind.TWO_BODY_PT] and len(measured) != 2:
        raise BadValue(str(place), f"a TBPT cut needs a pair, found {len(measured)} objects", "remove the cut")
    sums = [one.object for one in measured if one.object in VECTOR_SUMS]
    for kind in _NEED_ETA:
        if sums and counts[kind]:
            raise BadValue(str(place), f"the {kind} cut needs eta, which {sums[0]} has not", "use DPHI")
    for kind in _NEED_ETA_OF_REFERENCE:
        if counts[kind] and condition.requirements[-1].object in VECTOR_SUMS:
            raise BadValue(str(place), f"the {kind} cut needs eta, which {sums[0]} has not", "use ORMDPHI")
    if FUNCTION_RULES[condition.function].reference and not _OVERLAP & counts.keys():
        raise BadValue(
            str(place), f"{condition.function} lacks a cut that says what overlaps", f"add one of {_listed(_OVERLAP)}"
        )


def _listed(names: frozenset[CutKind] | frozenset[ObjectType]) -> str:
    return ", ".join(sorted(name.value for name in names))
