"""`comb_orm`, `dist_orm`, `mass_inv_orm` and `mass_trv_orm`: overlap removal against a reference, the last object.

`docs/menu-semantics.md`, section "Overlap removal".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.tuples import Chosen, any_choice, cuts_hold, overlap
from triggers.menu.model import VECTOR_SUMS, Function, ObjectCondition, ScaleSet


def overlap_removal(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether there are legs within the cuts, and one reference object that overlaps with none of them, `(n,)`.

    Of two objects, but in `comb_orm`, the reference is a leg too: the cuts are on the pair of both.
    """
    n_legs = len(condition.requirements) - 1
    with_reference = n_legs == 1 and condition.function is not Function.COMB_ORM

    def accept(chosen: Chosen) -> bool:
        *legs, reference = chosen
        return not any(
            overlap(condition.cuts, leg, reference) for leg in legs if leg.kind not in VECTOR_SUMS
        ) and cuts_hold(condition, chosen if with_reference else tuple(legs))

    return any_choice(condition.requirements, crossings, scales, accept, range(n_legs))
