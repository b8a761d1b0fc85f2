"""The seeds files of the open data set: decisions of the trigger by name (`docs/formats.md`, "Open data set")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.readers.damage import damage_told
from triggers.events.readers.object_lists import Where
from triggers.events.readers.open_data_columns import single_values

FOLDER: Final = "seeds"
_CHECKED: Final = ("event", "order")
"""Columns that both files of a pair have, and that must agree."""
_L1_BIT: Final = "L1bit"
_WORD_BITS: Final = 64


def seeds_file(path: Path) -> Path:
    """Where the seeds of a data file are: the same name in the folder `seeds` beside it."""
    return path.parent / FOLDER / path.name


def is_seeds_file(path: Path) -> bool:
    """Whether a path is that of a seeds file."""
    return path.parent.name == FOLDER


class Seeds:
    """The seeds beside one data file.

    Attributes:
        names: the algorithms that they know.
    """

    def __init__(self, data: Path) -> None:
        """Looks into the seeds file of a data file.

        Raises:
            FileUnreadable: it is damaged.
            BadValue: it has another number of rows than the data file.
        """
        self._path = seeds_file(data)
        with damage_told(self._path, "Parquet"), pq.ParquetFile(self._path) as file:
            columns, n_rows = file.schema_arrow, file.metadata.num_rows
        self._columns = {field.name: field.type for field in columns}
        self.names = tuple(name for name, kind in self._columns.items() if _is_bool(kind) and name != _L1_BIT)
        with damage_told(data, "Parquet"), pq.ParquetFile(data) as file:
            n_data = file.metadata.num_rows
        if n_rows != n_data:
            what = f"has {n_rows:,} rows, but {data} has {n_data:,}"
            raise BadValue(self._path, what, "fetch both again: row i of one belongs to row i of the other")

    def checked(self, present: Mapping[str, pa.DataType]) -> tuple[str, ...]:
        """The columns of the data file, `present` in it, that must have the same values here."""
        return tuple(name for name in _CHECKED if name in present and name in self._columns)

    def bits(
        self, algorithms: Mapping[str, int], checked: tuple[str, ...], data: Iterator[pa.RecordBatch]
    ) -> Iterator[tuple[pa.RecordBatch, NDArray[np.uint64]]]:
        """The batches of the data file, each with its algorithm bits, `(n, 8) uint64`.

        Args:
            algorithms: index by name; seeds that it does not name are left out.
            checked: columns that must agree.
            data: batches of the data file, from its first row on.

        Raises:
            BadValue: the rows of the two files do not belong together.
        """
        wanted = {name: algorithms[name] for name in self.names if name in algorithms}
        first = 0
        with pq.ParquetFile(self._path, pre_buffer=False) as file:
            rows = _Rows(file.iter_batches(columns=[*wanted, *checked], use_threads=False))
            for batch in data:
                seeds = rows.next(batch.num_rows)
                where = Where(str(self._path), first)
                for name in checked:
                    _check_same(name, batch, seeds, where)
                yield batch, _bits(seeds, wanted, where)
                first += batch.num_rows


def known_words(algorithms: Mapping[str, int], names: tuple[str, ...]) -> NDArray[np.uint64]:
    """The words `(8,)` with the bits of those names that have an index."""
    words = np.zeros(schema.ALGORITHM_WORDS, np.uint64)
    for name in names:
        if name in algorithms:
            word, bit = divmod(algorithms[name], _WORD_BITS)
            words[word] |= np.uint64(1 << bit)
    return words


class _Rows:
    """Batches cut anew to the lengths that are asked for."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: list[pa.RecordBatch] = []

    def next(self, n: int) -> pa.RecordBatch:
        held = sum(batch.num_rows for batch in self._rest)
        while held < n:
            batch = next(self._batches)
            self._rest.append(batch)
            held += batch.num_rows
        table = pa.Table.from_batches(self._rest)
        self._rest = table.slice(n).to_batches()
        return table.slice(0, n).combine_chunks().to_batches()[0]


def _bits(seeds: pa.RecordBatch, wanted: Mapping[str, int], where: Where) -> NDArray[np.uint64]:
    words = np.zeros((schema.ALGORITHM_WORDS, seeds.num_rows), np.uint64)
    for name, index in wanted.items():
        word, bit = divmod(index, _WORD_BITS)
        words[word] |= single_values(seeds, name, where).astype(np.uint64) << np.uint64(bit)
    return np.ascontiguousarray(words.T)


def _check_same(name: str, batch: pa.RecordBatch, seeds: pa.RecordBatch, where: Where) -> None:
    in_data, in_seeds = single_values(batch, name, where), single_values(seeds, name, where)
    if not np.array_equal(in_data, in_seeds):
        row = int(np.argmax(in_data != in_seeds))
        what = f"'{name}' is {in_seeds[row]}, but {in_data[row]} in the data file"
        raise BadValue(where.row(row), what, "fetch both again: row i of one belongs to row i of the other")


def _is_bool(kind: pa.DataType) -> bool:
    item = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return bool(pa.types.is_boolean(item))
