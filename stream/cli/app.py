"""`l1chain`: the one console script."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stream.cli import (
    bench,
    chaos,
    ctl,
    events,
    firmware,
    join,
    keys,
    menu,
    models,
    mqtt,
    prescales,
    replay,
    report,
    run,
    runs,
    simulate,
)

BAD_INPUT_EXIT = 2
FAILURE_EXIT = 1
INTERRUPTED_EXIT = 130

app = typer.Typer(
    name="l1chain",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The LHC's Level-1 trigger chain in software: replay crossings through real menus and anomaly detection.",
)
app.command()(run.run)
app.command()(run.demo)
app.command()(report.report)
app.command()(replay.replay)
app.command()(join.join)
app.command()(ctl.watch)
app.command()(chaos.chaos)
app.add_typer(ctl.app, name="ctl")
events.app.command()(simulate.simulate)
events.app.command()(simulate.validate)
app.add_typer(events.app, name="events")
app.add_typer(menu.app, name="menu")
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")
app.add_typer(firmware.app, name="firmware")
app.add_typer(runs.app, name="runs")
app.add_typer(keys.app, name="keys")
app.add_typer(mqtt.app, name="mqtt")
app.add_typer(prescales.app, name="prescales")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"l1chain {version('l1chain')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """The LHC's Level-1 trigger chain in software: replay crossings through real menus and anomaly detection."""


def main() -> None:
    """Run a command; an error that the user can mend is one sentence on standard error and exit code 2."""
    from stream.errors import RunFailed
    from triggers.errors import L1ChainError

    try:
        app()
    except L1ChainError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILURE_EXIT if isinstance(error, RunFailed) else BAD_INPUT_EXIT)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED_EXIT)
