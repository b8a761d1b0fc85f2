"""Ports of this host that nobody listens to."""

from __future__ import annotations

import socket


def free_ports(n: int) -> list[int]:
    """Different ones."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [int(listening.getsockname()[1]) for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def free_port() -> int:
    return free_ports(1)[0]
