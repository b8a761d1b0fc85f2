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
    page,
    prescales,
    replay,
    report,
    run,
    runs,
    simulate,
    top,
)
from stream.cli.manual import EXIT_CODES, ending

BAD_INPUT_EXIT = 2
FAILURE_EXIT = 1
INTERRUPTED_EXIT = 130

app = typer.Typer(
    name="l1chain",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # tables of options cut the names of long ones
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="The LHC's Level-1 trigger chain in software: replay crossings through real menus and anomaly detection.",
    epilog=EXIT_CODES,
)
app.command(
    epilog=ending(
        "l1chain run my-run.yaml",
        "l1chain run shipped:chains/demo.yaml --set transport=ipc --set seeds.replicas=2 --json",
        "l1chain run --resume runs/run-20260101-120000",
        page="configuration.md",
    )
)(run.run)
app.command(epilog=ending("l1chain demo", "l1chain demo --set run.lumi_sections=20 --out /tmp/runs"))(run.demo)
app.command(epilog=ending("l1chain report runs/run-20260101-120000", page="run-folder.md"))(report.report)
app.command(
    epilog=ending(
        "l1chain replay shipped:samples/zero-bias.parquet --menu old.yaml --menu new.yaml --out study",
        "l1chain replay zb-*.parquet --menu menu.xml --prescales table.csv --column 2p0E34 --out study",
        "l1chain replay runs/run-20260101-120000 --menu tighter.yaml --out study",
        page="replay.md",
    )
)(replay.replay)
app.command()(join.join)
app.command(
    epilog=ending(
        "l1chain top",
        "l1chain top --once --run live/run-20260101-120000",
        "l1chain top --json",
        "l1chain top --connect host:5560 --as shifter",
        page="run-control.md",
    )
)(top.top)
app.command(epilog=ending("l1chain watch --no-accepted", page="run-control.md"))(ctl.watch)
app.command()(page.page)
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
