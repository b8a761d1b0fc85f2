"""What a format has no place for, and what cannot be evaluated for lack of it (`docs/formats.md`, "What is lacking").

A part is named COLUMN, COLUMN.FIELD or `neighbours`; in the packed words of a source that lacks it, it is zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from triggers.events import packing

NEIGHBOURS: Final = "neighbours"
"""The part of a source that has single crossings only: what the crossings before and after held."""

_CONSEQUENCES: Final = {
    "muon.isolation": "cuts on muon isolation (ISO)",
    "muon.impact_parameter": "cuts on the impact parameter (IP)",
    "muon.pt_unconstrained": "cuts on the unconstrained pT (UPT) and masses with it (MASSUPT)",
    "muon.quality": "cuts on muon quality (QLTY)",
    "muon.charge": "cuts on the charge (CHG) and on charge correlation (CHGCOR)",
    "muon.index": "cuts on the track finder's index (INDEX)",
    "muon.phi_raw": "networks that take phi at the muon station",
    "muon.shower": "muon showers (MUS0 to MUSOOT1)",
    "eg": "conditions on e/γ",
    "tau": "conditions on taus",
    "eg.isolation": "cuts on e/γ isolation (ISO)",
    "tau.isolation": "cuts on tau isolation (ISO)",
    "jet.displaced": "cuts on displaced jets (DISP)",
    "external": "external signals (EXT)",
    NEIGHBOURS: "requirements on the crossings before and after",
}
_CICADA_WORDS: Final = ("cicada_0", "cicada_1", "cicada_2", "cicada_3")


def lacking_sums(filled: Iterable[str]) -> tuple[str, ...]:
    """The parts `sums.QUANTITY` that a format which fills only these quantities of the sums column lacks."""
    known = set(filled)
    return tuple(f"sums.{name}" for name in packing.SUMS if name not in known)


def lacking_sentences(parts: Iterable[str]) -> tuple[str, ...]:
    """What follows for evaluation, one sentence for each part; the sums share one."""
    named = list(parts)
    sentences = [f"{part}: not known, zero; {_CONSEQUENCES[part]} cannot be evaluated" for part in _known(named)]
    sentences += [f"{part}: not known, zero" for part in named if part not in _CONSEQUENCES and not _is_sum(part)]
    if sums := list(dict.fromkeys(_sum_name(part) for part in named if _is_sum(part))):
        sentences.append(f"sums {', '.join(sums)}: not known, zero; conditions on them cannot be evaluated")
    return tuple(sentences)


def _known(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part in _CONSEQUENCES]


def _is_sum(part: str) -> bool:
    return part.startswith("sums.")


def _sum_name(part: str) -> str:
    name = part.removeprefix("sums.")
    return "cicada" if name in _CICADA_WORDS else name
