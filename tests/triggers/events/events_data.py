"""Crossings that the event-file tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from triggers.events import schema
from triggers.events.crossings import batch_of, column_view, stranger_slots, zero_column
from triggers.events.source import Source

ALL_OPTIONAL = tuple(name for name in schema.FULL.names if name not in schema.REQUIRED.names)


def random_batch(n: int, seed: int, optional: tuple[str, ...] = ALL_OPTIONAL) -> pa.RecordBatch:
    """Rows of random bits in every column but the times, which are in order."""
    rng = np.random.default_rng(seed)
    orbit, bx = stranger_slots(0, n)
    columns: dict[str, np.ndarray | pa.Array] = {
        "run": np.full(n, 396102, np.uint32),
        "lumi_section": np.sort(rng.integers(1, 4, n)).astype(np.uint32),
        "orbit": orbit,
        "bx": bx,
        "event": rng.integers(0, 2**63, n, np.uint64),
    }
    for name in (*schema.OBJECT_COLUMNS, *optional):
        if name == "process":
            columns[name] = pa.array(rng.choice(["zero bias", "ggH", "ttbar"], n).tolist()).dictionary_encode()
        elif name == "context":
            columns[name] = rng.random(n) < 0.25
        else:
            shape = zero_column(name, n)
            columns[name] = np.frombuffer(rng.bytes(shape.nbytes), shape.dtype).reshape(shape.shape)
            if shape.dtype.kind == "f":
                columns[name] = rng.random(n).astype(np.float32)
    return batch_of(columns)


def rows_of(source: Source, n_rows: int = 1000) -> pa.Table:
    """All rows of one pass; batches must not be longer than asked, nor empty."""
    batches = list(source.batches(n_rows))
    assert all(0 < batch.num_rows <= n_rows for batch in batches)
    return pa.Table.from_batches(batches)


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    return bool(one.schema == other.schema and one.to_pylist() == other.to_pylist())


def view(table: pa.Table, name: str) -> np.ndarray:
    return column_view(table.column(name).combine_chunks())


def write_text(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
