"""Old runs are removed when operators say so: by number or by size (`docs/run-folder.md`, section "Keeping runs")."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stream.errors import FolderUnwritable
from stream.run.config import KeepSection
from stream.run.finished import FinishedRun, read_run
from stream.run.folder import LOCK_FILE
from stream.services.sinks.files import CHECKPOINT_FOLDER
from triggers.errors import FileMissing, FileUnreadable


@dataclass(frozen=True)
class KeptRun:
    """A run on disk.

    Attributes:
        run: its folder and record.
        bytes: what its files take.
        is_running: whether a supervisor holds it now.
    """

    run: FinishedRun
    bytes: int
    is_running: bool

    @property
    def state(self) -> str:
        """`running`, `ended`, or `open`: it can be resumed."""
        return "running" if self.is_running else str(self.run.record["state"])


def runs_in(out: Path) -> list[KeptRun]:
    """The runs below a folder, the latest first; folders that are no runs are left out.

    Raises:
        FileMissing: there is no such folder.
    """
    if not out.is_dir():
        raise FileMissing(out, "folder of runs")
    found = list(_runs_in(out))
    return sorted(found, key=lambda kept: (kept.run.record["started"], kept.run.folder.name), reverse=True)


def latest_ended(out: Path) -> FinishedRun:
    """The run that ended last below a folder.

    Raises:
        FileMissing: there is none, or no such folder.
    """
    for kept in runs_in(out):
        if kept.run.has_ended:
            return kept.run
    raise FileMissing(out, "run that has ended")


def surplus(runs: list[KeptRun], most_runs: int | None, most_bytes: int | None) -> list[KeptRun]:
    """The runs to remove so that the rest is within the limits.

    Args:
        runs: the latest first. Only ended ones are removed, the oldest of them first; all count.
        most_runs: how many may stay; None: any number.
        most_bytes: what they may take together; None: as much as they do.
    """
    removed: list[KeptRun] = []
    number, size = len(runs), sum(kept.bytes for kept in runs)
    for kept in reversed(runs):
        is_within = (most_runs is None or number <= most_runs) and (most_bytes is None or size <= most_bytes)
        if is_within:
            break
        if kept.state == "ended":
            removed.append(kept)
            number, size = number - 1, size - kept.bytes
    return removed


def remove(runs: list[KeptRun]) -> None:
    """Remove the folders of runs.

    Raises:
        FolderUnwritable: one cannot be removed.
    """
    for kept in runs:
        folder = kept.run.folder
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise FolderUnwritable(folder, f"cannot be removed ({error.strerror})") from error


def keep_within(limits: KeepSection, out: Path, last: Path) -> list[KeptRun]:
    """Remove what is above the limits, but not the run that has just ended; the runs that were removed.

    Raises:
        FolderUnwritable: one cannot be removed.
    """
    if limits.runs is None and limits.bytes is None:
        return []
    removed = [kept for kept in surplus(runs_in(out), limits.runs, limits.bytes) if kept.run.folder != last]
    remove(removed)
    return removed


def _runs_in(out: Path) -> Iterator[KeptRun]:
    for folder in out.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            run = read_run(folder)
        except (FileMissing, FileUnreadable):
            continue
        yield KeptRun(run, _size(folder), _is_locked(folder))


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        # A running chain renames and removes files meanwhile.
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        size += status.st_size
    return size


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / CHECKPOINT_FOLDER / LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
