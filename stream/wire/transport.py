"""Sockets for the three transports; only endpoints differ (`docs/protocol.md`, section "Services and sockets")."""

from __future__ import annotations

import ipaddress
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import zmq

from stream.errors import AddressInUse
from stream.wire.peers import Domain
from stream.wire.refusals import Refusals
from stream.wire.security import Security, require_protection
from triggers.errors import BadValue, L1ChainError

Socket = zmq.Socket[Any]

LOOPBACK: Final = "127.0.0.1"
MAX_FRAME_BYTES: Final = 1 << 30
WIDEST_ROW_BYTES: Final = 512
"""Of a column: 252 calorimeter regions of two bytes, and room."""
MAX_WAITING: Final = 1024
"""Messages that wait in a socket for each peer; more wait with the peer that sent them."""
_METADATA_BYTES: Final = 1 << 16
_MOST_ASKED_BYTES: Final = 4096
"""Of a message to a publisher: a topic that somebody wants, and the handshake before it."""
_ADDRESS: Final = "security.address"
_LINGER_MS: Final = 2000
_IPV4: Final = 4
_PORT_FREE_S: Final = 5.0
"""A fixed port may still be held by the incarnation before, which is about to end."""
_AGAIN_S: Final = 0.1


class Transport(StrEnum):
    """How the services of a run are joined."""

    INPROC = "inproc"
    IPC = "ipc"
    TCP = "tcp"


