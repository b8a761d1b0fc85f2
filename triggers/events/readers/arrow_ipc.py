"""Reads crossings from Arrow IPC files and streams (`docs/formats.md`, section "Parquet and Arrow IPC")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from triggers.events.formats import ARROW_FILE_MAGIC, first_bytes
from triggers.events.readers.damage import ARROW_ERRORS, damage_told
from triggers.events.readers.tables import FileColumns, TableSource


class ArrowIpcSource(TableSource):
    """Arrow IPC files (Feather) and streams of the event format as one run; batches are views of the mapped files."""

    format_name = "Arrow IPC"

    def _schema(self, path: Path) -> pa.Schema:
        with _open(path) as reader:
            return reader.schema

    def _count(self, path: Path, columns: FileColumns) -> int | None:
        if not _is_file_format(path):
            return None
        with damage_told(path, self.format_name, ARROW_ERRORS), _open(path) as reader:
            n_rows = 0
            for batch in _batches(reader):
                n_rows += batch.num_rows
                if "context" in columns.known:
                    n_rows -= pc.sum(batch.column("context")).as_py() or 0
            return n_rows

    def _raw_batches(self, path: Path, names: tuple[str, ...], n_rows: int) -> Iterator[pa.RecordBatch]:
        with _open(path) as reader:
            for stored in _batches(reader):
                batch = stored.select(list(names))
                _validate(batch)
                for start in range(0, batch.num_rows, n_rows):
                    yield batch.slice(start, n_rows)


def _is_file_format(path: Path) -> bool:
    return first_bytes(path).startswith(ARROW_FILE_MAGIC)


@contextmanager
def _open(path: Path) -> Iterator[pa.RecordBatchFileReader | pa.RecordBatchStreamReader]:
    opener = pa.ipc.open_file if _is_file_format(path) else pa.ipc.open_stream
    with pa.memory_map(str(path)) as mapped, opener(mapped) as reader:
        yield reader


def _batches(reader: pa.RecordBatchFileReader | pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.RecordBatchFileReader):
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader


def _validate(batch: pa.RecordBatch) -> None:
    """Holds lengths, offsets and dictionary indices to their bounds, as nothing in the format vouches for them."""
    for column in batch.columns:
        in_values = pa.types.is_primitive(column.type) or pa.types.is_fixed_size_list(column.type)
        column.validate(full=not in_values)
