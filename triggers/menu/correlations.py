"""From conditions that need pairs or triples of objects to atoms (`docs/menu-kernel.md`, section "Pairs")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Final

from triggers.menu import limits
from triggers.menu.atoms import Atom, Branch, Distinct, Measure, Overlap, Pair, Reference, Tree, Window
from triggers.menu.correlation_limits import UNLIMITED, correlation_window
from triggers.menu.luts import Scale
from triggers.menu.model import (
    TRANSVERSE,
    Cut,
    CutKind,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    Operator,
    ScaleSet,
)
from triggers.menu.selections import Selection, selection

MEASURE_OF: Final[Mapping[CutKind, Measure]] = {
    CutKind.DELTA_ETA: Measure.DELTA_ETA,
    CutKind.DELTA_PHI: Measure.DELTA_PHI,
    CutKind.DELTA_R: Measure.DELTA_R,
    CutKind.MASS: Measure.MASS,
    CutKind.MASS_UNCONSTRAINED: Measure.MASS_UNCONSTRAINED,
    CutKind.TWO_BODY_PT: Measure.TWO_BODY_PT,
    CutKind.MASS_OVER_DELTA_R: Measure.MASS_OVER_DELTA_R,
}

_PAIRS: Final = frozenset(
    {Function.DIST, Function.MASS_INV, Function.MASS_INV_UPT, Function.MASS_INV_DR, Function.MASS_TRV}
)
_EVERYTHING: Final[Window] = (-UNLIMITED, UNLIMITED)


def correlation(condition: ObjectCondition, scales: ScaleSet) -> Tree:
    """The atoms of a condition that is neither single nor a `comb` without cut on pT."""
    selections = [selection(requirement, scales) for requirement in condition.requirements]
    if condition.function in _PAIRS | {Function.COMB}:
        return _pair(condition, selections, exclusive=True)
    if condition.function is Function.MASS_INV_3:
        mass = _window(condition.cuts_of(CutKind.MASS), scale_of(condition.requirements))
        return _for_each_relation(condition, Distinct(tuple((leg, 1) for leg in selections), mass=mass))
    *legs, reference_selection = selections
    if len(legs) == 2:
        reference = Reference(reference_selection, _overlap(condition))
        return _pair(condition, legs, exclusive=True, reference=reference)
    if condition.function is not Function.COMB_ORM:
        return _pair(condition, selections, exclusive=False, apart=_overlap(condition))
    reference = Reference(reference_selection, _overlap(condition))
    return _for_each_relation(condition, Distinct(tuple((leg, 1) for leg in legs), reference=reference))


def _for_each_relation(condition: ObjectCondition, search: Distinct) -> Tree:
    relations = [limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)]
    if not relations:
        return search
    searches = tuple(Distinct(search.legs, relation, search.reference, search.mass) for relation in relations)
    return searches[0] if len(searches) == 1 else Branch(Operator.AND, searches)


def _pair(
    condition: ObjectCondition,
    legs: Sequence[Selection],
    *,
    exclusive: bool,
    apart: Overlap | None = None,
    reference: Reference | None = None,
) -> Atom:
    """The pair of the first two objects; legs in a fixed order, so that pairs of the same types meet in one table."""
    first, second = sorted(legs, key=lambda leg: leg.group)
    scale = scale_of(condition.requirements[:2])
    windows = {MEASURE_OF[cut.kind]: condition.cuts_of(cut.kind) for cut in condition.cuts if cut.kind in MEASURE_OF}
    relations = {limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)}
    return Pair(
        first,
        second,
        exclusive and first.group == second.group,
        tuple(sorted((measure, _window(cuts, scale)) for measure, cuts in windows.items())),
        apart,
        relations <= {limits.ChargeRelation.LIKE_SIGN},
        relations <= {limits.ChargeRelation.OPPOSITE_SIGN},
        reference,
        condition.function in TRANSVERSE or any(leg.group.column == "sums" for leg in legs),
    )


def scale_of(requirements: Sequence[ObjectRequirement]) -> Scale:
    """The grid on which objects are compared."""
    muon = any(requirement.object is ObjectType.MU for requirement in requirements)
    return Scale.MUON if muon else Scale.CALO


def _window(cuts: Sequence[Cut], scale: Scale) -> Window:
    """The integers that all cuts accept."""
    windows = [correlation_window(cut, scale) for cut in cuts]
    return reduce(lambda one, other: (max(one[0], other[0]), min(one[1], other[1])), windows, _EVERYTHING)


def _overlap(condition: ObjectCondition) -> Overlap:
    kinds = (CutKind.OVERLAP_DELTA_ETA, CutKind.OVERLAP_DELTA_PHI, CutKind.OVERLAP_DELTA_R)
    cuts = [condition.cuts_of(kind) for kind in kinds]
    return Overlap(*(correlation_window(one[0], Scale.CALO) if one else None for one in cuts))
