"""The loop that all services share: hello, start, work, status, stop (`docs/protocol.md`, "States of a service")."""

from __future__ import annotations

import gc
import logging
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import zmq
from prometheus_client import CollectorRegistry, generate_latest

from stream.errors import ProtocolError, RunFailed
from stream.services.changes import Change
from stream.services.delivery import DeliverySettings, Peer
from stream.services.heart import Heart
from stream.services.memory import export_memory, resident_bytes
from stream.wire.inbox import Inbox, Message
from stream.wire.messages import Header, Kind, pack_json, unpack_json
from stream.wire.refusals import Refusals
from stream.wire.transport import Socket, Wiring
from triggers.errors import BadValue, L1ChainError

STATUS_PERIOD_S: Final = 0.5
METRICS_PERIOD_S: Final = 2.0
"""Writing all metrics as text takes milliseconds: not every STATUS brings them."""
_POLL_MS: Final = 100
_TICK_S: Final = 0.1
_MESSAGES_IN_A_ROW: Final = 64

Frames = list[Any]
Handler = Callable[[bytes, Header, Frames], None]
"""Gets the sender's identity (empty on a DEALER), the header, and the frames behind it."""


@dataclass(frozen=True)
class Order:
    """What START tells.

    Attributes:
        round: number of this START, to be acknowledged.
        data: endpoint of the producer.
        results: endpoint of the combiner.
        epoch: incarnation of the producer.
        origin_ns: monotonic clock at which simulated time began, for a paced run.
        changes: all that were agreed on so far.
        gates: lumi sections that may not begin yet, by the change that they wait for; for the producer.
        end: the lumi section before which the run ends; 0: none; for the producer.
        is_draining: whether no batch is to be made any more; for the producer.
    """

    round: int = 0
    data: str = ""
    results: str = ""
    epoch: int = 0
    origin_ns: int = 0
    changes: tuple[Change, ...] = ()
    gates: Mapping[str, int] | None = None
    end: int = 0
    is_draining: bool = False


