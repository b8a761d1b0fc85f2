"""What a source holds, counted in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events import schema
from triggers.events.crossings import column_view, slots
from triggers.events.source import Source

_ROWS: Final = 16_384
_OBJECTS: Final = ("muon", "eg", "tau", "jet")


@dataclass(frozen=True)
class Multiplicity:
    """How many slots of an object column are filled in a crossing."""

    mean: float
    greatest: int


@dataclass(frozen=True)
class SourceSummary:
    """What a source holds; everything but `n_context_rows` is about decided crossings.

    Attributes:
        n_crossings: decided crossings.
        n_context_rows: rows that are only neighbours for others.
        n_with_neighbours: crossings whose previous and next slot are both in the source.
        runs: run numbers, ascending.
        n_lumi_sections: different pairs of run and lumi section.
        multiplicities: by object column.
        n_algorithms_known: algorithm bits that the source knows for at least one crossing.
        n_algorithms_set: of these, the ones that fire at least once.
        n_expected_or: crossings with at least one expected bit.
    """

    n_crossings: int
    n_context_rows: int
    n_with_neighbours: int
    runs: tuple[int, ...]
    n_lumi_sections: int
    multiplicities: dict[str, Multiplicity]
    n_algorithms_known: int
    n_algorithms_set: int
    n_expected_or: int


def summarize(source: Source, on_rows: Callable[[int], None] = lambda _: None) -> SourceSummary:
    """Reads a source once.

    Args:
        source: what is read.
        on_rows: called with the number of rows of each batch read, for progress.

    Raises:
        L1ChainError: the content is damaged.
    """
    counts = _Counts()
    for batch in source.batches(_ROWS):
        counts.add(batch)
        on_rows(batch.num_rows)
    return counts.summary()


class _Counts:
    def __init__(self) -> None:
        self._n_crossings = self._n_context = self._n_with_neighbours = self._n_expected_or = 0
        self._sections: set[tuple[int, int]] = set()
        self._filled = dict.fromkeys(_OBJECTS, 0)
        self._greatest = dict.fromkeys(_OBJECTS, 0)
        self._known = np.zeros(schema.ALGORITHM_WORDS, np.uint64)
        self._set = np.zeros(schema.ALGORITHM_WORDS, np.uint64)
        self._previous_slot = -2
        self._waits_for_next = False

    def add(self, batch: pa.RecordBatch) -> None:
        decided = decided_rows(batch)
        self._n_crossings += int(decided.sum())
        self._n_context += int((~decided).sum())
        self._add_neighbours(slots(batch), decided)
        times = np.stack([column_view(batch.column(name))[decided] for name in ("run", "lumi_section")], axis=1)
        self._sections.update((int(run), int(section)) for run, section in np.unique(times, axis=0))
        for name in _OBJECTS:
            filled = np.count_nonzero(column_view(batch.column(name))[decided], axis=1)
            self._filled[name] += int(filled.sum())
            self._greatest[name] = max(self._greatest[name], int(filled.max(initial=0)))
        if "expected" in batch.schema.names:
            known = expected_known(batch)[decided]
            bits = column_view(batch.column("expected"))[decided] & known
            self._known |= np.bitwise_or.reduce(known, axis=0)
            self._set |= np.bitwise_or.reduce(bits, axis=0)
            self._n_expected_or += int(bits.any(axis=1).sum())

    def _add_neighbours(self, slot: NDArray[np.int64], decided: NDArray[np.bool_]) -> None:
        follows = np.diff(slot, prepend=self._previous_slot) == 1
        # The last row's successor is the next batch's first row.
        self._n_with_neighbours += int(self._waits_for_next and follows[0])
        self._n_with_neighbours += int((follows[:-1] & follows[1:] & decided[:-1]).sum())
        self._waits_for_next = bool(follows[-1] and decided[-1])
        self._previous_slot = int(slot[-1])

    def summary(self) -> SourceSummary:
        n = max(self._n_crossings, 1)
        return SourceSummary(
            n_crossings=self._n_crossings,
            n_context_rows=self._n_context,
            n_with_neighbours=self._n_with_neighbours,
            runs=tuple(sorted({run for run, _ in self._sections})),
            n_lumi_sections=len(self._sections),
            multiplicities={name: Multiplicity(self._filled[name] / n, self._greatest[name]) for name in _OBJECTS},
            n_algorithms_known=int(np.bitwise_count(self._known).sum()),
            n_algorithms_set=int(np.bitwise_count(self._set).sum()),
            n_expected_or=self._n_expected_or,
        )


def decided_rows(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """Which rows are decided, `(n,) bool`: those that are not context."""
    if "context" not in batch.schema.names:
        return np.ones(batch.num_rows, np.bool_)
    context: NDArray[np.bool_] = batch.column("context").to_numpy(zero_copy_only=False)
    return ~context


def expected_known(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """Which bits of `expected` the source knows, `(n, 8) uint64`: all, unless a column says otherwise."""
    if "expected_known" in batch.schema.names:
        return column_view(batch.column("expected_known")).astype(np.uint64)
    return np.full((batch.num_rows, schema.ALGORITHM_WORDS), np.iinfo(np.uint64).max, np.uint64)
