"""A candidate beside production: rates, overlap and disagreement at each working point (`docs/run-control.md`)."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from stream.services.model_changes import RunVersion
from stream.services.snapshot import pack_array, unpack_into

N_OCTAVES: Final = 32
_BOTH, _PRODUCTION, _CANDIDATE = range(3)


class ShadowCounts:
    """Crossings that both versions scored.

    Args:
        production: the version that decided them.
        candidate: the one beside it.

    Attributes:
        crossings: scored by both.
        points: names of the working points that either has.
        fired: by working point, crossings selected by both, by production, by the candidate, `(n, 3) int64`.
        octaves: scores of production and of the candidate, by the power of two that they are below, `(2, 32) int64`.
        sums: of these scores.
    """

    def __init__(self, production: RunVersion, candidate: RunVersion) -> None:
        self.production, self.candidate = production, candidate
        self.points = tuple(dict.fromkeys([*candidate.thresholds, *production.thresholds]))
        self.crossings = 0
        self.fired = np.zeros((len(self.points), 3), np.int64)
        self.octaves = np.zeros((2, N_OCTAVES), np.int64)
        self.sums = [0, 0]

    @property
    def key(self) -> tuple[str, str]:
        """Labels of both versions."""
        return self.production.label, self.candidate.label

    def add(self, production: NDArray[np.int32], candidate: NDArray[np.int32]) -> None:
        """Count crossings.

        Args:
            production: their scores by the version that decides, `(n,)`.
            candidate: by the other one, `(n,)`.
        """
        self.crossings += len(candidate)
        for place, point in enumerate(self.points):
            first = _selected(production, self.production, point)
            second = _selected(candidate, self.candidate, point)
            counts = (first & second).sum(), first.sum(), second.sum()
            self.fired[place] += np.array(counts, np.int64)
        for which, scores in enumerate((production, candidate)):
            self.octaves[which] += np.bincount(_octaves(scores), minlength=N_OCTAVES)
            self.sums[which] += int(scores.sum(dtype=np.int64))

    def summary(self) -> dict[str, Any]:
        """Counts by working point."""
        return {
            "production": self.production.version,
            "candidate": self.candidate.version,
            "crossings": self.crossings,
            "working_points": {
                point: {
                    "production": int(fired[_PRODUCTION]),
                    "candidate": int(fired[_CANDIDATE]),
                    "both": int(fired[_BOTH]),
                    "disagree": int(fired[_PRODUCTION] + fired[_CANDIDATE] - 2 * fired[_BOTH]),
                }
                for point, fired in zip(self.points, self.fired, strict=True)
            },
            "scores_below_power_of_two": {
                "production": self.octaves[0].tolist(),
                "candidate": self.octaves[1].tolist(),
            },
        }

    def snapshot(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "production": self.production.as_json(),
            "candidate": self.candidate.as_json(),
            "crossings": self.crossings,
            "fired": pack_array(self.fired),
            "octaves": pack_array(self.octaves),
            "sums": self.sums,
        }

    @classmethod
    def restored(cls, packed: dict[str, Any]) -> Self:
        """What `snapshot` made."""
        counts = cls(RunVersion.from_json(packed["production"]), RunVersion.from_json(packed["candidate"]))
        counts.crossings = int(packed["crossings"])
        unpack_into(counts.fired, packed["fired"])
        unpack_into(counts.octaves, packed["octaves"])
        counts.sums = [int(total) for total in packed["sums"]]
        return counts


def _selected(scores: NDArray[np.int32], version: RunVersion, point: str) -> NDArray[np.bool_]:
    threshold = version.thresholds.get(point)
    return np.zeros(len(scores), np.bool_) if threshold is None else np.asarray(scores >= threshold)


def _octaves(scores: NDArray[np.int32]) -> NDArray[np.int64]:
    """The k of the least power of two, 2^k, that each score is below; 0 for 0."""
    return np.frexp(np.maximum(scores, 0).astype(np.float64))[1].astype(np.int64)
