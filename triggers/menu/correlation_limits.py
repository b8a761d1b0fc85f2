"""Limits of the cuts on pairs and triples, as the integers that the hardware compares.

`docs/menu-semantics.md`, section "Limits of correlations".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from triggers.errors import BadValue
from triggers.menu.luts import INVERSE_FACTOR, Scale
from triggers.menu.model import Cut, CutKind

UNLIMITED: Final = 2**100
"""More than any quantity can be."""

_ANGLE_DIGITS: Final = 3
_MASS_DIGITS: Final = 1
_PT_FACTOR: Final = 100
"""Products of two pT have units of 0.01 GeV²."""
_MENU_DIGITS: Final = 9
"""Decimals of a menu's numbers that have a meaning; further ones are the rounding of binary fractions."""

DISTANCES: Final = frozenset(
    {CutKind.DELTA_ETA, CutKind.DELTA_PHI, CutKind.OVERLAP_DELTA_ETA, CutKind.OVERLAP_DELTA_PHI}
)
DISTANCES_SQUARED: Final = frozenset({CutKind.DELTA_R, CutKind.OVERLAP_DELTA_R})
MASSES: Final = frozenset({CutKind.MASS, CutKind.MASS_UNCONSTRAINED, CutKind.MASS_OVER_DELTA_R})
_MINIMUM_ONLY: Final = frozenset({CutKind.MASS_OVER_DELTA_R, CutKind.TWO_BODY_PT})


def correlation_window(cut: Cut, scale: Scale) -> tuple[int, int]:
    """The least and the greatest integer that a cut on a pair or triple accepts, both inclusive.

    Args:
        cut: DETA, DPHI, DR, MASS, MASSUPT, MASSDR, TBPT, ORMDETA, ORMDPHI or ORMDR.
        scale: of the objects: that of the muons if one of them is a muon.

    Raises:
        BadValue: the cut is of another kind.
    """
    factor = _factor(cut, scale)
    low = _scaled(cut, cut.minimum, ROUND_FLOOR) * factor
    return low, UNLIMITED if cut.kind in _MINIMUM_ONLY else _scaled(cut, cut.maximum, ROUND_CEILING) * factor


def _factor(cut: Cut, scale: Scale) -> int:
    """What the last decimal of a limit is worth in the unit of the quantity."""
    per_tenth = _PT_FACTOR // 10
    factors: Mapping[CutKind, int] = {
        **dict.fromkeys(DISTANCES, 1),
        **dict.fromkeys(DISTANCES_SQUARED, 10**_ANGLE_DIGITS),
        CutKind.MASS: per_tenth * scale.math_factor,
        CutKind.MASS_UNCONSTRAINED: per_tenth * scale.math_factor,
        CutKind.MASS_OVER_DELTA_R: per_tenth * scale.math_factor * INVERSE_FACTOR,
        CutKind.TWO_BODY_PT: per_tenth * scale.math_factor**2,
    }
    if cut.kind not in factors:
        raise BadValue(cut.name, f"a cut of kind {cut.kind.value} is no window of a pair", "use DETA, DR, MASS …")
    return factors[cut.kind]


def _scaled(cut: Cut, limit: float, rounding: str) -> int:
    """A limit in units of the last decimal that the hardware keeps of it, rounded outwards."""
    if cut.kind in DISTANCES_SQUARED:
        return _delta_r_squared(limit, rounding)
    value = Decimal(f"{limit:.{_MENU_DIGITS}f}")
    if cut.kind in DISTANCES:
        return int(value.scaleb(_ANGLE_DIGITS).to_integral_value(rounding))
    squared = value * value / 2 if cut.kind in MASSES else value * value
    return int(squared.scaleb(_MASS_DIGITS).to_integral_value(rounding))


def _delta_r_squared(limit: float, rounding: str) -> int:
    """ΔR limits are multiples of 0.1, squared in double precision: 0.6 becomes 0.361, but 0.5 becomes 0.25."""
    delta_r = round(limit * 10) * 0.1
    squared = delta_r * delta_r * 10**_ANGLE_DIGITS
    return math.floor(squared) if rounding == ROUND_FLOOR else math.ceil(squared)
