"""Crossings that runs kept, as the sample of a replay (`docs/replay.md`, section "What a run kept")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.run.finished import FinishedRun, read_ended_run
from stream.run.record import RECORD_FILE
from stream.services.sinks.files import ACCEPTED_FILE
from triggers.errors import BadValue
from triggers.events.open import event_files

_MISSING: Final = (
    "What that menu, its prescales, budgets and trigger rules left out is missing from all rates: only of a menu that"
    " would keep nothing else are they the whole rates."
)
_APART: Final = "replay what runs kept, and other files, apart"


@dataclass(frozen=True)
class KeptSample:
    """What one or more runs kept.

    Attributes:
        seconds: of simulated time that the runs decided.
        sentences: what follows for rates, for people.
    """

    seconds: float
    sentences: tuple[str, ...]


def replayed_files(sources: Sequence[str]) -> tuple[list[str], KeptSample | None]:
    """The event files that sources stand for; the folder of a run stands for what it kept.

    Args:
        sources: event files, patterns, folders of runs.

    Returns:
        The files, and what is known of the runs if all of them are what runs kept; else None.

    Raises:
        L1ChainError: a file or run is missing or unreadable, a run has not ended, or only some are what runs kept.
    """
    files = event_files([_accepted_of(source) for source in sources])
    runs = [read_ended_run(file.parent) for file in files if _is_kept(file)]
    if runs and len(runs) < len(files):
        other = next(file for file in files if not _is_kept(file))
        raise BadValue(other, "is not what a run kept, but other sources are", _APART)
    return [str(file) for file in files], _sample(runs) if runs else None


def _accepted_of(source: str) -> str:
    folder = Path(source)
    if not (folder / RECORD_FILE).is_file():
        return source
    read_ended_run(folder)
    return str(folder / ACCEPTED_FILE)


def _is_kept(file: Path) -> bool:
    return file.name == ACCEPTED_FILE and (file.parent / RECORD_FILE).is_file()


def _sample(runs: Sequence[FinishedRun]) -> KeptSample:
    seconds = sum(run.record["simulated_seconds"] for run in runs)
    decided = sum(run.record["decided"] for run in runs)
    menus = ", ".join(dict.fromkeys(str(run.record["menu"]["name"]) for run in runs))
    whose = "a run" if len(runs) == 1 else f"{len(runs)} runs"
    sentences = (
        f"Of {decided:,} crossings, the source has those that {whose} with the menu {menus} kept.",
        _MISSING,
        "Trigger rules are left out, as those of the run have been applied.",
    )
    return KeptSample(seconds, sentences)
