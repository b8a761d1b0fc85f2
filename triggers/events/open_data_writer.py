"""Writes crossings in the layout of the CMS L1 anomaly-detection open data set (`docs/formats.md`, "Open data set")."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triggers.events.crossings import column_view
from triggers.events.l1_names import L1_NAMES
from triggers.events.packing import sum_values
from triggers.events.readers.open_data_columns import COLLECTIONS, PILEUP, PROCESS, SUM_COLUMNS, TIME_COLUMNS
from triggers.events.schema import numpy_dtype
from triggers.events.word_lists import decided, unpacked_lists

HELD: Final = ("pileup", "process")
"""The optional columns of the event format that the data set has."""

_UNSIGNED: Final = ("muonQual", "muonTfMuonIdx")
_TIME_TYPES: Final = {
    "run": pa.uint32(),
    "lumi": pa.uint32(),
    "event": pa.uint64(),
    "bx": pa.uint32(),
    "orbit": pa.uint64(),
}


class OpenDataWriter:
    """One data file; the columns that crossings cannot fill are not there."""

    def __init__(self, partial: Path, optional_columns: tuple[str, ...]) -> None:
        self._schema = _schema(tuple(name for name in HELD if name in optional_columns))
        self._writer = pq.ParquetWriter(partial, self._schema, compression="snappy")

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows; context rows are left out."""
        rows = decided(batch)
        columns: dict[str, pa.Array] = {}
        for column, collection in COLLECTIONS.items():
            lists = unpacked_lists(column, rows)
            for field, name in L1_NAMES[column].items():
                columns[f"{collection}_{name}"] = _list_array(lists.counts, lists.fields[field], name)
        sums = column_view(rows.column("sums"))
        ones = np.ones(rows.num_rows, np.int64)
        for quantity, name in SUM_COLUMNS.items():
            columns[name] = _list_array(ones, sum_values(sums, quantity), name)
        for ours, theirs in TIME_COLUMNS.items():
            columns[theirs] = rows.column(ours).cast(self._schema.field(theirs).type)
        if PILEUP in self._schema.names:
            columns[PILEUP] = rows.column("pileup")
        if PROCESS in self._schema.names:
            columns[PROCESS] = rows.column("process").dictionary_decode()
        arrays = [columns[name] for name in self._schema.names]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def flush(self) -> None:
        """Nothing is pending: each batch is a row group."""

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()


def _schema(held: tuple[str, ...]) -> pa.Schema:
    names = [f"{COLLECTIONS[column]}_{name}" for column in COLLECTIONS for name in L1_NAMES[column].values()]
    fields = [pa.field(name, _list_type(name.partition("_")[2])) for name in names]
    fields += [pa.field(name, _list_type(name)) for name in SUM_COLUMNS.values()]
    fields += [pa.field(name, kind) for name, kind in _TIME_TYPES.items()]
    if "pileup" in held:
        fields.append(pa.field(PILEUP, pa.float32()))
    if "process" in held:
        fields.append(pa.field(PROCESS, pa.string()))
    return pa.schema(fields)


def _list_type(name: str) -> pa.DataType:
    return pa.large_list(pa.uint16() if name in _UNSIGNED else pa.int16())


def _list_array(counts: NDArray[np.int64], values: NDArray[Any], name: str) -> pa.Array:
    kind = _list_type(name)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    flat = pa.array(values.astype(numpy_dtype(kind.value_type)))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat, type=kind)
