"""`l1chain page`: the live page of a run, as a process that only watches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from stream.page.server import Place

PageOption = Annotated[
    bool | None,
    typer.Option("--page/--no-page", help="Serve the live page of the run. [default: as the configuration says]"),
]
_NICENESS = 10


def page(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Folder of a run. [default: the latest that is running below ./runs]"),
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to serve it; port 0 takes a free one.")
    ] = "127.0.0.1:0",
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", hidden=True, help="End with whoever started it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the live page of a run, until interrupted: rates, scores, latency, services, accepted crossings, controls.

    It only watches, at low priority: it never slows or stops a run. The page of a run that has ended shows its tables.
    Commands need the token that is printed, and come from this host.
    """
    import asyncio
    import os
    import sys

    from stream.run.control_client import find_run
    from triggers.errors import BadValue

    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise BadValue("--address", f"'{address}' is not HOST:PORT", "write for example 127.0.0.1:8080")
    _check_bokeh()
    from stream.page.server import serve
    from stream.page.watcher import Watcher

    os.nice(_NICENESS)
    watcher = Watcher(run.absolute() if run is not None else find_run(None).folder.absolute())

    def began(place: Place) -> None:
        if as_json:
            print_json({"url": place.url, "with_token": place.with_token})
        else:
            sys.stdout.write(f"live page: {place.url}\nwith commands: {place.with_token}\n")
            sys.stdout.flush()

    async def ended() -> None:
        if until_input_ends:
            await asyncio.to_thread(sys.stdin.read)
        else:
            await asyncio.Event().wait()

    watcher.start()
    try:
        asyncio.run(serve(watcher, address, began, ended))
    finally:
        watcher.stop()


def _check_bokeh() -> None:
    try:
        import bokeh  # noqa: F401 (told now, in one sentence, if it is not there)
    except ModuleNotFoundError:
        from stream.page.errors import PageMissing

        raise PageMissing from None
