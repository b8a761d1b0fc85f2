"""Atoms: the facts about a crossing that the kernel finds first, and trees that combine them.

See `docs/menu-kernel.md`, section "Atoms".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from triggers.menu.limits import ChargeRelation
from triggers.menu.model import Operator
from triggers.menu.selections import Group, Selection

MAX_LEVEL: Final = 4
"""Passing objects are counted up to this number."""

Window = tuple[int, int]
"""The least and the greatest accepted integer; it accepts nothing if they are upside down."""


class Measure(IntEnum):
    """What a pair is measured in; windows on all but the first two are also looked up coarsely."""

    DELTA_ETA = 0
    DELTA_PHI = 1
    DELTA_R = 2
    MASS = 3
    MASS_UNCONSTRAINED = 4
    TWO_BODY_PT = 5
    MASS_OVER_DELTA_R = 6


@dataclass(frozen=True)
class AtLeast:
    """At least `level` objects, 1 to 4, pass the selection."""

    selection: Selection
    level: int


@dataclass(frozen=True)
class Signal:
    """An external signal."""

    channel: int
    bx_offset: int


@dataclass(frozen=True)
class Overlap:
    """Two objects overlap if one of their distances is within its window; a distance may have none."""

    delta_eta: Window | None
    delta_phi: Window | None
    delta_r_squared: Window | None


@dataclass(frozen=True)
class Reference:
    """One object that passes the selection must overlap with none of those that are chosen."""

    selection: Selection
    overlap: Overlap


@dataclass(frozen=True)
class Distinct:
    """Different objects of one group for all legs, found by a search once every leg has a candidate.

    Attributes:
        legs: selections, and how many objects must pass each.
        relation: what the charges of the chosen muons must satisfy, if anything; every leg then needs one muon.
        reference: of an overlap removal.
        mass: window of m²/2 of the three objects of three legs, which then need one object each.
    """

    legs: tuple[tuple[Selection, int], ...]
    relation: ChargeRelation | None = None
    reference: Reference | None = None
    mass: Window | None = None

    @property
    def group(self) -> Group:
        """The objects that all legs choose from."""
        return self.legs[0][0].group

    def guards(self) -> tuple[AtLeast, ...]:
        """What is necessary for it, and cheap to know."""
        needed = Counter[Selection]()
        for leg, count in self.legs:
            needed[leg] += count
        legs = tuple(AtLeast(leg, min(count, MAX_LEVEL)) for leg, count in needed.items())
        return legs if self.reference is None else (*legs, AtLeast(self.reference.selection, 1))


@dataclass(frozen=True)
class Pair:
    """Two objects within windows.

    Attributes:
        first: what the one passes.
        second: what the other passes.
        exclusive: two objects of one group must be different ones.
        windows: all must hold.
        apart: the two must not overlap in this sense.
        like_sign: whether two muons of like sign are accepted; a charge that is not valid needs both.
        opposite_sign: whether two muons of opposite sign are.
        reference: of an overlap removal.
        transverse: the mass is the transverse one.
    """

    first: Selection
    second: Selection
    exclusive: bool
    windows: tuple[tuple[Measure, Window], ...] = ()
    apart: Overlap | None = None
    like_sign: bool = True
    opposite_sign: bool = True
    reference: Reference | None = None
    transverse: bool = False

    def guards(self) -> tuple[AtLeast, ...]:
        """What is necessary for it, and cheap to know."""
        if self.exclusive and self.first == self.second and self.first.group.n_slots > 1:
            legs: tuple[AtLeast, ...] = (AtLeast(self.first, 2),)
        else:
            legs = (AtLeast(self.first, 1), AtLeast(self.second, 1))
        return legs if self.reference is None else (*legs, AtLeast(self.reference.selection, 1))


Search = Distinct | Pair
"""An atom that is only looked for where it may matter."""

Fact = AtLeast | Signal
"""An atom that is known of every crossing."""

Atom = Fact | Search


@dataclass(frozen=True)
class Branch:
    """An operator over trees of atoms."""

    operator: Operator
    operands: tuple[Tree, ...]


Tree = Branch | AtLeast | Signal | Distinct | Pair


def atoms_of(tree: Tree) -> Iterator[Atom]:
    """Every atom of a tree, from left to right."""
    if isinstance(tree, Branch):
        for operand in tree.operands:
            yield from atoms_of(operand)
    else:
        yield tree
