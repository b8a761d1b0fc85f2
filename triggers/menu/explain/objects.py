"""Which objects of a crossing meet a requirement, and by how much the others miss it.

Whether an object passes a cut is the oracle's answer (`conditions.objects.passing`, given that one cut); this file only
adds the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import MUON, cicada_scores
from triggers.events.scales import CICADA_SCORE, MUON_PT_2015, OBJECT_SCALES, SUM_ET, SUM_SCALES, Scale, physical
from triggers.menu import limits
from triggers.menu.conditions.crossings import Columns
from triggers.menu.conditions.objects import passing
from triggers.menu.describe import QUANTITIES, WINDOWS, amount, number, value_name
from triggers.menu.model import (
    COUNTS,
    ENERGY_SUMS,
    PARTICLES,
    SINGLE_BITS,
    Comparison,
    Cut,
    CutKind,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
)
from triggers.menu.places import PLACES

_ON_THE_VALUE: Final = frozenset({CutKind.COUNT, CutKind.CICADA_SCORE})
"""Cuts that ask for more than the threshold of the same value."""

THRESHOLD: Final = "threshold"
"""Stands for the name of a cut where the threshold is missed."""

_FIELD_NAMES: Final = {CutKind.ETA: "eta", CutKind.PHI: "phi", CutKind.UNCONSTRAINED_PT: "pt_unconstrained"}
_CODES_SHOWN: Final = (CutKind.QUALITY, CutKind.ISOLATION, CutKind.IMPACT_PARAMETER, CutKind.DISPLACED, CutKind.INDEX)


@dataclass(frozen=True)
class Failure:
    """A cut that an object or a choice of objects misses.

    Attributes:
        cut: the cut's name, or `threshold`.
        text: value, limit and distance in words.
        by: how much is missing, in the quantity's unit; None where there is no distance, as for codes and charges.
        by_hw: the same in hardware integers.
    """

    cut: str
    text: str
    by: float | None = None
    by_hw: int | None = None


@dataclass(frozen=True)
class ObjectVerdict:
    """One object held against a requirement.

    Attributes:
        object: its type.
        slot: where it stands among the objects of its type.
        where: type and slot in words.
        passes: whether it meets the requirement.
        text: its values in words.
        failures: the cuts that it misses.
    """

    object: str
    slot: int
    where: str
    passes: bool
    text: str
    failures: tuple[Failure, ...]


def object_verdicts(requirement: ObjectRequirement, columns: Columns, scales: ScaleSet) -> tuple[ObjectVerdict, ...]:
    """Every object of the requirement's type, without empty slots that do not pass.

    Args:
        requirement: what is asked.
        columns: the objects of the requirement's own crossing, `(1, width)` by column.
        scales: conventions of the menu.
    """
    values = _Values(requirement.object, columns, scales)
    passed = passing(requirement, columns, scales)[0]
    checks = [(check, passing(check, columns, scales)[0]) for check in _checks(requirement)]
    return tuple(
        ObjectVerdict(
            requirement.object.value,
            slot,
            values.where(slot),
            bool(passed[slot]),
            values.text(slot),
            tuple(values.failure(check, slot) for check, held in checks if not held[slot]),
        )
        for slot in values.slots
        if passed[slot] or values.present(slot)
    )


def object_texts(kind: ObjectType, columns: Columns, scales: ScaleSet) -> list[str]:
    """The objects of a type in a crossing, given as for `object_verdicts`, in words; empty slots are left out."""
    values = _Values(kind, columns, scales)
    return [values.text(slot) for slot in values.slots if values.present(slot)]


def _checks(requirement: ObjectRequirement) -> Iterator[ObjectRequirement]:
    """The requirement taken apart: the value alone, then each kind of cut alone."""
    yield replace(requirement, cuts=tuple(cut for cut in requirement.cuts if cut.kind in _ON_THE_VALUE))
    kinds = dict.fromkeys(cut.kind for cut in requirement.cuts if cut.kind not in _ON_THE_VALUE)
    for kind in kinds:
        yield replace(requirement, threshold=None, comparison=Comparison.AT_LEAST, cuts=requirement.cuts_of(kind))


class _Values:
    """The objects of one type in one crossing, as numbers in physical units and hardware integers."""

    def __init__(self, kind: ObjectType, columns: Columns, scales: ScaleSet) -> None:
        self._kind, self._scales = kind, scales
        self._place = PLACES[kind]
        first = self._place.first_slot
        words = columns[self._place.column][0, first : first + self._place.n_slots].astype(np.uint64)
        self._value = self._place.value.get(words)
        if kind is ObjectType.CICADA:
            self._value = cicada_scores(columns["sums"].astype(np.uint32))
        self._words: NDArray[np.uint64] = words

    def present(self, slot: int) -> bool:
        """Whether there is an object: sums and bits always are, a word with other bits but no pT is no muon."""
        if self._kind is ObjectType.MU and self._scales.muon_pt_offset:
            return bool(self._value[slot])
        return self._kind not in PARTICLES or bool(self._words[slot])

    def where(self, slot: int) -> str:
        """`MU slot 0`; sums and bits have no slots."""
        return f"{self._kind} slot {slot}" if self._kind in PARTICLES else self._kind.value

    @property
    def slots(self) -> range:
        """Every slot of the type."""
        return range(len(self._words))

    def text(self, slot: int) -> str:
        """`MU slot 0: pT 21 GeV [43], eta 0.3045 [28], phi 1.2381 [113], quality 12 …`."""
        name, unit = self._value_name()
        hardware = int(self._value[slot])
        parts = [f"{name} {amount(self._physical_value(hardware), unit)} [{hardware}]"]
        if self._kind in SINGLE_BITS:
            return f"{self._kind} is {'set' if hardware else 'not set'}"
        parts += [self._field_text(k, slot) for k in _FIELD_NAMES if k in self._place.cuts]
        parts += [f"{QUANTITIES[k][0]} {self._field(k, slot)}" for k in _CODES_SHOWN if k in self._place.cuts]
        if self._kind is ObjectType.MU:
            parts.append(f"charge {self._charge(slot)}")
        return f"{self.where(slot)}: {', '.join(parts)}"

    def failure(self, check: ObjectRequirement, slot: int) -> Failure:
        """By how much an object misses one check of `_checks`."""
        kind = check.cuts[0].kind if check.cuts and check.cuts[0].kind not in _ON_THE_VALUE else None
        if kind is None:
            return self._value_failure(check, slot)
        if kind is CutKind.CHARGE:
            return Failure(check.cuts[0].name, f"charge is {self._charge(slot)}, not {check.cuts[0].values[0]}")
        if kind in WINDOWS:
            return min((self._window_failure(cut, slot) for cut in check.cuts), key=lambda miss: miss.by_hw or 0)
        (cut,) = check.cuts
        allowed = ", ".join(cut.values)
        return Failure(cut.name, f"{QUANTITIES[kind][0]} {self._field(kind, slot)} is not among {allowed}")

    def _value_failure(self, check: ObjectRequirement, slot: int) -> Failure:
        value, threshold = int(self._value[slot]), limits.threshold_hw(check, self._scales)
        name, unit = self._value_name()
        cut_name = THRESHOLD
        for cut in check.cuts:
            least = limits.cicada_threshold_hw(cut) if cut.kind is CutKind.CICADA_SCORE else limits.count_threshold(cut)
            if least > threshold:
                threshold, cut_name = least, cut.name
        if self._kind in SINGLE_BITS:
            return Failure(cut_name, "the bit is not set")
        found = f"{name} {amount(self._physical_value(value), unit)} [{value}]"
        wanted = f"{amount(self._physical_value(threshold), unit)} [{threshold}]"
        by_hw = abs(threshold - value)
        by = by_hw * self._step()
        distance = f"by {amount(by, unit)} [{by_hw}]"
        if check.comparison is Comparison.EQUAL:
            return Failure(cut_name, f"{found} is not {wanted}, {distance}", by, by_hw)
        return Failure(cut_name, f"{found} is below {wanted} {distance}", by, by_hw)

    def _window_failure(self, cut: Cut, slot: int) -> Failure:
        value = slot if cut.kind is CutKind.SLICE else self._field(cut.kind, slot)
        low, high = limits.window_hw(cut, self._kind, self._scales)
        by_hw = self._steps_outside(cut.kind, value, low, high)
        name, unit = QUANTITIES[cut.kind]
        found = f"{name} {value}" if cut.kind is CutKind.SLICE else self._field_text(cut.kind, slot)
        window = f"{number(cut.minimum)} to {amount(cut.maximum, unit)} [{low} to {high}]"
        scale = self._field_scale(cut.kind)
        by = by_hw * (1.0 if scale is None else scale.step)
        return Failure(cut.name, f"{found} is outside {window} by {amount(by, unit)} [{by_hw}]", by, by_hw)

    def _steps_outside(self, kind: CutKind, value: int, low: int, high: int) -> int:
        """Bins from a value outside a window to the window's nearer end; phi goes round."""
        below, above = low - value, value - high
        if kind is CutKind.PHI:
            scale = self._field_scale(kind)
            n_bins = scale.highest + 1 if scale else 1
            below, above = below % n_bins, above % n_bins
        return min(distance for distance in (below, above) if distance > 0)

    def _field(self, kind: CutKind, slot: int) -> int:
        return int(self._place.cuts[kind].get(self._words[slot]))

    def _field_text(self, kind: CutKind, slot: int) -> str:
        name, unit = QUANTITIES[kind]
        hardware, scale = self._field(kind, slot), self._field_scale(kind)
        if scale is None:
            return f"{name} {hardware}"
        if kind is CutKind.UNCONSTRAINED_PT and hardware == 0:
            return f"{name} not measured [0]"
        return f"{name} {amount(float(physical(scale, hardware)), unit)} [{hardware}]"

    def _field_scale(self, kind: CutKind) -> Scale | None:
        if kind not in _FIELD_NAMES:
            return None
        if self._kind in PARTICLES:
            return OBJECT_SCALES[self._place.column][_FIELD_NAMES[kind]]
        return SUM_SCALES[f"{self._kind.value.lower()}_{_FIELD_NAMES[kind]}"]

    def _value_name(self) -> tuple[str, str]:
        return ("score", "") if self._kind is ObjectType.CICADA else value_name(self._kind)

    def _value_scale(self) -> Scale | None:
        if self._kind is ObjectType.CICADA:
            return CICADA_SCORE
        if self._kind in COUNTS | SINGLE_BITS:
            return None
        if self._kind in ENERGY_SUMS:
            return SUM_ET
        if self._kind is ObjectType.MU:
            return OBJECT_SCALES["muon"]["pt"] if self._scales.muon_pt_offset else MUON_PT_2015
        return OBJECT_SCALES[self._place.column]["et"]

    def _physical_value(self, hardware: int) -> float:
        scale = self._value_scale()
        return float(hardware) if scale is None else float(scale.lower_edge(hardware))

    def _step(self) -> float:
        scale = self._value_scale()
        return 1.0 if scale is None else scale.step

    def _charge(self, slot: int) -> str:
        word = self._words[slot]
        if not MUON["charge_valid"].get(word):
            return "not valid"
        return "negative" if MUON["charge_negative"].get(word) else "positive"
