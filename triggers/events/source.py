"""The contract of a source of crossings; every reader, writer test double and simulation keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class SourceInfo:
    """What a source knows before it is read.

    Attributes:
        name: what a person calls it: paths, or the settings of a generator.
        n_crossings: decided crossings of one pass, or None if only reading tells.
        optional_columns: the optional columns of the event format that its batches have.
        missing: what the format cannot tell, with what follows, one sentence each.
        lacking: the parts of the event format that are zero for lack of knowledge, named as in `lacking.py`.
        expected_names: the algorithms whose decisions the source knows by name.
    """

    name: str
    n_crossings: int | None
    optional_columns: tuple[str, ...]
    missing: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    expected_names: tuple[str, ...] = ()


class Source(Protocol):
    """A replayable stream of crossings in the event format.

    Two passes give the same rows in the same order, whatever the batch size. Within a lumi section rows are in time
    order. Rows with `context` true are only neighbours for others. Rows whose (orbit, bx) are not known get unique ones
    that are at least three slots apart, so that strangers are never neighbours.
    """

    @property
    def info(self) -> SourceInfo:
        """What is known before reading."""
        ...

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of at most `n_rows` rows, all of one schema.

        Raises:
            triggers.errors.L1ChainError: the content is damaged; what was yielded before is good.
        """
        ...
