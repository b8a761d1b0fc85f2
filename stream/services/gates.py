"""Lumi sections that may not begin before others agree (`docs/protocol.md`, section "Changes")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

_SMOOTHING: Final = 0.2
_SHORTEST_S: Final = 1e-3


class Gates:
    """What the producer waits for at lumi-section boundaries: changes that are not released, and a stop."""

    def __init__(self) -> None:
        self._closed: dict[str, int] = {}
        self._end: int | None = None

    def restore(self, closed: Mapping[str, int], end: int) -> None:
        """Take over the gates that a producer before this one had closed, and the end it had been told (0: none)."""
        self._closed |= closed
        self._end = end or self._end

    def agree(self, change: str, wanted: int | None, current: int, lead: int = 0) -> int | None:
        """Close the gate of a lumi section for a change; None if that has begun.

        Args:
            change: its id; a change that has a gate keeps it.
            wanted: lumi section; None: the next.
            current: the lumi section that has begun, 0 if none has.
            lead: whole lumi sections that pass before the next one that is free.
        """
        if change not in self._closed:
            lumi_section = current + 1 + lead if wanted is None else wanted
            if lumi_section <= current:
                return None
            self._closed[change] = lumi_section
        return self._closed[change]

    def release(self, change: str, is_stop: bool) -> None:
        """Open the gate of a change; with `is_stop` the run ends there."""
        lumi_section = self._closed.pop(change, None)
        if is_stop and lumi_section is not None:
            self._end = lumi_section

    def is_closed(self, lumi_section: int) -> bool:
        """Whether the lumi section may not begin yet."""
        return any(lumi_section >= gate for gate in self._closed.values())

    def is_end(self, lumi_section: int) -> bool:
        """Whether the run ends before the lumi section."""
        return self._end is not None and lumi_section >= self._end


class Speed:
    """How fast the producer makes crossings, to tell which lumi section begins when.

    Args:
        now: monotonic clock, s.
    """

    def __init__(self, now: float) -> None:
        self._ticked = now
        self._made = 0
        self._per_s = 0.0

    def add(self, crossings: int) -> None:
        """Count crossings that were made."""
        self._made += crossings

    def tick(self, now: float) -> None:
        """Look at the clock; about ten times a second."""
        self._per_s += _SMOOTHING * (self._made / max(now - self._ticked, _SHORTEST_S) - self._per_s)
        self._ticked, self._made = now, 0

    def lumi_sections_in(self, seconds: float, size: int, made: int) -> int:
        """How many lumi sections after the present one begin before that time is over.

        Args:
            seconds: from now on.
            size: crossings in a lumi section.
            made: of the present lumi section.
        """
        return max(0, math.ceil((self._per_s * seconds - (size - made)) / size))
