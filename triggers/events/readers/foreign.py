"""What readers of other projects' formats share: files as one run, times, what is lacking (`docs/formats.md`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.crossings import STRANGER_SPACING, batch_of
from triggers.events.formats import files_name, first_bytes
from triggers.events.lacking import NEIGHBOURS, lacking_sentences
from triggers.events.readers.damage import damage_told, told_as_damage
from triggers.events.readers.foreign_times import KeptTimes, RawTimes, kept_times, time_columns, time_sentences
from triggers.events.source import SourceInfo

Columns = Mapping[str, NDArray[Any] | pa.Array]
_AnyChunk = TypeVar("_AnyChunk", bound="Chunk")


@dataclass(frozen=True)
class Chunk:
    """Crossings of a file: times as it has them, other columns in the event format."""

    times: RawTimes
    columns: Columns


class ForeignSource(ABC):
    """Files of one other format, read one after the other as one run; subclasses know the format.

    Times are kept where they are in order over all files; else orbit and bx are made (`foreign_times.py`).
    """

    format_name: ClassVar[str]
    made_spacing: ClassVar[int] = STRANGER_SPACING
    """Slots between crossings whose times are made."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the files in the order given; subclasses look into them.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is empty, or may not be read.
        """
        self._paths = tuple(paths)
        for path in self._paths:
            first_bytes(path)

    @cached_property
    def info(self) -> SourceInfo:
        """What the files hold; whether their times are in order is read from them.

        Raises:
            FileUnreadable: a file is damaged.
        """
        counts = [self._count(path) for path in self._paths]
        lacking = self._lacking()
        sentences = (*self._time_sentences(), *lacking_sentences(lacking), *self._sentences())
        return SourceInfo(
            name=files_name(self._paths),
            n_crossings=sum(counts),
            optional_columns=self._optional_columns(),
            missing=sentences,
            lacking=lacking,
            expected_names=self._expected_names(),
        )

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of at most `n_rows` rows; no batch spans two files.

        Raises:
            FileUnreadable: a file is damaged; what was yielded before is good.
            BadValue: a value or a number of objects that the links cannot carry.
        """
        for rows in self._rows(n_rows):
            for start in range(0, rows.num_rows, n_rows):
                yield rows.slice(start, n_rows)

    def _rows(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        first = 0
        for path in self._paths:
            for chunk in self._told(path, self._chunks(path, n_rows)):
                times = time_columns(chunk.times, self.kept, first, self.made_spacing)
                first += chunk.times.n
                yield batch_of({**times, **chunk.columns})

    def _told(self, path: Path, chunks: Iterator[_AnyChunk]) -> Iterator[_AnyChunk]:
        """The chunks that hold anything; only what goes wrong in getting them is told as the file's damage."""
        told = told_as_damage(path, self.format_name, chunks)
        return (chunk for chunk in told if chunk.times.n)

    @cached_property
    def kept(self) -> KeptTimes:
        """Which of the files' times are kept."""
        return kept_times(self._all_times())

    def _all_times(self) -> Iterator[tuple[str, RawTimes]]:
        for path in self._paths:
            with damage_told(path, self.format_name):
                for times in self._times(path):
                    yield str(path), times

    def _time_sentences(self) -> tuple[str, ...]:
        first = next(self._all_times(), ("", RawTimes(0)))[1]
        return time_sentences(self.kept, first.run is not None, first.event is not None)

    def _lacking(self) -> tuple[str, ...]:
        """The parts of `lacking.py` that the files do not hold."""
        return (NEIGHBOURS,)

    def _sentences(self) -> tuple[str, ...]:
        """What else the files cannot tell."""
        return ()

    def _optional_columns(self) -> tuple[str, ...]:
        return ()

    def _expected_names(self) -> tuple[str, ...]:
        """The algorithms whose decisions the files know by name."""
        return ()

    @abstractmethod
    def _count(self, path: Path) -> int:
        """The file's crossings."""

    @abstractmethod
    def _times(self, path: Path) -> Iterator[RawTimes]:
        """The file's times alone, in its order."""

    @abstractmethod
    def _chunks(self, path: Path, n_rows: int) -> Iterator[Chunk]:
        """The file's crossings, not many more than `n_rows` at a time."""


def pileup_column(values: NDArray[Any]) -> NDArray[np.float32]:
    """The pile-up column, `(n,) float32`; negative or not a number means not known, which is 0."""
    known: NDArray[np.float32] = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0)
    return np.maximum(known, np.float32(0))
