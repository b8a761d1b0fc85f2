"""Watching never waits; from another host it takes a key that may read (docs/protocol.md, "Watching")."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zmq
from prometheus_client import CollectorRegistry

from stream.errors import Refusal
from stream.services.delivery import Peer
from stream.services.watchers import LUMI_SECTION, QUEUE, Watchers
from stream.wire.keys import make_pair
from stream.wire.messages import unpack_json
from stream.wire.peers import Right, allow, revoke
from stream.wire.refusals import Refusals
from stream.wire.security import open_security
from stream.wire.transport import Transport, Wiring, private_folder

PATIENCE_S = 100.0
Context = zmq.Context[Any]
Socket = zmq.Socket[Any]
Subscribe = Callable[..., Socket]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    for name in ("server", "watcher", "other", "chain", "stranger"):
        make_pair(folder, name)
    for name, right in (("watcher", Right.READ), ("other", Right.READ), ("chain", Right.DATA)):
        allow(folder, name, [right])
    return folder


@pytest.fixture
def context() -> Iterator[Context]:
    context: Context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def refusals() -> Refusals:
    return Refusals(CollectorRegistry(), logging.getLogger("test.watchers"))


@pytest.fixture
def watchers(keys: Path, context: Context, refusals: Refusals) -> Iterator[Watchers]:
    sockets = private_folder()
    wiring = Wiring(Transport.IPC, 7, "", str(sockets), context, security=open_security(keys, "chain"))
    made = Watchers(wiring, Peer("combiner", 1), "127.0.0.1:*", refusals)
    yield made
    made.close()
    shutil.rmtree(sockets)


@pytest.fixture
def subscribe(context: Context) -> Iterator[Subscribe]:
    made: list[Socket] = []

    def subscribe(endpoint: str | None, keys: Path | None = None, name: str = "") -> Socket:
        assert endpoint is not None
        made.append(context.socket(zmq.SUB))
        if keys is not None:
            open_security(keys, name).join(made[-1])
        made[-1].connect(endpoint)
        made[-1].subscribe(LUMI_SECTION)
        return made[-1]

    yield subscribe
    for socket in made:
        socket.close(linger=0)


def told(watchers: Watchers, socket: Socket, until: Any = lambda: False) -> dict[str, Any] | None:
    """The first row that a watcher hears; None if something else comes true before."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not until():
        watchers.tell_lumi_section({"lumi_section": 3})
        if socket.poll(50):
            return unpack_json(socket.recv_multipart()[1], "test")
    return None


def test_who_may_read_watches_from_another_host_and_anybody_of_the_account_on_this_one(
    watchers: Watchers, subscribe: Subscribe, keys: Path, refusals: Refusals
) -> None:
    for socket in (subscribe(watchers.endpoint), subscribe(watchers.outside, keys, "watcher")):
        assert told(watchers, socket) == {"lumi_section": 3}
    assert refusals.total == 0


@pytest.mark.parametrize(("name", "reason"), [("chain", Refusal.NO_RIGHT), ("stranger", Refusal.UNAUTHENTICATED)])
def test_others_hear_nothing_and_are_counted(
    watchers: Watchers, subscribe: Subscribe, keys: Path, refusals: Refusals, name: str, reason: Refusal
) -> None:
    socket = subscribe(watchers.outside, keys, name)
    assert told(watchers, socket, until=lambda: refusals.counts.get(reason, 0)) is None
    assert refusals.counts[reason] >= 1


def test_a_key_that_is_revoked_is_out_and_others_stay(
    watchers: Watchers, subscribe: Subscribe, keys: Path, refusals: Refusals
) -> None:
    assert told(watchers, subscribe(watchers.outside, keys, "other"))
    before = watchers.outside
    revoke(keys, "watcher")
    deadline = time.monotonic() + PATIENCE_S
    while watchers.outside == before and time.monotonic() < deadline:
        watchers.tick()
    assert watchers.outside != before
    assert told(watchers, subscribe(watchers.outside, keys, "other"))
    out = subscribe(watchers.outside, keys, "watcher")
    assert told(watchers, out, until=lambda: refusals.counts.get(Refusal.UNAUTHENTICATED, 0)) is None


def test_who_does_not_listen_costs_no_more_than_the_queue(watchers: Watchers, subscribe: Subscribe) -> None:
    socket = subscribe(watchers.endpoint)
    socket.rcvhwm = 1
    assert told(watchers, socket)
    large = pa.py_buffer(bytes(1 << 20))
    socket.subscribe(b"")
    begun = pa.total_allocated_bytes()
    for _ in range(20 * QUEUE):
        watchers.tell_accepted(large)
    assert pa.total_allocated_bytes() - begun <= QUEUE << 20
