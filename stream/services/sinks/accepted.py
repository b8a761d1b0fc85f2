"""Accepted crossings: the event format, and why each was kept (`docs/run-folder.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.wire.columns import words_field
from triggers.events.schema import ALGORITHM_WORDS, schema_with

_WORDS = words_field(ALGORITHM_WORDS).type
_ROWS_IN_A_GROUP = 65_536


def accepted_schema(optional_columns: tuple[str, ...], score_stages: tuple[str, ...]) -> pa.Schema:
    """The schema of accepted crossings.

    Args:
        optional_columns: of the event format, that the source has.
        score_stages: names of the score stages, `score:NAME`.
    """
    columns = tuple(name for name in optional_columns if name != "context")
    return pa.schema(
        [
            *schema_with(columns),
            pa.field("run_lumi_section", pa.uint32(), nullable=False),
            pa.field("crossing", pa.uint64(), nullable=False),
            pa.field("algorithms", _WORDS, nullable=False),
            pa.field("final", _WORDS, nullable=False),
            *(pa.field(_score_column(stage), pa.int32(), nullable=False) for stage in score_stages),
            *(pa.field(_version_column(stage), pa.string(), nullable=False) for stage in score_stages),
        ]
    )


def accepted_batch(
    schema: pa.Schema,
    events: pa.RecordBatch,
    lumi_section: int,
    crossing: NDArray[np.uint64],
    algorithms: NDArray[np.uint64],
    final: NDArray[np.uint64],
    scores: Mapping[str, NDArray[np.int32]],
    versions: Mapping[str, str],
) -> pa.RecordBatch:
    """The accepted crossings of a batch.

    Args:
        schema: that of `accepted_schema`.
        events: the crossings, n rows.
        lumi_section: of the run.
        crossing: index of each in its lumi section.
        algorithms: bits before prescale, `(n, 8)`.
        final: bits that kept the crossing, `(n, 8)`.
        scores: the score of each crossing, by score stage.
        versions: the model version that gave it, by score stage.
    """
    columns = dict(zip(events.schema.names, events.columns, strict=True))
    columns["run_lumi_section"] = pa.array(np.full(len(events), lumi_section, np.uint32))
    columns["crossing"] = pa.array(crossing)
    columns["algorithms"] = _word_lists(algorithms)
    columns["final"] = _word_lists(final)
    for stage, values in scores.items():
        columns[_score_column(stage)] = pa.array(values, pa.int32())
        columns[_version_column(stage)] = pa.repeat(pa.scalar(versions[stage], pa.string()), len(values))
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def encode_accepted(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Buffer:
    """Accepted crossings as an Arrow IPC stream that stands for itself; streams may follow each other in a file.

    They become one batch: a few crossings of each batch of a run, as they come, would take more memory for what
    describes them than for themselves when they are read again.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(_table(list(batches), schema).combine_chunks())
    return sink.getvalue()


def decode_accepted(source: pa.NativeFile, length: int) -> Iterator[pa.RecordBatch]:
    """The batches of streams that follow each other, one at a time.

    Args:
        source: where they are read from.
        length: of all streams, bytes.
    """
    while source.tell() < length:
        with pa.ipc.open_stream(source) as reader:
            yield from reader


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write accepted crossings; how they were cut into batches leaves no trace in the file."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            held.append(batch)
            n_held += len(batch)
            if n_held >= _ROWS_IN_A_GROUP:
                table = _table(held, schema)
                whole = n_held - n_held % _ROWS_IN_A_GROUP
                writer.write_table(table.slice(0, whole), row_group_size=_ROWS_IN_A_GROUP)
                held, n_held = table.slice(whole).to_batches(), n_held - whole
        writer.write_table(_table(held, schema))


def _table(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches, schema).unify_dictionaries()


def _score_column(stage: str) -> str:
    return "score_" + stage.partition(":")[2]


def _version_column(stage: str) -> str:
    return "version_" + stage.partition(":")[2]


def _word_lists(words: NDArray[np.uint64]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(words).reshape(-1)), type=_WORDS)
