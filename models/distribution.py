"""The reference distribution of a version's scores, which drift is measured against (`docs/models.md`, "Manifest")."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from triggers.strict_yaml import StrictModel

N_BINS: Final = 20
_TOLERANCE: Final = 1e-3
_DIGITS: Final = 6


class ScoreDistribution(StrictModel):
    """How scores were distributed over a sample.

    Attributes:
        edges: the greatest integer of each bin but the last, which has no end; ascending.
        parts: of the crossings in each bin, one more than edges; they add up to 1.
        sample: the crossings.
    """

    edges: Annotated[tuple[int, ...], Field(strict=False, min_length=1, max_length=256)]
    parts: Annotated[tuple[Annotated[FiniteFloat, Field(ge=0)], ...], Field(strict=False)]
    sample: str

    @model_validator(mode="after")
    def _check(self) -> ScoreDistribution:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("write the edges in ascending order, each once")
        if len(self.parts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.parts)} parts for {len(self.edges)} edges; write one part more than edges")
        if abs(sum(self.parts) - 1) > _TOLERANCE:
            raise ValueError(f"the parts add up to {sum(self.parts):.4f}; they are parts of all crossings")
        return self


def distribution_of_counts(counts: NDArray[np.int64], sample: str) -> ScoreDistribution:
    """The distribution of scores, in bins of about equal contents and finer ones towards the highest scores.

    Args:
        counts: crossings at each score integer, `(n,)`, as `models.training.calibration.score_histogram` counts them.
        sample: the crossings, for the manifest.
    """
    below = np.cumsum(counts) / counts.sum()
    wanted = [*np.arange(1, N_BINS) / N_BINS, 1 - 1e-2, 1 - 1e-3]
    found = sorted({int(np.searchsorted(below, part)) for part in wanted})
    edges = [edge for edge in found if edge < len(counts) - 1] or found[:1]
    cumulative = [0.0, *(float(below[edge]) for edge in edges), 1.0]
    parts = tuple(round(part, _DIGITS) for part in np.diff(cumulative).tolist())
    return ScoreDistribution(edges=tuple(edges), parts=parts, sample=sample)


def distribution_of_scores(scores: NDArray[np.integer], sample: str) -> ScoreDistribution:
    """As `distribution_of_counts`, of scores `(n,)` that are not negative."""
    values, places = np.unique(scores, return_inverse=True)
    counted = distribution_of_counts(np.bincount(places).astype(np.int64), sample)
    return counted.model_copy(update={"edges": tuple(int(values[edge]) for edge in counted.edges)})
