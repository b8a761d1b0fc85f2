"""`comb`: different objects of one type and crossing (`docs/menu-semantics.md`, section "comb")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.tuples import any_choice, cuts_hold
from triggers.menu.model import ObjectCondition, ScaleSet


def comb(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether there are different objects, one for each requirement, within the cuts on charge and pT, `(n,)`."""
    return any_choice(
        condition.requirements,
        crossings,
        scales,
        lambda chosen: cuts_hold(condition, chosen),
        range(len(condition.requirements)),
    )
