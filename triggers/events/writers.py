"""Writes crossings to event files of every format that can hold them, whole or not at all (`docs/formats.md`)."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triggers.errors import BadValue, FileExists, FileMissing
from triggers.events import open_data_writer, schema, vector_lines
from triggers.events.crossings import column_view, zero_column
from triggers.events.formats import SourceFormat, output_format
from triggers.events.notes import metadata_of
from triggers.events.source import SourceInfo

ROWS_PER_GROUP: Final = 1 << 16
"""Rows of a Parquet row group or an Arrow IPC batch: some 24 MB of the required columns."""

_FILE_FORMATS: Final = (
    SourceFormat.PARQUET,
    SourceFormat.ARROW,
    SourceFormat.TEST_VECTOR,
    SourceFormat.OPEN_DATA,
    SourceFormat.L1_NTUPLE,
    SourceFormat.ADC2021,
)
"""The formats that are written."""
_VECTOR_COLUMNS: Final = ("bx", *schema.OBJECT_COLUMNS, "expected")


class EventWriter(Protocol):
    """An event file that is being written."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows, in the event format with the optional columns that the file was opened for."""
        ...


@contextmanager
def event_writer(
    path: str | Path,
    optional_columns: tuple[str, ...] = (),
    format_: SourceFormat | None = None,
    about: SourceInfo | None = None,
) -> Iterator[EventWriter]:
    """Writes one event file; it appears under its name when the block ends well, and not at all otherwise.

    Args:
        path: the file; it must not exist yet.
        optional_columns: the optional columns of the event format that every batch has.
        format_: the format; by default the file's suffix tells.
        about: where the crossings come from: what that source lacks is noted in Parquet and Arrow IPC files.

    Raises:
        FileExists: the file exists already.
        FileMissing: its folder does not exist.
        UnknownName: no format is given, and the suffix tells none.
        BadValue: the file cannot be written, or the format is not one that is written.

    Example:
        >>> with event_writer("sample.parquet", source.info.optional_columns) as writer:  # doctest: +SKIP
        ...     for batch in source.batches(16384):
        ...         writer.write(batch)
    """
    target = Path(path)
    chosen = output_format(target) if format_ is None else format_
    if chosen not in _FILE_FORMATS:
        raise BadValue(target, f"{chosen} is not written", f"choose one of: {', '.join(_FILE_FORMATS)}")
    with whole_file(target) as partial:
        if chosen is SourceFormat.TEST_VECTOR:
            with _compressed(partial, target) as file:
                yield _TestVectorWriter(file)
        else:
            writer = _open_writer(partial, optional_columns, chosen, about)
            try:
                yield writer
                writer.flush()
            finally:
                writer.close()


class _ClosingWriter(EventWriter, Protocol):
    def flush(self) -> None:
        """Writes what is pending."""
        ...

    def close(self) -> None:
        """Ends the file."""
        ...


def _open_writer(
    partial: Path, optional_columns: tuple[str, ...], format_: SourceFormat, about: SourceInfo | None
) -> _ClosingWriter:
    if format_ is SourceFormat.OPEN_DATA:
        return open_data_writer.OpenDataWriter(partial, optional_columns)
    if format_ is SourceFormat.L1_NTUPLE:
        from triggers.events.l1_ntuple_writer import L1NtupleWriter  # ROOT and HDF5 load in half a second

        return L1NtupleWriter(partial, optional_columns)
    if format_ is SourceFormat.ADC2021:
        from triggers.events.adc2021_writer import Adc2021Writer

        return Adc2021Writer(partial)
    return _TableWriter(partial, schema.schema_with(optional_columns).with_metadata(metadata_of(about)), format_)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A temporary name beside `target` that becomes `target` when the block ends well, and is removed otherwise."""
    if target.exists():
        raise FileExists(target)
    if not target.parent.is_dir():
        raise FileMissing(target.parent, "folder")
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        if target.exists():
            raise FileExists(target)
        partial.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadValue(target, f"cannot be written ({reason})", "free space or name another folder") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _compressed(partial: Path, target: Path) -> Iterator[BinaryIO]:
    """A new file that is compressed as the target's suffix says."""
    with partial.open("xb") as raw:
        if target.suffix.lower() == ".gz":
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file:
                yield cast("BinaryIO", file)
        elif target.suffix.lower() == ".xz":
            with lzma.LZMAFile(raw, "wb") as file:
                yield cast("BinaryIO", file)
        else:
            yield raw


class _TestVectorWriter:
    """Long lines; context rows are left out, as readers make them from the lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, batch: pa.RecordBatch) -> None:
        if "context" in batch.schema.names:
            batch = batch.filter(pc.invert(batch.column("context")))
        if batch.num_rows:
            columns = {name: _values(batch, name) for name in _VECTOR_COLUMNS}
            if "expected_known" in batch.schema.names:
                columns["expected"] = columns["expected"] & _values(batch, "expected_known")
            self._file.write(vector_lines.encode(columns))


def _values(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    present = name in batch.schema.names
    return column_view(batch.column(name)) if present else zero_column(name, batch.num_rows)


class _TableWriter:
    """Parquet row groups or Arrow IPC batches of `ROWS_PER_GROUP` rows, whatever the size of the batches given."""

    def __init__(self, partial: Path, columns: pa.Schema, format_: SourceFormat) -> None:
        self._schema = columns
        self._pending: list[pa.RecordBatch] = []
        self._n_pending = 0
        self._names: dict[str, dict[str, int]] = {}
        self._writer: pq.ParquetWriter | pa.RecordBatchFileWriter
        if format_ is SourceFormat.PARQUET:
            dictionaries = [name for name in columns.names if pa.types.is_dictionary(columns.field(name).type)]
            self._writer = pq.ParquetWriter(
                partial, columns, compression="zstd", use_dictionary=dictionaries, write_page_checksum=True
            )
        else:
            # New names may turn up in later batches: the file format takes them only as additions to the first list.
            options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
            self._writer = pa.ipc.new_file(str(partial), columns, options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        arrays = [self._joined(name, batch.column(name)) for name in self._schema.names]
        self._pending.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._n_pending += batch.num_rows
        if self._n_pending >= ROWS_PER_GROUP:
            self.flush()

    def _joined(self, name: str, array: pa.Array) -> pa.Array:
        """A dictionary column with all names seen so far in its dictionary; other columns as they are."""
        if not pa.types.is_dictionary(array.type):
            return array
        known = self._names.setdefault(name, {})
        codes = [known.setdefault(value, len(known)) for value in array.dictionary.to_pylist()]
        indices = pa.array(np.array(codes, np.int32)[array.indices.to_numpy()])
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(known), pa.string()))

    def flush(self) -> None:
        """Writes what is pending."""
        if self._n_pending:
            table = pa.Table.from_batches(self._pending, self._schema).unify_dictionaries().combine_chunks()
            self._writer.write_table(table)
        self._pending, self._n_pending = [], 0

    def close(self) -> None:
        self._writer.close()
