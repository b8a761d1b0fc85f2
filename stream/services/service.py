"""The loop that all services share: hello, start, work, status, stop (`docs/protocol.md`, "States of a service")."""

from __future__ import annotations

import logging
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import zmq
from prometheus_client import CollectorRegistry, generate_latest

from stream.wire.messages import Header, Kind, pack_json, unpack_header, unpack_json
from stream.wire.transport import Socket, Wiring
from triggers.errors import L1ChainError

STATUS_PERIOD_S: Final = 0.5
_POLL_MS: Final = 100
_MESSAGES_IN_A_ROW: Final = 64

Frames = list[Any]


class Service(ABC):
    """A worker with its own sockets: a thread, a process, or a process on another host.

    Subclasses bind and load in `open`, connect in `start`, and react to messages in the handlers that they give to
    `listen`; everything happens in the thread that calls `run`.
    """

    def __init__(self, name: str, wiring: Wiring, cpu_clock: Callable[[], int]) -> None:
        self.name = name
        self.wiring = wiring
        self.registry = CollectorRegistry()
        self.log = logging.getLogger(f"l1chain.stream.{name}")
        self._cpu_clock = cpu_clock
        self._cpu_start_ns = 0
        self._handlers: dict[Socket, Callable[[Frames], None]] = {}
        self._poller = zmq.Poller()
        self._sockets: list[Socket] = []
        self._running = False
        self._control: Socket | None = None

    @abstractmethod
    def open(self) -> str | None:
        """Load and warm up what is needed, bind sockets; the endpoint that others need, if any."""

    @abstractmethod
    def start(self, endpoints: dict[str, str]) -> None:
        """Connect to the others."""

    def turn(self) -> None:  # noqa: B027 — most services only react to messages
        """Work that no message asks for; called once in each turn of the loop."""

    def drain(self) -> None:  # noqa: B027 — only the producer makes batches
        """Make no further batch."""

    def progress(self) -> dict[str, Any]:
        """What STATUS and GOODBYE tell beside CPU time and metrics."""
        return {}

    def close(self) -> None:  # noqa: B027 — sockets are all that most services have
        """Release what `open` took, beside sockets."""

    def run(self) -> None:
        """Live from HELLO to GOODBYE; failures are told to the supervisor, never raised."""
        control = self.wiring.dealer(self.wiring.control, self.name)
        self._control = control
        self.listen(control, self._on_control)
        try:
            endpoint = self.open()
            self._tell(Kind.HELLO, {"service": self.name, "endpoint": endpoint})
            self._running = True
            self._loop()
            self._tell_status(Kind.GOODBYE)
        except L1ChainError as error:
            self.tell_failure(error)
        except Exception as error:  # noqa: BLE001 — whatever it is, the supervisor must hear of it
            self.tell_failure(error)
        finally:
            self.close()
            for socket in self._sockets:
                socket.close()

    def listen(self, socket: Socket, handler: Callable[[Frames], None]) -> None:
        """Call `handler` with the frames of each message that arrives; the socket is closed at the end."""
        self._handlers[socket] = handler
        self._sockets.append(socket)
        self._poller.register(socket, zmq.POLLIN)

    def header(self, frame: Any) -> Header:
        """The header in a received frame, checked."""
        return unpack_header(frame.buffer, self.wiring.run, f"service {self.name}")

    def payload(self, frame: Any) -> dict[str, Any]:
        """The JSON object in a received frame, checked."""
        return unpack_json(frame.buffer, f"service {self.name}")

    def message(self, kind: Kind, payload: dict[str, Any] | None = None) -> list[bytes]:
        """A message of this run that is not about a batch."""
        frames = [Header(kind, self.wiring.run).pack()]
        return frames if payload is None else [*frames, pack_json(payload)]

    def finish(self) -> None:
        """End the loop after this turn."""
        self._running = False

    def tell_failure(self, error: Exception) -> None:
        """Tell the supervisor that this service failed, and why."""
        payload: dict[str, Any] = {"message": str(error) or type(error).__name__}
        if isinstance(error, L1ChainError):
            payload |= {"where": error.where, "what": error.what, "remedy": error.remedy}
        payload["traceback"] = traceback.format_exc()
        self._tell(Kind.FAILED, payload)

    def _loop(self) -> None:
        next_status = time.monotonic() + STATUS_PERIOD_S
        while self._running:
            for socket, _ in self._poller.poll(_POLL_MS):
                self._receive(socket)
            self.turn()
            if time.monotonic() >= next_status:
                self._tell_status(Kind.STATUS)
                next_status = time.monotonic() + STATUS_PERIOD_S

    def _receive(self, socket: Socket) -> None:
        handler = self._handlers[socket]
        for _ in range(_MESSAGES_IN_A_ROW):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            handler(frames)

    def _on_control(self, frames: Frames) -> None:
        match self.header(frames[0]).kind:
            case Kind.START:
                self._cpu_start_ns = self._cpu_clock()
                self.start(self.payload(frames[1]))
            case Kind.DRAIN:
                self.drain()
            case Kind.STOP:
                self.finish()
            case other:
                self.log.warning("unexpected %s", other.name)

    def _tell_status(self, kind: Kind) -> None:
        cpu_ns = self._cpu_clock() - self._cpu_start_ns if self._cpu_start_ns else 0
        self._tell(kind, {"cpu_ns": cpu_ns, **self.progress()}, generate_latest(self.registry))

    def _tell(self, kind: Kind, payload: dict[str, Any], *more: bytes) -> None:
        if self._control is not None:
            self._control.send_multipart([*self.message(kind, payload), *more])
