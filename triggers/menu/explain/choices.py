"""Which choice of objects satisfies the cuts of a condition, or comes nearest to it.

Choices, quantities and verdicts are the oracle's (`conditions.tuples`, `conditions.measured`); this file only adds the
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from triggers.menu import limits
from triggers.menu.conditions.measured import (
    Measured,
    MeasuredPair,
    charge_of,
    pair_cut_holds,
    pair_quantity,
    scale_of,
)
from triggers.menu.conditions.tuples import OVERLAPS, Chosen, any_choice, charges_agree, pairs_of
from triggers.menu.correlation_limits import DISTANCES, DISTANCES_SQUARED, UNLIMITED, correlation_window
from triggers.menu.describe import COMPARED, QUANTITIES, amount, measured_by_own_cuts, number, offset_text
from triggers.menu.explain.moment import Moment
from triggers.menu.explain.objects import Failure
from triggers.menu.luts import ANGLE_FACTOR, INVERSE_FACTOR, Scale
from triggers.menu.model import (
    PARTICLES,
    VECTOR_SUMS,
    Cut,
    CutKind,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
)
from triggers.menu.places import PLACES
from triggers.menu.rules import FUNCTION_RULES

_PT_UNITS: Final = 10**2
"""Products of two pT are in 0.01 GeV²."""
_NO_DISTANCE: Final = 1.0
"""How far a choice is held to be from a cut that knows no distance, relative to the cut's limit."""
_CHARGES: Final = {1: "+", -1: "-", None: "not valid"}


