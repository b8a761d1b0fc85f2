"""Who watches decisions: PUB sockets that never wait (`docs/protocol.md`, section "Watching")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import zmq

from stream.services.delivery import Peer
from stream.wire.messages import pack_json
from stream.wire.peers import Domain
from stream.wire.refusals import Refusals
from stream.wire.transport import Wiring

ACCEPTED: Final = b"accepted"
LUMI_SECTION: Final = b"lumi_section"
QUEUE: Final = 32
"""Messages kept for a watcher; one that is slower loses the rest."""


class Watchers:
    """Tells whoever subscribed of accepted crossings and lumi sections.

    Args:
        wiring: of the run.
        peer: the combiner.
        address: `HOST:PORT` for watchers on other hosts, which need keys with the right to read; None: none.
        refusals: where those that may not are counted.

    Attributes:
        endpoint: where watchers of this host subscribe.
        outside: where those of other hosts do; None: nowhere.
    """

    def __init__(
        self, wiring: Wiring, peer: Peer, address: str | None = None, refusals: Refusals | None = None
    ) -> None:
        self.endpoint = f"ipc://{wiring.folder}/watch-{peer.incarnation}"
        self._wiring, self._address, self._refusals = wiring, address, refusals
        self._sockets = [wiring.publisher(self.endpoint, Domain.WATCH, QUEUE)[0]]
        self.outside: str | None = None
        self._admitted: frozenset[str] = frozenset()
        if address is not None:
            self._open(address)

    def tick(self) -> None:
        """Turn out who may not watch any more; called now and then.

        Nothing that watchers send is read, so unlike elsewhere their rights are not checked with each message.
        """
        if self._address is not None and self._admitted - self._admitted_now():
            self._sockets.pop().close()
            self._open(self._address)

    def _open(self, address: str) -> None:
        self._admitted = self._admitted_now()
        socket, self.outside = self._wiring.publisher(f"tcp://{address}", Domain.WATCH, QUEUE, self._refusals)
        self._sockets.append(socket)

    def _admitted_now(self) -> frozenset[str]:
        security = self._wiring.security
        return frozenset() if security is None else security.admitted(Domain.WATCH)

    def tell_accepted(self, stream: pa.Buffer) -> None:
        """Accepted crossings that are committed, as an Arrow IPC stream."""
        for socket in self._sockets:
            socket.send_multipart([ACCEPTED, stream], zmq.DONTWAIT, copy=False)

    def tell_lumi_section(self, row: Mapping[str, Any]) -> None:
        """A lumi section is over."""
        message = [LUMI_SECTION, pack_json(dict(row))]
        for socket in self._sockets:
            socket.send_multipart(message, zmq.DONTWAIT)

    def close(self) -> None:
        """Nobody can watch any more."""
        for socket in self._sockets:
            socket.close()
