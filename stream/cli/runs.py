"""`l1chain runs`: the runs on disk, and their removal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from stream.run.retention import KeptRun

_MB = 1e6

app = typer.Typer(no_args_is_help=True, help="The runs on disk: list them, and remove old ones.")
OutOption = Annotated[Path, typer.Option(help="Folder of the runs (run.out).")]


@app.command("list")
def list_runs(out: OutOption = Path("runs"), as_json: JsonOption = False) -> None:
    """List the runs of a folder, the latest first: state, menu, crossings, size."""
    from stream.run.retention import runs_in

    _show(runs_in(out), as_json, f"Runs in {out}")


@app.command()
def prune(
    out: OutOption = Path("runs"),
    keep_runs: Annotated[int | None, typer.Option(min=0, help="How many runs may stay.")] = None,
    keep_mb: Annotated[float | None, typer.Option(min=0, help="What they may take together, in 10^6 bytes.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the oldest ended runs until the rest is within the limits.

    Runs that are running or can be resumed are never removed, but count. `run.keep` in a configuration does the same at
    the end of each run.
    """
    from stream.run.retention import remove, runs_in, surplus
    from triggers.errors import BadValue

    if keep_runs is None and keep_mb is None:
        raise BadValue("runs prune", "no limit", "give --keep-runs, --keep-mb or both")
    chosen = surplus(runs_in(out), keep_runs, None if keep_mb is None else int(keep_mb * _MB))
    if not dry_run:
        remove(chosen)
    _show(chosen, as_json, "Would be removed" if dry_run else "Removed")


@app.command()
def hlt(
    run: Annotated[Path, typer.Argument(help="Folder of a run that has ended.")],
    model: Annotated[str | None, typer.Option(metavar="NAME/VERSION", help="Instead of the run's own.")] = None,
    threshold: Annotated[int | None, typer.Option(min=0, help="Instead of the run's own.")] = None,
    rate_hz: Annotated[float | None, typer.Option(min=0, help="Instead of the run's own, else 10.")] = None,
    burst: Annotated[float | None, typer.Option(min=1, help="Instead of the run's own, else 8.")] = None,
    find: Annotated[bool, typer.Option("--find-threshold", help="Find the threshold for the rate.")] = False,
    repository: Annotated[Path | None, typer.Option(help="Folder of model versions.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide the L1-accepted crossings of a run again by the stage after the L1 accept, and compare."""
    from models.repository import open_repository
    from stream.run.finished import read_ended_run
    from stream.run.hlt_replay import HltChoice, replay_hlt

    choice = HltChoice(model, threshold, rate_hz, burst, find)
    result = replay_hlt(read_ended_run(run), choice, open_repository(repository)).as_json()
    if as_json:
        print_json(result)
        return
    line = (
        "{model}, threshold {threshold:,}, {rate_hz:g} Hz: scored {scored:,}, passed {passed:,}, "
        "accepted {accepted:,} ({accepted_hz:,.2f} ± {accepted_error_hz:,.2f} Hz)"
    )
    console().print(line.format(**result), highlight=False, soft_wrap=True)
    if result["differing"] is not None:
        console().print(f"differing from the run's own record: {result['differing']:,}", highlight=False)


def _show(runs: list[KeptRun], as_json: bool, title: str) -> None:
    rows = [_row(kept) for kept in runs]
    if as_json:
        print_json({"runs": rows})
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("run", no_wrap=True)
    for column in ("state", "menu"):
        table.add_column(column)
    for column in ("crossings", "MB"):
        table.add_column(column, justify="right")
    for row in rows:
        crossings = "–" if row["decided"] is None else f"{row['decided']:,}"
        table.add_row(Path(row["folder"]).name, row["state"], row["menu"], crossings, f"{row['bytes'] / _MB:,.1f}")
    console().print(table)


def _row(kept: KeptRun) -> dict[str, Any]:
    record = kept.run.record
    return {
        "folder": str(kept.run.folder),
        "state": kept.state,
        "started": record["started"],
        "menu": record["menu"]["name"],
        "decided": record.get("decided"),
        "bytes": kept.bytes,
    }
