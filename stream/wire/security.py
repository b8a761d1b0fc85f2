"""CURVE on sockets, and the doorkeeper that asks the allow-list who may come in (`docs/security.md`)."""

from __future__ import annotations

import ipaddress
import itertools
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zmq
from zmq.utils.monitor import recv_monitor_message

from stream.errors import AddressOpen, KeyUnusable, Refusal
from stream.wire.keys import SERVER, KeyPair, read_pair, read_public
from stream.wire.peers import AllowList, Domain, Peer
from stream.wire.refusals import Refusals

HANDSHAKE_MS: Final = 5000
_ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
_ZAP_VERSION: Final = b"1.0"
_ZAP_FRAMES: Final = 7
_OK, _REFUSED, _BROKEN = b"200", b"400", b"500"
_POLL_MS: Final = 200
_EVENTS: Final = zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.DISCONNECTED
_ENDED: Final = (zmq.ETERM, zmq.ENOTSOCK)
_numbers = itertools.count()
_log = logging.getLogger("l1chain.stream.security")


def is_loopback(endpoint: str) -> bool:
    """Whether only this host reaches an endpoint."""
    transport, _, address = endpoint.partition("://")
    if transport != "tcp":
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Security:
    """The keys of one process, and who may come in to it.

    Args:
        own: the pair with which it connects.
        server_public: the key that the servers of the run have.
        server: the servers' pair, where it listens; None on a host that only connects.
        peers: the allow-list; None likewise.
    """

    def __init__(
        self, own: KeyPair, server_public: bytes, server: KeyPair | None = None, peers: AllowList | None = None
    ) -> None:
        self._own, self._server_public, self._server, self._peers = own, server_public, server, peers
        self._doorkeepers: list[Doorkeeper] = []
        self._lock = threading.Lock()

    def guard(self, socket: zmq.Socket[Any], domain: Domain, refusals: Refusals) -> None:
        """Let only peers of the allow-list in to a socket that is yet to be bound.

        Raises:
            KeyUnusable: this host has no server key.
        """
        if self._server is None or self._peers is None:
            where = f"key '{self._own.name}'"
            raise KeyUnusable(where, "listens without the server's key", "run it where server.secret is")
        with self._lock:
            self._doorkeepers = [keeper for keeper in self._doorkeepers if keeper.is_alive()]
            mine = [keeper for keeper in self._doorkeepers if keeper.context is socket.context]
            doorkeeper = mine[0] if mine else Doorkeeper(socket.context, self._peers)
            if not mine:
                self._doorkeepers.append(doorkeeper)
        socket.curve_server = True
        socket.curve_secretkey = self._server.secret
        socket.handshake_ivl = HANDSHAKE_MS
        doorkeeper.watch(socket, domain, refusals)

    def join(self, socket: zmq.Socket[Any]) -> None:
        """Prepare a socket that is yet to be connected."""
        socket.curve_secretkey, socket.curve_publickey = self._own.secret, self._own.public
        socket.curve_serverkey = self._server_public

    def peer(self, user_id: str | None) -> Peer | None:
        """The peer that a guarded socket knows by that User-Id, if it still may come in."""
        return None if self._peers is None else self._peers.peer(user_id)

    def admitted(self, domain: Domain) -> frozenset[str]:
        """The keys that may come in to a domain now; none without an allow-list."""
        return frozenset() if self._peers is None else self._peers.admitted(domain)


def open_security(folder: Path, name: str) -> Security:
    """The security of a process by a key folder (`l1chain keys make`).

    Args:
        folder: with `NAME.secret` and `server.public`; where something listens also `server.secret` and `peers.yaml`.
        name: the client key with which the process connects.

    Raises:
        FileMissing, KeyUnusable: a key is not there, or cannot be used.
        FileUnreadable, UnknownName, BadValue: the allow-list is damaged.
    """
    own, public = read_pair(folder, name), read_public(folder, SERVER)
    if not (folder / f"{SERVER}.secret").exists():
        return Security(own, public)
    server = read_pair(folder, SERVER)
    if server.public != public:
        raise KeyUnusable(folder / f"{SERVER}.public", "does not belong to server.secret", "copy the pair again")
    return Security(own, public, server, AllowList(folder))


def require_protection(endpoint: str, security: Security | None, where: str) -> None:
    """Refuse to use an endpoint beyond this host without keys.

    Raises:
        AddressOpen: that is the case.
    """
    if security is None and not is_loopback(endpoint):
        raise AddressOpen(where, endpoint)


@dataclass(frozen=True)
class _Door:
    domain: Domain
    refusals: Refusals


