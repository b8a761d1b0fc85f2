"""What rates are told of: algorithms, groups, the final OR and the L1 accept, all as bits of nine words a crossing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.decision.budgets import algorithm_words, member_indices
from triggers.errors import BadValue
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS
from triggers.menu.model import (
    ENERGY_SUMS,
    Algorithm,
    ExternalCondition,
    Menu,
    ObjectType,
    WorkingPointCondition,
    conditions_of,
)

N_WORDS: Final = ALGORITHM_WORDS + 1
N_ENTITIES: Final = 64 * N_WORDS
FINAL_OR: Final = ALGORITHM_SLOTS
ACCEPT: Final = ALGORITHM_SLOTS + 1
FIRST_GROUP: Final = ALGORITHM_SLOTS + 2
MAX_GROUPS: Final = N_ENTITIES - FIRST_GROUP

_FAMILIES: Final = {
    ObjectType.MU: "muons",
    ObjectType.MUS0: "muons",
    ObjectType.MUS1: "muons",
    ObjectType.MUS2: "muons",
    ObjectType.MUSOOT0: "muons",
    ObjectType.MUSOOT1: "muons",
    ObjectType.EG: "e/gamma",
    ObjectType.TAU: "taus",
    ObjectType.JET: "jets",
    ObjectType.CICADA: "anomaly detection",
    ObjectType.ADT: "anomaly detection",
    ObjectType.AXO: "anomaly detection",
    ObjectType.TOPO: "anomaly detection",
    **dict.fromkeys(ENERGY_SUMS, "energy sums"),
}
_MIXED: Final = "mixed objects"
_OTHER: Final = "other"


@dataclass(frozen=True, eq=False)
class Group:
    """A named set of algorithms.

    Attributes:
        name: what tables call it.
        members: names of its algorithms.
        words: their bits, `(8,) uint64`.
    """

    name: str
    members: tuple[str, ...]
    words: NDArray[np.uint64]


def groups_of(menu: Menu, further: Mapping[str, Sequence[str]] | None = None) -> tuple[Group, ...]:
    """The groups that a menu names and further ones; if there is none, a group for each family of objects.

    Args:
        menu: the menu.
        further: names of algorithms or groups of the menu, by name of the group.

    Raises:
        UnknownName: a member is neither an algorithm nor a group of the menu.
        BadValue: there are more groups than words have room for.
    """
    names: dict[str, Sequence[str]] = {**menu.groups, **(further or {})} or _by_family(menu)
    if len(names) > MAX_GROUPS:
        raise BadValue(menu.source, f"{len(names)} groups", f"name at most {MAX_GROUPS}")
    by_index = {algorithm.index: algorithm.name for algorithm in menu.algorithms}
    groups = []
    for name, members in names.items():
        indices = sorted(set(member_indices(f"group '{name}'", members, menu)))
        groups.append(Group(name, tuple(by_index[index] for index in indices), algorithm_words(indices)))
    return tuple(groups)


def _by_family(menu: Menu) -> dict[str, Sequence[str]]:
    families: dict[str, list[str]] = {}
    for algorithm in menu.algorithms:
        families.setdefault(family(algorithm), []).append(algorithm.name)
    return {name: families[name] for name in sorted(families)}


def family(algorithm: Algorithm) -> str:
    """The kind of objects that an algorithm asks for."""
    found: set[str] = set()
    for condition in conditions_of(algorithm.expression):
        if isinstance(condition, WorkingPointCondition):
            found.add("anomaly detection")
        elif not isinstance(condition, ExternalCondition):
            found |= {_FAMILIES.get(requirement.object, _OTHER) for requirement in condition.requirements}
    if "anomaly detection" in found:
        return "anomaly detection"
    return found.pop() if len(found) == 1 else (_MIXED if found else _OTHER)


def group_words(groups: Sequence[Group]) -> NDArray[np.uint64]:
    """The bits of all groups, `(g, 8) uint64`."""
    return np.array([group.words for group in groups], np.uint64).reshape(-1, ALGORITHM_WORDS)


def with_groups(
    words: NDArray[np.uint64], groups: NDArray[np.uint64], accepted: NDArray[np.bool_]
) -> NDArray[np.uint64]:
    """Algorithm bits `(n, 8)` of crossings with any, and after them the bits of final OR, accept, groups: `(n, 9)`."""
    extended = np.empty((len(words), N_WORDS), np.uint64)
    _extend(words, groups, accepted, extended)
    return extended


@njit(nogil=True, cache=True)
def _extend(words: Any, groups: Any, accepted: Any, extended: Any) -> None:
    one = np.uint64(1)
    for k in range(len(words)):
        for w in range(ALGORITHM_WORDS):
            extended[k, w] = words[k, w]
        flags = one | (np.uint64(accepted[k]) << one)
        for g in range(len(groups)):
            member = np.uint64(0)
            for w in range(ALGORITHM_WORDS):
                member |= words[k, w] & groups[g, w]
            if member:
                flags |= one << np.uint64(g + FIRST_GROUP - FINAL_OR)
        extended[k, ALGORITHM_WORDS] = flags
