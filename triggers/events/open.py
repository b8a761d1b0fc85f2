"""Opens event files of any format as one source."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from triggers.errors import BadValue, FileMissing
from triggers.events.formats import SourceFormat, first_bytes, format_of_file
from triggers.events.readers.arrow_ipc import ArrowIpcSource
from triggers.events.readers.open_data import OpenDataSource, is_open_data
from triggers.events.readers.open_data_seeds import is_seeds_file
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
_ROOT_FORMATS: Final = (SourceFormat.L1_NTUPLE, SourceFormat.L1_NTUPLE_EMULATED, SourceFormat.NANOAOD)


def open_source(
    paths: Sequence[str | Path],
    format_: SourceFormat | None = None,
    algorithms: Mapping[str, int] | None = None,
) -> Source:
    """The crossings of event files, in the order given, as one source.

    Args:
        paths: files, patterns such as `zb-*.parquet` (their files in alphabetical order), `shipped:samples/…`.
        format_: the format of all of them; by default each file's content and name tell.
        algorithms: index of each algorithm of a menu by name, for formats that know decisions by name only; without
            it, those have no column `expected`.

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
    if chosen is SourceFormat.OPEN_DATA:
        return OpenDataSource(_without_seeds(files), algorithms)
    if chosen in _ROOT_FORMATS or chosen is SourceFormat.ADC2021:
        return _physics_source(chosen, files)
    return _READERS[chosen](files)


def _physics_source(format_: SourceFormat, files: Sequence[Path]) -> Source:
    """A source of ROOT or HDF5 files, whose libraries take half a second to load."""
    if format_ is SourceFormat.ADC2021:
        from triggers.events.readers.adc2021 import Adc2021Source

        return Adc2021Source(files)
    if format_ is SourceFormat.NANOAOD:
        from triggers.events.readers.nanoaod import NanoAodSource

        return NanoAodSource(files)
    from triggers.events.readers.l1_ntuple import L1NtupleSource

    return L1NtupleSource(files, emulated=True if format_ is SourceFormat.L1_NTUPLE_EMULATED else None)


def _without_seeds(files: Sequence[Path]) -> list[Path]:
    """Without the seeds files whose data files are named as well: they are read with these."""
    named = set(files)
    return [file for file in files if not (is_seeds_file(file) and file.parent.parent / file.name in named)]


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
    formats = {file: _looked_into(file) for file in files}
    first, chosen = next(iter(formats.items()))
    for file, format_ in formats.items():
        if format_ is not chosen:
            what = f"is {format_}, but {first} is {chosen}"
            raise BadValue(file, what, "read them apart, or convert one with `l1chain events convert`")
    return chosen


def _looked_into(file: Path) -> SourceFormat:
    """The format of a file; where several share their first bytes, columns or trees tell."""
    format_ = format_of_file(file)
    if format_ is SourceFormat.PARQUET and is_open_data(file):
        return SourceFormat.OPEN_DATA
    if format_ is SourceFormat.L1_NTUPLE:
        from triggers.events.readers.nanoaod_layout import is_nanoaod

        return SourceFormat.NANOAOD if is_nanoaod(file) else format_
    return format_
