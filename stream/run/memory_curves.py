"""Memory of services in the course of a run: what it reached, and whether it still grows (`docs/performance.md`)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

MOST_SAMPLES: Final = 512
_FEWEST_FOR_A_SLOPE: Final = 4
_S_IN_MINUTE: Final = 60.0


class MemoryCurve:
    """Samples of one service's memory, evenly spread over the run however long it is.

    When `MOST_SAMPLES` are there, every second one is dropped, and later ones are taken half as often.
    """

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []
        self._max_bytes = 0
        self._stride, self._seen = 1, 0

    def add(self, seconds: float, resident_bytes: int) -> None:
        """Take a sample at a time of any one clock."""
        self._max_bytes = max(self._max_bytes, resident_bytes)
        self._seen += 1
        if self._seen % self._stride:
            return
        self._samples.append((seconds, resident_bytes))
        if len(self._samples) >= MOST_SAMPLES:
            self._samples = self._samples[::2]
            self._stride *= 2

    def summary(self) -> dict[str, Any]:
        """The highest sample, and the slope over the later half of the run; null if that is too short to tell.

        The slope is a least-squares fit. The first half is left out: it has compilation, caches and the filling of
        buffers in it.
        """
        later = self._samples[len(self._samples) // 2 :]
        slope = None
        if len(later) >= _FEWEST_FOR_A_SLOPE:
            seconds, sizes = np.array(later, np.float64).T
            slope = float(np.polyfit(seconds - seconds[0], sizes, 1)[0]) * _S_IN_MINUTE
        return {"max_bytes": self._max_bytes, "slope_bytes_per_minute": slope, "samples": len(self._samples)}
