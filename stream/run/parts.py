"""Parts of a replay that can be evaluated apart: by file, and by lumi section in Parquet (`docs/replay.md`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from triggers.events.crossings import column_view
from triggers.events.open import open_source
from triggers.events.readers.parquet import ParquetSource
from triggers.events.schema import MAX_BX_OFFSET

MOST_ROWS: Final = 1 << 18
"""A longer lumi section is split: it bounds what a worker holds of its answer."""
_LEAST_ROWS: Final = 1 << 16
"""Shorter lumi sections go together, so that work outweighs its order."""
_SCAN_ROWS: Final = 1 << 18


@dataclass(frozen=True)
class Part:
    """Consecutive rows of one file.

    Attributes:
        file: its place among the files of the replay.
        first: its first row in the file.
        stop: the row after its last; None: all rows, however many those are.
    """

    file: int
    first: int = 0
    stop: int | None = None


def parts_of(files: Sequence[Path], least: int = _LEAST_ROWS, most: int = MOST_ROWS) -> Iterator[Part]:
    """All rows of the files, in order; a part ends with a lumi section, or where it would be longer than `most` rows.

    Files of formats that have no index are parts as a whole.

    Raises:
        L1ChainError: a file is damaged, or its rows are not in order.
    """
    for k, file in enumerate(files):
        source = open_source([file])
        if isinstance(source, ParquetSource):
            yield from _parts_of_file(k, source, least, most)
        else:
            yield Part(k)


def _parts_of_file(file: int, source: ParquetSource, least: int, most: int) -> Iterator[Part]:
    begin = row = 0
    last: tuple[int, int] | None = None
    for batch in source.times(_SCAN_ROWS):
        run, section = (column_view(batch.column(name)).astype(np.int64) for name in ("run", "lumi_section"))
        changes = 1 + np.flatnonzero((np.diff(run) != 0) | (np.diff(section) != 0))
        is_new = last is not None and last != (int(run[0]), int(section[0]))
        last = int(run[-1]), int(section[-1])
        for end in [*([row] if is_new else []), *(row + changes).tolist(), row + len(run)]:
            while end - begin > most:
                yield Part(file, begin, begin + most)
                begin += most
            if end - begin >= least and end != row + len(run):
                yield Part(file, begin, end)
                begin = end
        row += len(run)
    if row > begin:
        yield Part(file, begin, row)


def rows_of(files: Sequence[Path], part: Part, n_rows: int, neighbours: bool) -> Iterator[pa.RecordBatch]:
    """The rows of a part; with `neighbours` between those just before and after it, as context.

    Raises:
        L1ChainError: a file is missing or damaged.
    """
    own = _rows(files[part.file], part.first, part.stop, n_rows)
    if not neighbours:
        yield from own
        return
    yield from (_flagged(batch, is_context=True) for batch in _before(files, part))
    yield from (_flagged(batch, is_context=False) for batch in own)
    yield from (_flagged(batch, is_context=True) for batch in _after(files, part))


def _rows(file: Path, first: int, stop: int | None, n_rows: int) -> Iterator[pa.RecordBatch]:
    source = open_source([file])
    if isinstance(source, ParquetSource):
        return source.rows(first, source.n_rows if stop is None else stop, n_rows)
    return source.batches(n_rows)


def _before(files: Sequence[Path], part: Part) -> list[pa.RecordBatch]:
    """The rows that come before a part, as many as conditions can see."""
    first = max(0, part.first - MAX_BX_OFFSET)
    found = list(_rows(files[part.file], first, part.first, MAX_BX_OFFSET)) if part.first else []
    for file in reversed(files[: part.file]):
        lacking = MAX_BX_OFFSET - sum(map(len, found))
        if not lacking:
            break
        found = _tail(file, lacking) + found
    return found


def _after(files: Sequence[Path], part: Part) -> list[pa.RecordBatch]:
    """The rows that come after a part."""
    found: list[pa.RecordBatch] = []
    if part.stop is not None:
        found = _head(files[part.file], part.stop, MAX_BX_OFFSET)
    for file in files[part.file + 1 :]:
        lacking = MAX_BX_OFFSET - sum(map(len, found))
        if not lacking:
            break
        found += _head(file, 0, lacking)
    return found


def _head(file: Path, first: int, n: int) -> list[pa.RecordBatch]:
    """At most n rows of a file from a row on; `first` is zero for files without an index."""
    found: list[pa.RecordBatch] = []
    for batch in _rows(file, first, first + n, n):
        found.append(batch.slice(0, n - sum(map(len, found))))
        if sum(map(len, found)) == n:
            break
    return found


def _tail(file: Path, n: int) -> list[pa.RecordBatch]:
    """The last n rows of a file, or all if it has fewer."""
    source = open_source([file])
    if isinstance(source, ParquetSource):
        n_rows = source.n_rows
        return list(source.rows(max(0, n_rows - n), n_rows, n))
    last: list[pa.RecordBatch] = []
    for batch in source.batches(_SCAN_ROWS):
        last = [*last, batch.slice(max(0, len(batch) - n))]
        while sum(map(len, last[1:])) >= n:
            last.pop(0)
    excess = sum(map(len, last)) - n
    return [last[0].slice(excess), *last[1:]] if excess > 0 else last


def _flagged(batch: pa.RecordBatch, is_context: bool) -> pa.RecordBatch:
    """The same rows with `context` as the last column, true for all of them if they are context."""
    flags = pa.array(np.full(len(batch), is_context))
    if "context" in batch.schema.names:
        flags = flags if is_context else batch.column("context")
        batch = batch.drop_columns(["context"])
    return batch.append_column(pa.field("context", pa.bool_(), nullable=False), flags)
