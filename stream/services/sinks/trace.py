"""A line for each decided batch (`docs/run-folder.md`, `batches.csv`): to see pauses, and who scored what."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from stream.wire.messages import Header

TRACE_FILE: Final = "batches.csv"
COLUMNS: Final = ("sequence", "lumi_section", "first", "crossings", "made_ns", "decided_ns", "versions")


class BatchTrace:
    """Appends lines; a batch that is decided again, after its combiner or producer was replaced, has another one.

    Args:
        folder: of the run.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / TRACE_FILE
        is_new = not path.exists()
        self._file = path.open("a", newline="", buffering=1 << 16)
        self._writer = csv.writer(self._file)
        if is_new:
            self._writer.writerow(COLUMNS)
            self._file.flush()

    def add(self, header: Header, versions: Iterable[str]) -> None:
        """Add a batch that is decided now.

        Args:
            header: of the batch.
            versions: the model versions that scored it, as the results of its stages say.
        """
        place = header.sequence, header.lumi_section, header.first, header.crossings
        self._writer.writerow([*place, header.sent_ns, time.monotonic_ns(), " ".join(versions)])

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
