"""Crossings picked by what a model or a menu says of them (`docs/formats.md`, section "Browsing")."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.repository import LoadedVersion
from stream.run.offline import OfflineMenu, columns_of_score, decided_rows, exact_backend
from triggers.errors import BadValue
from triggers.events.source import Source
from triggers.events.summary import decided_rows as decided_flags
from triggers.menu.model import Algorithm

_ROWS = 16_384


@dataclass(frozen=True)
class PickedCrossing:
    """One crossing of a source.

    Attributes:
        number: its number in the source, from 0.
        row: a batch of its row alone.
        score: the model's integer, if crossings were picked by it.
    """

    number: int
    row: pa.RecordBatch
    score: int | None = None


def decided_crossings(source: Source) -> Iterator[pa.RecordBatch]:
    """Each decided crossing of a source, a batch of its row alone."""
    for batch in source.batches(_ROWS):
        for row in np.flatnonzero(decided_flags(batch)).tolist():
            yield batch.slice(row, 1)


def highest_scores(
    source: Source, version: LoadedVersion, count: int, on_rows: Callable[[int], None] = lambda _: None
) -> list[PickedCrossing]:
    """The crossings with the highest scores of a model version, highest first; of equals, the first ones.

    Args:
        source: what is read, once.
        version: the model.
        count: how many crossings.
        on_rows: called with the number of rows of each batch, for progress.

    Raises:
        ModelError: no backend runs the version.
        BadValue: the source lacks a column that it reads.
        L1ChainError: the source's content is damaged.
    """
    backend = exact_backend(version)
    best: list[tuple[int, int, pa.RecordBatch]] = []
    first = 0
    for batch in source.batches(_ROWS):
        rows = np.flatnonzero(decided_flags(batch))
        scores = backend.score(columns_of_score(version.label, backend, batch))[rows]
        for k in np.argsort(-scores.astype(np.int64), kind="stable")[:count].tolist():
            entry = (int(scores[k]), -(first + k))
            if len(best) == count and entry <= best[0][:2]:
                break
            row = batch.take(pa.array([rows[k]]))
            # The number makes every entry different: rows themselves are never compared.
            (heapq.heappush if len(best) < count else heapq.heapreplace)(best, (*entry, row))
        first += len(rows)
        on_rows(batch.num_rows)
    return [
        PickedCrossing(-number, row, score) for score, number, row in sorted(best, key=lambda e: e[:2], reverse=True)
    ]


def fired_crossings(
    source: Source, menu: OfflineMenu, algorithm: Algorithm, on_rows: Callable[[int], None] = lambda _: None
) -> Iterator[PickedCrossing]:
    """The crossings in which an algorithm of a menu fires, in the source's order.

    Raises:
        BadValue: the algorithm is not evaluated.
        L1ChainError: the source's content is damaged.
    """
    reason = menu.evaluator.not_evaluated.get(algorithm.name)
    if reason is not None:
        raise BadValue(menu.menu.source, f"'{algorithm.name}' is not evaluated: it {reason}", "choose another seed")
    for part in menu.blocks(source):
        rows = decided_rows(part.block)
        fires = part.bits.dense(part.block.rows.num_rows)[rows, algorithm.index]
        for k in np.flatnonzero(fires).tolist():
            yield PickedCrossing(part.first_crossing + k, part.block.rows.take(pa.array([rows[k]])))
        on_rows(part.block.rows.num_rows)
