"""A condition on one object: some object of the type passes (`docs/menu-semantics.md`, section "Single conditions")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.menu.conditions.crossings import Crossings
from triggers.menu.conditions.objects import passing
from triggers.menu.model import ObjectCondition, ScaleSet


def single(condition: ObjectCondition, crossings: Crossings, scales: ScaleSet) -> NDArray[np.bool_]:
    """Whether any object passes, `(n,)`; sums, counts, single bits and CICADA have one object."""
    (requirement,) = condition.requirements
    return np.asarray(passing(requirement, crossings.at(requirement.bx_offset), scales).any(axis=1))
