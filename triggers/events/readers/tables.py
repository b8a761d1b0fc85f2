"""What Parquet and Arrow IPC sources share: which columns a file has, and its rows in the event format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triggers.errors import BadValue, SchemaMismatch
from triggers.events import schema
from triggers.events.crossings import batch_of, stranger_slots
from triggers.events.formats import files_name
from triggers.events.notes import Notes, notes_of
from triggers.events.readers.damage import ARROW_ERRORS, damage_told, told_as_damage
from triggers.events.readers.time_order import TimeOrder
from triggers.events.source import SourceInfo

ORBITS_PER_LUMI_SECTION: Final = 1 << 18
_MADE_RUN: Final = 1


@dataclass(frozen=True)
class FileColumns:
    """The columns of one file: those of the event format, in its order, and the others; what it says of its source."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: Notes

    @property
    def optional(self) -> tuple[str, ...]:
        """The optional columns of the event format that the file has."""
        return tuple(name for name in self.known if name not in schema.REQUIRED.names)

    @property
    def missing(self) -> tuple[str, ...]:
        """What the file cannot tell, one sentence each."""
        sentences = list(self.notes.missing)
        if made := [name for name in ("run", "lumi_section", "event") if name not in self.known]:
            sentences.append(f"{', '.join(made)}: not in the file, numbered anew")
        if "orbit" not in self.known:
            sentences.append("orbit, bx: not in the file, made so that no two crossings are neighbours")
        if self.unknown:
            sentences.append(f"{', '.join(self.unknown)}: not part of the event format, left out")
        return tuple(sentences)


def file_columns(path: Path, found: pa.Schema) -> FileColumns:
    """Holds a file's schema against the event format.

    Raises:
        SchemaMismatch: an object column is missing, only one of orbit and bx is there, a column is there twice, or has
            another type.
    """
    for name in schema.OBJECT_COLUMNS:
        if name not in found.names:
            raise SchemaMismatch(path, name, "missing", str(schema.FULL.field(name).type))
    for name, other in (("orbit", "bx"), ("bx", "orbit")):
        if name not in found.names and other in found.names:
            raise SchemaMismatch(path, name, "missing", f"there, as '{other}' is")
    known = tuple(name for name in schema.FULL.names if name in found.names)
    for name in known:
        expected = schema.FULL.field(name).type
        if found.names.count(name) > 1:
            raise SchemaMismatch(path, name, "there more than once", str(expected))
        if not _accepts(expected, found.field(name).type):
            raise SchemaMismatch(path, name, str(found.field(name).type), str(expected))
    unknown = tuple(name for name in found.names if name not in schema.FULL.names)
    return FileColumns(known, unknown, notes_of(found))


def _accepts(expected: pa.DataType, found: pa.DataType) -> bool:
    """Whether a column's type holds the same values as the event format's."""
    if pa.types.is_fixed_size_list(expected):
        same_width = not pa.types.is_fixed_size_list(found) or found.list_size == expected.list_size
        return _is_list(found) and same_width and bool(found.value_type == expected.value_type)
    if pa.types.is_dictionary(expected):
        text = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(text) or pa.types.is_large_string(text))
    return bool(found == expected)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


class TableSource(ABC):
    """Files of the event format, read one after the other as one run; subclasses know how a file is opened."""

    format_name: str

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the files in the order given, and reads their schemas.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is damaged or of another kind.
            SchemaMismatch: a file's columns are not those of the event format.
            BadValue: a file has other columns than the first.
        """
        self._paths = tuple(paths)
        self._columns = [self._file_columns(path) for path in self._paths]
        for path, columns in zip(self._paths[1:], self._columns[1:], strict=True):
            _check_same(path, columns, self._paths[0], self._columns[0])

    @cached_property
    def info(self) -> SourceInfo:
        """What the files hold; counting context rows reads that column.

        Raises:
            FileUnreadable: a file is damaged.
        """
        counts = [self._count(path, columns) for path, columns in zip(self._paths, self._columns, strict=True)]
        known = [count for count in counts if count is not None]
        n_crossings = sum(known) if len(known) == len(counts) else None
        missing = dict.fromkeys(sentence for columns in self._columns for sentence in columns.missing)
        lacking = dict.fromkeys(part for columns in self._columns for part in columns.notes.lacking)
        optional = self._columns[0].optional
        return SourceInfo(files_name(self._paths), n_crossings, optional, tuple(missing), tuple(lacking))

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of at most `n_rows` rows; no batch spans two files.

        Raises:
            FileUnreadable: a file is damaged.
            OutOfOrder: rows are not in time order.
            BadValue: a value is missing, or a list has another length than the column must have.
        """
        order, n_before = TimeOrder(), 0
        for path, columns in zip(self._paths, self._columns, strict=True):
            row = 0
            for raw in told_as_damage(
                path, self.format_name, self._raw_batches(path, columns.known, n_rows), ARROW_ERRORS
            ):
                if raw.num_rows == 0:
                    continue
                batch = event_batch(raw, path, row, n_before + row)
                order.check(batch, path, row)
                row += raw.num_rows
                yield batch
            n_before += row

    def _file_columns(self, path: Path) -> FileColumns:
        # Arrow decodes names only when they are asked for: damaged ones show up here.
        with damage_told(path, self.format_name, ARROW_ERRORS):
            return file_columns(path, self._schema(path))

    @abstractmethod
    def _schema(self, path: Path) -> pa.Schema:
        """The file's schema."""

    @abstractmethod
    def _count(self, path: Path, columns: FileColumns) -> int | None:
        """The file's decided crossings, or None if only reading tells."""

    @abstractmethod
    def _raw_batches(self, path: Path, names: tuple[str, ...], n_rows: int) -> Iterator[pa.RecordBatch]:
        """The named columns of the file as it has them."""


