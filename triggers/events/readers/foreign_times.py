"""Times of formats that promise no order: kept where they fit, else made (`docs/formats.md`, section "Times")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.events import schema

ORBITS_PER_LUMI_SECTION: Final = 1 << 18
_MADE_RUN: Final = 1
_GREATEST_NUMBER: Final = np.iinfo(np.uint32).max


@dataclass(frozen=True)
class RawTimes:
    """Times of `n` crossings as a file has them: integers `(n,)` of any kind, None where the format has none."""

    n: int
    run: NDArray[Any] | None = None
    lumi_section: NDArray[Any] | None = None
    orbit: NDArray[Any] | None = None
    bx: NDArray[Any] | None = None
    event: NDArray[Any] | None = None


@dataclass(frozen=True)
class KeptTimes:
    """Which times of a whole source are its own.

    Attributes:
        lumi_section: the lumi sections of a run never go back.
        slot: orbit and bx are known, and rise within every lumi section.
        why_not: why orbit and bx are not kept, in words; empty if they are.
    """

    lumi_section: bool
    slot: bool
    why_not: str = ""


class _Scan:
    """Looks at times in the order of the source until it is clear what can be kept."""

    def __init__(self) -> None:
        self.lumi_section = self.slot = True
        self.why_not = ""
        self._last: dict[str, int] = {}

    def add(self, times: RawTimes, place: str) -> None:
        """Takes the next crossings.

        Args:
            times: at least one crossing.
            place: where they are, for the reason why times are not kept.
        """
        if times.orbit is None or times.bx is None:
            self._drop_slot("not in the file")
        elif not _known(times.orbit, times.bx):
            self._drop_slot("not known there (all ones)")
        self.lumi_section &= times.lumi_section is not None
        same_run = self._steps("run", times.run, times.n) == 0
        section_steps = self._steps("lumi_section", times.lumi_section, times.n)
        if self.lumi_section and (same_run & (section_steps < 0)).any():
            self.lumi_section = False
            self._drop_slot(f"not in time order ({place})")
        if self.slot:
            steps = self._steps("slot", _slots(times), times.n)
            if (same_run & (section_steps == 0) & (steps <= 0)).any():
                self._drop_slot(f"not in time order ({place})")

    def _drop_slot(self, why: str) -> None:
        if self.slot:
            self.slot, self.why_not = False, why

    def _steps(self, name: str, values: NDArray[Any] | None, n: int) -> NDArray[np.int64]:
        """Each crossing's difference from the one before; 0 where the format has no such times."""
        numbers = np.zeros(n, np.int64) if values is None else values.astype(np.int64)
        before = self._last.get(name, int(numbers[0]) - 1)
        self._last[name] = int(numbers[-1])
        return np.diff(numbers, prepend=before)


def kept_times(chunks: Iterable[tuple[str, RawTimes]]) -> KeptTimes:
    """What can be kept of a source's times; reads no further than needed to know.

    Args:
        chunks: the source's times in its order, each with the name of its place.
    """
    scan = _Scan()
    for place, times in chunks:
        if times.n:
            scan.add(times, place)
        if not scan.lumi_section and not scan.slot:
            break
    return KeptTimes(scan.lumi_section, scan.slot, scan.why_not)


def time_columns(times: RawTimes, kept: KeptTimes, first: int, spacing: int) -> dict[str, NDArray[Any]]:
    """The time columns of the event format.

    Args:
        times: what the file has.
        kept: what of it is kept.
        first: the number of the first of these crossings in the source.
        spacing: slots between made times.
    """
    slot = _slots(times) if kept.slot else schema.SLOTS_PER_ORBIT + np.arange(first, first + times.n) * spacing
    orbit = (slot // schema.SLOTS_PER_ORBIT).astype(np.uint32)
    section = orbit // np.uint32(ORBITS_PER_LUMI_SECTION) + np.uint32(1)
    if kept.lumi_section and times.lumi_section is not None:
        section = times.lumi_section.astype(np.uint32)
    made_event = np.arange(first + 1, first + times.n + 1, dtype=np.uint64)
    return {
        "run": np.full(times.n, _MADE_RUN, np.uint32) if times.run is None else times.run.astype(np.uint32),
        "lumi_section": section,
        "orbit": orbit,
        "bx": (slot % schema.SLOTS_PER_ORBIT).astype(np.uint16),
        "event": made_event if times.event is None else times.event.astype(np.uint64),
    }


def time_sentences(kept: KeptTimes, has_run: bool, has_event: bool) -> tuple[str, ...]:
    """What of the times is made, one sentence each."""
    sentences = []
    if made := [name for name, has in (("run", has_run), ("event", has_event)) if not has]:
        sentences.append(f"{', '.join(made)}: not in the file, numbered anew")
    if not kept.slot:
        sentences.append(f"orbit, bx: {kept.why_not}, made so that no two crossings are neighbours")
    if not kept.lumi_section:
        sentences.append("lumi_section: follows from the orbit")
    return tuple(sentences)


def _known(orbit: NDArray[Any], bx: NDArray[Any]) -> bool:
    """Whether all are times of the LHC; simulation has all ones."""
    return bool(((bx >= 0) & (bx < schema.SLOTS_PER_ORBIT) & (orbit >= 0) & (orbit < _GREATEST_NUMBER)).all())


def _slots(times: RawTimes) -> NDArray[np.int64]:
    if times.orbit is None or times.bx is None:
        return np.zeros(times.n, np.int64)
    return times.orbit.astype(np.int64) * schema.SLOTS_PER_ORBIT + times.bx.astype(np.int64)
