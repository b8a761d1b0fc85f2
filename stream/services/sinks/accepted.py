"""Accepted crossings as Parquet: the event format, and why each was kept (`docs/run-folder.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.wire.columns import words_field
from triggers.events.schema import ALGORITHM_WORDS, schema_with

_WORDS = words_field(ALGORITHM_WORDS).type
_ROWS_IN_A_GROUP = 65_536


class AcceptedSink:
    """Writes to a temporary name, renamed when the run is finished."""

    def __init__(self, path: Path, optional_columns: tuple[str, ...], score_stages: tuple[str, ...]) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part")
        columns = tuple(name for name in optional_columns if name != "context")
        self._schema = pa.schema(
            [
                *schema_with(columns),
                pa.field("run_lumi_section", pa.uint32(), nullable=False),
                pa.field("crossing", pa.uint64(), nullable=False),
                pa.field("algorithms", _WORDS, nullable=False),
                pa.field("final", _WORDS, nullable=False),
                *(pa.field(_score_column(stage), pa.int32(), nullable=False) for stage in score_stages),
            ]
        )
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []

    def write(
        self,
        events: pa.RecordBatch,
        lumi_section: int,
        crossing: NDArray[np.uint64],
        algorithms: NDArray[np.uint64],
        final: NDArray[np.uint64],
        scores: Mapping[str, NDArray[np.int32]],
    ) -> None:
        """Add the accepted crossings of a batch.

        Args:
            events: the crossings, n rows.
            lumi_section: of the run.
            crossing: index of each in its lumi section.
            algorithms: bits before prescale, `(n, 8)`.
            final: bits that kept the crossing, `(n, 8)`.
            scores: the score of each crossing, by score stage.
        """
        columns = dict(zip(events.schema.names, events.columns, strict=True))
        columns["run_lumi_section"] = pa.array(np.full(len(events), lumi_section, np.uint32))
        columns["crossing"] = pa.array(crossing)
        columns["algorithms"] = _word_lists(algorithms)
        columns["final"] = _word_lists(final)
        for stage, values in scores.items():
            columns[_score_column(stage)] = pa.array(values, pa.int32())
        self._held.append(
            pa.RecordBatch.from_arrays([columns[name] for name in self._schema.names], schema=self._schema)
        )
        if sum(len(batch) for batch in self._held) >= _ROWS_IN_A_GROUP:
            self._flush()

    def finish(self) -> None:
        """Write what is held and give the file its name."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._temporary.replace(self._path)

    def abandon(self) -> None:
        """Remove a file that was begun and not finished."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, self._schema, compression="zstd")
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
            self._held = []


def _score_column(stage: str) -> str:
    return "score_" + stage.partition(":")[2]


def _word_lists(words: NDArray[np.uint64]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(words).reshape(-1)), type=_WORDS)
