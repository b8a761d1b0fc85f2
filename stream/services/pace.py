"""Simulated time against the clock: a paced run (`docs/protocol.md`, section "Live mode")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_NS: Final = 1e9


@dataclass(frozen=True)
class Pace:
    """When crossings are due.

    Attributes:
        crossings_per_s: of wall-clock time.
        buffer_s: how late a crossing may be before it is dead time.
    """

    crossings_per_s: float
    buffer_s: float


class PacedClock:
    """Tells when crossings of a run are due, and whether they are too late.

    Attributes:
        origin_ns: monotonic clock at which the run's crossing 0 was or would have been due; 0: not started.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.origin_ns = 0

    def start(self, origin_ns: int) -> None:
        """Go on with a clock that was started before."""
        self.origin_ns = origin_ns

    def start_at(self, crossing: int, now_ns: int) -> None:
        """Let the given crossing of the run be due now."""
        self.origin_ns = now_ns - self._after_ns(crossing)

    def due_ns(self, crossing: int) -> int:
        """When a crossing of the run is due."""
        return self.origin_ns + self._after_ns(crossing)

    def is_late(self, crossing: int, now_ns: int) -> bool:
        """Whether it is too late for a crossing."""
        return now_ns - self.due_ns(crossing) > self._pace.buffer_s * _NS

    def _after_ns(self, crossing: int) -> int:
        return int(crossing / self._pace.crossings_per_s * _NS)
