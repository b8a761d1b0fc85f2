"""Which atoms tell where an expression may be true at all (`docs/menu-kernel.md`, section "Keys")."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from triggers.menu.atoms import AtLeast, Atom, Branch, Distinct, Fact, Pair, Search, Signal, Tree
from triggers.menu.model import ObjectType, Operator


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


@dataclass(frozen=True)
class Trial:
    """When a search is tried: where one of the keys is set and all guards are."""

    keys: frozenset[Fact]
    guards: frozenset[Fact]


def trials(trees: Iterable[Tree]) -> dict[Search, Trial]:
    """When the searches of trees are tried; elsewhere they fail, or it does not matter whether they succeed.

    A search matters only where whatever it is AND-ed with may be true.
    """
    found: dict[Search, Trial] = {}
    for tree in trees:
        for search, here in _trials_in(tree, Trial(frozenset(), frozenset())):
            before = found.get(search, here)
            found[search] = Trial(before.keys | here.keys, before.guards & here.guards)
    for search, trial in found.items():
        own = frozenset(search.guards())
        keys = min((trial.keys, _guard_of(search)), key=expected_rate)
        guards = own | trial.guards
        found[search] = Trial(keys, guards - keys if len(keys) == 1 else guards)
    return found


def _trials_in(tree: Tree, context: Trial) -> Iterator[tuple[Search, Trial]]:
    """The searches of a tree; `context` is the trial of whatever stands in the place of the tree."""
    if isinstance(tree, Branch):
        for operand in tree.operands:
            inner = context
            if tree.operator is Operator.AND:
                others = [other for other in tree.operands if other is not operand]
                inner = _narrowed(context, others)
            yield from _trials_in(operand, inner)
    elif isinstance(tree, Distinct | Pair):
        options = [_guard_of(tree)] + [context.keys] * bool(context.keys)
        yield tree, Trial(min(options, key=expected_rate), context.guards)


def _narrowed(context: Trial, others: Sequence[Tree]) -> Trial:
    """The trial of an operand that is AND-ed with others."""
    keys = [_facts(known) for known in map(keys_of, others) if known is not None]
    guards = frozenset(other for other in others if isinstance(other, AtLeast | Signal))
    best = min([*keys, *[context.keys] * bool(context.keys)], key=expected_rate, default=frozenset[Fact]())
    return Trial(best, context.guards | guards)


def _facts(keys: Iterable[Atom]) -> frozenset[Fact]:
    """Keys without searches, whose guards stand for them."""
    facts: frozenset[Fact] = frozenset()
    for key in keys:
        facts |= _guard_of(key) if isinstance(key, Distinct | Pair) else {key}
    return facts


def _guard_of(search: Search) -> frozenset[Fact]:
    return frozenset({min(search.guards(), key=_guess)})


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


def expected_rate(atoms: Iterable[Atom]) -> float:
    """A guess how often one of the atoms is set in zero-bias crossings; it decides speed, never results."""
    return sum(_guess(atom) for atom in atoms)


def _guess(atom: Atom) -> float:
    if isinstance(atom, Signal):
        return _SIGNAL_RATE
    if isinstance(atom, Distinct | Pair):
        return min(_SEARCH_RATE, *(_guess(guard) for guard in atom.guards()))
    number, slope = _SPECTRA.get(atom.selection.object, _SUM_SPECTRUM)
    return min(1.0, number * math.exp(-atom.selection.threshold / slope)) ** atom.level
