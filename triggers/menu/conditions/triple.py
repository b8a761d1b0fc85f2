"""`mass_inv_3`: the mass of three objects of one type and crossing (`docs/menu-semantics.md`, section "mass_inv_3")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.menu import limits
from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.measured import scale_of
from triggers.menu.conditions.tuples import Chosen, any_choice, charges_agree, pairs_of
from triggers.menu.correlation_limits import correlation_window
from triggers.menu.model import CutKind, ObjectCondition, ScaleSet


def triple(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether three different objects have the right charges and a mass within the limits, `(n,)`.

    m²/2 of three objects is the sum of those of the three pairs.
    """

    def accept(chosen: Chosen) -> bool:
        mass = sum(one.mass() for one in pairs_of(chosen, condition.function))
        windows = [
            correlation_window(cut, scale_of([one.kind for one in chosen])) for cut in condition.cuts_of(CutKind.MASS)
        ]
        charges = [limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)]
        return all(low <= mass <= high for low, high in windows) and all(
            charges_agree(relation, chosen) for relation in charges
        )

    return any_choice(condition.requirements, crossings, scales, accept, (0, 1, 2))
