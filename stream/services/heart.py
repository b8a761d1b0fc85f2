"""The heartbeat of a service, from a thread of its own: a long batch is no death (`docs/protocol.md`, "Delivery")."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import zmq

from stream.services.delivery import DeliverySettings, Peer
from stream.wire.messages import Header, Kind
from stream.wire.transport import Socket, Wiring

_ORPHAN_FACTOR: Final = 2.0
"""A supervisor is given up after so many times the silence after which a service is."""
_LAST_RESORT_S: Final = 5.0


class Heart:
    """Tells the supervisor and others that the service lives, and notices when the supervisor does not.

    Args:
        wiring: of the run.
        peer: whose heart it is.
        settings: how often, and when the supervisor counts as lost.
        leave: ends the process, for a service that does not end by itself when it is an orphan; None in a thread.

    Attributes:
        heard: when the supervisor last answered, s.
        is_orphan: whether it has been silent for too long.
        failure: why it beats no more; None while it does.
    """

    def __init__(
        self, wiring: Wiring, peer: Peer, settings: DeliverySettings, leave: Callable[[], None] | None
    ) -> None:
        self._wiring, self._peer, self._settings, self._leave = wiring, peer, settings, leave
        self._wanted: tuple[str, ...] = (wiring.control,)
        self._sockets: dict[str, Socket] = {}
        self._stop = threading.Event()
        self.heard = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"heart of {peer.name}", daemon=True)
        self.is_orphan = False
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def follow(self, endpoints: tuple[str, ...]) -> None:
        """Beat to these too, instead of those told before."""
        self._wanted = (self._wiring.control, *endpoints)

    def stop(self) -> None:
        """Beat no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._beat()
        except zmq.ContextTerminated:
            return  # the run of a thread that was replaced is over
        except Exception as error:  # noqa: BLE001 — whatever it is, the service must hear of it
            self.failure = error

    def _beat(self) -> None:
        message = Header(Kind.HEARTBEAT, self._wiring.run).pack()
        try:
            while True:
                self._connect()
                for socket in self._sockets.values():
                    # In one process, a socket whose peer has ended takes nothing more.
                    with suppress(zmq.Again):
                        socket.send(message, zmq.NOBLOCK)
                if self._stop.wait(self._settings.heartbeat_s):
                    return
                self._listen()
        finally:
            for socket in self._sockets.values():
                socket.close(linger=0)

    def _connect(self) -> None:
        wanted = self._wanted
        for endpoint in self._sockets.keys() - set(wanted):
            self._sockets.pop(endpoint).close(linger=0)
        for endpoint in wanted:
            if endpoint not in self._sockets:
                self._sockets[endpoint] = self._wiring.dealer(endpoint, self._peer.heart.decode())

    def _listen(self) -> None:
        now = time.monotonic()
        for endpoint, socket in self._sockets.items():
            while socket.poll(0):
                socket.recv_multipart()
                if endpoint == self._wiring.control:
                    self.heard = now
        silence_s = now - self.heard
        given_up_s = _ORPHAN_FACTOR * self._settings.lost_after_s
        self.is_orphan = silence_s > given_up_s
        if silence_s > given_up_s + _LAST_RESORT_S and self._leave is not None:
            self._leave()
