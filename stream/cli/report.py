"""`l1chain report`: a page about a run that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.output import JsonOption, print_json

_PAGE = "report.html"


def report(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="The run's folder. [default: the latest that has ended below ./runs]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help=f"Where the page goes; otherwise {_PAGE} in the run's folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page about a run that has ended; it needs no network.

    It shows what ran (menu, prescale columns, masks, model versions by lumi section, configuration), rates with plots,
    anomaly detection and budgets, dead time, speed and latency, what was out of the ordinary, and every command that
    the run was given.
    """
    from stream.errors import FolderUnwritable
    from stream.run.finished import read_ended_run
    from stream.run.report_page import run_page
    from stream.run.retention import latest_ended

    found = latest_ended(Path("runs")) if run is None else read_ended_run(run)
    page = run_page(found)
    path = out or found.folder / _PAGE
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FolderUnwritable(path.parent, f"{path.name} cannot be written ({error.strerror})") from error
    if as_json:
        print_json({"report": str(path), "bytes": len(page.encode())})
    else:
        typer.echo(f"wrote {path}")
