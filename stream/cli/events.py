"""`l1chain events`: what event files hold, single crossings in words, conversion between formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.output import JsonOption, print_json, progress_bar

if TYPE_CHECKING:
    import pyarrow as pa

    from triggers.events.source import Source, SourceInfo
    from triggers.events.summary import SourceSummary

_ROWS = 16_384

app = typer.Typer(no_args_is_help=True, help="Event files: what they hold, single crossings in words, conversion.")

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="Event files or patterns: test vectors (.txt, .txt.gz, .txt.xz), Parquet, Arrow IPC.",
        show_default=False,
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Format of the files: test_vector, parquet or arrow. Default: their content tells."),
]
Synthetic = Annotated[
    int | None,
    typer.Option("--synthetic", metavar="N", min=1, help="N synthetic zero-bias crossings instead of files."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the synthetic crossings: the same seed, the same crossings.")]
Pileup = Annotated[float, typer.Option(min=0.0, help="Mean pile-up of the synthetic crossings.")]


@app.command()
def info(
    sources: Sources = None,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Count what event files hold: crossings, columns, lumi sections, objects, expected bits."""
    from dataclasses import asdict

    from triggers.events.summary import summarize

    source = _open(sources, format_, synthetic, seed, pileup)
    with _progress("reading", source.info.n_crossings) as advance:
        summary = summarize(source, advance)
    if as_json:
        about = source.info
        print_json({"source": about.name, "columns": _columns(about), **asdict(summary), "missing": about.missing})
    else:
        typer.echo(_summary_text(source.info, summary))


@app.command()
def show(
    sources: Sources = None,
    crossing: Annotated[int, typer.Option(min=0, help="The first crossing to show, counted from 0.")] = 0,
    first: Annotated[int, typer.Option(min=1, help="How many crossings to show.")] = 1,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Print crossings in physical units: objects, sums, external channels, expected algorithms.

    Energies are lower bin edges, which thresholds compare; eta and phi are bin centres.
    """
    from itertools import islice

    from triggers.errors import BadValue
    from triggers.events.show import crossing_record, crossing_text

    source = _open(sources, format_, synthetic, seed, pileup)
    chosen = islice(_decided(source), crossing, crossing + first)
    records = [crossing_record(batch, row) for batch, row in chosen]
    if not records:
        what = f"there is no crossing {crossing}"
        raise BadValue(source.info.name, what, f"choose one from 0 to {_count(source) - 1}")
    if as_json:
        print_json({"crossings": [{"number": crossing + i, **record} for i, record in enumerate(records)]})
    else:
        typer.echo("\n".join(crossing_text(record, crossing + i) for i, record in enumerate(records)), nl=False)


@app.command()
def convert(
    out: Annotated[Path, typer.Option("--out", help="The file to write: .parquet, .arrow, .txt, .txt.gz or .txt.xz.")],
    sources: Sources = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave out an optional column (may be repeated).")] = None,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Write crossings in another format; the file appears when it is complete."""
    from triggers.errors import UnknownName
    from triggers.events.formats import output_format
    from triggers.events.summary import decided_rows
    from triggers.events.writers import event_writer, not_held

    source = _open(sources, format_, synthetic, seed, pileup)
    about = source.info
    for name in without or []:
        if name not in about.optional_columns:
            raise UnknownName("--without", "optional column", name, about.optional_columns)
    kept = tuple(name for name in about.optional_columns if name not in (without or []))
    n_crossings = 0
    with event_writer(out, kept) as writer, _progress("writing", about.n_crossings) as advance:
        for batch in source.batches(_ROWS):
            decided = decided_rows(batch)
            n_crossings += int(decided.sum())
            # Without the column that tells them, context rows would be taken for crossings.
            context_is_told = "context" in kept or decided.all()
            writer.write(batch if context_is_told else batch.filter(decided))
            advance(batch.num_rows)
    lost = not_held(output_format(out), kept)
    if as_json:
        print_json({"out": str(out), "crossings": n_crossings, "bytes": out.stat().st_size, "not_held": lost})
    else:
        typer.echo(f"wrote {out}: {n_crossings:,} crossings, {out.stat().st_size / 1e6:,.1f} MB")
        for sentence in lost:
            typer.echo(f"  not held: {sentence}")


def _open(sources: list[str] | None, format_: str | None, synthetic: int | None, seed: int, pileup: float) -> Source:
    """The source that the arguments mean: files, or a generator."""
    from triggers.errors import BadValue, UnknownName
    from triggers.events.formats import SourceFormat
    from triggers.events.open import open_source

    if synthetic is not None:
        if sources:
            raise BadValue("--synthetic", f"does not go with files ({sources[0]})", "give files or --synthetic")
        from triggers.events.synthetic import SyntheticSource

        return SyntheticSource(synthetic, seed, pileup)
    if not sources:
        raise BadValue("SOURCE", "no event file is named", "name files, or generate crossings with --synthetic N")
    if format_ is not None and format_ not in list(SourceFormat):
        raise UnknownName("--format", "format", format_, list(SourceFormat))
    return open_source(sources, None if format_ is None else SourceFormat(format_))


def _decided(source: Source) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batch and row of each decided crossing."""
    from triggers.events.summary import decided_rows

    for batch in source.batches(_ROWS):
        for row in decided_rows(batch).nonzero()[0]:
            yield batch, int(row)


def _count(source: Source) -> int:
    known = source.info.n_crossings
    return known if known is not None else sum(1 for _ in _decided(source))


@contextmanager
def _progress(task: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of rows done."""
    with progress_bar() as bar:
        number = bar.add_task(task, total=total)
        yield lambda n: bar.advance(number, n)


def _columns(about: SourceInfo) -> list[str]:
    from triggers.events.schema import schema_with

    return list(schema_with(about.optional_columns).names)


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
