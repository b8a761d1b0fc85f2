"""From a configuration to the sockets of its run: addresses, keys, limits (`docs/security.md`)."""

from __future__ import annotations

from typing import Any

import zmq

from stream.run.config import ChainConfig
from stream.wire.security import Security, open_security
from stream.wire.transport import Wiring, frame_limit


def wiring_of(config: ChainConfig, run: int, control: str, folder: str, context: zmq.Context[Any]) -> Wiring:
    """The wiring of one process of a run.

    Args:
        config: of the run.
        run: its random number.
        control: endpoint of the supervisor; empty in the supervisor itself.
        folder: for ipc, the private folder that holds the sockets.
        context: the ZeroMQ context of the process.

    Raises:
        FileMissing, FileUnreadable, KeyUnusable, UnknownName, BadValue: the configured keys cannot be used.
    """
    return Wiring(
        transport=config.transport,
        run=run,
        control=control,
        folder=folder,
        context=context,
        address=config.security.address,
        security=security_of(config),
        max_frame_bytes=frame_limit(config.batch.crossings),
        ports=config.network.ports,
        advertised=config.network.advertise,
    )


def security_of(config: ChainConfig) -> Security | None:
    """The keys and the allow-list that a configuration names; None if it names none.

    Raises:
        FileMissing, FileUnreadable, KeyUnusable, UnknownName, BadValue: they cannot be used.
    """
    section = config.security
    return None if section.keys is None else open_security(section.keys, section.name)
