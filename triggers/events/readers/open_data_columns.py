"""The columns of the CMS L1 anomaly-detection open data set, and their values (`docs/formats.md`, "Open data set")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events.l1_names import L1_NAMES, NEEDED_FIELDS
from triggers.events.readers.object_lists import ObjectLists, Where

COLLECTIONS: Final = {"muon": "muons", "jet": "jets", "eg": "egammas", "tau": "taus"}
"""What stands before the names of an object's columns."""

SUM_COLUMNS: Final = {
    "ett": "ET_Et",
    "ettem": "ET_ETTEM",
    "htt": "HT_Et",
    "towercount": "HT_tower_count",
    "etm": "MET_Et",
    "etm_phi": "MET_phi",
    "htm": "MHT_Et",
    "htm_phi": "MHT_phi",
    "etmhf": "FET_Et",
    "etmhf_phi": "FET_phi",
    "htmhf": "FHT_Et",
    "htmhf_phi": "FHT_phi",
}
"""The column of each quantity of the sums; `FET` and `FHT` are with HF."""

TIME_COLUMNS: Final = {"run": "run", "lumi_section": "lumi", "orbit": "orbit", "bx": "bx", "event": "event"}
PILEUP: Final = "nPV_True"
PROCESS: Final = "dataset"
MARKER: Final = "muons_muonIEt"
"""A Parquet file with this column is one of the data set."""

_REMEDY: Final = "give a file of the open data set as it was published"


def object_columns(column: str, present: Mapping[str, pa.DataType]) -> dict[str, str]:
    """The file's column of each field of an object column, those that the file has."""
    named = {field: f"{COLLECTIONS[column]}_{name}" for field, name in L1_NAMES[column].items()}
    return {field: name for field, name in named.items() if name in present}


def check_columns(path: Path, schema: pa.Schema) -> None:
    """Holds a file's columns against the data set.

    Raises:
        FileUnreadable: a column without which no crossing can be made is missing, or one has another type.
    """
    types = {field.name: field.type for field in schema}
    for column, collection in COLLECTIONS.items():
        needed = [name for field, name in L1_NAMES[column].items() if field in NEEDED_FIELDS]
        for name in (f"{collection}_{name}" for name in needed):
            if name not in types:
                raise FileUnreadable(path, f"has no column '{name}'", _REMEDY)
        for name in object_columns(column, types).values():
            if not (_is_list(types[name]) and pa.types.is_integer(types[name].value_type)):
                raise FileUnreadable(path, f"column '{name}' is {types[name]}, not a list of integers", _REMEDY)
    for name in (*SUM_COLUMNS.values(), *TIME_COLUMNS.values()):
        if name in types and not pa.types.is_integer(_item(types[name])):
            raise FileUnreadable(path, f"column '{name}' is {types[name]}, not integers", _REMEDY)
    if PILEUP in types and not _is_number(_item(types[PILEUP])):
        raise FileUnreadable(path, f"column '{PILEUP}' is {types[PILEUP]}, not numbers", _REMEDY)


def object_lists(batch: pa.RecordBatch, columns: Mapping[str, str], where: Where) -> ObjectLists:
    """The objects of a batch of rows from the file's columns, by field.

    Raises:
        BadValue: a value is missing, or the columns have lists of different lengths in a row.
    """
    counts: NDArray[np.int64] | None = None
    fields: dict[str, NDArray[Any]] = {}
    for field, name in columns.items():
        array = batch.column(name)
        _check_filled(array, name, where)
        found = np.diff(array.offsets.to_numpy()).astype(np.int64)
        if counts is None:
            counts = found
        elif not np.array_equal(found, counts):
            row = int(np.argmax(found != counts))
            first = next(iter(columns.values()))
            what = f"column '{name}' has {found[row]} values, but '{first}' has {counts[row]}"
            raise BadValue(where.row(row), what, _REMEDY)
        fields[field] = array.flatten().to_numpy()
    return ObjectLists(np.zeros(batch.num_rows, np.int64) if counts is None else counts, fields)


def single_values(batch: pa.RecordBatch, name: str, where: Where) -> NDArray[Any]:
    """A column with one value a row, `(n,)`, plain or as lists of length one.

    Raises:
        BadValue: a value is missing, or a list has another length.
    """
    array = batch.column(name)
    _check_filled(array, name, where)
    if _is_list(array.type):
        counts = np.diff(array.offsets.to_numpy())
        if (counts != 1).any():
            row = int(np.argmax(counts != 1))
            raise BadValue(where.row(row), f"column '{name}' has {counts[row]} values instead of one", _REMEDY)
        array = array.flatten()
    elif pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values


def _check_filled(array: pa.Array, name: str, where: Where) -> None:
    if array.null_count:
        row = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
        raise BadValue(where.row(row), f"column '{name}' has no value", _REMEDY)
    if _is_list(array.type) and array.flatten().null_count:
        raise BadValue(where.row(0), f"column '{name}' has lists without values from here on", _REMEDY)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _item(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if _is_list(kind) or pa.types.is_fixed_size_list(kind) else kind


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
