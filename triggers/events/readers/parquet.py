"""Reads crossings from Parquet (`docs/formats.md`, section "Parquet and Arrow IPC")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triggers.events.formats import first_bytes
from triggers.events.readers.tables import FileColumns, TableSource, damage_told

_READ_BUFFER_BYTES = 1 << 20


class ParquetSource(TableSource):
    """Parquet files of the event format as one run; memory holds one batch, whatever the size of a row group.

    Example:
        >>> source = ParquetSource([Path("zb.parquet")])  # doctest: +SKIP
        >>> batch = next(source.batches(16384))  # doctest: +SKIP
    """

    format_name = "Parquet"

    def _schema(self, path: Path) -> pa.Schema:
        first_bytes(path)
        with _open(path) as file:
            return file.schema_arrow

    def _count(self, path: Path, columns: FileColumns) -> int | None:
        with damage_told(path, self.format_name), _open(path) as file:
            n_rows = int(file.metadata.num_rows)
            if "context" not in columns.known:
                return n_rows
            flags = file.iter_batches(columns=["context"], use_threads=False)
            return n_rows - sum(pc.sum(batch.column(0)).as_py() or 0 for batch in flags)

    def _raw_batches(self, path: Path, names: tuple[str, ...], n_rows: int) -> Iterator[pa.RecordBatch]:
        with _open(path) as file:
            # One thread: a producer reads ahead of its stages, which need the other cores.
            for batch in file.iter_batches(batch_size=n_rows, columns=list(names), use_threads=False):
                yield batch.select(list(names))


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