def _check_same(path: Path, columns: FileColumns, first_path: Path, first: FileColumns) -> None:
    for name in schema.FULL.names:
        if (name in columns.known) != (name in first.known):
            has, lacks = (path, first_path) if name in columns.known else (first_path, path)
            what = f"lacks the column '{name}' that {has} has"
            raise BadValue(lacks, what, "read the files apart, or convert one with `l1chain events convert --without`")


def event_batch(raw: pa.RecordBatch, path: Path, first_row: int, first_crossing: int) -> pa.RecordBatch:
    """Rows of a file in the event format: types as `schema.FULL` has them, absent times made.

    Args:
        raw: columns of the event format, of types that `file_columns` has accepted.
        path: the file, for messages.
        first_row: the batch's first row in the file.
        first_crossing: the batch's first row in the source.

    Raises:
        BadValue: a value is missing, or a list has another length than the column must have.
    """
    return batch_of(with_times(raw, path, first_row, first_crossing))


def with_times(raw: pa.RecordBatch, path: Path, first_row: int, first_crossing: int) -> dict[str, pa.Array]:
    """The columns of rows of a file as `event_batch` has them, and those that tell the time."""
    columns = {name: _event_column(name, raw.column(name), path, first_row) for name in raw.schema.names}
    n = raw.num_rows
    if "orbit" not in columns:
        orbit, bx = stranger_slots(first_crossing, n)
        columns |= {"orbit": pa.array(orbit), "bx": pa.array(bx)}
    if "run" not in columns:
        columns["run"] = pa.array(np.full(n, _MADE_RUN, np.uint32))
    if "lumi_section" not in columns:
        section = columns["orbit"].to_numpy() // np.uint32(ORBITS_PER_LUMI_SECTION) + np.uint32(1)
        columns["lumi_section"] = pa.array(section)
    if "event" not in columns:
        columns["event"] = pa.array(np.arange(first_crossing, first_crossing + n, dtype=np.uint64) + np.uint64(1))
    return columns


def _event_column(name: str, array: pa.Array, path: Path, first_row: int) -> pa.Array:
    expected = schema.FULL.field(name).type
    if array.null_count:
        _raise_missing(name, path, first_row + _first_true(array.is_null()))
    if pa.types.is_fixed_size_list(expected):
        return _fixed_size_lists(name, array, expected, path, first_row)
    if pa.types.is_dictionary(expected) and array.type != expected:
        text = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
        return text.cast(pa.string()).dictionary_encode()
    return array


def _fixed_size_lists(name: str, array: pa.Array, expected: pa.DataType, path: Path, first_row: int) -> pa.Array:
    width = expected.list_size
    if not pa.types.is_fixed_size_list(array.type):
        wrong = pc.not_equal(pc.list_value_length(array), width)
        if pc.any(wrong).as_py():
            row = _first_true(wrong)
            what = f"column '{name}' has {len(array[row])} values instead of {width}"
            raise BadValue(f"{path}, row {first_row + row}", what, "fill up with zeros: an empty slot is a zero word")
    values = array.flatten()
    if values.null_count:
        _raise_missing(name, path, first_row + _first_true(values.is_null()) // width)
    return pa.FixedSizeListArray.from_arrays(values, type=expected)


def _first_true(flags: pa.Array) -> int:
    return int(pc.index(flags, True).as_py())


def _raise_missing(name: str, path: Path, row: int) -> None:
    raise BadValue(f"{path}, row {row}", f"column '{name}' has no value", "write every value; an empty slot is zero")
