"""A commit that cannot be made is told; the combiner never waits for one that will not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zmq

from stream.errors import RunFailed
from stream.services.delivery import Position
from stream.services.sinks.checkpoint import Checkpoint
from stream.services.sinks.committer import Commit, Committer, Done

PATIENCE_S = 100.0


@pytest.fixture
def committer(tmp_path: Path) -> Iterator[Committer]:
    context: zmq.Context[Any] = zmq.Context()
    made = Committer(context, Checkpoint(tmp_path, 1), pa.schema([]))
    yield made
    made.close()
    made.socket.close(linger=0)
    context.term()


def result_of(committer: Committer, begin: Callable[[], None]) -> Done:
    begin()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        committer.socket.poll(50)
        if (done := committer.result()) is not None:
            return done
    raise AssertionError("nothing came of it")


def test_a_job_that_fails_for_another_reason_than_space_is_told(committer: Committer) -> None:
    impossible = Commit(Position(1, 1, 1), {"what": object()}, [], [])
    with pytest.raises(RunFailed, match="could not commit .TypeError: Object of type object is not JSON"):
        result_of(committer, lambda: committer.commit(impossible))
    done = result_of(committer, lambda: committer.commit(Commit(Position(1, 1, 1), {}, [], [])))
    assert done.committed is not None
    assert done.committed.position == Position(1, 1, 1)


def test_want_of_space_is_waited_for(committer: Committer) -> None:
    tries = []

    def files() -> None:
        tries.append(committer.problem)
        if len(tries) == 1:
            raise OSError(28, "No space left on device", "/the/file")

    assert result_of(committer, lambda: committer.write(files)) == Done()
    assert tries == [None, "/the/file: No space left on device"]
    assert committer.problem is None
