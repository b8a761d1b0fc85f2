"""How far the scores of a version have moved from its reference distribution (`docs/metrics.md`, "Drift")."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from stream.services.model_changes import RunVersion
from stream.services.snapshot import pack_array, unpack_into

_STRIDE: Final = 17
"""Every 17th score counts: no divisor of usual numbers of bunches, so that all of them have their turn."""
_WINDOW: Final = 1 << 18
"""Scores after which older ones count half."""
_LEAST_PART: Final = 1e-6
"""Stands for an empty bin, whose logarithm would be infinite."""


class ScoreDrift:
    """Scores of a version in the bins of its reference distribution, older ones fading.

    Attributes:
        version: its version.
        model: its model.
    """

    def __init__(self, version: RunVersion) -> None:
        self._version, self.version, self.model = version, version.version, version.model
        self._edges = np.array(version.edges, np.int64)
        self._counts = np.zeros(len(version.parts), np.int64)
        self._offset = 0

    @property
    def label(self) -> str:
        """NAME/VERSION."""
        return self._version.label

    def add(self, scores: NDArray[np.int32]) -> None:
        """Count scores, `(n,)`."""
        if not len(self._edges):
            return
        chosen = scores[self._offset :: _STRIDE]
        self._offset = (self._offset - len(scores)) % _STRIDE
        self._counts += np.bincount(np.searchsorted(self._edges, chosen, "left"), minlength=len(self._counts))
        if self._counts.sum() > _WINDOW:
            self._counts //= 2

    @property
    def psi(self) -> float | None:
        """The population stability index, Σ (p − q) ln(p / q); None without reference or scores."""
        total = int(self._counts.sum())
        if not total:
            return None
        return population_stability(self._counts / total, np.array(self._version.parts))

    def snapshot(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {"version": self._version.as_json(), "counts": pack_array(self._counts), "offset": self._offset}

    @classmethod
    def restored(cls, packed: dict[str, Any]) -> Self:
        """What `snapshot` made."""
        drift = cls(RunVersion.from_json(packed["version"]))
        unpack_into(drift._counts, packed["counts"])
        drift._offset = int(packed["offset"])
        return drift


def population_stability(found: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The population stability index of two distributions over the same bins, each adding up to 1."""
    p, q = np.maximum(found, _LEAST_PART), np.maximum(reference, _LEAST_PART)
    return float(((p - q) * np.log(p / q)).sum())
