"""Reads crossings from Parquet (`docs/formats.md`, section "Parquet and Arrow IPC")."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triggers.events.formats import first_bytes
from triggers.events.readers.damage import ARROW_ERRORS, damage_told, told_as_damage
from triggers.events.readers.tables import (
    FileColumns,
    TableSource,
    event_batch,
    with_times,
)
from triggers.events.readers.time_order import TimeOrder

_READ_BUFFER_BYTES = 1 << 20
_TIMES = ("run", "lumi_section", "orbit", "bx")


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
        with damage_told(path, self.format_name, ARROW_ERRORS), _open(path) as file:
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

    @property
    def n_rows(self) -> int:
        """Rows of all files, context included.

        Raises:
            FileUnreadable: a file is damaged.
        """
        total = 0
        for path in self._paths:
            with damage_told(path, self.format_name, ARROW_ERRORS), _open(path) as file:
                total += int(file.metadata.num_rows)
        return total

    def times(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """Run, lumi section, orbit and bx of every row of a single file; other columns are not read.

        Raises:
            FileUnreadable, OutOfOrder, BadValue: as `batches` does.
        """
        (path,), (columns,) = self._paths, self._columns
        order, row = TimeOrder(), 0
        # A file without times still has rows, which its first column tells.
        names = tuple(name for name in _TIMES if name in columns.known) or columns.known[:1]
        for raw in told_as_damage(path, self.format_name, self._raw_batches(path, names, n_rows), ARROW_ERRORS):
            if raw.num_rows:
                found = with_times(raw, path, row, row)
                batch = pa.RecordBatch.from_arrays([found[name] for name in _TIMES], _TIMES)
                order.check(batch, path, row)
                row += raw.num_rows
                yield batch

    def rows(self, first: int, stop: int, n_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows from `first` to before `stop` of a single file, of which no other row group is read.

        The order of time is not checked: `times` does that for a whole file.

        Raises:
            FileUnreadable, BadValue: as `batches` does.
        """
        (path,), (columns,) = self._paths, self._columns
        with damage_told(path, self.format_name, ARROW_ERRORS), _open(path) as file:
            sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
            ends = list(accumulate(sizes))
            chosen = [k for k, end in enumerate(ends) if end > first and end - sizes[k] < stop]
            row = ends[chosen[0]] - sizes[chosen[0]] if chosen else 0
            raws = file.iter_batches(
                batch_size=n_rows, row_groups=chosen, columns=list(columns.known), use_threads=False
            )
            for whole in told_as_damage(path, self.format_name, raws, ARROW_ERRORS):
                begin, end = max(first - row, 0), min(stop - row, whole.num_rows)
                if begin < end:
                    raw = whole.select(list(columns.known)).slice(begin, end - begin)
                    yield event_batch(raw, path, row + begin, row + begin)
                row += whole.num_rows


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
