"""The files that a run leaves (`docs/run-folder.md`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stream.services.sinks.accepted import write_parquet
from stream.services.sinks.checkpoint import Checkpoint, Committed, Segment, rename
from triggers.errors import FileUnreadable

ACCEPTED_FILE: Final = "accepted.parquet"
CHECKPOINT_FOLDER: Final = "checkpoint"


class RunFiles:
    """What a combiner writes into the run's folder.

    Attributes:
        checkpoint: the commits, in a folder of their own.
        schema: of accepted crossings.
    """

    def __init__(self, folder: Path, schema: pa.Schema, incarnation: int) -> None:
        self._folder, self.schema = folder, schema
        path = folder / CHECKPOINT_FOLDER
        path.mkdir(exist_ok=True)
        self.checkpoint = Checkpoint(path, incarnation)

    def restore(self, committed: Committed, restore: Callable[[], None]) -> None:
        """Let a combiner go back to a commit.

        Raises:
            FileUnreadable: the commit is not of such a run.
        """
        try:
            restore()
        except (KeyError, ValueError, TypeError) as error:
            what = f"a commit at batch {committed.position.sequence} that does not fit this run ({error})"
            raise FileUnreadable(self._folder / CHECKPOINT_FOLDER, what, "start the run again") from error

    def write(self, rates: pa.Table, segments: tuple[Segment, ...]) -> None:
        """Write accepted crossings and rates, each file whole or not at all.

        Raises:
            OSError: they cannot be written; it may be tried again.
        """
        self._whole(ACCEPTED_FILE, lambda part: write_parquet(part, self.schema, self.checkpoint.accepted(segments)))
        self._whole("rates.parquet", lambda part: pq.write_table(rates, part))
        self._whole("rates.csv", lambda part: pa.csv.write_csv(rates, part))

    def _whole(self, name: str, write: Callable[[Path], None]) -> None:
        part = self._folder / f".{name}.part"
        try:
            write(part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        rename(part, self._folder / name)
