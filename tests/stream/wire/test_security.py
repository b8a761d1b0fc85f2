"""CURVE and the doorkeeper on real sockets (docs/security.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from prometheus_client import CollectorRegistry
from zmq.utils import z85

from stream.errors import AddressOpen, KeyUnusable, Refusal
from stream.wire.inbox import Inbox, Message
from stream.wire.keys import make_pair, read_pair, read_public
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.peers import Domain, Right, allow, revoke
from stream.wire.refusals import Refusals
from stream.wire.security import open_security
from stream.wire.transport import Socket, Transport, Wiring
from triggers.errors import BadValue

RUN = 99
PATIENCE_S = 10.0
GOOD = [Header(Kind.HELLO, RUN).pack(), pack_json({"service": "x"})]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    make_pair(folder, "server")
    for name, right in (("chain", Right.DATA), ("operator", Right.CONTROL), ("watcher", Right.READ)):
        make_pair(folder, name)
        allow(folder, name, [right])
    make_pair(folder, "stranger")
    return folder


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.term()


class Listener:
    """A guarded ROUTER with its inbox, as a service has it."""

    def __init__(self, folder: Path, context: zmq.Context[Any], domain: Domain = Domain.SERVICES) -> None:
        wiring = Wiring(
            Transport.TCP, RUN, "", "", context, security=open_security(folder, "chain"), max_frame_bytes=4096
        )
        self.refusals = Refusals(CollectorRegistry(), logging.getLogger("test.listener"))
        self.socket, self.endpoint = wiring.router(wiring.endpoint("data"), domain, self.refusals)
        self.inbox = Inbox(self.socket, wiring, "here", self.refusals, domain)
        self.received: list[Message] = []

    def until(self, happened: Callable[[], bool]) -> None:
        """Serve until that, or fail."""
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, (self.refusals.counts, self.received)
            if self.socket.poll(20):
                self.inbox.serve(self.received.append, 64)

    def has_refused(self, reason: Refusal) -> Callable[[], bool]:
        return lambda: self.refusals.counts.get(reason, 0) > 0


@pytest.fixture
def listener(folder: Path, context: zmq.Context[Any]) -> Iterator[Listener]:
    listener = Listener(folder, context)
    yield listener
    listener.socket.close(linger=0)


def client(folder: Path, context: zmq.Context[Any], name: str, endpoint: str) -> Socket:
    """A socket of the client of that name, made by hand."""
    pair = read_pair(folder, name)
    socket: Socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_secretkey, socket.curve_publickey = pair.secret, pair.public
    socket.curve_serverkey = read_public(folder, "server")
    socket.connect(endpoint)
    return socket


def test_a_peer_with_the_right_comes_in_and_is_known(
    listener: Listener, folder: Path, context: zmq.Context[Any]
) -> None:
    with client(folder, context, "chain", listener.endpoint) as chain:
        chain.send_multipart(GOOD)
        listener.until(lambda: bool(listener.received))
    (message,) = listener.received
    assert message.peer is not None
    assert message.peer.name == "chain"
    assert message.json() == {"service": "x"}
    assert listener.refusals.total == 0


def test_both_sides_of_a_run_use_the_same_wiring(listener: Listener, folder: Path, context: zmq.Context[Any]) -> None:
    wiring = Wiring(Transport.TCP, RUN, "", "", context, security=open_security(folder, "chain"))
    with wiring.dealer(listener.endpoint, "seeds.0") as dealer:
        dealer.send_multipart(GOOD)
        listener.until(lambda: bool(listener.received))
    assert listener.received[0].sender == b"seeds.0"


@pytest.mark.parametrize(
    ("domain", "admitted"),
    [
        (Domain.SERVICES, {"chain"}),
        (Domain.COMMANDS, {"operator", "watcher"}),
        (Domain.WATCH, {"operator", "watcher"}),
    ],
)
def test_each_door_admits_those_with_its_rights_only(
    folder: Path, context: zmq.Context[Any], domain: Domain, admitted: set[str]
) -> None:
    listener = Listener(folder, context, domain)
    sockets = []
    for name in ("chain", "operator", "watcher", "stranger"):
        sockets.append(client(folder, context, name, listener.endpoint))
        sockets[-1].send_multipart(GOOD)
    listener.until(
        lambda: (
            len(listener.received) == len(admitted)
            and listener.has_refused(Refusal.NO_RIGHT)()
            and listener.has_refused(Refusal.UNAUTHENTICATED)()
        )
    )
    assert {message.peer.name for message in listener.received if message.peer} == admitted
    for socket in (*sockets, listener.socket):
        socket.close(linger=0)


def test_who_has_no_key_or_the_wrong_server_key_does_not_come_in(
    listener: Listener, folder: Path, context: zmq.Context[Any]
) -> None:
    plain: Socket = context.socket(zmq.DEALER)
    plain.linger = 0
    plain.connect(listener.endpoint)
    plain.send_multipart(GOOD)
    listener.until(listener.has_refused(Refusal.UNAUTHENTICATED))
    plain.close()
    before = listener.refusals.total
    wrong: Socket = context.socket(zmq.DEALER)
    wrong.linger = 0
    public, secret = zmq.curve_keypair()
    wrong.curve_publickey, wrong.curve_secretkey = public, secret
    wrong.curve_serverkey = z85.decode(zmq.curve_keypair()[0])
    wrong.connect(listener.endpoint)
    wrong.send_multipart(GOOD)
    listener.until(lambda: listener.refusals.total > before)
    wrong.close()
    assert not listener.received


def test_a_connection_of_a_revoked_key_carries_nothing_any_more(
    listener: Listener, folder: Path, context: zmq.Context[Any]
) -> None:
    with client(folder, context, "chain", listener.endpoint) as chain:
        chain.send_multipart(GOOD)
        listener.until(lambda: len(listener.received) == 1)
        revoke(folder, "chain")
        time.sleep(0.6)  # the allow-list is looked at twice a second
        chain.send_multipart(GOOD)
        listener.until(listener.has_refused(Refusal.UNAUTHENTICATED))
        allow(folder, "chain", [Right.READ])
        time.sleep(0.6)
        chain.send_multipart(GOOD)
        listener.until(listener.has_refused(Refusal.NO_RIGHT))
    assert len(listener.received) == 1


def test_a_frame_beyond_the_limit_is_counted_and_one_far_beyond_ends_its_connection(
    listener: Listener, folder: Path, context: zmq.Context[Any]
) -> None:
    head = Header(Kind.RESULT, RUN).pack()
    with client(folder, context, "chain", listener.endpoint) as chain:
        chain.send_multipart([head, b"{}", bytes(5000)])
        listener.until(listener.has_refused(Refusal.OVERSIZED))
        cut = listener.refusals.disconnects
        before = cut._value.get()
        chain.send_multipart([head, b"{}", bytes(100_000)])
        listener.until(lambda: cut._value.get() > before)
        chain.send_multipart(GOOD)
        listener.until(lambda: len(listener.received) == 1)
    assert listener.received[0].header.kind is Kind.HELLO


def test_a_flood_of_garbage_by_a_peer_stops_nobody(listener: Listener, folder: Path, context: zmq.Context[Any]) -> None:
    garbage = [[b"x"], [b""], [b"L1CH" * 16], [Header(Kind.STOP, RUN + 1).pack()], [b"a"] * 100, [b"x" * 64, b"{"]]
    with (
        client(folder, context, "chain", listener.endpoint) as flooding,
        client(folder, context, "chain", listener.endpoint) as good,
    ):
        for k in range(6000):
            flooding.send_multipart(garbage[k % len(garbage)])
            if k % 600 == 0:
                good.send_multipart(GOOD)
        listener.until(lambda: listener.refusals.total == 6000 and len(listener.received) == 10)
    assert set(listener.refusals.counts) == {Refusal.HEADER, Refusal.RUN, Refusal.FRAMES}


def test_a_host_with_a_client_key_connects_but_does_not_listen(
    folder: Path, tmp_path: Path, context: zmq.Context[Any]
) -> None:
    remote = tmp_path / "remote"
    remote.mkdir(mode=0o700)
    for name in ("chain.public", "chain.secret", "server.public"):
        (remote / name).write_bytes((folder / name).read_bytes())
    (remote / "chain.secret").chmod(0o600)
    wiring = Wiring(Transport.TCP, RUN, "", "", context, security=open_security(remote, "chain"))
    with pytest.raises(KeyUnusable, match="without the server's key"):
        wiring.router("tcp://127.0.0.1:*")
    wiring.dealer("tcp://127.0.0.1:9", "seeds.0").close(linger=0)


def test_keys_that_do_not_belong_together_are_refused(folder: Path) -> None:
    (folder / "server.public").write_text((folder / "chain.public").read_text())
    with pytest.raises(KeyUnusable, match=r"does not belong to server.secret"):
        open_security(folder, "chain")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.2", "fe80::1"])
def test_without_keys_only_this_host_is_listened_to(context: zmq.Context[Any], address: str) -> None:
    wiring = Wiring(Transport.TCP, RUN, "", "", context, address=address)
    with pytest.raises(AddressOpen, match="l1chain keys make") as raised:
        wiring.router(wiring.endpoint("data"))
    assert str(raised.value).count("\n") == 0
    with pytest.raises(AddressOpen):
        wiring.dealer("tcp://10.0.0.1:4000", "seeds.0")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_without_keys_every_loopback_address_is_good(context: zmq.Context[Any], address: str) -> None:
    wiring = Wiring(Transport.TCP, RUN, "", "", context, address=address)
    socket, endpoint = wiring.router(wiring.endpoint("data"))
    socket.close(linger=0)
    assert address in endpoint


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "eth0", "example.org", "*"])  # noqa: S104
def test_an_address_is_one_that_others_can_be_told(context: zmq.Context[Any], address: str) -> None:
    with pytest.raises(BadValue, match=r"security\.address"):
        Wiring(Transport.TCP, RUN, "", "", context, address=address).endpoint("data")


@pytest.mark.parametrize("address", ["0.0.0.0", "*", "eth0", "example.org", "[::]"])  # noqa: S104
def test_an_open_endpoint_is_refused_however_it_is_written(context: zmq.Context[Any], address: str) -> None:
    with pytest.raises(AddressOpen):
        Wiring(Transport.TCP, RUN, "", "", context).router(f"tcp://{address}:*")


def test_a_doorkeeper_ends_with_its_context(folder: Path) -> None:
    context: zmq.Context[Any] = zmq.Context()
    listener = Listener(folder, context)
    listener.socket.close(linger=0)
    begun = time.monotonic()
    context.term()
    assert time.monotonic() - begun < 60  # it would wait for ever
