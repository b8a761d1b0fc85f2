"""What a file of each format cannot hold, told before and after a conversion (`docs/formats.md`)."""

from __future__ import annotations

from typing import Final

from triggers.events import schema
from triggers.events.formats import SourceFormat

_TEXT_HOLDS: Final = ("expected", "expected_known", "context")
_OPEN_DATA_HOLDS: Final = ("pileup", "process", "context")
_NTUPLE_HOLDS: Final = ("pileup", "expected", "expected_known", "context")
_WORD_LISTS: Final = "empty slots between objects: objects move up"


def not_held(format_: SourceFormat, optional_columns: tuple[str, ...]) -> tuple[str, ...]:
    """What a file of the format cannot hold of a source with these optional columns, one sentence each."""
    match format_:
        case SourceFormat.TEST_VECTOR:
            return _not_in_text(optional_columns)
        case SourceFormat.OPEN_DATA:
            return (
                *_others(optional_columns, _OPEN_DATA_HOLDS),
                "muon isolation, impact parameters and showers, external signals: the data set has no place for them",
                "all sums but ETT, ETTEM, HTT, TOWERCOUNT, ETM, HTM, ETMHF, HTMHF: the data set has no place for them",
                *_decisions(optional_columns),
                _WORD_LISTS,
                *_context(optional_columns),
            )
        case SourceFormat.L1_NTUPLE:
            known = "expected_known" in optional_columns
            unknown = ("expected_known: algorithm bits that are not known are written as 0",) if known else ()
            return (
                *_others(optional_columns, _NTUPLE_HOLDS),
                "external signals, muon showers, CICADA scores: ntuples have no place for them",
                *unknown,
                _WORD_LISTS,
                *_context(optional_columns),
            )
        case SourceFormat.ADC2021:
            times = ", ".join(schema.TIME_COLUMNS)
            return (
                f"{times}: the data set has no place for them",
                *_others(optional_columns, ("context",)),
                "objects: the 4 highest e/γ, 4 muons and 10 jets with pT, eta and phi alone; no taus",
                "sums: ETMHF alone; external signals: none",
                *_context(optional_columns),
            )
    return ()


def _not_in_text(optional_columns: tuple[str, ...]) -> tuple[str, ...]:
    others = [name for name in optional_columns if name not in _TEXT_HOLDS]
    times = [name for name in schema.TIME_COLUMNS if name != "bx"]
    sentences = [f"{', '.join([*times, *others])}: the text has no place for them"]
    if "context" in optional_columns:
        sentences.append("context rows: readers make them from the first and the last lines")
    if "expected" not in optional_columns:
        sentences.append("expected bits: not known, written as 0")
    elif "expected_known" in optional_columns:
        sentences.append("expected_known: algorithm bits that are not known are written as 0")
    return tuple(sentences)


def _others(optional_columns: tuple[str, ...], held: tuple[str, ...]) -> tuple[str, ...]:
    others = [name for name in optional_columns if name not in (*held, "expected", "expected_known")]
    return (f"{', '.join(others)}: the format has no place for them",) if others else ()


def _decisions(optional_columns: tuple[str, ...]) -> tuple[str, ...]:
    known = "expected" in optional_columns
    return ("expected bits: the data set keeps them by name, in seeds files that are not written",) if known else ()


def _context(optional_columns: tuple[str, ...]) -> tuple[str, ...]:
    return ("context rows: left out",) if "context" in optional_columns else ()
