"""Hears the accepted crossings that a combiner tells whoever watches (`docs/protocol.md`, section "Watching")."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Final, Self

import zmq

from stream.services.watchers import ACCEPTED

_STEP_MS: Final = 100


class Listener:
    """Keeps the latest message only: what comes faster than it is asked for is dropped here, unread."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._endpoint: str | None = None

    def __enter__(self) -> Self:
        """Listen to nobody yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self.listen_to(None)
        self._context.term()

    def listen_to(self, endpoint: str | None) -> None:
        """Listen to the combiner that tells at an endpoint; None: to nobody."""
        if endpoint == self._endpoint:
            return
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._endpoint = endpoint
        if endpoint is not None:
            self._socket = self._context.socket(zmq.SUB)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.subscribe(ACCEPTED)
            self._socket.connect(endpoint)

    def latest(self, seconds: float, ended: threading.Event) -> bytes | None:
        """The last message that comes within some time, an Arrow IPC stream; None if none comes.

        Args:
            seconds: to listen.
            ended: ends it before.
        """
        deadline = time.monotonic() + seconds
        content = None
        while time.monotonic() < deadline and not ended.is_set():
            if self._socket is None:
                ended.wait(seconds)
            elif self._socket.poll(_STEP_MS):
                content = self._socket.recv_multipart()[1]
        return content