class Service(ABC):
    """A worker with its own sockets: a thread, a process, or a process on another host.

    Subclasses bind and load in `open`, connect in `start`, and react to messages in the handlers that they give to
    `listen`; everything happens in the thread that calls `run`, except the heartbeat.

    Args:
        peer: name and incarnation.
        wiring: of the run.
        cpu_clock: CPU time of whatever the service runs in, ns.
        delivery: how soon what is lost is noticed.
        leave: ends the process; None in a thread.
    """

    def __init__(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        delivery: DeliverySettings,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self.peer, self.name, self.delivery = peer, peer.name, delivery
        self.wiring = wiring
        self.registry = CollectorRegistry()
        self.log = logging.getLogger(f"l1chain.stream.{self.name}")
        self.where = f"service {self.name}"
        self._cpu_clock = cpu_clock
        self._cpu_start_ns = 0
        self._handlers: dict[Socket, Handler] = {}
        self._inboxes: dict[Socket, Inbox] = {}
        self._poller = zmq.Poller()
        self._running = True
        self._is_started = False
        self._control: Socket | None = None
        self._endpoint: str | None = None
        self._leave = leave
        self._heart = Heart(wiring, peer, delivery, leave)
        self._refusals = Refusals(self.registry, self.log)
        self.failure: Exception | None = None
        self._received_before = 0
        self._next_metrics = 0.0
        if leave is not None:
            export_memory(self.registry)

    @abstractmethod
    def open(self) -> str | None:
        """Load and warm up what is needed, bind sockets; the endpoint that others need, if any."""

    @abstractmethod
    def start(self, order: Order) -> None:
        """Connect to the others; again when one of them was replaced."""

    def turn(self) -> None:  # noqa: B027 — most services only react to messages
        """Work that no message asks for; called once in each turn of the loop."""

    def tick(self) -> None:  # noqa: B027 — only producer and combiner have timers
        """Timers; called about ten times a second."""

    def drain(self) -> None:  # noqa: B027 — only the producer makes batches
        """Make no further batch."""

    def prepare(self, change: Change) -> None:
        """Get ready for a change, without effect yet.

        Raises:
            L1ChainError: it cannot be made.
        """
        raise BadValue(self.where, f"a change of kind '{change.kind}'", "ask another service")

    def begin_prepare(self, change: Change) -> None:
        """Call `prepare` and answer, here or later: `tell_prepared`."""
        try:
            self.prepare(change)
        except L1ChainError as error:
            self.tell_prepared(change, error)
        else:
            self.tell_prepared(change)

    def tell_prepared(self, change: Change, error: L1ChainError | None = None) -> None:
        """Tell that a change can be made, or why it cannot."""
        answer: dict[str, Any] = {"id": change.id}
        if error is not None:
            answer["error"] = error.parts
        self.tell(Kind.PREPARED, answer)

    def change(self, change: Change) -> None:  # noqa: B027 — most services have nothing that changes
        """Follow an agreed change from its lumi section on; prepared before, unless this service is a new one."""

    def on_control(self, header: Header, frames: Frames) -> None:  # noqa: ARG002 — for subclasses
        """A message of the supervisor that not all services know."""
        raise ProtocolError(self.where, f"unexpected {header.kind.name}")

    def progress(self) -> dict[str, Any]:
        """What STATUS and GOODBYE tell beside CPU time and metrics."""
        return {}

    def poll_ms(self) -> int:
        """How long to wait for messages."""
        return _POLL_MS

    def close(self) -> None:  # noqa: B027 — sockets are all that most services have
        """Release what `open` took, beside sockets."""

    def run(self) -> None:
        """Live from HELLO to GOODBYE; failures are told to the supervisor, never raised."""
        self._control = self.connect(self.wiring.control, self._on_control)
        self._heart.start()
        try:
            self._endpoint = self.open()
            self._tell_hello()
            self._loop()
            if not self._heart.is_orphan:
                self._tell_status(Kind.GOODBYE)
        except zmq.ContextTerminated:
            self.log.warning("a thread that was replaced ends with its run")
        except L1ChainError as error:
            self.tell_failure(error)
        except Exception as error:  # noqa: BLE001 — whatever it is, the supervisor must hear of it
            self.tell_failure(error)
        finally:
            self._heart.stop()
            self.close()
            gc.unfreeze()
            linger = 0 if self._heart.is_orphan else None
            for socket in self._handlers:
                socket.close(linger)
            if self._heart.is_orphan and self._leave is not None:
                self._leave()

    @property
    def is_well(self) -> bool:
        """Whether the service has its orders and the supervisor answers its heartbeats; any thread may ask."""
        return self._is_started and time.monotonic() - self._heart.heard < self.delivery.lost_after_s

    def listen(self, socket: Socket, handler: Handler) -> None:
        """Give every message of a socket to a handler; the socket is closed at the end."""
        self._handlers[socket] = handler
        self._inboxes[socket] = Inbox(socket, self.wiring, self.where, self._refusals)
        self._poller.register(socket, zmq.POLLIN)

    def connect(self, endpoint: str, handler: Handler) -> Socket:
        """A connected DEALER whose messages go to a handler."""
        socket = self.wiring.dealer(endpoint, self.peer.identity.decode())
        self.listen(socket, handler)
        return socket

    def hang_up(self, socket: Socket | None) -> None:
        """Close a socket before the end."""
        if socket is not None:
            self._poller.unregister(socket)
            self._received_before += self._inboxes[socket].received_bytes
            del self._handlers[socket], self._inboxes[socket]
            socket.close(linger=0)

    def beat_to(self, *endpoints: str) -> None:
        """Send heartbeats to these endpoints, beside the supervisor."""
        self._heart.follow(endpoints)

    def payload(self, frames: Frames, place: int = 0) -> dict[str, Any]:
        """The JSON object in a received frame, checked."""
        if len(frames) <= place:
            raise ProtocolError(self.where, "a message without its payload")
        return unpack_json(frames[place].buffer, self.where)

    def message(self, kind: Kind, payload: dict[str, Any] | None = None) -> list[bytes]:
        """A message of this run that is not about a batch."""
        frames = [Header(kind, self.wiring.run).pack()]
        return frames if payload is None else [*frames, pack_json(payload)]

    @staticmethod
    def say(socket: Socket | None, frames: list[Any]) -> None:
        """Send to another service without waiting; while the connection is cut, it is lost as if it were on its way."""
        if socket is not None:
            with suppress(zmq.Again):
                socket.send_multipart(frames, zmq.DONTWAIT, copy=False)

    def tell(self, kind: Kind, payload: dict[str, Any], *more: bytes) -> None:
        """Send a message to the supervisor."""
        if self._control is not None:
            self._control.send_multipart([*self.message(kind, payload), *more])

    def finish(self) -> None:
        """End the loop after this turn."""
        self._running = False

    def tell_failure(self, error: Exception) -> None:
        """Tell the supervisor that this service failed, and why."""
        self.failure = error
        payload: dict[str, Any] = {"message": str(error) or type(error).__name__}
        if isinstance(error, L1ChainError):
            payload |= error.parts
        payload["is_input"] = isinstance(error, L1ChainError) and not isinstance(error, RunFailed | ProtocolError)
        payload["traceback"] = traceback.format_exc()
        self.tell(Kind.FAILED, payload)

    def _loop(self) -> None:
        next_status = next_tick = time.monotonic()
        while self._running:
            for socket, _ in self._poller.poll(self.poll_ms()):
                if socket in self._handlers:
                    self._receive(socket)
            self.turn()
            now = time.monotonic()
            if now >= next_tick:
                self.tick()
                next_tick = now + _TICK_S
            if now >= next_status:
                self._tell_status(Kind.STATUS) if self._is_started else self._tell_hello()
                next_status = now + STATUS_PERIOD_S
            if self._heart.failure is not None:
                raise RunFailed(self.name, f"its heartbeat ended: {self._heart.failure}") from self._heart.failure
            if self._heart.is_orphan:
                self.log.warning("the supervisor is silent: this service ends")
                self.finish()

    def _receive(self, socket: Socket) -> None:
        handler = self._handlers[socket]

        def handle(message: Message) -> None:
            handler(message.sender, message.header, message.payload)

        self._inboxes[socket].serve(handle, _MESSAGES_IN_A_ROW)

    def _on_control(self, _: bytes, header: Header, frames: Frames) -> None:
        match header.kind:
            case Kind.START:
                self._on_start(self.payload(frames))
            case Kind.DRAIN:
                self.drain()
            case Kind.STOP:
                self.finish()
            case Kind.PREPARE:
                self.begin_prepare(Change.from_json(self.payload(frames), self.where))
            case Kind.CHANGE:
                change = Change.from_json(self.payload(frames), self.where)
                self.change(change)
                self.tell(Kind.CHANGED, {"id": change.id})
            case _:
                self.on_control(header, frames)

    def _on_start(self, payload: dict[str, Any]) -> None:
        self._cpu_start_ns = self._cpu_start_ns or self._cpu_clock()
        if not self._is_started:
            # A full collection of all that was loaded would hold up every thread of the process for 150 ms.
            gc.freeze()
        try:
            changes = tuple(Change.from_json(change, self.where) for change in payload.pop("changes", ()))
            order = Order(**payload, changes=changes)
        except TypeError:
            raise ProtocolError(self.where, "a START that is none") from None
        for change in changes:
            self.change(change)
        self.start(order)
        self._is_started = True
        self.tell(Kind.STARTED, {"round": order.round})

    def _tell_hello(self) -> None:
        self.tell(Kind.HELLO, {"service": self.name, "endpoint": self._endpoint})

    def _tell_status(self, kind: Kind) -> None:
        cpu_ns = self._cpu_clock() - self._cpu_start_ns if self._cpu_start_ns else 0
        received = self._received_before + sum(inbox.received_bytes for inbox in self._inboxes.values())
        about = {"cpu_ns": cpu_ns, "received_bytes": received}
        if self._leave is not None:
            about["resident_bytes"] = resident_bytes()
        metrics, now = b"", time.monotonic()
        if kind is Kind.GOODBYE or now >= self._next_metrics:
            metrics, self._next_metrics = generate_latest(self.registry), now + METRICS_PERIOD_S
        self.tell(kind, {**about, **self.progress()}, metrics)
