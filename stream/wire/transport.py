"""Sockets for the three transports; only endpoints differ (`docs/protocol.md`, section "Services and sockets")."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import zmq

Socket = zmq.Socket[Any]

_LINGER_MS: Final = 2000


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
    """

    transport: Transport
    run: int
    control: str
    folder: str
    context: zmq.Context[Any] = field(compare=False)

    def endpoint(self, name: str) -> str:
        """What a service binds its socket `name` to; tcp chooses a free port."""
        match self.transport:
            case Transport.INPROC:
                return f"inproc://{self.run:x}-{name}"
            case Transport.IPC:
                return f"ipc://{self.folder}/{name}"
            case Transport.TCP:
                return "tcp://127.0.0.1:*"

    def router(self, endpoint: str) -> tuple[Socket, str]:
        """A bound ROUTER and the endpoint it really has."""
        socket: Socket = self.context.socket(zmq.ROUTER)
        _unbounded(socket)
        socket.router_handover = True
        socket.bind(endpoint)
        return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def dealer(self, endpoint: str, identity: str) -> Socket:
        """A connected DEALER that its peers know by `identity`."""
        socket: Socket = self.context.socket(zmq.DEALER)
        _unbounded(socket)
        socket.setsockopt_string(zmq.IDENTITY, identity)
        socket.connect(endpoint)
        return socket


def private_folder() -> Path:
    """A new folder that only this account may enter, for ipc sockets (their paths must be short)."""
    return Path(tempfile.mkdtemp(prefix="l1chain-"))


def _unbounded(socket: Socket) -> None:
    """No high-water mark: credits and the producer's window bound what is queued, and nothing is ever dropped."""
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.LINGER, _LINGER_MS)
