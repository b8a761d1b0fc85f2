"""Writes commits in a thread of its own, so that decisions do not wait for the disk; waits while the disk is full."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import zmq

from stream.errors import RunFailed
from stream.services.delivery import Position
from stream.services.sinks.accepted import encode_accepted
from stream.services.sinks.checkpoint import Checkpoint, Committed

RETRY_S: Final = 1.0


@dataclass(frozen=True)
class Commit:
    """What is to be committed together.

    Attributes:
        position: where the run goes on after it.
        state: of the combiner there, JSON values.
        accepted: accepted crossings since the commit before.
        rows: of the lumi sections that ended since then.
    """

    position: Position
    state: dict[str, Any]
    accepted: list[pa.RecordBatch]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Done:
    """What came of a job.

    Attributes:
        committed: the commit; None after the last job.
        accepted: the accepted crossings as they were written.
        failure: why there is no commit, and never will be one.
    """

    committed: Committed | None = None
    accepted: pa.Buffer | None = None
    failure: Exception | None = None


class Committer:
    """One job at a time; a job that fails for want of space is tried again until it works.

    Args:
        context: for the socket that tells of a job's end.
        checkpoint: where commits go.
        schema: of accepted crossings.

    Attributes:
        problem: why a job does not get on, in a sentence; None: nothing is wrong.
        is_busy: whether a job is not done yet.
    """

    def __init__(self, context: zmq.Context[Any], checkpoint: Checkpoint, schema: pa.Schema) -> None:
        self._checkpoint, self._schema = checkpoint, schema
        self._jobs: queue.SimpleQueue[Callable[[], Done] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._context = context
        self._endpoint = f"inproc://committer-{id(self):x}"
        self.socket: zmq.Socket[Any] = context.socket(zmq.PAIR)
        self.socket.bind(self._endpoint)
        self._thread = threading.Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()
        self.problem: str | None = None
        self.is_busy = False

    def commit(self, commit: Commit) -> None:
        """Begin a commit; only when no other job is under way."""
        self._begin(lambda: self._commit(commit))

    def write(self, files: Callable[[], None]) -> None:
        """Begin to write the run's files, as a last job; `files` raises OSError where there is no space."""

        def job() -> Done:
            files()
            return Done()

        self._begin(job)

    def result(self) -> Done | None:
        """What came of the job that ended, once; None: it goes on.

        Raises:
            RunFailed: the job failed for another reason than want of space.
        """
        try:
            done = self._done.get_nowait()
        except queue.Empty:
            return None
        self.is_busy = False
        if (error := done.failure) is not None:
            raise RunFailed("combiner", f"could not commit ({type(error).__name__}: {error})") from error
        return done

    def close(self) -> None:
        """End; a job that waits for space is given up."""
        self._stop.set()
        self._jobs.put(None)
        self._thread.join()

    def _begin(self, job: Callable[[], Done]) -> None:
        self.is_busy = True
        self._jobs.put(job)

    def _commit(self, commit: Commit) -> Done:
        accepted = encode_accepted(self._schema, commit.accepted) if commit.accepted else None
        rows = "".join(json.dumps(row) + "\n" for row in commit.rows).encode()
        return Done(self._checkpoint.write(commit.position, commit.state, accepted, rows), accepted)

    def _work(self) -> None:
        bell: zmq.Socket[Any] = self._context.socket(zmq.PAIR)
        bell.connect(self._endpoint)
        try:
            while (job := self._jobs.get()) is not None:
                done = self._persevere(job)
                if done is None:
                    return
                self._done.put(done)
                bell.send(b"")
        finally:
            bell.close(linger=0)

    def _persevere(self, job: Callable[[], Done]) -> Done | None:
        while not self._stop.is_set():
            try:
                done = job()
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                self.problem = f"{where}{error.strerror or error}"
                self._stop.wait(RETRY_S)
            except Exception as error:  # noqa: BLE001 — whatever it is, the combiner must not wait for it for ever
                return Done(failure=error)
            else:
                self.problem = None
                return done
        return None
