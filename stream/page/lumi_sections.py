"""The lumi sections of a run that are over, as its folder has them (`docs/run-folder.md`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from stream.services.sinks.files import CHECKPOINT_FOLDER

MOST_ROWS: Final = 400
"""Lumi sections that the page shows."""


class LumiSections:
    """The last rows of a run, read on as it commits them.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / CHECKPOINT_FOLDER
        self._rows: dict[int, dict[str, Any]] = {}
        self._read: dict[Path, int] = {}

    def rows(self) -> list[dict[str, Any]]:
        """The rows in order, at most `MOST_ROWS`."""
        return [self._rows[number] for number in sorted(self._rows)]

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Take rows; a later one of a lumi section counts."""
        self._rows |= {row["lumi_section"]: row for row in rows}
        for number in sorted(self._rows)[:-MOST_ROWS]:
            del self._rows[number]

    def read_on(self) -> None:
        """Take what was committed since the last time."""
        # One file for each incarnation of the combiner: later ones follow, or repeat what was not committed.
        for path in sorted(self._folder.glob("lumi_sections-*.jsonl")):
            self.add(list(self._new_rows(path)))

    def _new_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        start = self._read.get(path, 0)
        try:
            if path.stat().st_size <= start:
                return
            with path.open("rb") as file:
                file.seek(start)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield json.loads(line)
                    self._read[path] = start = start + len(line)
        except FileNotFoundError:
            return  # the run has just ended
        except ValueError:
            # A commit failed and was written again from elsewhere than where this began to read.
            self._read[path] = 0