@dataclass(frozen=True)
class Check:
    """A cut of a condition held against chosen objects.

    Attributes:
        text: what was measured, and the limits.
        failure: by how much it is missed; None if it holds.
        distance: how far off it is, relative to the limit; 0 if it holds.
    """

    text: str
    failure: Failure | None = None
    distance: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Objects for the legs of a condition, and what its cuts say to them.

    Attributes:
        objects: type and slot of each leg's object.
        accepted: whether all cuts hold.
        checks: the cuts.
    """

    objects: tuple[str, ...]
    accepted: bool
    checks: tuple[Check, ...]


def best_choice(condition: ObjectCondition, moment: Moment, scales: ScaleSet) -> Choice | None:
    """The first choice of objects that a condition accepts, else the one that misses the fewest cuts by the least.

    Args:
        condition: a condition on several objects.
        moment: the crossing.
        scales: conventions of the menu.

    Returns:
        None if no choice of different objects passes the requirements.
    """
    best: tuple[tuple[int, float], Chosen, tuple[Check, ...]] | None = None

    def accept(chosen: Chosen) -> bool:
        nonlocal best
        checks = tuple(_checks(condition, chosen))
        missed = [check for check in checks if check.failure is not None]
        badness = (len(missed), sum(check.distance for check in missed))
        if best is None or badness < best[0]:
            best = badness, chosen, checks
        return not missed

    legs = range(len(condition.requirements) - int(FUNCTION_RULES[condition.function].reference))
    accepted = any_choice(condition.requirements, moment, scales, accept, legs)
    if best is None:
        return None
    return Choice(_slots(condition.requirements, best[1], moment), bool(accepted[0]), best[2])


def _slots(requirements: Sequence[ObjectRequirement], chosen: Chosen, moment: Moment) -> tuple[str, ...]:
    """Type and slot of each chosen object; objects with equal words are told apart by their order."""
    taken: set[tuple[ObjectType, int, int]] = set()
    names = []
    for requirement, one in zip(requirements, chosen, strict=True):
        place = PLACES[one.kind]
        words = moment.at(requirement.bx_offset)[place.column][0, place.first_slot :][: place.n_slots].astype(np.uint64)
        slots = np.flatnonzero(words == np.uint64(one.word)).tolist()
        free = [slot for slot in slots if (one.kind, requirement.bx_offset, slot) not in taken]
        slot = (free or slots)[0]
        taken.add((one.kind, requirement.bx_offset, slot))
        where = f"{one.kind} slot {slot}" if one.kind in PARTICLES else one.kind.value
        names.append(", ".join(filter(None, (where, offset_text(requirement.bx_offset)))))
    return tuple(names)


def _checks(condition: ObjectCondition, chosen: Chosen) -> Iterator[Check]:
    """Every cut of a condition held against a choice of objects."""
    n_legs = len(measured_by_own_cuts(condition))
    for cut in condition.cuts:
        if cut.kind in OVERLAPS:
            continue
        if cut.kind is CutKind.CHARGE_CORRELATION:
            yield _charge_check(cut, chosen[:n_legs])
        else:
            yield _window_check(cut, condition.function, chosen[:n_legs])
    if FUNCTION_RULES[condition.function].reference:
        overlaps = [cut for cut in condition.cuts if cut.kind in OVERLAPS]
        for leg in chosen[:-1]:
            if leg.kind not in VECTOR_SUMS:
                yield _overlap_check(overlaps, leg, chosen[-1])


def _charge_check(cut: Cut, muons: Chosen) -> Check:
    shown = ", ".join(_CHARGES[charge_of(muon)] for muon in muons)
    relation = limits.charge_relation(cut)
    wanted = "all equal" if relation is limits.ChargeRelation.LIKE_SIGN else "not all equal"
    text = f"{cut.name}: charges {shown}, wanted {wanted}"
    if charges_agree(relation, muons):
        return Check(text)
    return Check(text, Failure(cut.name, f"charges {shown} where {wanted} is wanted"), _NO_DISTANCE)


def _window_check(cut: Cut, function: Function, chosen: Chosen) -> Check:
    """A cut on a pair, or on the mass of three objects."""
    scale = scale_of([one.kind for one in chosen])
    quantities = [pair_quantity(cut.kind, pair) for pair in pairs_of(chosen, function)]
    if None in quantities:
        return Check(f"{cut.name}: the objects are at one place, where {QUANTITIES[cut.kind][0]} has no upper end")
    value = sum(quantity for quantity in quantities if quantity is not None)
    low, high = correlation_window(cut, scale)
    found = f"{QUANTITIES[cut.kind][0]} {_shown(cut.kind, value, scale)}"
    window = _window_text(cut, scale)
    if low <= value <= high:
        return Check(f"{cut.name}: {found} is within {window}")
    limit, side = (low, "below") if value < low else (high, "above")
    by = abs(_physical(cut.kind, value, scale) - _physical(cut.kind, limit, scale))
    by_hw = abs(value - limit)
    text = f"{found} is {side} {window} by {amount(by, QUANTITIES[cut.kind][1])} [{by_hw}]"
    return Check(f"{cut.name}: {text}", Failure(cut.name, text, by, by_hw), by_hw / max(limit, 1))


def _overlap_check(cuts: Sequence[Cut], leg: Measured, reference: Measured) -> Check:
    """A leg held against the reference: it must be within none of the overlap cuts."""
    pair = MeasuredPair(leg, reference)
    texts = []
    failures = []
    for cut in cuts:
        value = pair_quantity(cut.kind, pair) or 0
        low, high = correlation_window(cut, pair.scale)
        name = QUANTITIES[cut.kind][0].removeprefix("overlap in ")
        found = f"{name} {_shown(cut.kind, value, pair.scale)} of the {leg.kind} to the reference {reference.kind}"
        window = _window_text(cut, pair.scale)
        if pair_cut_holds(cut, pair):
            by_hw = min(value - low, high - value) + 1
            ends = [_physical(cut.kind, limit, pair.scale) for limit in (low, high)]
            by = min(abs(_physical(cut.kind, value, pair.scale) - end) for end in ends)
            failures.append(Failure(cut.name, f"{found} is an overlap: within {window}", by, by_hw))
        else:
            texts.append(f"{cut.name}: {found} is no overlap: outside {window}")
    if not failures:
        return Check("; ".join(texts))
    worst = failures[0]
    return Check(f"{worst.cut}: {worst.text}", worst, _NO_DISTANCE)


def _window_text(cut: Cut, scale: Scale) -> str:
    low, high = correlation_window(cut, scale)
    unit = QUANTITIES[cut.kind][1]
    if high == UNLIMITED:
        return f"{amount(cut.minimum, unit)} and more [{low} and more]"
    return f"{number(cut.minimum)} to {amount(cut.maximum, unit)} [{low} to {high}]"


def _shown(kind: CutKind, value: int, scale: Scale) -> str:
    physical = _physical(kind, value, scale)
    return f"{amount(physical, QUANTITIES[kind][1])} [{COMPARED.get(kind, '')}{value}]"


def _physical(kind: CutKind, value: int, scale: Scale) -> float:
    """A quantity of the hardware in its physical unit: the square root where the hardware compares a square."""
    if kind in DISTANCES:
        return value / ANGLE_FACTOR
    if kind in DISTANCES_SQUARED:
        return math.sqrt(value) / ANGLE_FACTOR
    if kind is CutKind.TWO_BODY_PT:
        return math.sqrt(value / (_PT_UNITS * scale.math_factor**2))
    per_unit = INVERSE_FACTOR if kind is CutKind.MASS_OVER_DELTA_R else 1
    return math.sqrt(2 * value / (_PT_UNITS * scale.math_factor * per_unit))
