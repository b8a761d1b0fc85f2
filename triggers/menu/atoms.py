"""Expressions over atoms: the facts about a crossing that the kernel finds first, and combines afterwards.

A condition on objects becomes a tree of atoms. A `comb` whose requirements contain one another, such as
comb{MU15, MU7}, needs no search for different objects: at least one passes the tightest, at least two the next …
(`docs/menu-kernel.md`, section "Atoms").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from triggers.menu import limits
from triggers.menu.model import (
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    ObjectCondition,
    ObjectType,
    Operation,
    Operator,
    ScaleSet,
)
from triggers.menu.selections import Group, Selection, selection

MAX_LEVEL: Final = 4
"""Passing objects are counted up to this number."""


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
class Distinct:
    """Different objects of one group for all legs, found by a search once every leg has a candidate.

    Attributes:
        legs: selections, and how many objects must pass each.
        relation: what the charges of the chosen muons must satisfy, if anything; every leg then needs one muon.
    """

    legs: tuple[tuple[Selection, int], ...]
    relation: limits.ChargeRelation | None = None

    @property
    def group(self) -> Group:
        """The objects that all legs choose from."""
        return self.legs[0][0].group

    def guards(self) -> tuple[AtLeast, ...]:
        """What is necessary for it, and cheap to know."""
        needed = Counter[Selection]()
        for leg, count in self.legs:
            needed[leg] += count
        return tuple(AtLeast(leg, min(count, MAX_LEVEL)) for leg, count in needed.items())


Atom = AtLeast | Signal | Distinct


@dataclass(frozen=True)
class Branch:
    """An operator over trees of atoms."""

    operator: Operator
    operands: tuple[Tree, ...]


Tree = Branch | AtLeast | Signal | Distinct


def tree_of(expression: Expression, scales: ScaleSet) -> Tree:
    """The tree of atoms of an expression without network scores that `support.obstacle` accepts.

    Raises:
        TypeError: it has a condition that is not evaluated (a programming error).
    """
    if isinstance(expression, Operation):
        return Branch(expression.operator, tuple(tree_of(operand, scales) for operand in expression.operands))
    if isinstance(expression, ExternalCondition) and expression.channel is not None:
        return Signal(expression.channel, expression.bx_offset)
    if isinstance(expression, ObjectCondition) and expression.function is Function.SINGLE:
        return AtLeast(selection(expression.requirements[0], scales), 1)
    if isinstance(expression, ObjectCondition) and expression.function is Function.COMB:
        return _comb(expression, scales)
    raise TypeError(f"{expression} is not evaluated")


def _comb(condition: ObjectCondition, scales: ScaleSet) -> Tree:
    selections = [selection(requirement, scales) for requirement in condition.requirements]
    relations = [limits.charge_relation(cut) for cut in condition.cuts_of(CutKind.CHARGE_CORRELATION)]
    if relations:
        searches = tuple(Distinct(tuple((leg, 1) for leg in selections), relation) for relation in relations)
        return searches[0] if len(searches) == 1 else Branch(Operator.AND, searches)
    legs = tuple(Counter(selections).items())
    chain = _chain(legs)
    if chain is None or chain[-1].level > MAX_LEVEL:
        return Distinct(legs)
    return chain[0] if len(chain) == 1 else Branch(Operator.AND, tuple(chain))


def _chain(legs: Sequence[tuple[Selection, int]]) -> list[AtLeast] | None:
    """The counts that decide legs which contain one another, tightest first; None if two legs do not."""
    tightest_first = sorted(legs, key=lambda leg: -sum(leg[0].within(other) for other, _ in legs))
    if not all(tight.within(loose) for (tight, _), (loose, _) in pairwise(tightest_first)):
        return None
    chain, needed = [], 0
    for leg, count in tightest_first:
        needed += count
        chain.append(AtLeast(leg, needed))
    return chain


def atoms_of(tree: Tree) -> Iterator[Atom]:
    """Every atom of a tree, from left to right."""
    if isinstance(tree, Branch):
        for operand in tree.operands:
            yield from atoms_of(operand)
    else:
        yield tree


def keys_of(tree: Tree, *, negated: bool = False) -> frozenset[Atom] | None:
    """Atoms of which at least one is set whenever the tree is true (false, if negated), as rare as possible.

    None if no such atoms are known: the tree may be true in a crossing without any atom.
    """
    if not isinstance(tree, Branch):
        return None if negated else frozenset({tree})
    if tree.operator is Operator.NOT:
        return keys_of(tree.operands[0], negated=not negated)
    keys = [keys_of(operand, negated=negated) for operand in tree.operands]
    if tree.operator is (Operator.OR if negated else Operator.AND):
        return min((some for some in keys if some is not None), key=expected_rate, default=None)
    if tree.operator is Operator.XOR and negated:
        return None
    known = [some for some in keys if some is not None]
    return frozenset().union(*known) if len(known) == len(keys) else None


def rarest(atoms: Sequence[Atom]) -> Atom:
    """The atom that is least likely in a zero-bias crossing."""
    return min(atoms, key=lambda atom: expected_rate(frozenset({atom})))


_SPECTRA: Final = {
    ObjectType.MU: (0.13, 6.0),
    ObjectType.EG: (5.0, 5.3),
    ObjectType.TAU: (4.0, 10.0),
    ObjectType.JET: (3.6, 22.0),
}
"""Number and slope (in 0.5 GeV) of exponential spectra that are near those of zero-bias crossings."""
_SUM_SPECTRUM: Final = (1.0, 25.0)
_SEARCH_RATE: Final = 0.001
_SIGNAL_RATE: Final = 1.0


def expected_rate(atoms: frozenset[Atom]) -> float:
    """A guess how often one of the atoms is set in zero-bias crossings; it decides speed, never results."""
    return sum(_guess(atom) for atom in atoms)


def _guess(atom: Atom) -> float:
    if isinstance(atom, Signal):
        return _SIGNAL_RATE
    if isinstance(atom, Distinct):
        return _SEARCH_RATE
    number, slope = _SPECTRA.get(atom.selection.object, _SUM_SPECTRUM)
    return min(1.0, number * math.exp(-atom.selection.threshold / slope)) ** atom.level
