"""Menus over blocks of a replay: the half of it that runs anywhere, in any order (`docs/replay.md`)."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.repository import Repository
from stream.run.offline import OfflineScores
from stream.services.batches import Block, cut
from stream.services.seeds import decided_rows
from triggers.events.crossings import column_view
from triggers.events.schema import OBJECT_COLUMNS
from triggers.menu.evaluate import Evaluator, SparseBits
from triggers.menu.model import Menu
from triggers.studies.selection import Selection

COUNTED_BY: Final = ("run", "lumi_section", "weight", "pileup", "process")
"""Columns that crossings are weighted and sorted by."""


class WholeCrossings(Protocol):
    """Gives crossings with all their columns."""

    def events(self, crossings: NDArray[np.uint32]) -> pa.RecordBatch:
        """The decided crossings of these numbers."""
        ...


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Crossings in order, and what fires in them.

    Attributes:
        crossings: the decided ones, with those columns of `COUNTED_BY` that the source has.
        fired: the algorithm bits by menu, with rows counted over `crossings`.
        curves: the same for the menus of curves, where there are any.
        whole: the crossings with all columns; at least those in which something fired.
    """

    crossings: pa.RecordBatch
    fired: tuple[SparseBits, ...]
    curves: tuple[SparseBits | None, ...]
    whole: WholeCrossings


class BlockEvaluator:
    """Menus with the scores that they need, ready for blocks; for several threads.

    Args:
        menus: in the order of the replay.
        curves: for each menu, another one with a seed at many thresholds, or None.
        repository: where model versions are.
        threads: how many evaluate at a time.

    Attributes:
        menus, curves: as given.
        evaluators, curve_evaluators: of these.
        versions: the model version, NAME/VERSION, behind each score name that conditions use.
        digests: the digest of each of these versions.
        neighbours: whether conditions look at the crossings before or after.
    """

    def __init__(
        self, menus: tuple[Menu, ...], curves: tuple[Menu | None, ...], repository: Repository, threads: int
    ) -> None:
        """Loads the versions.

        Raises:
            UnknownName: a version has no working point of that name.
            ModelError: a version is damaged, or no backend runs it.
        """
        self.menus, self.curves = menus, curves
        every = tuple(algorithm for menu in (*menus, *curves) if menu for algorithm in menu.algorithms)
        self._scores: queue.SimpleQueue[OfflineScores] = queue.SimpleQueue()
        for _ in range(threads):
            scores = OfflineScores(replace(menus[0], algorithms=every), repository)
            self._scores.put(scores)
        self.versions: Mapping[str, str] = scores.versions
        self.digests: Mapping[str, str] = scores.digests
        self.evaluators = tuple(Evaluator(menu, scores.names) for menu in menus)
        self.curve_evaluators = tuple(Evaluator(menu, scores.names) if menu else None for menu in curves)
        self._used = (*self.evaluators, *(evaluator for evaluator in self.curve_evaluators if evaluator))
        self.neighbours = any("bx" in evaluator.needed_columns for evaluator in self._used)

    def blocks(self, batches: Iterator[pa.RecordBatch], selection: Selection, size: int) -> Iterator[Block]:
        """What is selected of a source's batches, in blocks of at most `size` crossings."""
        return cut(selection.batches(batches, self.neighbours), size, self.neighbours)

    def evaluate(self, block: Block) -> Evaluated:
        """What fires in a block."""
        columns = {name: column_view(block.rows.column(name)) for name in ("orbit", "bx", *OBJECT_COLUMNS)}
        scores: dict[str, NDArray[np.int32]] = {}
        supply = self._scores.get()
        try:
            if any(evaluator.score_conditions for evaluator in self._used):
                scores = supply.of_rows(block.rows)
            thresholds = supply.thresholds
        finally:
            self._scores.put(supply)

        def bits_of(evaluator: Evaluator) -> SparseBits:
            found = evaluator.objects(columns, block.context)
            found = evaluator.complete(found, scores, thresholds, block.context)
            rows = found.rows if block.context is None else decided_rows(found.rows, block.context)
            return SparseBits(rows, found.words)

        counted = block.rows.select([name for name in COUNTED_BY if name in block.rows.schema.names])
        return Evaluated(
            counted if block.context is None else counted.filter(pa.array(~block.context)),
            tuple(bits_of(evaluator) for evaluator in self.evaluators),
            tuple(bits_of(evaluator) if evaluator else None for evaluator in self.curve_evaluators),
            block,
        )
