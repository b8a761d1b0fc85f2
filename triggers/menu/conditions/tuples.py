"""Every choice of objects for the legs of a condition, and the cuts on what was chosen: the oracle of all correlations.

`docs/menu-semantics.md`, section "Conditions on several objects".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from triggers.menu import limits
from triggers.menu.conditions.crossings import Columns, Crossings
from triggers.menu.conditions.measured import Measured, MeasuredPair, charge_of, pair_cut_holds
from triggers.menu.conditions.objects import passing
from triggers.menu.model import (
    TRANSVERSE,
    Cut,
    CutKind,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
)
from triggers.menu.places import PLACES

Chosen = tuple[Measured, ...]
"""An object for each leg."""

OVERLAPS = (CutKind.OVERLAP_DELTA_ETA, CutKind.OVERLAP_DELTA_PHI, CutKind.OVERLAP_DELTA_R)


def any_choice(
    requirements: Sequence[ObjectRequirement],
    crossings: Crossings,
    scales: ScaleSet,
    accept: Callable[[Chosen], bool],
    distinct: Sequence[int],
) -> NDArray[np.bool_]:
    """Whether some choice of objects that pass their requirements is accepted, `(n,)`.

    Args:
        requirements: the legs.
        crossings: where objects are looked for.
        scales: conventions of the menu.
        accept: the cuts on what was chosen.
        distinct: the legs among which objects of one type and crossing must be different ones.
    """
    columns = [crossings.at(requirement.bx_offset) for requirement in requirements]
    passed = [passing(one, there, scales) for one, there in zip(requirements, columns, strict=True)]
    same = len({_place(requirements[leg]) for leg in distinct}) == 1
    found = np.zeros(len(crossings), np.bool_)
    for row in map(int, np.flatnonzero(np.logical_and.reduce([slots.any(axis=1) for slots in passed]))):
        if same and np.logical_or.reduce([passed[leg][row] for leg in distinct]).sum() < len(distinct):
            continue
        legs = [[int(slot) for slot in np.flatnonzero(slots[row])] for slots in passed]
        found[row] = any(
            accept(
                tuple(
                    _measured(one, there, row, slot)
                    for one, there, slot in zip(requirements, columns, slots, strict=True)
                )
            )
            for slots in _choices([], legs, requirements, distinct)
        )
    return found


def _choices(
    chosen: list[int],
    open_legs: Sequence[list[int]],
    requirements: Sequence[ObjectRequirement],
    distinct: Sequence[int],
) -> Iterator[list[int]]:
    """Every choice of slots for the legs that are still open, after those that are chosen."""
    if not open_legs:
        yield chosen
        return
    leg = len(chosen)
    taken = [
        slot
        for other, slot in enumerate(chosen)
        if leg in distinct and other in distinct and _place(requirements[leg]) == _place(requirements[other])
    ]
    for slot in open_legs[0]:
        if slot not in taken:
            yield from _choices([*chosen, slot], open_legs[1:], requirements, distinct)


def _place(requirement: ObjectRequirement) -> tuple[ObjectType, int]:
    """Objects of one type and crossing are the same if their slots are."""
    return requirement.object, requirement.bx_offset


def _measured(requirement: ObjectRequirement, columns: Columns, row: int, slot: int) -> Measured:
    place = PLACES[requirement.object]
    return Measured(requirement.object, int(columns[place.column][row, place.first_slot + slot]))


def pairs_of(chosen: Sequence[Measured], function: Function) -> Iterator[MeasuredPair]:
    """Every two of the objects chosen for a function."""
    transverse = function in TRANSVERSE
    return (MeasuredPair(one, other, transverse) for one, other in combinations(chosen, 2))


def cuts_hold(condition: ObjectCondition, chosen: Chosen) -> bool:
    """Whether a pair is within all cuts of a condition but those on overlaps; charge cuts take any number of muons."""
    return all(
        charges_agree(limits.charge_relation(cut), chosen)
        if cut.kind is CutKind.CHARGE_CORRELATION
        else all(pair_cut_holds(cut, pair) for pair in pairs_of(chosen, condition.function))
        for cut in condition.cuts
        if cut.kind not in OVERLAPS
    )


def charges_agree(relation: limits.ChargeRelation, muons: Sequence[Measured]) -> bool:
    """Whether muons have the charge relation; each needs a valid charge, and `os` means "not all equal"."""
    charges = {charge_of(muon) for muon in muons}
    return None not in charges and (len(charges) == 1) is (relation is limits.ChargeRelation.LIKE_SIGN)


def overlap(cuts: Sequence[Cut], one: Measured, reference: Measured) -> bool:
    """Whether an object is within any of the overlap cuts of a reference object."""
    pair = MeasuredPair(one, reference)
    return any(pair_cut_holds(cut, pair) for cut in cuts if cut.kind in OVERLAPS)
