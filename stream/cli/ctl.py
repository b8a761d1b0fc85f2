"""`l1chain ctl`: commands to a running chain; `l1chain watch`: its decisions as they fall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli import ctl_models
from stream.cli.ctl_budgets import budget_app, show_budgets
from stream.cli.ctl_options import AtOption, RunOption, ask, change, remote, tell
from stream.cli.manual import ending
from stream.cli.output import JsonOption, console, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="Tell a running chain what to do.",
    epilog=ending(
        "l1chain ctl status",
        "l1chain ctl prescale emergency --at next",
        "l1chain ctl swap axol1tl v5 --run live/run-20260101-120000",
        "l1chain ctl --connect host:5560 --as operator stop",
        page="run-control.md",
    ),
)
app.command()(ctl_models.swap)
app.command()(ctl_models.rollback)
app.command()(ctl_models.promote)
app.add_typer(ctl_models.shadow_app, name="shadow")
app.add_typer(budget_app, name="budget")


@app.callback()
def connect(
    to: Annotated[
        str | None, typer.Option("--connect", metavar="HOST:PORT", help="A run on another host (security.commands).")
    ] = None,
    keys: Annotated[Path, typer.Option(metavar="DIR", help="Folder of keys, with --connect.")] = Path("keys"),
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Key to use, with --connect.")] = "operator",
) -> None:
    """Tell a running chain what to do."""
    remote.set(None if to is None else (to, keys, name))


@app.command()
def status(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show how far a run is, and how its services are."""
    result = ask(run, "status")
    if as_json:
        print_json(result)
        return
    line = "{state}, lumi section {lumi_section}: produced {produced:,}, decided {decided:,}, accepted {accepted:,}"
    console().print(line.format(**result), highlight=False)
    if result["hlt"]:
        line = (
            "after the L1 accept: scored {scored:,}, passed {passed:,}, accepted {accepted:,} ({accepted_hz:,.1f} Hz)"
        )
        console().print(line.format(**result["hlt"]), highlight=False)
    if result["problem"]:
        console().print(f"it waits: {result['problem']}", style="yellow", markup=False)
    for name, service in result["services"].items():
        state = "runs" if service["ready"] else "starts"
        console().print(f"  {name}: {state}, process {service['pid'] or 'shared'}", highlight=False, markup=False)
    show_budgets(result["budgets"])
    for agreed in result["changes"]:
        values = agreed["arguments"].values()
        arguments = ", ".join(str(value["version"] if isinstance(value, dict) else value) for value in values)
        console().print(f"  {agreed['kind']} {arguments} from lumi section {agreed['lumi_section']}", markup=False)


@app.command()
def pause(at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Make no crossings from a lumi section on, until `resume`."""
    change(run, "pause", {}, at, as_json, "the run pauses before lumi section {lumi_section}")


@app.command()
def resume(run: RunOption = None, as_json: JsonOption = False) -> None:
    """End all pauses."""
    tell(ask(run, "resume"), as_json, "the run goes on with lumi section {lumi_section}")


@app.command()
def stop(
    at: Annotated[
        str | None, typer.Option("--at", metavar="LUMI|next", help="Lumi section to end before. [default: at once]")
    ] = None,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a run; everything that was produced is decided and written."""
    if at is None:
        tell(ask(run, "stop"), as_json, "the run ends")
    else:
        change(run, "stop", {}, at, as_json, "the run ends before lumi section {lumi_section}")


@app.command()
def prescale(
    column: Annotated[str, typer.Argument(help="Column of the run's prescale table.")],
    at: AtOption = "next",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the prescale column."""
    change(run, "prescale", {"column": column}, at, as_json, f"{column} holds from lumi section {{lumi_section}}")


@app.command("emergency-off")
def emergency_off(at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Leave all algorithms on networks' scores out of the final OR."""
    change(
        run, "emergency-off", {}, at, as_json, "all algorithms on scores are masked from lumi section {lumi_section}"
    )


@app.command()
def mask(
    algorithm: Annotated[str, typer.Argument(help="Algorithm or group of the menu.")],
    at: AtOption = "next",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave an algorithm out of the final OR."""
    text = f"{algorithm} is masked from lumi section {{lumi_section}}"
    change(run, "mask", {"algorithm": algorithm}, at, as_json, text)


@app.command()
def unmask(
    algorithm: Annotated[str, typer.Argument(help="Algorithm or group of the menu.")],
    at: AtOption = "next",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an algorithm back into the final OR."""
    text = f"{algorithm} counts from lumi section {{lumi_section}}"
    change(run, "unmask", {"algorithm": algorithm}, at, as_json, text)


def watch(
    run: RunOption = None,
    accepted: Annotated[bool, typer.Option(help="Show each accepted crossing, not only lumi sections.")] = True,
    to: Annotated[
        str | None, typer.Option("--connect", metavar="HOST:PORT", help="A run on another host (security.commands).")
    ] = None,
    keys: Annotated[Path, typer.Option(metavar="DIR", help="Folder of keys, with --connect.")] = Path("keys"),
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Key to use, with --connect.")] = "watcher",
    as_json: JsonOption = False,
) -> None:
    """Show accepted crossings and lumi sections of a run, as they are committed, until it ends.

    A watcher never slows a run: one that does not keep up misses some. A run on another host is asked with a key that
    has the right `read`, and has to have `security.watch` set.
    """
    from stream.run.control_client import Client, find_run
    from stream.run.watch import follow_run

    client = find_run(run) if to is None else Client.remote(to, keys, name)
    for line in follow_run(client, accepted):
        if as_json:
            print_json(line.as_json())
        else:
            console().print(str(line), highlight=False, markup=False, soft_wrap=True)
