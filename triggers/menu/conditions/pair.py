"""`dist`, `mass_inv`, `mass_inv_upt`, `mass_inv_dr` and `mass_trv`: two objects of any type and crossing.

`docs/menu-semantics.md`, section "Pairs".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.tuples import any_choice, cuts_hold
from triggers.menu.model import ObjectCondition, ScaleSet


def pair(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether two objects, different if of one type and crossing, are within all cuts, `(n,)`."""
    return any_choice(condition.requirements, crossings, scales, lambda chosen: cuts_hold(condition, chosen), (0, 1))
