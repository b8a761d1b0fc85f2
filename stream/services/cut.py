"""Connections that are cut for some time, as `l1chain chaos` does it (`docs/protocol.md`, section "Chaos")."""

from __future__ import annotations

from collections.abc import Iterable

from stream.wire.transport import Socket


class Cut:
    """Cuts the connections of a service and mends them."""

    def __init__(self) -> None:
        self._links: list[tuple[Socket, str]] = []
        self._until = 0.0

    def begin(self, links: Iterable[tuple[Socket | None, str]], until: float) -> None:
        """Cut.

        Args:
            links: sockets and the endpoint to which each is connected.
            until: when it is over, s.
        """
        self.mend()
        self._links, self._until = [(socket, endpoint) for socket, endpoint in links if socket is not None], until
        for socket, endpoint in self._links:
            socket.disconnect(endpoint)

    def is_over(self, now: float) -> bool:
        """Whether there is a cut that it is time to mend."""
        return bool(self._links) and now >= self._until

    def mend(self) -> None:
        """Connect again what is cut; necessary before one of the sockets is closed."""
        for socket, endpoint in self._links:
            socket.connect(endpoint)
        self._links = []
