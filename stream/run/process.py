"""A service as a process of its own: `python -m stream.run.process`, told what to be on standard input."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import zmq

from stream.run.assembly import Assembly
from stream.run.config import ChainConfig
from stream.wire.transport import Transport, Wiring


def main() -> None:
    """Read the order, be that service until STOP."""
    # The supervisor alone hears Ctrl-C; it drains the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.load(sys.stdin)
    wiring = Wiring(
        Transport(order["transport"]), order["run"], order["control"], order["folder"], zmq.Context.instance()
    )
    assembly = Assembly(ChainConfig.model_validate_json(order["config"]))
    service = assembly.service(order["service"], wiring, time.process_time_ns, Path(order["run_folder"]))
    service.run()
    wiring.context.term()


if __name__ == "__main__":
    main()
