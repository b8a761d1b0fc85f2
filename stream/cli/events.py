"""`l1chain events`: what event files hold, single crossings in words, conversion between formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import events_show
from stream.cli.event_source import (
    Format,
    MenuOption,
    Pileup,
    Seed,
    Sources,
    Synthetic,
    format_named,
    loaded_menu,
    opened_source,
    progress,
)
from stream.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from triggers.events.source import SourceInfo
    from triggers.events.summary import SourceSummary
    from triggers.menu.model import Menu

_ROWS = 16_384

app = typer.Typer(no_args_is_help=True, help="Event files: what they hold, single crossings in words, conversion.")
app.command()(events_show.show)


@app.command()
def info(
    sources: Sources = None,
    menu: MenuOption = None,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Count what event files hold: crossings, columns, lumi sections, objects, expected bits; say what they lack.

    With a menu, also which of its algorithms look at what the files lack.
    """
    from dataclasses import asdict

    from triggers.events.summary import summarize

    loaded = loaded_menu(menu)
    source = opened_source(sources, format_, synthetic, seed, pileup, loaded)
    with progress("reading", source.info.n_crossings) as advance:
        summary = summarize(source, advance)
    about = source.info
    if as_json:
        of_menu = {} if loaded is None else {"menu": _menu_record(about, loaded)}
        lists = {"missing": about.missing, "lacking": about.lacking, "expected_names": about.expected_names}
        print_json({"source": about.name, "columns": _columns(about), **asdict(summary), **lists, **of_menu})
    else:
        lines = [_summary_text(about, summary)]
        if loaded is not None:
            lines += _menu_lines(about, loaded)
        typer.echo("\n".join(lines))


@app.command()
def convert(
    out: Annotated[
        Path,
        typer.Option("--out", help="The file to write: .parquet, .arrow, .txt, .txt.gz, .txt.xz, .root or .h5."),
    ],
    sources: Sources = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FORMAT", help="Format to write, such as open_data. Default: the suffix tells."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Leave out an optional column (may be repeated).")
    ] = None,
    menu: MenuOption = None,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Write crossings in another format; the file appears when it is complete."""
    from triggers.errors import UnknownName
    from triggers.events.formats import output_format
    from triggers.events.held import not_held
    from triggers.events.summary import decided_rows
    from triggers.events.writers import event_writer

    written = format_named(to, "--to") or output_format(out)
    source = opened_source(sources, format_, synthetic, seed, pileup, loaded_menu(menu))
    about = source.info
    for name in without or []:
        if name not in about.optional_columns:
            raise UnknownName("--without", "optional column", name, about.optional_columns)
    kept = tuple(name for name in about.optional_columns if name not in (without or []))
    n_crossings = 0
    with event_writer(out, kept, written, about) as writer, progress("writing", about.n_crossings) as advance:
        for batch in source.batches(_ROWS):
            decided = decided_rows(batch)
            n_crossings += int(decided.sum())
            # Without the column that tells them, context rows would be taken for crossings.
            context_is_told = "context" in kept or decided.all()
            writer.write(batch if context_is_told else batch.filter(decided))
            advance(batch.num_rows)
    lost = not_held(written, kept)
    if as_json:
        print_json({"out": str(out), "crossings": n_crossings, "bytes": out.stat().st_size, "not_held": lost})
    else:
        typer.echo(f"wrote {out}: {n_crossings:,} crossings, {out.stat().st_size / 1e6:,.1f} MB")
        for sentence in lost:
            typer.echo(f"  not held: {sentence}")


def _columns(about: SourceInfo) -> list[str]:
    from triggers.events.schema import schema_with

    return list(schema_with(about.optional_columns).names)


def _menu_record(about: SourceInfo, menu: Menu) -> dict[str, Any]:
    """What of a menu cannot be evaluated, or compared, on a source."""
    from triggers.menu.lacking import lacking_of_menu

    unknown = [name for name in about.expected_names if menu.algorithm(name) is None]
    return {"name": menu.name, "look_at_lacking": lacking_of_menu(menu, about.lacking), "not_in_menu": unknown}


def _menu_lines(about: SourceInfo, menu: Menu) -> list[str]:
    """The same for people, algorithms grouped by what they look at."""
    record = _menu_record(about, menu)
    by_parts: dict[str, list[str]] = {}
    for name, parts in record["look_at_lacking"].items():
        by_parts.setdefault(", ".join(parts), []).append(name)
    n = len(record["look_at_lacking"])
    lines = [f"  {menu.name}: {n} of {len(menu.algorithms)} algorithms look at what is not known, which is zero"]
    lines += [f"    {parts} ({len(names)}): {', '.join(names)}" for parts, names in by_parts.items()]
    if record["not_in_menu"]:
        lines.append(f"  seeds that the menu does not have: {', '.join(record['not_in_menu'])}")
    return lines


def _summary_text(about: SourceInfo, summary: SourceSummary) -> str:
    optional = ", ".join(about.optional_columns) or "none"
    runs = f"{summary.runs[0]} to {summary.runs[-1]}" if len(summary.runs) > 1 else "".join(map(str, summary.runs))
    lines = [
        about.name,
        f"  crossings          {summary.n_crossings:,} (and {summary.n_context_rows:,} context rows)",
        f"  with neighbours    {summary.n_with_neighbours:,} have both the previous and the next slot",
        f"  lumi sections      {summary.n_lumi_sections:,} (run {runs or '–'})",
        f"  optional columns   {optional}",
        f"  expected bits      {_expected_text(about, summary)}",
        "  objects            mean  greatest number",
    ]
    lines += [f"    {name:<12}{m.mean:11.2f}{m.greatest:17}" for name, m in summary.multiplicities.items()]
    lines += [f"  not told: {sentence}" for sentence in about.missing]
    return "\n".join(lines)


def _expected_text(about: SourceInfo, summary: SourceSummary) -> str:
    if "expected" not in about.optional_columns:
        return "not known"
    known = f"{summary.n_algorithms_known} algorithms known, {summary.n_algorithms_set} fire"
    return f"{known}; {summary.n_expected_or:,} crossings have at least one"
