"""Reads the CMS L1 anomaly-detection open data set (`docs/formats.md`, section "Open data set")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.l1_names import L1_NAMES, LACKING_PARTS
from triggers.events.lacking import NEIGHBOURS, lacking_sums
from triggers.events.readers.damage import damage_told
from triggers.events.readers.foreign import Chunk, ForeignSource, pileup_column
from triggers.events.readers.foreign_times import RawTimes
from triggers.events.readers.object_lists import Where, packed_slots
from triggers.events.readers.open_data_columns import (
    COLLECTIONS,
    MARKER,
    PILEUP,
    PROCESS,
    SUM_COLUMNS,
    TIME_COLUMNS,
    check_columns,
    object_columns,
    object_lists,
    single_values,
)
from triggers.events.readers.open_data_seeds import Seeds, is_seeds_file, known_words, seeds_file
from triggers.events.readers.sum_lists import put_quantity

_READ_BUFFER_BYTES: Final = 1 << 20
_NEVER: Final = ("muon.isolation", "muon.impact_parameter", "muon.shower", "external", NEIGHBOURS)
"""What no file of the data set has."""
_TIME_ROWS: Final = 1 << 18
_ORDER: Final = "order"
_SHOWN_NAMES: Final = 8


def is_open_data(path: Path) -> bool:
    """Whether a Parquet file is one of the data set, seeds files included.

    Raises:
        FileUnreadable: the file is damaged.
    """
    with damage_told(path, "Parquet"):
        names = pq.read_schema(path).names
    return MARKER in names or (is_seeds_file(path) and "muon" not in names)


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)


class OpenDataSource(ForeignSource):
    """Files `data/SET/SPLIT-….parquet` of the data set as one run; decisions come from `SET/seeds/` beside them.

    Args:
        paths: the data files.
        algorithms: index of each algorithm of a menu by name: gives the decisions their bits; without it, or without
            seeds files, no `expected` is there.
    """

    format_name = "open data set"

    def __init__(self, paths: Sequence[Path], algorithms: Mapping[str, int] | None = None) -> None:
        """Takes the files in the order given, and reads their schemas.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is damaged, or lacks a column.
            BadValue: a seeds file is named instead of a data file, or does not belong to its data file.
        """
        super().__init__(paths)
        self._algorithms = algorithms
        self._types: dict[Path, dict[str, pa.DataType]] = {}
        for path in self._paths:
            if is_seeds_file(path):
                remedy = "name the data file in the folder above: its seeds are read with it"
                raise BadValue(path, "holds decisions only", remedy)
            with damage_told(path, self.format_name):
                columns = pq.read_schema(path)
            check_columns(path, columns)
            self._types[path] = {field.name: field.type for field in columns}
        self._seeds = {path: Seeds(path) for path in self._paths if seeds_file(path).exists()}

    @cached_property
    def _has_expected(self) -> bool:
        return self._algorithms is not None and len(self._seeds) == len(self._paths)

    @cached_property
    def _has_pileup(self) -> bool:
        """Whether all files know it; real data without a measurement has a negative one."""
        if not self._in_all(PILEUP):
            return False
        with damage_told(self._paths[0], self.format_name):
            first = next(self._raw(self._paths[0], [PILEUP], 1), None)
        return first is not None and bool(single_values(first, PILEUP, Where(str(self._paths[0]), 0))[0] >= 0)

    def _in_all(self, name: str) -> bool:
        return all(name in types for types in self._types.values())

    def _optional_columns(self) -> tuple[str, ...]:
        pileup = ("pileup",) if self._has_pileup else ()
        return (*pileup, "process", *(("expected", "expected_known") if self._has_expected else ()))

    def _expected_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for seeds in self._seeds.values() for name in seeds.names))

    def _lacking(self) -> tuple[str, ...]:
        absent = [
            f"{column}.{LACKING_PARTS.get(field, field)}"
            for column, collection in COLLECTIONS.items()
            for field, name in L1_NAMES[column].items()
            if not self._in_all(f"{collection}_{name}")
        ]
        sums = [quantity for quantity, name in SUM_COLUMNS.items() if self._in_all(name)]
        return (*absent, *_NEVER, *lacking_sums(sums))

    def _sentences(self) -> tuple[str, ...]:
        sentences = [self._expected_sentence()]
        if self._in_all(_ORDER):
            sentences.append("order: left out; crossings with −1, whose ETT is saturated, are kept like all others")
        return tuple(filter(None, sentences))

    def _expected_sentence(self) -> str:
        names = self._expected_names()
        if not self._seeds:
            return "expected bits: no seeds files are beside the data files"
        if len(self._seeds) < len(self._paths):
            path = next(path for path in self._paths if path not in self._seeds)
            return f"expected bits: {path} has no seeds file beside it, so those of the others are left out"
        if self._algorithms is None:
            return f"expected bits: {len(names)} seeds are known by name; their bits follow when a menu is given"
        foreign = [name for name in names if name not in self._algorithms]
        more = f" and {len(foreign) - _SHOWN_NAMES} more" if len(foreign) > _SHOWN_NAMES else ""
        shown = ", ".join(foreign[:_SHOWN_NAMES])
        return f"expected bits: the menu has no {shown}{more}, known here by name" if foreign else ""

    def _count(self, path: Path) -> int:
        with damage_told(path, self.format_name), pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows)

    def _times(self, path: Path) -> Iterator[RawTimes]:
        names = [name for name in TIME_COLUMNS.values() if name in self._types[path]]
        row = 0
        for raw in self._raw(path, names, _TIME_ROWS):
            yield self._raw_times(raw, Where(str(path), row))
            row += raw.num_rows

    def _chunks(self, path: Path, n_rows: int) -> Iterator[Chunk]:
        types = self._types[path]
        fields = {column: object_columns(column, types) for column in COLLECTIONS}
        wanted = [name for columns in fields.values() for name in columns.values()]
        others = (*SUM_COLUMNS.values(), *TIME_COLUMNS.values(), PILEUP, PROCESS)
        wanted += [name for name in others if name in types]
        row = 0
        for raw, expected in self._with_expected(path, wanted, n_rows):
            where = Where(str(path), row)
            columns: dict[str, NDArray[Any] | pa.Array] = {
                column: packed_slots(column, object_lists(raw, names, where), where) for column, names in fields.items()
            }
            columns |= {"sums": self._sums(raw, where), "process": self._process(raw, path), **expected}
            if self._has_pileup:
                columns["pileup"] = pileup_column(single_values(raw, PILEUP, where))
            yield Chunk(self._raw_times(raw, where), columns)
            row += raw.num_rows

    def _with_expected(
        self, path: Path, wanted: list[str], n_rows: int
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, NDArray[np.uint64]]]]:
        if not self._has_expected or self._algorithms is None:
            yield from ((raw, {}) for raw in self._raw(path, wanted, n_rows))
            return
        seeds = self._seeds[path]
        checked = seeds.checked(self._types[path])
        data = self._raw(path, list(dict.fromkeys([*wanted, *checked])), n_rows)
        known = known_words(self._algorithms, seeds.names)
        for raw, bits in seeds.bits(self._algorithms, checked, data):
            yield raw, {"expected": bits, "expected_known": np.tile(known, (raw.num_rows, 1))}

    def _raw(self, path: Path, names: list[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        if not names:
            yield pa.RecordBatch.from_pydict({"row": np.zeros(self._count(path), np.bool_)})
            return
        with _open(path) as file:
            yield from file.iter_batches(batch_size=n_rows, columns=names, use_threads=False)

    def _raw_times(self, raw: pa.RecordBatch, where: Where) -> RawTimes:
        present = {
            ours: single_values(raw, theirs, where)
            for ours, theirs in TIME_COLUMNS.items()
            if theirs in raw.schema.names
        }
        return RawTimes(raw.num_rows, **present)

    def _sums(self, raw: pa.RecordBatch, where: Where) -> NDArray[np.uint32]:
        words = np.zeros((raw.num_rows, schema.N_SUMS), np.uint32)
        for quantity, name in SUM_COLUMNS.items():
            if name in raw.schema.names:
                put_quantity(words, quantity, single_values(raw, name, where), where)
        return words

    def _process(self, raw: pa.RecordBatch, path: Path) -> pa.Array:
        """The data set's own name of the sample; without it, the folder's."""
        if PROCESS not in raw.schema.names:
            return pa.DictionaryArray.from_arrays(np.zeros(raw.num_rows, np.int32), [path.resolve().parent.name])
        names = raw.column(PROCESS)
        if pa.types.is_dictionary(names.type):
            names = names.dictionary_decode()
        return pc.fill_null(names.cast(pa.string()), "").dictionary_encode()
