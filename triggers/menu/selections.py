"""Requirements as sets of accepted field values: what the kernel's tables are made of.

Two requirements that accept the same words are equal selections, whatever their cuts are called; whether one contains
the other is decided on the sets (`docs/menu-kernel.md`, section "Selections").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import MUON, Field
from triggers.menu import limits
from triggers.menu.model import Comparison, Cut, CutKind, ObjectRequirement, ObjectType, ScaleSet
from triggers.menu.places import PLACES

CICADA_COLUMN = "cicada"
"""Stands for the one word per crossing that holds the CICADA score, which is not stored in one place."""

_WINDOWS = (CutKind.ETA, CutKind.PHI, CutKind.INDEX, CutKind.UNCONSTRAINED_PT)
_LISTS = (CutKind.QUALITY, CutKind.ISOLATION, CutKind.IMPACT_PARAMETER, CutKind.DISPLACED)
_WRAPPING = frozenset({CutKind.ETA, CutKind.PHI})


@dataclass(frozen=True, order=True)
class Group:
    """Objects that are looked at together: a run of words of one column in one crossing of the window."""

    column: str
    first_slot: int
    n_slots: int
    bx_offset: int

    @property
    def word_bits(self) -> int:
        """How many bits a word of the column has."""
        return 64 if self.column == "muon" else 32


@dataclass(frozen=True)
class FieldSet:
    """The raw values of a field that are accepted: one byte, 0 or 1, for each."""

    field: Field
    accepted: bytes

    def as_array(self) -> NDArray[np.bool_]:
        """The accepted values, `(2^bits,) bool`."""
        return np.frombuffer(self.accepted, np.bool_)


@dataclass(frozen=True)
class Selection:
    """The words that a requirement accepts: every listed field in its set, in one of the slots.

    Attributes:
        group: where the words are.
        sets: the restricted fields, ascending by position; the others are free.
        slots: bit mask of the slots within the group.
        object: the object type; it only guides the choice of keys.
        threshold: the lowest accepted value; it only guides the choice of keys.
    """

    group: Group
    sets: tuple[FieldSet, ...]
    slots: int
    object: ObjectType = field(compare=False)
    threshold: int = field(compare=False)

    @property
    def accepts_empty_word(self) -> bool:
        """Whether an empty slot passes."""
        return bool(self.slots) and all(field_set.accepted[0] for field_set in self.sets)

    @property
    def accepts_nothing(self) -> bool:
        """Whether no word passes."""
        return not self.slots or any(not any(field_set.accepted) for field_set in self.sets)

    def within(self, other: Selection) -> bool:
        """Whether every word that passes this selection passes the other."""
        if self.accepts_nothing:
            return True
        mine = {field_set.field: field_set.as_array() for field_set in self.sets}
        everything = np.ones(1, np.bool_)
        return not self.slots & ~other.slots and all(
            not (mine.get(theirs.field, everything) & ~theirs.as_array()).any() for theirs in other.sets
        )


def selection(requirement: ObjectRequirement, scales: ScaleSet) -> Selection:
    """The words that pass a requirement on objects of the event (not on a network's score)."""
    place = PLACES[requirement.object]
    sets: dict[Field, NDArray[np.bool_]] = {place.value: _threshold_set(requirement, place.value, scales)}

    def narrow(to: Field, accepted: NDArray[np.bool_]) -> None:
        sets[to] = sets.get(to, np.True_) & accepted

    for kind in _WINDOWS:
        if cuts := requirement.cuts_of(kind):
            windows = [_window_set(cut, requirement.object, place.cuts[kind], scales) for cut in cuts]
            narrow(place.cuts[kind], np.logical_or.reduce(windows))
    for kind in _LISTS:
        for cut in requirement.cuts_of(kind):
            codes = np.arange(1 << place.cuts[kind].bits)
            narrow(place.cuts[kind], (limits.value_mask(cut) >> codes) & 1 == 1)
    for cut in requirement.cuts_of(CutKind.CHARGE):
        narrow(MUON["charge_valid"], np.array([False, True]))
        narrow(MUON["charge_negative"], np.array([False, True]) == limits.wants_negative(cut))
    in_order = sorted(sets.items(), key=lambda item: item[0].shift)
    cicada = requirement.object is ObjectType.CICADA
    return Selection(
        Group(CICADA_COLUMN if cicada else place.column, place.first_slot, place.n_slots, requirement.bx_offset),
        tuple(FieldSet(where, accepted.tobytes()) for where, accepted in in_order if not accepted.all()),
        _slot_mask(requirement, place.n_slots, scales),
        requirement.object,
        int(np.argmax(sets[place.value])),
    )


def _threshold_set(requirement: ObjectRequirement, where: Field, scales: ScaleSet) -> NDArray[np.bool_]:
    values = np.arange(1 << where.bits)
    threshold = limits.threshold_hw(requirement, scales)
    accepted = values == threshold if requirement.comparison is Comparison.EQUAL else values >= threshold
    least = [limits.count_threshold(cut) for cut in requirement.cuts_of(CutKind.COUNT)]
    least += [limits.cicada_threshold_hw(cut) for cut in requirement.cuts_of(CutKind.CICADA_SCORE)]
    return reduce(np.logical_and, [values >= lowest for lowest in least], accepted)


def _window_set(cut: Cut, kind: ObjectType, where: Field, scales: ScaleSet) -> NDArray[np.bool_]:
    values = where.get(np.arange(1 << where.bits) << where.shift)
    low, high = limits.window_hw(cut, kind, scales)
    if low > high and cut.kind in _WRAPPING:
        return (values >= low) | (values <= high)
    return (values >= low) & (values <= high)


def _slot_mask(requirement: ObjectRequirement, n_slots: int, scales: ScaleSet) -> int:
    mask = (1 << n_slots) - 1
    for cut in requirement.cuts_of(CutKind.SLICE):
        low, high = limits.window_hw(cut, requirement.object, scales)
        mask &= sum(1 << slot for slot in range(n_slots) if low <= slot <= high)
    return mask
