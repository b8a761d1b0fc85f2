"""The algorithm bits of every crossing as a Parquet file (`docs/menu-commands.md`, "evaluate")."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.run.offline import EvaluatedBlock, OfflineMenu, decided_rows
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS, FULL, TIME_FIELDS
from triggers.events.source import Source
from triggers.events.writers import whole_file

METADATA_KEY: Final = b"l1chain.evaluation"

_WORDS: Final = FULL.field("expected").type
_SCHEMA: Final = pa.schema([*TIME_FIELDS, pa.field("algorithms", _WORDS, nullable=False)])


def write_bits(
    path: Path, offline: OfflineMenu, source: Source, advance: Callable[[int], None]
) -> tuple[int, NDArray[np.int64]]:
    """Evaluates a menu over a source into a file, which appears when it is complete.

    Columns: run, lumi_section, orbit, bx, event, and `algorithms`, eight 64-bit words: bit i of the 512 is algorithm i.
    One row for each decided crossing, in the source's order; the file's metadata name menu, versions and what is not
    evaluated.

    Args:
        path: the file; it must not exist yet.
        offline: the menu with its scores.
        source: the crossings.
        advance: called with the number of crossings done.

    Returns:
        how many crossings there are, and in how many each algorithm fires, `(512,) int64`.

    Raises:
        FileExists: the file exists already.
        L1ChainError: the source is damaged, or the file cannot be written; then there is no file.
    """
    n_crossings, n_fired = 0, np.zeros(ALGORITHM_SLOTS, np.int64)
    schema = _SCHEMA.with_metadata({METADATA_KEY: json.dumps(_metadata(offline))})
    with whole_file(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for part in offline.blocks(source):
            n_fired += part.bits.dense(len(part.block.rows)).sum(axis=0)
            rows = _rows(part).replace_schema_metadata(schema.metadata)
            writer.write_batch(rows)
            n_crossings += len(rows)
            advance(len(rows))
    return n_crossings, n_fired


def _rows(part: EvaluatedBlock) -> pa.RecordBatch:
    """The decided crossings of a block with their bits."""
    words = np.zeros((len(part.block.rows), ALGORITHM_WORDS), np.uint64)
    words[part.bits.rows] = part.bits.words
    decided = decided_rows(part.block)
    times = [part.block.rows.column(field.name).take(pa.array(decided)) for field in TIME_FIELDS]
    flat = pa.array(np.ascontiguousarray(words[decided]).reshape(-1))
    return pa.RecordBatch.from_arrays([*times, pa.FixedSizeListArray.from_arrays(flat, type=_WORDS)], schema=_SCHEMA)


def _metadata(offline: OfflineMenu) -> dict[str, Any]:
    return {
        "menu": offline.menu.name,
        "menu_sha256": offline.menu.digest,
        "scores": offline.scores.versions,
        "not_evaluated": dict(offline.evaluator.not_evaluated),
    }
