"""From physical limits to the integers that the hardware compares (`docs/menu-semantics.md`, section "Limits")."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from triggers.errors import BadValue
from triggers.menu.model import COUNTS, SINGLE_BITS, Cut, CutKind, ObjectRequirement, ObjectType, ScaleSet

ET_STEPS_PER_GEV: Final = 2
CICADA_STEPS: Final = 256
CALO_ETA_STEP: Final = 0.0435
MUON_ETA_STEP: Final = 0.010875
CALO_PHI_BINS: Final = 144
MUON_PHI_BINS: Final = 576
MAX_UNCONSTRAINED_PT_HW: Final = 255
SNAP_BINS: Final = 0.06
"""A limit that is this near to a bin edge means the edge: menus hold rounded numbers."""


def threshold_hw(requirement: ObjectRequirement, scales: ScaleSet) -> int:
    """The integer that an object's value is held against.

    ET of calorimeter objects and sums: ceil(2 GeV); muon pT: the same plus the scale set's offset of 1, so that MU0
    needs a muon; counts: the integer; single bits: 1; objects without a threshold: 0 (`docs/menu-semantics.md`, section
    "Limits").
    """
    if requirement.object in SINGLE_BITS:
        return 1
    if requirement.threshold is None:
        return 0
    if requirement.object in COUNTS:
        return math.ceil(requirement.threshold)
    offset = scales.muon_pt_offset if requirement.object is ObjectType.MU else 0
    return math.ceil(requirement.threshold * ET_STEPS_PER_GEV) + offset


def cicada_threshold_hw(cut: Cut) -> int:
    """The CICADA threshold in units of 1/256: floor(256 value) (`docs/menu-semantics.md`, section "Limits")."""
    return math.floor(cut.minimum * CICADA_STEPS)


def window_hw(cut: Cut, kind: ObjectType, scales: ScaleSet) -> tuple[int, int]:
    """The least and the greatest index that a window accepts, both inclusive; ETA and PHI wrap if least > greatest.

    A limit on a bin edge belongs to the inner side (`docs/menu-semantics.md`, section "Limits").

    Raises:
        BadValue: the cut is not a window.
    """
    muon = kind is ObjectType.MU
    match cut.kind:
        case CutKind.ETA if muon:
            return _bins(cut.minimum / MUON_ETA_STEP + 0.5, cut.maximum / MUON_ETA_STEP + 0.5)
        case CutKind.ETA:
            return _bins(cut.minimum / CALO_ETA_STEP, cut.maximum / CALO_ETA_STEP)
        case CutKind.PHI:
            n_bins = MUON_PHI_BINS if muon else CALO_PHI_BINS
            low, high = _bins(cut.minimum * n_bins / math.tau, cut.maximum * n_bins / math.tau)
            return low % n_bins, high % n_bins
        case CutKind.UNCONSTRAINED_PT:
            return _unconstrained_pt_window(cut, scales)
        case CutKind.INDEX | CutKind.SLICE:
            return math.ceil(cut.minimum), math.floor(cut.maximum)
    raise BadValue(cut.name, f"a cut of kind {cut.kind.value} is no window", "use ETA, PHI, UPT, INDEX or SLICE")


def _bins(minimum: float, maximum: float) -> tuple[int, int]:
    """Bin k reaches from k to k+1: the first and the last bin of a window in units of bins."""
    return math.floor(_snapped(minimum)), math.ceil(_snapped(maximum)) - 1


def _snapped(edge: float) -> float:
    nearest = round(edge)
    return nearest if abs(edge - nearest) <= SNAP_BINS else edge


def _unconstrained_pt_window(cut: Cut, scales: ScaleSet) -> tuple[int, int]:
    """Index k ≥ 1 means [k−1, k) GeV, 0 no measurement; the scale sets differ in the index of 0 GeV."""
    first, last = _bins(cut.minimum, cut.maximum)
    low = scales.unconstrained_pt_zero if first == 0 else first + 1
    return low, min(last + 1, MAX_UNCONSTRAINED_PT_HW)


def value_mask(cut: Cut) -> int:
    """The bit mask of the values that a list accepts: bit v is set if v is listed (QLTY, ISO, IP, DISP).

    Raises:
        BadValue: a listed value is no whole number from 0 to 15.
    """
    mask = 0
    for value in cut.values:
        if not value.strip().isdecimal() or int(value) > 15:
            raise BadValue(cut.name, f"'{value}' is no code from 0 to 15", "list whole numbers, such as 12,13,14,15")
        mask |= 1 << int(value)
    return mask


def count_threshold(cut: Cut) -> int:
    """The least count that a COUNT cut accepts."""
    return math.ceil(cut.minimum)


class ChargeRelation(StrEnum):
    """What a CHGCOR cut asks of the chosen muons, all of which need a valid charge."""

    LIKE_SIGN = "ls"
    OPPOSITE_SIGN = "os"


_CHARGE_RELATIONS = {
    "ls": ChargeRelation.LIKE_SIGN,
    "0": ChargeRelation.LIKE_SIGN,
    "os": ChargeRelation.OPPOSITE_SIGN,
    "1": ChargeRelation.OPPOSITE_SIGN,
}
_CHARGE_NEGATIVE = {"positive": False, "negative": True}


def charge_relation(cut: Cut) -> ChargeRelation:
    """The relation of a CHGCOR cut; some menus write 0 for `ls` and 1 for `os`.

    Raises:
        BadValue: it is neither.
    """
    relation = _CHARGE_RELATIONS.get(_single_value(cut))
    if relation is None:
        raise BadValue(cut.name, f"unknown charge relation '{_single_value(cut)}'", "use ls or os")
    return relation


def wants_negative(cut: Cut) -> bool:
    """Whether a CHG cut wants negative muons.

    Raises:
        BadValue: it is neither `positive` nor `negative`.
    """
    negative = _CHARGE_NEGATIVE.get(_single_value(cut))
    if negative is None:
        raise BadValue(cut.name, f"unknown charge '{_single_value(cut)}'", "use positive or negative")
    return negative


def _single_value(cut: Cut) -> str:
    return cut.values[0].strip() if len(cut.values) == 1 else ",".join(cut.values)
