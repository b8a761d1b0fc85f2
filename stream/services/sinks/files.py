"""The files that a run leaves (`docs/run-folder.md`)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stream.services.sinks.accepted import write_parquet
from stream.services.sinks.checkpoint import Checkpoint, Committed, Segment, rename
from triggers.errors import FileUnreadable

ACCEPTED_FILE: Final = "accepted.parquet"
CHECKPOINT_FOLDER: Final = "checkpoint"
LUMI_SECTIONS_FILE: Final = "lumi_sections.jsonl"
"""In the checkpoint folder, at the end of a run: the rows of all lumi sections, for the run record."""


@dataclass(frozen=True)
class LastRows:
    """What a run's end adds to the rows of lumi sections that were committed.

    Attributes:
        rows: that came after the last commit.
        produced: crossings of the run that the producer made.
        of_lumi_section: crossings in a full lumi section.
    """

    rows: list[dict[str, Any]]
    produced: int
    of_lumi_section: int

    def write(self, path: Path, committed: Iterable[dict[str, Any]]) -> None:
        """Write all rows, each with what was produced of its lumi section.

        Raises:
            OSError: they cannot be written.
        """
        with path.open("w", encoding="utf-8") as file:
            for row in itertools.chain(committed, self.rows):
                number = row["lumi_section"]
                produced = min(self.of_lumi_section, self.produced - (number - 1) * self.of_lumi_section)
                file.write(json.dumps({"lumi_section": number, "produced": max(0, produced)} | row) + "\n")


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

    def write(self, rates: pa.Table, segments: tuple[Segment, ...], last: LastRows) -> None:
        """Write accepted crossings, rates and lumi sections, each file whole or not at all.

        Args:
            rates: by algorithm.
            segments: the output of the run as it was committed.
            last: the rows behind those, and what was produced.

        Raises:
            OSError: they cannot be written; it may be tried again.
        """
        accepted = self._folder / ACCEPTED_FILE
        self._whole(accepted, lambda part: write_parquet(part, self.schema, self.checkpoint.accepted(segments)))
        self._whole(self._folder / "rates.parquet", lambda part: pq.write_table(rates, part))
        self._whole(self._folder / "rates.csv", lambda part: pa.csv.write_csv(rates, part))
        rows = self._folder / CHECKPOINT_FOLDER / LUMI_SECTIONS_FILE
        self._whole(rows, lambda part: last.write(part, self.checkpoint.rows(segments)))

    def _whole(self, path: Path, write: Callable[[Path], None]) -> None:
        part = path.with_name(f".{path.name}.part")
        try:
            write(part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        rename(part, path)