@dataclass(frozen=True)
class Wiring:
    """Where a run's sockets are, as far as one service needs to know to say HELLO.

    Attributes:
        transport: which of the three.
        run: random number of the run.
        control: endpoint of the supervisor.
        folder: for ipc, the private folder that holds the sockets.
        context: the ZeroMQ context of this process; inproc endpoints exist only inside one.
        address: for tcp, the address of this host that its sockets listen on.
        security: keys and allow-list; None: only endpoints that no other host reaches are used.
        max_frame_bytes: of the largest frame that is taken in.
        ports: for tcp, the fixed ports of sockets by name; the others take free ones.
        advertised: for tcp, the name by which others reach `address`; None: by that address.
    """

    transport: Transport
    run: int
    control: str
    folder: str
    context: zmq.Context[Any] = field(compare=False)
    address: str = LOOPBACK
    security: Security | None = field(default=None, compare=False, repr=False)
    max_frame_bytes: int = MAX_FRAME_BYTES
    ports: Mapping[str, int] = field(default_factory=dict)
    advertised: str | None = None

    def endpoint(self, name: str) -> str:
        """What a service binds its socket `name` to; tcp chooses a free port if none is fixed for it.

        A number behind a hyphen is the incarnation's and does not count for the port.
        """
        match self.transport:
            case Transport.INPROC:
                return f"inproc://{self.run:x}-{name}"
            case Transport.IPC:
                return f"ipc://{self.folder}/{name}"
            case Transport.TCP:
                port = self.ports.get(name.partition("-")[0], "*")
                return f"tcp://{_listening(self.address, self.advertised)}:{port}"

    def shelf(self, incarnation: int) -> Path:
        """Where an incarnation of the producer has its shelf, for ipc."""
        return Path(self.folder) / f"shelf-{incarnation}"

    def router(
        self, endpoint: str, domain: Domain = Domain.SERVICES, refusals: Refusals | None = None
    ) -> tuple[Socket, str]:
        """A bound ROUTER and the endpoint by which others reach it.

        Args:
            endpoint: to bind to.
            domain: what the socket is for; with keys it says who may come in to a tcp endpoint.
            refusals: where peers that are refused are counted; needed with keys.

        Raises:
            AddressOpen: other hosts reach the endpoint, and there are no keys.
            KeyUnusable: this host has keys, but not the server's.
            AddressInUse: another program has its fixed port.
        """
        require_protection(endpoint, self.security, _ADDRESS)
        socket: Socket = self.context.socket(zmq.ROUTER)
        self._prepare(socket, endpoint)
        socket.router_handover = True
        return socket, self._bound(socket, endpoint, domain, refusals)

    def publisher(
        self, endpoint: str, domain: Domain, queue: int, refusals: Refusals | None = None
    ) -> tuple[Socket, str]:
        """A bound PUB, which never waits for who listens, and the endpoint by which others reach it.

        Args:
            endpoint: to bind to.
            domain: what the socket is for.
            queue: messages kept for a listener; one that is slower loses the rest.
            refusals: where peers that are refused are counted; needed with keys.

        Raises:
            AddressOpen, KeyUnusable, AddressInUse: as for `router`.
        """
        require_protection(endpoint, self.security, _ADDRESS)
        socket: Socket = self.context.socket(zmq.PUB)
        self._prepare(socket, endpoint)
        socket.sndhwm = queue
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, _MOST_ASKED_BYTES)
        return socket, self._bound(socket, endpoint, domain, refusals)

    def _bound(self, socket: Socket, endpoint: str, domain: Domain, refusals: Refusals | None) -> str:
        """Bind a socket, guarded where there are keys; the endpoint by which others reach it."""
        try:
            if self.security and endpoint.startswith("tcp://"):
                self.security.guard(socket, domain, refusals or Refusals.unwatched())
            _bind(socket, endpoint)
        except (L1ChainError, zmq.ZMQError):
            socket.close(linger=0)
            raise
        bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        if self.advertised is not None and bound.startswith("tcp://"):
            bound = f"tcp://{self.advertised}:{bound.rpartition(':')[2]}"
        return bound

    def dealer(self, endpoint: str, identity: str) -> Socket:
        """A connected DEALER that its peers know by `identity`.

        Raises:
            AddressOpen: the endpoint is on another host, and there are no keys.
        """
        require_protection(endpoint, self.security, "endpoint")
        socket: Socket = self.context.socket(zmq.DEALER)
        self._prepare(socket, endpoint)
        socket.setsockopt_string(zmq.IDENTITY, identity)
        if self.security and endpoint.startswith("tcp://"):
            self.security.join(socket)
        socket.connect(endpoint)
        return socket

    def _prepare(self, socket: Socket, endpoint: str) -> None:
        """Never drop: credits and the producer's window bound what is sent, and what cannot be taken in waits there."""
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, MAX_WAITING)
        socket.setsockopt(zmq.LINGER, _LINGER_MS)
        # Twice the limit of a frame: what is above the limit is refused and counted, what is above this is never read.
        socket.setsockopt(zmq.MAXMSGSIZE, 2 * self.max_frame_bytes)
        socket.ipv6 = endpoint.startswith("tcp://[")


def frame_limit(batch_crossings: int) -> int:
    """Bytes of the largest frame in a run with batches of so many crossings."""
    return batch_crossings * WIDEST_ROW_BYTES + _METADATA_BYTES


def private_folder() -> Path:
    """A new folder that only this account may enter, for ipc sockets (their paths must be short)."""
    return Path(tempfile.mkdtemp(prefix="l1chain-"))


def _bind(socket: Socket, endpoint: str) -> None:
    deadline = time.monotonic() + _PORT_FREE_S
    while True:
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            is_taken = error.errno in (zmq.EADDRINUSE, zmq.EADDRNOTAVAIL)
            if not is_taken or endpoint.endswith(":*"):
                raise
            if time.monotonic() >= deadline:
                raise AddressInUse("network", endpoint.removeprefix("tcp://"), str(error)) from None
            time.sleep(_AGAIN_S)
        else:
            return


def _listening(address: str, advertised: str | None) -> str:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        raise BadValue(_ADDRESS, f"found '{address}'", "give the IP address of a network interface") from None
    if number.is_unspecified and advertised is None:
        remedy = "name one that the other hosts reach, or set network.advertise to this host's name"
        raise BadValue(_ADDRESS, f"{address} is every address of this host, and the services must be told one", remedy)
    return address if number.version == _IPV4 else f"[{address}]"