class Doorkeeper(threading.Thread):
    """Answers ZeroMQ's question (RFC 27, ZAP) about each peer that wants in; lives as long as its context.

    Without anybody who answers, libzmq would let in everybody who knows the server's public key: so the answering
    socket is bound before any guarded socket, and nothing but the end of the context ends the thread. Receivers check
    each message's User-Id beside that.
    """

    def __init__(self, context: zmq.Context[Any], peers: AllowList) -> None:
        super().__init__(name="doorkeeper", daemon=True)
        self.context, self._peers = context, peers
        self._doors: dict[bytes, _Door] = {}
        self._arriving: list[tuple[zmq.Socket[Any], Refusals]] = []
        self._monitors: dict[zmq.Socket[Any], Refusals] = {}
        self._lock = threading.Lock()
        self._questions: zmq.Socket[Any] = context.socket(zmq.ROUTER)
        self._questions.linger = 0
        self._questions.bind(_ZAP_ENDPOINT)
        self.start()

    def watch(self, socket: zmq.Socket[Any], domain: Domain, refusals: Refusals) -> None:
        """Take a socket's peers on; called by the socket's thread before it binds."""
        number = next(_numbers)
        zap_domain = f"{domain}-{number}".encode()
        socket.zap_domain = zap_domain
        address = f"inproc://monitor-{number}"
        socket.monitor(address, _EVENTS)
        monitor: zmq.Socket[Any] = self.context.socket(zmq.PAIR)
        # With a limit, libzmq's own thread would wait for the reader when peers come and go fast.
        monitor.rcvhwm = 0
        monitor.linger = 0
        monitor.connect(address)
        with self._lock:
            self._doors[zap_domain] = _Door(domain, refusals)
            self._arriving.append((monitor, refusals))

    def run(self) -> None:
        """Answer until the context ends."""
        poller = zmq.Poller()
        poller.register(self._questions, zmq.POLLIN)
        while True:
            try:
                self._turn(poller)
            except zmq.ZMQError as error:
                if error.errno in _ENDED:
                    break
                _log.exception("the doorkeeper goes on after an error")
            except Exception:  # noqa: BLE001 — without a doorkeeper everybody would be let in
                _log.exception("the doorkeeper goes on after an error")
        self._take_arriving(poller)
        for socket in (*self._monitors, self._questions):
            socket.close(linger=0)

    def _turn(self, poller: zmq.Poller) -> None:
        self._take_arriving(poller)
        for socket, _ in poller.poll(_POLL_MS):
            if socket is self._questions:
                self._answer(socket.recv_multipart())
            elif socket in self._monitors:  # else one that a context which is being destroyed has closed
                self._hear(socket, poller)

    def _take_arriving(self, poller: zmq.Poller) -> None:
        with self._lock:
            arriving, self._arriving = self._arriving, []
        for monitor, refusals in arriving:
            self._monitors[monitor] = refusals
            poller.register(monitor, zmq.POLLIN)

    def _answer(self, frames: list[bytes]) -> None:
        cut = frames.index(b"") + 1 if b"" in frames else len(frames)
        question = frames[cut:]
        request = question[1] if len(question) > 1 else b""
        try:
            status, text, user = self._judge(question)
        except Exception:  # noqa: BLE001 — whatever it is, it must not open the door
            _log.exception("a peer was refused because the doorkeeper failed")
            status, text, user = _BROKEN, b"internal error", b""
        self._questions.send_multipart([*frames[:cut], _ZAP_VERSION, request, status, text, user, b""])

    def _judge(self, question: list[bytes]) -> tuple[bytes, bytes, bytes]:
        if len(question) < _ZAP_FRAMES or question[0] != _ZAP_VERSION:
            return _REFUSED, b"no such question", b""
        _, _, zap_domain, address, _, mechanism, credentials = question[:_ZAP_FRAMES]
        with self._lock:
            door = self._doors.get(zap_domain)
        if door is None or mechanism != b"CURVE":
            return _REFUSED, b"no such door", b""
        peer = self._peers.peer(credentials.hex())
        from_address = address.decode("ascii", "replace")
        if peer is None:
            door.refusals.count(Refusal.UNAUTHENTICATED, f"a peer at {from_address} whose key is not allowed")
            return _REFUSED, b"unknown key", b""
        if not peer.may(*door.domain.admits):
            door.refusals.count(Refusal.NO_RIGHT, f"peer '{peer.name}' at {from_address} at the door of {door.domain}")
            return _REFUSED, b"no right", b""
        return _OK, b"OK", peer.key.encode()

    def _hear(self, monitor: zmq.Socket[Any], poller: zmq.Poller) -> None:
        refusals = self._monitors[monitor]
        event = recv_monitor_message(monitor)["event"]
        if event == zmq.Event.DISCONNECTED:
            refusals.disconnects.inc()
        elif event == zmq.Event.MONITOR_STOPPED:
            poller.unregister(monitor)
            monitor.close(linger=0)
            del self._monitors[monitor]
        else:
            refusals.count(Refusal.UNAUTHENTICATED, "a peer that did not pass the handshake")
