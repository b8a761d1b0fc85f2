"""The folder of a run as the supervisor keeps it: made, locked, resumed (`docs/run-folder.md`)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from stream.errors import FolderUnwritable
from stream.run.config import ChainConfig
from stream.run.control import CONTROL_FILE
from stream.run.record import RECORD_FILE
from stream.services.changes import Change
from stream.services.sinks.checkpoint import write_whole
from stream.services.sinks.files import CHECKPOINT_FOLDER, LUMI_SECTIONS_FILE
from triggers.errors import BadValue, FileMissing, FileUnreadable
from triggers.strict_yaml import validated

LOCK_FILE: Final = "lock"
_INCARNATION: Final = "incarnation"
_CHANGES: Final = "changes.jsonl"
_BLOCK: Final = 1_000_000
"""Incarnations that are set aside at a time, so that the file is not written for each."""


def make_run_folder(out: Path, started: datetime) -> Path:
    """A new folder for a run, named by its start.

    Raises:
        FolderUnwritable: it cannot be made.
    """
    stem = started.strftime("run-%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{k}" for k in range(2, 1000))):
        folder = out / (stem + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not out.is_dir():
                raise FolderUnwritable(out, "is a file") from None
        except OSError as error:
            raise FolderUnwritable(out, f"cannot make a folder in it ({error.strerror})") from error
        else:
            return folder
    raise FolderUnwritable(out, f"holds a thousand runs called {stem}")


class RunState:
    """What the supervisor stores to go on after its own death: incarnations given out, changes agreed on.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / CHECKPOINT_FOLDER
        self.checkpoint.mkdir(exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only supervisor of the run.

        Raises:
            BadValue: there is one.
        """
        with (self.checkpoint / LOCK_FILE).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                remedy = "wait for its end, or stop it with `l1chain ctl stop`"
                raise BadValue(str(self.folder), "the run is running", remedy) from None
            yield

    def next_incarnations(self) -> int:
        """A number above all incarnations of the run so far; a million from there on are this supervisor's."""
        path = self.checkpoint / _INCARNATION
        last = int(path.read_text()) if path.exists() else 0
        write_whole(path, str(last + _BLOCK).encode())
        return last

    def changes(self) -> list[Change]:
        """The changes agreed on so far."""
        path = self.checkpoint / _CHANGES
        lines = path.read_text().splitlines() if path.exists() else []
        return [Change.from_json(json.loads(line), str(path)) for line in lines]

    def keep(self, change: Change) -> None:
        """Store an agreed change.

        Raises:
            OSError: it cannot be written.
        """
        changes = [*self.changes(), change]
        content = "".join(json.dumps(change.as_json()) + "\n" for change in changes)
        write_whole(self.checkpoint / _CHANGES, content.encode())

    def lumi_sections(self) -> list[dict[str, Any]]:
        """The rows of all lumi sections, once the combiner has ended."""
        with (self.checkpoint / LUMI_SECTIONS_FILE).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def forget(self) -> None:
        """Remove what only a resumed run needs."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)


def resumable(folder: Path) -> tuple[ChainConfig, dict[str, Any]]:
    """The configuration and the record of a run that did not come to its end.

    Raises:
        FileMissing, FileUnreadable: there is no such run.
        BadValue: it has ended.
    """
    path = folder / RECORD_FILE
    try:
        record = json.loads(path.read_bytes())
        config = validated(record["config"], f"{path}, config", ChainConfig)
    except FileNotFoundError:
        raise FileMissing(path, "run record; name the folder of a run") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileUnreadable(path, f"is no run record ({error})", "name the folder of a run") from error
    if record.get("state") == "ended" or not (folder / CHECKPOINT_FOLDER).is_dir():
        raise BadValue(str(folder), "the run has ended", "start a new one with `l1chain run CONFIG`")
    return config, record


def remove_sockets(folder: Path) -> None:
    """Remove the sockets that a supervisor which died has left."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        left = Path(json.loads((folder / CONTROL_FILE).read_bytes())["sockets"])
        if left.name.startswith("l1chain-") and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
