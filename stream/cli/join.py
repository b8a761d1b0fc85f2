"""`l1chain join`: this host takes part in a run on another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def join(
    connect: Annotated[
        str, typer.Option("--connect", metavar="HOST:PORT", help="Control endpoint of the run (network.control_port).")
    ],
    stage: Annotated[str, typer.Option("--stage", metavar="seeds|score:NAME", help="The stage to be a replica of.")],
    keys: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of keys (`l1chain keys make`).")] = None,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Key to use; it needs the right `data`.")] = "chain",
    models: Annotated[
        Path | None, typer.Option(help="Folder of model versions; else yours, then those that ship.")
    ] = None,
    patience_s: Annotated[
        float, typer.Option("--patience-s", min=1, help="How long to ask while no run answers; `inf`: for ever.")
    ] = 30.0,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that is touched each second while all is well, for probes.")
    ] = None,
) -> None:
    """Join a run on another host as a replica of one of its stages, until the run ends.

    Replicas may come and go at any time: the batches of one that is lost go to others. The menu comes from the run;
    model versions must be on this host and be the run's. Ctrl-C leaves.
    """
    import math
    import signal

    from rich.console import Console

    from stream.run.joining import Joiner, Place
    from stream.wire.security import open_security
    from triggers.errors import BadValue

    host, _, port = connect.rpartition(":")
    if not host or not port.isdigit():
        raise BadValue("--connect", f"'{connect}' is no address", "write HOST:PORT")
    if math.isnan(patience_s):
        raise BadValue("--patience-s", "nan is no time", "give seconds, or inf")
    security = None if keys is None else open_security(keys, name)
    told = Console(stderr=True)
    joiner = Joiner(
        Place(f"tcp://{host}:{port}", stage, models),
        security,
        patience_s,
        ready_file,
        lambda sentence: told.print(sentence, markup=False, highlight=False),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: joiner.leave())
    joiner.run()
