"""Opens event files of any format as one source."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from triggers.errors import BadValue, FileMissing
from triggers.events.formats import SourceFormat, first_bytes, format_of_file
from triggers.events.readers.arrow_ipc import ArrowIpcSource
from triggers.events.readers.parquet import ParquetSource
from triggers.events.readers.test_vector import TestVectorSource
from triggers.events.source import Source
from triggers.shipped import find_file

__all__ = ["SourceFormat", "event_files", "open_source"]

_READERS: Final[dict[SourceFormat, Callable[[Sequence[Path]], Source]]] = {
    SourceFormat.TEST_VECTOR: TestVectorSource,
    SourceFormat.PARQUET: ParquetSource,
    SourceFormat.ARROW: ArrowIpcSource,
}


def open_source(paths: Sequence[str | Path], format_: SourceFormat | None = None) -> Source:
    """The crossings of event files, in the order given, as one source.

    Args:
        paths: files, patterns such as `zb-*.parquet` (their files in alphabetical order), `shipped:samples/…`.
        format_: the format of all of them; by default each file's content and name tell.

    Raises:
        FileMissing: a file does not exist, or no file fits a pattern.
        FileUnreadable: a file is damaged or of another kind.
        SchemaMismatch: a table's columns are not those of the event format.
        BadValue: no path is given, the files have different formats or columns, or the format has no files.

    Example:
        >>> source = open_source(["data/zb-*.parquet"])  # doctest: +SKIP
        >>> for batch in source.batches(16384):  # doctest: +SKIP
        ...     print(batch.num_rows)
    """
    files = event_files(paths)
    chosen = _common_format(files) if format_ is None else format_
    if chosen is SourceFormat.SYNTHETIC:
        raise BadValue(files[0], "synthetic crossings are generated, not read from files", "leave out the format")
    return _READERS[chosen](files)


def event_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files that paths and patterns stand for, in the order given.

    Raises:
        FileMissing: a file does not exist, or no file fits a pattern.
        FileUnreadable: a file is empty, a folder, or may not be read.
        BadValue: no path is given.
    """
    files: list[Path] = []
    for path in paths:
        files.extend(_expanded(str(path)))
    if not files:
        raise BadValue("event files", "none is named", "name at least one")
    for file in files:
        first_bytes(file)
    return files


def _expanded(text: str) -> list[Path]:
    if glob.has_magic(text) and not Path(text).exists():
        found = sorted(glob.glob(text, recursive=True))
        if not found:
            raise FileMissing(text, "event file")
        return [Path(name) for name in found]
    return [find_file(text, role="event file")]


def _common_format(files: Sequence[Path]) -> SourceFormat:
    formats = {file: format_of_file(file) for file in files}
    first, chosen = next(iter(formats.items()))
    for file, format_ in formats.items():
        if format_ is not chosen:
            what = f"is {format_}, but {first} is {chosen}"
            raise BadValue(file, what, "read them apart, or convert one with `l1chain events convert`")
    return chosen
