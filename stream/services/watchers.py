"""Who watches decisions: a PUB socket that never waits (`docs/protocol.md`, section "Watching")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import zmq

from stream.services.delivery import Peer
from stream.wire.messages import pack_json
from stream.wire.transport import Socket, Wiring

ACCEPTED: Final = b"accepted"
LUMI_SECTION: Final = b"lumi_section"
_QUEUE: Final = 256
"""Messages kept for a watcher; one that is slower loses the rest."""


class Watchers:
    """Tells whoever subscribed of accepted crossings and lumi sections.

    Attributes:
        endpoint: where to subscribe.
    """

    def __init__(self, wiring: Wiring, peer: Peer) -> None:
        self.endpoint = f"ipc://{wiring.folder}/watch-{peer.incarnation}"
        self._socket: Socket = wiring.context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._socket.bind(self.endpoint)
        self._watching = 0

    def listen(self) -> None:
        """Count who comes and goes."""
        while self._socket.poll(0):
            self._watching += 1 if self._socket.recv()[:1] == b"\x01" else -1

    def tell_accepted(self, stream: pa.Buffer) -> None:
        """Accepted crossings that are committed, as an Arrow IPC stream."""
        if self._watching > 0:
            self._socket.send_multipart([ACCEPTED, stream], zmq.DONTWAIT, copy=False)

    def tell_lumi_section(self, row: Mapping[str, Any]) -> None:
        """A lumi section is over."""
        if self._watching > 0:
            self._socket.send_multipart([LUMI_SECTION, pack_json(dict(row))], zmq.DONTWAIT)

    def close(self) -> None:
        """Nobody can watch any more."""
        self._socket.close()
