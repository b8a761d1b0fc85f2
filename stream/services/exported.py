"""Which algorithms the metrics tell of: few, so that Prometheus is not drowned (`docs/metrics.md`, "Algorithms")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from triggers.decision.counts import Counts, Step
from triggers.menu.model import Algorithm

_ENOUGH_CROSSINGS: Final = 1 << 18
"""After which it is known which algorithms have the highest rates."""


@dataclass(frozen=True)
class ExportSettings:
    """What to export.

    Attributes:
        always: names of algorithms that are exported whatever their rate.
        highest: how many of the others, those with the highest rates.
    """

    always: frozenset[str] = frozenset()
    highest: int = 50


class ExportedAlgorithms:
    """Chooses once, as soon as rates are known; what is chosen stays.

    Args:
        evaluated: all algorithms that could be exported.
        settings: what to export.
    """

    def __init__(self, evaluated: Iterable[Algorithm], settings: ExportSettings) -> None:
        self._settings = settings
        candidates = tuple(evaluated)
        self._others = [algorithm for algorithm in candidates if algorithm.name not in settings.always]
        self._chosen = [algorithm for algorithm in candidates if algorithm.name in settings.always]

    def chosen(self, counts: Counts) -> Sequence[Algorithm]:
        """The algorithms to export, given the counts so far."""
        if self._others and (len(self._others) <= self._settings.highest or counts.crossings >= _ENOUGH_CROSSINGS):
            final, before = counts.of(Step.FINAL), counts.of(Step.BEFORE_PRESCALE)
            self._others.sort(key=lambda a: (-final[a.index], -before[a.index], a.index))
            self._chosen += self._others[: self._settings.highest]
            self._others = []
        return self._chosen
