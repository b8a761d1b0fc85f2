"""A run's folder read back, for reports and lists (`docs/run-folder.md`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.run.control import AUDIT_FILE
from stream.run.record import RECORD_FILE, RunEnd
from triggers.errors import BadValue, FileMissing, FileUnreadable

_RATES: Final = "rates.parquet"
_ACCEPTED: Final = "accepted.parquet"
_REMEDY: Final = "name the folder of a run"


@dataclass(frozen=True)
class FinishedRun:
    """What a run left behind.

    Attributes:
        folder: of the run.
        record: its `run.json`.
    """

    folder: Path
    record: dict[str, Any]

    @property
    def has_ended(self) -> bool:
        """Whether the run came to its end."""
        return self.record.get("state") == RunEnd.ENDED

    @cached_property
    def rates(self) -> list[dict[str, Any]]:
        """The rows of `rates.parquet`.

        Raises:
            FileUnreadable: it is missing or damaged.
        """
        rows: list[dict[str, Any]] = self._table(_RATES).to_pylist()
        return rows

    def scores(self) -> dict[str, pa.ChunkedArray]:
        """The scores of the accepted crossings by NAME/VERSION: those of another version mean something else.

        Raises:
            FileUnreadable: `accepted.parquet` is missing or damaged.
        """
        names = dict.fromkeys(model["name"] for model in self.record["models"])
        table = self._table(_ACCEPTED, [f"{column}_{name}" for name in names for column in ("score", "version")])
        return {
            f"{name}/{version}": table.filter(pc.equal(table[f"version_{name}"], version))[f"score_{name}"]
            for name in names
            for version in pc.unique(table[f"version_{name}"]).to_pylist()
        }

    def audit(self) -> Iterator[dict[str, Any]]:
        """The commands that the run was given, in order.

        Raises:
            FileUnreadable: the file is damaged.
        """
        path = self.folder / AUDIT_FILE
        lines = path.read_text().splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError:
                raise FileUnreadable(path, f"line {number} is no JSON") from None

    def _table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        path = self.folder / name
        try:
            return pq.read_table(path, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise FileUnreadable(path, f"cannot be read ({error})", _REMEDY) from error


def read_run(folder: Path) -> FinishedRun:
    """The run of a folder.

    Raises:
        FileMissing, FileUnreadable: there is no run record in it, or it is none.
    """
    path = folder / RECORD_FILE
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(path, "run record") from None
    except (OSError, ValueError) as error:
        raise FileUnreadable(path, f"is no run record ({error})", _REMEDY) from error
    if not isinstance(record, dict) or not {"started", "config", "menu", "models"} <= record.keys():
        raise FileUnreadable(path, "is no run record", _REMEDY)
    return FinishedRun(folder, record)


def read_ended_run(folder: Path) -> FinishedRun:
    """The run of a folder, which must have come to its end.

    Raises:
        FileMissing, FileUnreadable: there is no run record in it, or it is none.
        BadValue: the run has not ended.
    """
    run = read_run(folder)
    if not run.has_ended:
        remedy = f"wait for its end, or go on with it by `l1chain run --resume {folder}`"
        raise BadValue(str(folder), "the run has not ended", remedy)
    return run
