"""What a dask worker does for a replay: rows of a part in, bits out (`docs/replay.md`, "More machines").

This module runs in workers of a cluster, which load menus from the client and everything else by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import WorkerPlugin, get_worker
from numpy.typing import NDArray

from models.repository import open_repository
from stream.run.evaluation import BlockEvaluator, Evaluated
from stream.run.parts import Part, rows_of
from triggers.errors import BadValue, L1ChainError
from triggers.events.schema import OBJECT_COLUMNS
from triggers.menu.evaluate import SparseBits
from triggers.menu.model import Menu
from triggers.studies.selection import Selection


@dataclass(frozen=True)
class Recipe:
    """What all parts of a replay have in common.

    Attributes:
        files: of the replay, by the path that every worker knows them by.
        menus: the menus.
        curves: for each, the menu of its curve, or None.
        models: folder of model versions; None: the worker's own, with those that ship.
        digests: of the versions that the client has, by NAME/VERSION.
        selection: which crossings count.
        batch_crossings: crossings that are evaluated at a time.
    """

    files: tuple[Path, ...]
    menus: tuple[Menu, ...]
    curves: tuple[Menu | None, ...]
    models: Path | None
    digests: Mapping[str, str]
    selection: Selection
    batch_crossings: int


@dataclass(frozen=True, eq=False)
class FiredCrossings:
    """Whole crossings, but only those in which something fired.

    Attributes:
        numbers: of these crossings in the part, ascending.
        rows: their rows.
    """

    numbers: NDArray[np.uint32]
    rows: pa.RecordBatch

    def events(self, crossings: NDArray[np.uint32]) -> pa.RecordBatch:
        """The crossings of these numbers, each of which fired."""
        return self.rows.take(pa.array(np.searchsorted(self.numbers, crossings), pa.uint32()))


@dataclass(frozen=True)
class Failure:
    """Bad input that a worker met: errors themselves do not travel."""

    where: str
    what: str
    remedy: str


class ReplayPlugin(WorkerPlugin):  # type: ignore[misc]
    """Carries a recipe to every worker, also to those that come later; the first part loads what it needs."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def setup(self, worker: Any) -> None:
        """Begin to serve a worker."""
        self._threads, self._lock = worker.state.nthreads, threading.Lock()

    def loaded(self) -> BlockEvaluator:
        """The evaluator of this worker."""
        with self._lock:
            return self._evaluator

    @cached_property
    def _evaluator(self) -> BlockEvaluator:
        recipe = self.recipe
        evaluator = BlockEvaluator(recipe.menus, recipe.curves, open_repository(recipe.models), self._threads)
        for label, digest in recipe.digests.items():
            if evaluator.digests.get(label) != digest:
                what = f"a worker has no {label}, or another one than this host"
                raise BadValue("--models", what, "name a folder that all hosts share, or install the same version")
        return evaluator


def evaluate_part(plugin: str, part: Part) -> Evaluated | Failure | None:
    """What fires in a part; None if nothing of it is selected.

    Args:
        plugin: name of the replay's plugin.
        part: the rows.
    """
    carried = get_worker().plugins[plugin]
    try:
        return evaluated_part(carried.recipe, carried.loaded(), part)
    except L1ChainError as error:
        return Failure(error.where, error.what, error.remedy)


def evaluated_part(recipe: Recipe, evaluator: BlockEvaluator, part: Part) -> Evaluated | None:
    """What fires in a part; None if nothing of it is selected.

    Raises:
        L1ChainError: a file is missing or damaged.
    """
    rows = rows_of(recipe.files, part, recipe.batch_crossings, evaluator.neighbours)
    blocks = evaluator.blocks(rows, recipe.selection, recipe.batch_crossings)
    parts = [_without_rows(evaluator.evaluate(block), len(recipe.menus) > 1) for block in blocks]
    return _joined(parts) if parts else None


def _without_rows(evaluated: Evaluated, with_whole: bool) -> Evaluated:
    """The same; of the whole crossings only those that a comparison may want."""
    fired = [bits.rows for bits in evaluated.fired] if with_whole else []
    numbers = np.unique(np.concatenate([np.empty(0, np.uint32), *fired])).astype(np.uint32)
    whole = FiredCrossings(numbers, evaluated.whole.events(numbers))
    if not with_whole:
        whole = FiredCrossings(numbers, whole.rows.drop_columns(list(OBJECT_COLUMNS)))
    return Evaluated(evaluated.crossings, evaluated.fired, evaluated.curves, whole)


def _joined(parts: list[Evaluated]) -> Evaluated:
    """Consecutive blocks as one."""
    sizes = [len(part.crossings) for part in parts]
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint32)
    wholes = [part.whole for part in parts if isinstance(part.whole, FiredCrossings)]
    numbers = [whole.numbers + first for whole, first in zip(wholes, firsts, strict=True)]
    whole = FiredCrossings(np.concatenate(numbers), pa.concat_batches([whole.rows for whole in wholes]))
    curves = [_joined_bits([part.curves[k] for part in parts], firsts) for k in range(len(parts[0].curves))]
    fired = [_joined_bits([part.fired[k] for part in parts], firsts) for k in range(len(parts[0].fired))]
    crossings = pa.concat_batches([part.crossings for part in parts])
    return Evaluated(crossings, tuple(bits for bits in fired if bits is not None), tuple(curves), whole)


def _joined_bits(parts: list[SparseBits | None], firsts: NDArray[np.uint32]) -> SparseBits | None:
    there = [bits for bits in parts if bits is not None]
    if not there:
        return None
    rows = [bits.rows + first for bits, first in zip(there, firsts, strict=True)]
    return SparseBits(np.concatenate(rows), np.concatenate([bits.words for bits in there]))
