"""Output and state on disk, together and whole (`docs/run-folder.md`, section "Checkpoints").

Each incarnation of the combiner writes files of its own, so one that comes back late spoils nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from stream.services.delivery import Position
from stream.services.sinks.accepted import decode_accepted
from triggers.errors import FileUnreadable

_FORMAT: Final = 2
_STATE: Final = "state-{:06d}.json"
_ACCEPTED: Final = "accepted-{:06d}.arrow"
_ROWS: Final = "lumi_sections-{:06d}.jsonl"


@dataclass(frozen=True)
class Segment:
    """What one incarnation committed: lengths of its files, bytes."""

    incarnation: int
    accepted: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Committed:
    """A commit.

    Attributes:
        position: where the run goes on.
        state: of the combiner, JSON values.
        segments: the output until there.
    """

    position: Position
    state: dict[str, Any]
    segments: tuple[Segment, ...]


class Checkpoint:
    """The commits of a run, as one incarnation of the combiner reads and writes them.

    Args:
        folder: of the run's checkpoints.
        incarnation: of the combiner.
    """

    def __init__(self, folder: Path, incarnation: int) -> None:
        self._folder, self._incarnation = folder, incarnation
        self._before: tuple[Segment, ...] = ()
        self._own = Segment(incarnation)

    def load(self) -> Committed | None:
        """The last commit, None if there is none; what is written from now on follows it.

        Raises:
            FileUnreadable: it is damaged.
        """
        states = sorted(self._folder.glob("state-*.json"))
        if not states:
            return None
        try:
            content = json.loads(states[-1].read_bytes())
            segments = tuple(Segment(**segment) for segment in content["segments"])
            position = Position.from_json(content["position"], str(states[-1]))
            committed = Committed(position, content["state"], segments)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileUnreadable(states[-1], f"is no checkpoint ({error})", "start the run again") from error
        if content.get("format") != _FORMAT:
            raise FileUnreadable(states[-1], "is of another version", "resume with the version that began the run")
        self._before = segments
        return committed

    def write(self, position: Position, state: dict[str, Any], accepted: pa.Buffer | None, rows: bytes) -> Committed:
        """Commit: what is new since the last commit is on disk with the state that follows it, or nothing is.

        Args:
            position: where a run goes on.
            state: JSON values.
            accepted: the accepted crossings since the last commit, `encode_accepted`; None: there are none.
            rows: of the lumi sections that ended since, JSON lines.

        Raises:
            OSError: it cannot be written; it may be tried again.
        """
        own = self._own
        grown = Segment(
            self._incarnation,
            self._append(_ACCEPTED, own.accepted, accepted),
            self._append(_ROWS, own.rows, rows),
        )
        committed = Committed(position, state, (*self._before, grown))
        content = {
            "format": _FORMAT,
            "position": position.as_json(),
            "segments": [vars(segment) for segment in committed.segments],
            "state": state,
        }
        write_whole(self._folder / _STATE.format(self._incarnation), json.dumps(content).encode())
        self._own = grown
        return committed

    def accepted(self, segments: tuple[Segment, ...]) -> Iterator[pa.RecordBatch]:
        """The accepted crossings of a commit."""
        for segment in segments:
            if segment.accepted:
                # Not mapped into memory: pages of a file that is read once would count as the process's own.
                with pa.OSFile(str(self._folder / _ACCEPTED.format(segment.incarnation))) as file:
                    yield from decode_accepted(file, segment.accepted)

    def rows(self, segments: tuple[Segment, ...]) -> Iterator[dict[str, Any]]:
        """The rows of the lumi sections that were over at a commit."""
        for segment in segments:
            if segment.rows:
                with (self._folder / _ROWS.format(segment.incarnation)).open("rb") as file:
                    while file.tell() < segment.rows:
                        yield json.loads(file.readline())

    def _append(self, name: str, length: int, content: pa.Buffer | bytes | None) -> int:
        """Write behind the committed length; the new length."""
        if not content:
            return length
        path = self._folder / name.format(self._incarnation)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            # A commit that failed may have left a part of its bytes.
            os.ftruncate(descriptor, length)
            os.lseek(descriptor, length, os.SEEK_SET)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return length + len(content)


def write_all(descriptor: int, content: pa.Buffer | bytes) -> None:
    """Write every byte; a disk that is nearly full takes only a part at first.

    Raises:
        OSError: it cannot be written.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then give it its name: it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    rename(part, path)


def rename(part: Path, path: Path) -> None:
    """Give a file its name, and see that the folder on disk knows."""
    part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
