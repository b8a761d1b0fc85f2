"""Thresholds and windows that are off their scale, empty or upside down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from triggers.menu import limits
from triggers.menu.build import MINIMA, VALUE_KINDS
from triggers.menu.describe import QUANTITIES, amount, number, value_name
from triggers.menu.model import (
    COUNTS,
    PARTICLES,
    Condition,
    Cut,
    CutKind,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
)
from triggers.menu.places import PLACES
from triggers.menu.reach import LARGEST_QUANTITY, scale_ends, window_is_empty, window_is_off_scale
from triggers.menu.selections import selection
from triggers.menu.write import object_word

SCORE_BITS: Final = 18
"""Width of the score of AXOL1TL."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The menu does not do what it says."""
    WARNING = "warning"
    """The menu may not do what its author thinks."""
    NOTE = "note"
    """Something to know."""


@dataclass(frozen=True)
class Finding:
    """Something wrong or doubtful in a menu.

    Attributes:
        severity: how bad it is.
        where: the file, algorithm or cut.
        what: what is found there.
        algorithms: names of the algorithms that it concerns.
    """

    severity: Severity
    where: str
    what: str
    algorithms: tuple[str, ...] = ()


Found = Iterator[tuple[Severity, str, str]]
"""Severity, the cut or object it is about, and what is found."""


def condition_findings(condition: Condition, scales: ScaleSet) -> Found:
    """What is wrong with the thresholds and cuts of a condition."""
    if not isinstance(condition, ObjectCondition):
        return
    for requirement in condition.requirements:
        yield from _threshold_findings(requirement, scales)
        if requirement.object in PARTICLES and selection(requirement, scales).accepts_empty_word:
            what = "is satisfied by an empty slot, that is, without any object"
            yield Severity.WARNING, object_word(requirement), what
        for cut in requirement.cuts:
            yield from _object_cut_findings(cut, requirement.object, scales)
    for cut in condition.cuts:
        yield from _condition_cut_findings(cut)


def _threshold_findings(requirement: ObjectRequirement, scales: ScaleSet) -> Found:
    kind, threshold = requirement.object, requirement.threshold
    if threshold is None:
        return
    name, unit = value_name(kind)
    where = object_word(requirement)
    hardware, largest = limits.threshold_hw(requirement, scales), PLACES[kind].value.mask
    if hardware > largest:
        what = f"the {name} threshold {amount(float(threshold), unit)} [{hardware}] is off the scale, which ends at"
        yield Severity.ERROR, where, f"{what} [{largest}]: nothing passes"
    elif kind not in COUNTS and threshold * limits.ET_STEPS_PER_GEV % 1:
        applied = amount(math.ceil(threshold * limits.ET_STEPS_PER_GEV) / limits.ET_STEPS_PER_GEV, unit)
        yield Severity.NOTE, where, f"the threshold {amount(float(threshold), unit)} is applied as {applied}"


def _object_cut_findings(cut: Cut, kind: ObjectType, scales: ScaleSet) -> Found:
    if cut.kind in {CutKind.SCORE, CutKind.ADT_SCORE, CutKind.CICADA_SCORE}:
        yield from _score_findings(cut)
    if cut.kind in VALUE_KINDS or cut.kind in MINIMA:
        return
    low, high = limits.window_hw(cut, kind, scales)
    name, unit = QUANTITIES[cut.kind]
    window = f"the {name} window {number(cut.minimum)} to {amount(cut.maximum, unit)} [{low} to {high}]"
    first, last = scale_ends(cut.kind, kind)
    if low > high and cut.kind is CutKind.ETA:
        emulator = "the CMS emulator accepts what is outside the gap, the firmware nothing"
        yield Severity.ERROR, cut.name, f"{window} is upside down: {emulator}"
    elif low > high and cut.kind is not CutKind.PHI:
        yield Severity.ERROR, cut.name, f"{window} is upside down: nothing passes"
    elif window_is_off_scale(cut, kind, scales):
        yield Severity.ERROR, cut.name, f"{window} is off the scale, which is [{first} to {last}]: nothing passes"
    elif cut.kind in {CutKind.ETA, CutKind.SLICE, CutKind.INDEX} and (low < first or high > last):
        yield Severity.WARNING, cut.name, f"{window} is partly off the scale, which is [{first} to {last}]"


def _score_findings(cut: Cut) -> Found:
    largest = (1 << 16) - 1 if cut.kind is CutKind.CICADA_SCORE else (1 << SCORE_BITS) - 1
    hardware = limits.cicada_threshold_hw(cut) if cut.kind is CutKind.CICADA_SCORE else math.ceil(cut.minimum)
    if not 0 <= hardware <= largest:
        what = f"the threshold {number(cut.minimum)} [{hardware}] is off the scale, which is [0 to {largest}]"
        yield Severity.ERROR, cut.name, what


def _condition_cut_findings(cut: Cut) -> Found:
    if cut.kind in VALUE_KINDS or cut.kind in MINIMA:
        return
    name, unit = QUANTITIES[cut.kind]
    window = f"the {name} window {number(cut.minimum)} to {amount(cut.maximum, unit)}"
    if cut.minimum > cut.maximum:
        yield Severity.ERROR, cut.name, f"{window} is upside down: nothing passes"
    elif window_is_empty(cut):
        most = amount(LARGEST_QUANTITY[cut.kind], unit)
        yield Severity.ERROR, cut.name, f"{window} begins beyond {most}, the most that there is: nothing passes"
