"""A histogram of durations with one per cent of resolution and fixed memory."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

_SHORTEST_NS: Final = 1_000
_GROWTH: Final = 1.01
_BINS: Final = 2_000


class DurationHistogram:
    """Durations from 1 µs to 400 s in bins that grow by 1 %."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count one duration."""
        place = int(math.log(max(duration_ns, _SHORTEST_NS) / _SHORTEST_NS, _GROWTH))
        self._counts[min(place, _BINS - 1)] += 1
        self._max_ns = max(self._max_ns, duration_ns)

    def quantile_ms(self, fraction: float) -> float:
        """The duration that the given fraction does not exceed, in ms; 0 if there is none."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), fraction * total))
        upper_ns = _SHORTEST_NS * _GROWTH ** (place + 1)
        return min(upper_ns, self._max_ns) / 1e6

    def summary_ms(self) -> dict[str, float]:
        """Median, 99th percentile and maximum in ms."""
        return {"p50": self.quantile_ms(0.5), "p99": self.quantile_ms(0.99), "max": self._max_ns / 1e6}
