"""A service as a process of its own: `python -m stream.run.process`, told what to be on standard input."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import zmq

from stream.run.assembly import Assembly
from stream.run.config import ChainConfig
from stream.run.network import wiring_of
from stream.services.delivery import Peer

_ORPHAN_EXIT: Final = 3


def main() -> None:
    """Read the order, be that service until STOP."""
    # The supervisor alone hears Ctrl-C and SIGTERM, which may go to all processes of the run; it drains the run.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    order = json.load(sys.stdin)
    config = ChainConfig.model_validate_json(order["config"])
    wiring = wiring_of(config, order["run"], order["control"], order["folder"], zmq.Context.instance())
    assembly = Assembly(config)
    peer, folder = Peer(order["service"], order["incarnation"]), Path(order["run_folder"])
    service = assembly.service(peer, wiring, time.process_time_ns, folder, leave=lambda: os._exit(_ORPHAN_EXIT))
    service.run()
    wiring.context.term()


if __name__ == "__main__":
    main()
