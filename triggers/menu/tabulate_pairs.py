"""Builds the kernel's tables of pairs and overlap removal (`docs/menu-kernel.md`, section "Pairs")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.packing import OBJECTS, SUMS, Field
from triggers.menu.atoms import Measure, Pair, Reference, Window
from triggers.menu.buckets import N_BUCKETS, bucket_edges
from triggers.menu.lookups import LookupTables
from triggers.menu.luts import (
    CALO_PT_OFFSET,
    CALO_TO_MUON_FACTOR,
    CALO_TO_MUON_OFFSET,
    MUON_PT_OFFSET,
    Lut,
    Scale,
    inverse_delta_r_squared,
    luts,
)
from triggers.menu.selections import Group
from triggers.menu.tables import (
    ANGLES,
    COARSE,
    GRID,
    LEG,
    PAIR_SET,
    REFERENCE,
    WORD_BITS,
    Column,
    Quantity,
    Records,
)
from triggers.menu.tabulate_legs import LegTables

LARGEST: Final = 2**62
"""No quantity is larger."""

_HALF_WORD: Final = 32
_NOTHING: Final = (1, 0)
"""A window that accepts nothing."""

_QUANTITY_OF: Final[Mapping[Measure, Quantity]] = {
    Measure.DELTA_R: Quantity.DELTA_R,
    Measure.MASS: Quantity.MASS,
    Measure.MASS_UNCONSTRAINED: Quantity.MASS_UNCONSTRAINED,
    Measure.TWO_BODY_PT: Quantity.TWO_BODY_PT,
}
_CHARGES: Final = 3


@dataclass(frozen=True)
class PairSet:
    """Up to 64 pairs of the same groups and kind of mass; the position of a pair is its bit."""

    groups: tuple[Group, Group]
    same: bool
    transverse: bool
    pairs: tuple[Pair, ...]

    @property
    def scale(self) -> Scale:
        """The grid on which the two objects are compared."""
        return scale_of(*self.groups)


def pair_sets(pairs: Iterable[Pair]) -> list[PairSet]:
    """The pairs by their groups."""
    by_groups: dict[tuple[Group, Group, bool, bool], list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_groups[pair.first.group, pair.second.group, pair.exclusive, pair.transverse].append(pair)
    return [
        PairSet((first, second), same, transverse, tuple(members))
        for (first, second, same, transverse), all_of_them in by_groups.items()
        for members in (all_of_them[k : k + WORD_BITS] for k in range(0, len(all_of_them), WORD_BITS))
    ]


def scale_of(*groups: Group) -> Scale:
    """The grid on which objects of these groups are compared."""
    return Scale.MUON if any(group.column == "muon" for group in groups) else Scale.CALO


class PairTables:
    """Collects the records of pairs and references."""

    def __init__(self, lookups: LookupTables, sides: LegTables) -> None:
        self.lookups = lookups
        self.sides = sides
        self.legs: list[tuple[int, ...]] = []
        self.sets: list[tuple[int, ...]] = []
        self.coarse: list[list[tuple[int, bool, int]]] = []
        self.references: list[tuple[int, ...]] = []
        self.grids: list[tuple[int, ...]] = []
        self.limits: list[NDArray[np.int64]] = []

    def add_set(self, members: PairSet, atom_word: int) -> None:
        """Adds a set of pairs, which sets the bits of its own atom word."""
        pairs, first_leg, first_reference = members.pairs, len(self.legs), len(self.references)
        for selections in ([pair.first for pair in pairs], [pair.second for pair in pairs]):
            side, word, shift = self.sides.run(selections)
            self.legs.append((side, word, *_grid(selections[0].group, members.scale), shift))
        for reference in dict.fromkeys(pair.reference for pair in pairs if pair.reference is not None):
            self.add_reference(reference, members.groups, _mask(pair.reference == reference for pair in pairs))
        self.coarse.append([self._coarse(pairs, quantity) for quantity in Quantity])
        self.limits.append(_limits(pairs))
        steps = (self._steps(pairs, members.scale, measure) for measure in (Measure.DELTA_ETA, Measure.DELTA_PHI))
        self.sets.append((
            first_leg, members.same, members.scale, members.transverse, atom_word, *steps, self._charge_words(pairs),
            len(self.sets) * WORD_BITS, first_reference, len(self.references),
            _mask(pair.reference is not None for pair in pairs),
            _mask(Measure.MASS_OVER_DELTA_R in dict(pair.windows) for pair in pairs),
        ))  # fmt: skip

    def add_reference(self, reference: Reference, legs: Sequence[Group], mask: int = 0) -> int:
        """Adds the reference of an overlap removal for objects of the given groups, and returns its number.

        Args:
            reference: what it passes, and what overlaps.
            legs: the groups of the objects that it is compared with.
            mask: the pairs of a set that it is for.
        """
        group, overlap = reference.selection.group, reference.overlap
        side, bit = self.sides.bit(reference.selection)
        windows = (overlap.delta_eta, overlap.delta_phi, overlap.delta_r_squared)
        limits = [limit for window in windows for limit in (_clipped(window) if window else _NOTHING)]
        self.references.append((side, bit, *limits, len(self.grids), mask))
        for leg in legs:
            scale = scale_of(leg, group)
            compared = -1 if leg.column == "sums" else scale
            self.grids.append((compared, Column[leg.column.upper()], *_grid(leg, scale), *_grid(group, scale)))
        return len(self.references) - 1

    def records(self) -> dict[str, Records]:
        """The finished tables, by their names in `Tables`."""
        n_quantities = len(Quantity)
        limits = np.concatenate([*self.limits, np.empty((0, n_quantities + 1, 2), np.int64)])
        coarse = np.array([base for row in self.coarse for base in row], COARSE).reshape(-1, n_quantities)
        return {
            "angles": np.array([_angles(column) for column in Column], ANGLES),
            "legs": np.array(self.legs, LEG),
            "pair_sets": np.array(self.sets, PAIR_SET),
            "coarse": coarse,
            "references": np.array(self.references, REFERENCE),
            "grids": np.array(self.grids, GRID),
            "limits": limits,
            "luts": luts().copy(),
            "inverse_luts": inverse_delta_r_squared().copy(),
        }

    def _steps(self, pairs: Sequence[Pair], scale: Scale, measure: Measure) -> int:
        """The words of the pairs that accept a difference of indices in η or φ; −1 if all accept everything."""
        lut = luts()[scale, Lut.DELTA_ETA if measure is Measure.DELTA_ETA else Lut.DELTA_PHI]
        accepted = [_inside(lut, dict(pair.windows).get(measure)) for pair in pairs]
        for pair, accepts in zip(pairs, accepted, strict=True):
            if pair.apart is not None:
                near = pair.apart.delta_eta if measure is Measure.DELTA_ETA else pair.apart.delta_phi
                accepts &= ~_inside(lut, near) if near else True
        return self.lookups.add_words(accepted) if not np.all(accepted) else -1

    def _charge_words(self, pairs: Sequence[Pair]) -> int:
        """The words of the pairs that accept two charges; −1 if none asks."""
        accepted = []
        for pair in pairs:
            allowed = np.full((_CHARGES, _CHARGES), pair.like_sign and pair.opposite_sign)
            allowed[[1, 2], [1, 2]] = pair.like_sign
            allowed[[1, 2], [2, 1]] = pair.opposite_sign
            accepted.append(allowed.reshape(-1))
        return self.lookups.add_words(accepted) if not np.all(accepted) else -1

    def _coarse(self, pairs: Sequence[Pair], quantity: Quantity) -> tuple[int, bool, int]:
        """The words of the pairs that surely accept the numbers of a bucket, and of those that accept some of them."""
        windows = [_window(pair, quantity) for pair in pairs]
        mask = _mask(window is not None for window in windows)
        outside = quantity is Quantity.APART_DELTA_R
        if not mask:
            return -1, False, 0
        low, high = bucket_edges()
        sure, edge = [], []
        for window in windows:
            least, greatest = _clipped(window) if window else (0, LARGEST)
            all_inside = (least <= low) & (high <= greatest)
            some_inside = (least <= high) & (low <= greatest) & (least <= greatest)
            if window is None:
                all_inside, some_inside = np.ones((2, N_BUCKETS), np.bool_)
            elif outside:
                all_inside, some_inside = ~some_inside, ~all_inside
            sure.append(all_inside)
            edge.append(some_inside & ~all_inside)
        both = [np.stack(rows, axis=1).reshape(-1) for rows in zip(sure, edge, strict=True)]
        return self.lookups.add_words(both), outside, mask


def _window(pair: Pair, quantity: Quantity) -> Window | None:
    if quantity is Quantity.APART_DELTA_R:
        return pair.apart.delta_r_squared if pair.apart is not None else None
    return next((window for measure, window in pair.windows if _QUANTITY_OF.get(measure) is quantity), None)


def _limits(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    limits = np.zeros((WORD_BITS, len(Quantity) + 1, 2), np.int64)
    for bit, pair in enumerate(pairs):
        for quantity in Quantity:
            window = _window(pair, quantity)
            limits[bit, quantity] = _NOTHING if window is None else _clipped(window)
        least = dict(pair.windows).get(Measure.MASS_OVER_DELTA_R, (0, 0))[0]
        limits[bit, len(Quantity)] = divmod(max(least, 0), 1 << _HALF_WORD)
    return limits


def _clipped(window: Window) -> Window:
    low, high = window
    return min(max(low, -LARGEST), LARGEST), min(max(high, -LARGEST), LARGEST)


def _inside(values: NDArray[np.int64], window: Window | None) -> NDArray[np.bool_]:
    if window is None:
        return np.ones(values.shape, np.bool_)
    low, high = _clipped(window)
    return (low <= values) & (values <= high)


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << bit for bit, flag in enumerate(flags) if flag)


def _grid(group: Group, scale: Scale) -> tuple[int, int]:
    """Factor and offset that bring indices of a group to the grid of a scale."""
    finer = scale is Scale.MUON and group.column != "muon"
    return (CALO_TO_MUON_FACTOR, CALO_TO_MUON_OFFSET) if finer else (1, 0)


_ANGLE_FIELDS: Final[Mapping[Column, Mapping[str, Field]]] = {
    Column.MUON: OBJECTS["muon"],
    Column.EG: OBJECTS["eg"],
    Column.TAU: OBJECTS["tau"],
    Column.JET: OBJECTS["jet"],
    Column.SUMS: {"et": SUMS["etm"][1], "phi": SUMS["etm_phi"][1]},
}


def _angles(column: Column) -> tuple[int, ...]:
    fields = _ANGLE_FIELDS.get(column, {})
    nothing = Field(0, 0)
    eta, phi = fields.get("eta", nothing), fields.get("phi", nothing)
    muon = column is Column.MUON
    pt = fields.get("pt" if muon else "et", nothing)
    sign = 1 << (eta.bits - 1) if eta.bits else 0
    offset = MUON_PT_OFFSET if muon else CALO_PT_OFFSET
    return sign, offset, muon, eta.shift, eta.mask, phi.shift, phi.mask, pt.shift, pt.mask
