"""Which objects of a crossing meet a requirement (`docs/menu-semantics.md`, section "Objects")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import MUON, cicada_scores
from triggers.menu import limits
from triggers.menu.conditions.crossings import Columns
from triggers.menu.model import Comparison, Cut, CutKind, ObjectRequirement, ObjectType, ScaleSet
from triggers.menu.places import PLACES

WINDOWS = (CutKind.ETA, CutKind.PHI, CutKind.INDEX, CutKind.UNCONSTRAINED_PT)
LISTS = (CutKind.QUALITY, CutKind.ISOLATION, CutKind.IMPACT_PARAMETER, CutKind.DISPLACED)
WRAPPING = frozenset({CutKind.ETA, CutKind.PHI})


def passing(requirement: ObjectRequirement, columns: Columns, scales: ScaleSet) -> NDArray[np.bool_]:
    """Which objects pass threshold and cuts, `(n, slots)`; `columns` are those of the requirement's own crossing.

    Cuts of different kinds are AND-ed, windows of one kind OR-ed. An empty slot is a word of zeros and is compared
    like any other, so EG0 passes.
    """
    place = PLACES[requirement.object]
    words = columns[place.column][:, place.first_slot : place.first_slot + place.n_slots]
    passed = _threshold(requirement, columns, words, scales)
    for kind in WINDOWS:
        if cuts := requirement.cuts_of(kind):
            values = place.cuts[kind].get(words)
            passed &= np.logical_or.reduce([_window(cut, requirement.object, values, scales) for cut in cuts])
    for kind in LISTS:
        for cut in requirement.cuts_of(kind):
            passed &= (limits.value_mask(cut) >> place.cuts[kind].get(words)) & 1 == 1
    for cut in requirement.cuts_of(CutKind.CHARGE):
        passed &= _charge(cut, words)
    for cut in requirement.cuts_of(CutKind.SLICE):
        low, high = limits.window_hw(cut, requirement.object, scales)
        slot = np.arange(place.n_slots)
        passed &= (low <= slot) & (slot <= high)
    return passed


def _threshold(
    requirement: ObjectRequirement, columns: Columns, words: NDArray[np.generic], scales: ScaleSet
) -> NDArray[np.bool_]:
    values = PLACES[requirement.object].value.get(words)
    if requirement.object is ObjectType.CICADA:
        values = cicada_scores(columns["sums"].astype(np.uint32))[:, np.newaxis]
    threshold = limits.threshold_hw(requirement, scales)
    passed = values == threshold if requirement.comparison is Comparison.EQUAL else values >= threshold
    for cut in requirement.cuts_of(CutKind.COUNT):
        passed = passed & (values >= limits.count_threshold(cut))
    for cut in requirement.cuts_of(CutKind.CICADA_SCORE):
        passed = passed & (values >= limits.cicada_threshold_hw(cut))
    return np.asarray(passed, np.bool_)


def _window(cut: Cut, kind: ObjectType, values: NDArray[np.int64], scales: ScaleSet) -> NDArray[np.bool_]:
    low, high = limits.window_hw(cut, kind, scales)
    above, below = values >= low, values <= high
    return above | below if low > high and cut.kind in WRAPPING else above & below


def _charge(cut: Cut, words: NDArray[np.generic]) -> NDArray[np.bool_]:
    valid, negative = MUON["charge_valid"].get(words) == 1, MUON["charge_negative"].get(words) == 1
    return np.asarray(valid & (negative == limits.wants_negative(cut)))
