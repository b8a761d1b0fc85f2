"""A condition on several objects of one type and crossing (`docs/menu-semantics.md`, section "comb")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import MUON
from triggers.menu import limits
from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.objects import passing
from triggers.menu.model import CutKind, ObjectCondition, ScaleSet


def comb(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether there are different objects, one for each requirement, that satisfy the charge cut too, `(n,)`.

    Tries every choice of objects.
    """
    columns = crossings.at(condition.requirements[0].bx_offset)
    passed = np.stack([passing(requirement, columns, scales) for requirement in condition.requirements], axis=1)
    relations = [limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)]
    muons = columns["muon"]
    valid, negative = MUON["charge_valid"].get(muons) == 1, MUON["charge_negative"].get(muons) == 1
    found = np.zeros(len(crossings), np.bool_)
    for row in np.flatnonzero(passed.any(axis=1).sum(axis=1) >= len(condition.requirements)):
        found[row] = any(
            all(charges_agree(relation, valid[row, choice], negative[row, choice]) for relation in relations)
            for choice in choices(passed[row])
        )
    return found


def choices(passed: NDArray[np.bool_]) -> Iterator[list[int]]:
    """Every way to give each requirement an object of its own that passes it.

    Args:
        passed: which objects pass which requirement, `(requirements, slots)`.
    """
    yield from _extended([], [list(np.flatnonzero(slots)) for slots in passed])


def _extended(chosen: list[int], open_legs: list[list[int]]) -> Iterator[list[int]]:
    if not open_legs:
        yield chosen
        return
    for slot in open_legs[0]:
        if slot not in chosen:
            yield from _extended([*chosen, slot], open_legs[1:])


def charges_agree(relation: limits.ChargeRelation, valid: NDArray[np.bool_], negative: NDArray[np.bool_]) -> bool:
    """Whether muons of these charges have the relation; each needs a valid charge, and `os` means "not all equal"."""
    alike = bool(negative.all() or not negative.any())
    return bool(valid.all()) and alike is (relation is limits.ChargeRelation.LIKE_SIGN)
