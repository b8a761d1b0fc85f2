"""Where each object type's numbers stand in the event format (`docs/menu-semantics.md`, section "Objects")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from triggers.events.packing import EG, JET, MUON, SHOWER_MUON, SUMS, TAU, Field
from triggers.events.schema import N_CALO_OBJECTS, N_MUONS
from triggers.menu.model import COUNTS, ENERGY_SUMS, VECTOR_SUMS, CutKind, ObjectType


@dataclass(frozen=True)
class Place:
    """Where an object type stands: its column, first slot, number of slots, and the fields that a menu can cut on.

    Attributes:
        column: a column of the event format.
        first_slot: the first word of the column that belongs to the type.
        n_slots: how many words do; each is one object.
        value: the field that is held against the threshold; for CICADA the whole score, which no single field holds.
        cuts: the field of each kind of object cut.
    """

    column: str
    first_slot: int
    n_slots: int
    value: Field
    cuts: Mapping[CutKind, Field] = field(default_factory=dict)


CICADA_SCORE: Final = Field(0, 16)
"""The CICADA score once `packing.cicada_scores` has put its nibbles together."""

_CALO = {CutKind.ETA: "eta", CutKind.PHI: "phi"}
_EG_TAU = _CALO | {CutKind.ISOLATION: "isolation"}
_JET = _CALO | {CutKind.DISPLACED: "displaced"}
_MUON = {
    CutKind.ETA: "eta",
    CutKind.PHI: "phi",
    CutKind.QUALITY: "quality",
    CutKind.ISOLATION: "isolation",
    CutKind.IMPACT_PARAMETER: "impact_parameter",
    CutKind.UNCONSTRAINED_PT: "pt_unconstrained",
    CutKind.INDEX: "index",
}
_N_CENTRALITY_BITS = 8


def _cuts(names: Mapping[CutKind, str], layout: Mapping[str, Field]) -> dict[CutKind, Field]:
    return {kind: layout[name] for kind, name in names.items()}


def _sum_place(kind: ObjectType) -> Place:
    quantity = kind.value.lower()
    word, value = SUMS[quantity]
    cuts = {CutKind.PHI: SUMS[f"{quantity}_phi"][1]} if kind in VECTOR_SUMS else {}
    return Place("sums", word, 1, value, cuts)


def _centrality_place(bit: int) -> Place:
    half = _N_CENTRALITY_BITS // 2
    word, nibble = SUMS["centrality_low" if bit < half else "centrality_high"]
    return Place("sums", word, 1, Field(nibble.shift + bit % half, 1))


def _places() -> dict[ObjectType, Place]:
    places = {
        ObjectType.MU: Place("muon", 0, N_MUONS, MUON["pt"], _cuts(_MUON, MUON)),
        ObjectType.EG: Place("eg", 0, N_CALO_OBJECTS, EG["et"], _cuts(_EG_TAU, EG)),
        ObjectType.TAU: Place("tau", 0, N_CALO_OBJECTS, TAU["et"], _cuts(_EG_TAU, TAU)),
        ObjectType.JET: Place("jet", 0, N_CALO_OBJECTS, JET["et"], _cuts(_JET, JET)),
        ObjectType.CICADA: Place("sums", SUMS["cicada_3"][0], 1, CICADA_SCORE),
    }
    places |= {kind: _sum_place(kind) for kind in ENERGY_SUMS | COUNTS}
    places |= {ObjectType(name): Place("muon", slot, 1, MUON["shower"]) for name, slot in SHOWER_MUON.items()}
    places |= {ObjectType(f"CENT{bit}"): _centrality_place(bit) for bit in range(_N_CENTRALITY_BITS)}
    return places


PLACES: Final[Mapping[ObjectType, Place]] = _places()
"""The place of every object type but network scores, which come from outside the event."""
