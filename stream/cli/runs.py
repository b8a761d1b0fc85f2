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
