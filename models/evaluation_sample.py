"""A sample of crossings, scored: one pass over a source, compact arrays (`docs/evaluation.md`, "Samples")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.evaluation_curves import ScoreCurve
from models.evaluation_errors import SampleUnfit
from models.evaluation_menu import CutBasedMenu
from models.evaluation_scorers import Scorer
from triggers.events.crossings import column_view
from triggers.events.source import Source

_BATCH_ROWS: Final = 1 << 14
_OBJECTS: Final = ("muon", "eg", "tau", "jet")


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """Crossings of a source as numbers, `(n,)` each.

    Attributes:
        name: of the source.
        scores: by scorer name; integers, or float64.
        weights: of each crossing; 1 if the source has none.
        missed: the chance that the cut-based menu does not keep it; None without a menu.
        pileup: interactions; None if the source does not know.
        objects: muons, e/γ, taus and jets together.
        lumi_section: index of its lumi section, in the order of the source.
        lumi_sections: run and lumi section of each index.
    """

    name: str
    scores: Mapping[str, NDArray[Any]]
    weights: NDArray[np.float64]
    missed: NDArray[np.float32] | None
    pileup: NDArray[np.float32] | None
    objects: NDArray[np.uint8]
    lumi_section: NDArray[np.int32]
    lumi_sections: tuple[tuple[int, int], ...]
    _curves: dict[tuple[str, bool], ScoreCurve] = field(default_factory=dict, repr=False)

    @property
    def n_crossings(self) -> int:
        """Crossings, without those that are only context."""
        return len(self.weights)

    @property
    def effective(self) -> float:
        """Crossings of equal weight that would be as many."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def curve(self, scorer: str) -> ScoreCurve:
        """What lies above each score."""
        if (scorer, False) not in self._curves:
            self._curves[scorer, False] = ScoreCurve.of(self.scores[scorer], self.weights)
        return self._curves[scorer, False]

    def pure_curve(self, scorer: str) -> ScoreCurve | None:
        """The same of crossings that the menu does not keep; None without a menu."""
        if self.missed is None:
            return None
        if (scorer, True) not in self._curves:
            missed = self.missed.astype(np.float64)
            self._curves[scorer, True] = ScoreCurve.of(self.scores[scorer], self.weights, missed)
        return self._curves[scorer, True]


def score_sample(
    source: Source,
    scorers: Sequence[Scorer],
    menu: CutBasedMenu | None = None,
    progress: Callable[[int], None] = lambda _: None,
    most: int | None = None,
) -> ScoredSample:
    """Read a source once, with all scorers.

    Args:
        source: crossings; context rows are neighbours for the menu only.
        scorers: columns of the evaluation.
        menu: beside which pure rates count.
        progress: called with the number of rows of each batch.
        most: stop after so many crossings.

    Raises:
        SampleUnfit: there are no crossings, only empty ones, weights that are none, or scores that are no numbers.
        L1ChainError: the source is damaged, or lacks what a network reads.
    """
    parts: dict[str, list[NDArray[Any]]] = {}
    n = 0
    for batch in source.batches(_BATCH_ROWS):
        _check(batch, scorers, source.info.name)
        columns = _columns_of(batch, scorers, menu)
        for name, values in columns.items():
            parts.setdefault(name, []).append(values)
        n += len(columns["weight"])
        progress(batch.num_rows)
        if most is not None and n >= most:
            break
    whole = {name: np.concatenate(values)[:most] for name, values in parts.items()}
    return _sample(source.info.name, whole, [scorer.name for scorer in scorers])


def _sample(name: str, whole: dict[str, NDArray[Any]], scorers: Sequence[str]) -> ScoredSample:
    weights = whole.get("weight", np.empty(0))
    if not len(weights):
        raise SampleUnfit(name, "has no crossings", "give a source that has some")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise SampleUnfit(name, "has weights that are negative, infinite, NaN or all 0", "correct the column 'weight'")
    if not whole["filled"].any():
        raise SampleUnfit(name, "has only empty crossings", "give crossings with objects")
    for scorer in scorers:
        bad = int(np.count_nonzero(~np.isfinite(whole[f"score:{scorer}"])))
        if bad:
            what = f"has {bad} crossings whose score by {scorer} is no finite number"
            raise SampleUnfit(name, what, "train or import the network again")
    sections, places = np.unique(whole["section"], return_inverse=True)
    return ScoredSample(
        name=name,
        scores={scorer: whole[f"score:{scorer}"] for scorer in scorers},
        weights=weights,
        missed=whole.get("missed"),
        pileup=whole.get("pileup"),
        objects=whole["objects"],
        lumi_section=places.astype(np.int32),
        lumi_sections=tuple((int(section) >> 32, int(section) & 0xFFFFFFFF) for section in sections),
    )


def _columns_of(batch: pa.RecordBatch, scorers: Sequence[Scorer], menu: CutBasedMenu | None) -> dict[str, NDArray[Any]]:
    names = batch.schema.names
    views = {name: column_view(batch.column(name)) for name in {n for s in scorers for n in s.columns}}
    found: dict[str, NDArray[Any]] = {f"score:{scorer.name}": scorer.score(views) for scorer in scorers}
    found["weight"] = np.ones(batch.num_rows)
    if "weight" in names:
        found["weight"] = column_view(batch.column("weight")).astype(np.float64)
    if "pileup" in names:
        found["pileup"] = column_view(batch.column("pileup")).copy()
    if menu is not None:
        found["missed"] = menu.missed(batch).astype(np.float32)
    words = [np.count_nonzero(column_view(batch.column(name)), axis=1) for name in _OBJECTS]
    found["objects"] = np.sum(words, axis=0).astype(np.uint8)
    found["filled"] = (found["objects"] > 0) | np.any([view.any(axis=-1) for view in views.values()], axis=0)
    runs, sections = (column_view(batch.column(name)).astype(np.int64) for name in ("run", "lumi_section"))
    found["section"] = runs << 32 | sections
    if "context" in names:
        decided = ~batch.column("context").to_numpy(zero_copy_only=False)
        found = {name: values[decided] for name, values in found.items()}
    return found


def _check(batch: pa.RecordBatch, scorers: Sequence[Scorer], source: str) -> None:
    for scorer in scorers:
        for column in scorer.columns:
            if column not in batch.schema.names:
                what = f"has no column '{column}', which {scorer.name} reads"
                raise SampleUnfit(source, what, "give crossings that have it")
