"""What changed between two menus, in words (`docs/menu-commands.md`, "diff")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from triggers.menu.canonical import canonical
from triggers.menu.describe import condition_cut_text, object_cut_text
from triggers.menu.diff_expression import expression_changes
from triggers.menu.model import Algorithm, Cut, Menu, ObjectCondition, ScaleSet, conditions_of


class ChangeKind(StrEnum):
    """What happened."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"
    CUT = "cut redefined"
    GROUP = "group"
    SCALES = "scales"
    MOVED = "moved"


_ORDER = list(ChangeKind)


@dataclass(frozen=True)
class Change:
    """One difference between two menus.

    Attributes:
        kind: what happened.
        name: the algorithm, cut or group.
        text: the change in words.
        details: what changed inside it, in words.
        algorithms: for a cut, the algorithms that use it in both menus.
    """

    kind: ChangeKind
    name: str
    text: str
    details: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()


def diff_menus(old: Menu, new: Menu) -> tuple[Change, ...]:
    """The differences from one menu to another, by kind; algorithms are matched by name, renamed ones by meaning."""
    before = {algorithm.name: algorithm for algorithm in old.algorithms}
    after = {algorithm.name: algorithm for algorithm in new.algorithms}
    renamed = _renamed(before, after)
    gone = [a for name, a in before.items() if name not in after and name not in renamed]
    come = [a for name, a in after.items() if name not in before and name not in renamed.values()]
    pairs = [(a, after[renamed.get(name, name)]) for name, a in before.items() if renamed.get(name, name) in after]
    redefined = _redefined(old, new)
    changes = (
        *(Change(ChangeKind.REMOVED, a.name, f"was index {a.index}: {a.text}") for a in gone),
        *(Change(ChangeKind.ADDED, a.name, f"at index {a.index}: {a.text}") for a in come),
        *(change for one, other in pairs for change in _algorithm_changes(one, other, old, new, redefined)),
        *_cut_changes(redefined, old, new, pairs),
        *_group_changes(old.groups, new.groups),
        *_scale_changes(old.scales, new.scales),
    )
    return tuple(sorted(changes, key=lambda change: _ORDER.index(change.kind)))


def _renamed(before: Mapping[str, Algorithm], after: Mapping[str, Algorithm]) -> dict[str, str]:
    """The new name of each algorithm whose name is gone and whose expression one new name has."""
    gone: dict[Hashable, list[str]] = defaultdict(list)
    come: dict[Hashable, list[str]] = defaultdict(list)
    for name, algorithm in before.items():
        if name not in after:
            gone[canonical(algorithm.expression)].append(name)
    for name, algorithm in after.items():
        if name not in before:
            come[canonical(algorithm.expression)].append(name)
    return {names[0]: come[key][0] for key, names in gone.items() if len(names) == len(come.get(key, ())) == 1}


def _algorithm_changes(
    one: Algorithm, other: Algorithm, old: Menu, new: Menu, redefined: Mapping[str, tuple[Cut, Cut]]
) -> Iterator[Change]:
    if one.name != other.name:
        yield Change(ChangeKind.RENAMED, one.name, f"is now {other.name}, with the same expression")
    if one.index != other.index:
        yield Change(ChangeKind.MOVED, other.name, f"index {one.index} → {other.index}")
    details = tuple(
        dict.fromkeys(expression_changes(one.expression, other.expression, (old.scales, new.scales), redefined))
    )
    if details:
        yield Change(ChangeKind.CHANGED, other.name, f"{one.text} → {other.text}", details)


def _cuts(menu: Menu) -> dict[str, tuple[Cut, ObjectCondition]]:
    """Every cut by its name, with a condition that uses it."""
    found: dict[str, tuple[Cut, ObjectCondition]] = {}
    for algorithm in menu.algorithms:
        for condition in conditions_of(algorithm.expression):
            if isinstance(condition, ObjectCondition):
                cuts = [cut for requirement in condition.requirements for cut in requirement.cuts]
                found |= {cut.name: (cut, condition) for cut in (*cuts, *condition.cuts)}
    return found


def _redefined(old: Menu, new: Menu) -> dict[str, tuple[Cut, Cut]]:
    """The cuts that have another definition under the same name."""
    before, after = _cuts(old), _cuts(new)
    return {name: (cut, after[name][0]) for name, (cut, _) in before.items() if name in after and after[name][0] != cut}


def _cut_changes(
    redefined: Mapping[str, tuple[Cut, Cut]], old: Menu, new: Menu, pairs: list[tuple[Algorithm, Algorithm]]
) -> Iterator[Change]:
    before, after = _cuts(old), _cuts(new)
    for name in redefined:
        text = f"{_cut_text(*before[name], old.scales)} → {_cut_text(*after[name], new.scales)}"
        users = tuple(other.name for one, other in pairs if _uses(one, name) and _uses(other, name))
        yield Change(ChangeKind.CUT, name, text, algorithms=users)


def _cut_text(cut: Cut, condition: ObjectCondition, scales: ScaleSet) -> str:
    if cut.object is None:
        return condition_cut_text(cut, condition)
    return object_cut_text(cut, cut.object, scales)


def _uses(algorithm: Algorithm, cut_name: str) -> bool:
    conditions = [c for c in conditions_of(algorithm.expression) if isinstance(c, ObjectCondition)]
    cuts = [cut for c in conditions for cut in (*c.cuts, *(cut for r in c.requirements for cut in r.cuts))]
    return any(cut.name == cut_name for cut in cuts)


def _group_changes(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change(ChangeKind.GROUP, name, "group removed")
        elif name not in old:
            yield Change(ChangeKind.GROUP, name, f"group added: {', '.join(new[name])}")
        elif old[name] != new[name]:
            gone = [f"without {member}" for member in old[name] if member not in new[name]]
            come = [f"with {member}" for member in new[name] if member not in old[name]]
            yield Change(ChangeKind.GROUP, name, f"group now {', '.join(gone + come) or 'in another order'}")


def _scale_changes(old: ScaleSet, new: ScaleSet) -> Iterator[Change]:
    if old.name != new.name:
        yield Change(ChangeKind.SCALES, new.name, f"scale set {old.name or '(none)'} → {new.name or '(none)'}")
    if old.muon_pt_offset != new.muon_pt_offset:
        text = f"offset of the muon pT {old.muon_pt_offset} → {new.muon_pt_offset} bins"
        yield Change(ChangeKind.SCALES, new.name, text)
    if old.unconstrained_pt_zero != new.unconstrained_pt_zero:
        text = f"index of an unconstrained pT of 0 GeV {old.unconstrained_pt_zero} → {new.unconstrained_pt_zero}"
        yield Change(ChangeKind.SCALES, new.name, text)
