"""Which algorithms of a menu look at what a source lacks (`docs/formats.md`, section "What is lacking")."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from triggers.events.lacking import NEIGHBOURS
from triggers.menu.model import (
    Condition,
    CutKind,
    ExternalCondition,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    conditions_of,
)

_COLUMNS: Final = {ObjectType.MU: "muon", ObjectType.EG: "eg", ObjectType.TAU: "tau", ObjectType.JET: "jet"}
_FIELDS: Final = {
    CutKind.QUALITY: "quality",
    CutKind.ISOLATION: "isolation",
    CutKind.IMPACT_PARAMETER: "impact_parameter",
    CutKind.CHARGE: "charge",
    CutKind.UNCONSTRAINED_PT: "pt_unconstrained",
    CutKind.DISPLACED: "displaced",
    CutKind.INDEX: "index",
}
"""The field of an object that a cut on it looks at."""
_MUON_FIELDS: Final = {CutKind.CHARGE_CORRELATION: "charge", CutKind.MASS_UNCONSTRAINED: "pt_unconstrained"}
"""The field of muons that a cut of a condition looks at."""
_SHOWERS: Final = "MUS"
_CENTRALITY: Final = {f"CENT{k}": f"sums.centrality_{'low' if k < 4 else 'high'}" for k in range(8)}


def lacking_of_menu(menu: Menu, lacking: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The algorithms that look at something a source lacks, with what they look at, by name.

    Their bits are computed from zeros. Conditions on network scores are not among them: what a network takes is its
    own matter (`docs/models.md`).

    Args:
        menu: the menu.
        lacking: parts as in `SourceInfo.lacking`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for algorithm in menu.algorithms:
        parts = dict.fromkeys(part for c in conditions_of(algorithm.expression) for part in _parts(c))
        if missing := tuple(part for part in parts if part in lacking):
            found[algorithm.name] = missing
    return found


def _parts(condition: Condition) -> Iterator[str]:
    """The parts of the event format that a condition looks at and that a source may lack."""
    if isinstance(condition, ExternalCondition):
        yield "external"
        yield from _around(condition.bx_offset)
    elif isinstance(condition, ObjectCondition):
        for requirement in condition.requirements:
            yield from _parts_of(requirement)
            yield from _around(requirement.bx_offset)
        for cut in condition.cuts:
            if cut.kind in _MUON_FIELDS:
                yield f"muon.{_MUON_FIELDS[cut.kind]}"


def _around(bx_offset: int) -> Iterator[str]:
    if bx_offset:
        yield NEIGHBOURS


def _parts_of(requirement: ObjectRequirement) -> Iterator[str]:
    kind = requirement.object
    if kind in _COLUMNS:
        column = _COLUMNS[kind]
        yield column
        yield from (f"{column}.{_FIELDS[cut.kind]}" for cut in requirement.cuts if cut.kind in _FIELDS)
    elif kind is ObjectType.CICADA:
        yield "sums.cicada_3"
    elif kind.value.startswith(_SHOWERS):
        yield "muon.shower"
    else:
        yield _CENTRALITY.get(kind.value, f"sums.{kind.value.lower()}")
