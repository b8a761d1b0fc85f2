"""`l1chain events simulate` and `l1chain events validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.event_source import EVENT_FILES
from stream.cli.output import JsonOption, console, print_json, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from triggers.events.simulation.sample import Sample
    from triggers.events.simulation.validation import Comparison

_ROWS = 16_384


def simulate(
    process: Annotated[
        str | None,
        typer.Argument(
            help="Process: the name of a shipped one (--list), or the path of a process file.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write (.parquet, .arrow, .txt …); with --samples, a folder."),
    ] = None,
    crossings: Annotated[int | None, typer.Option(min=1, help="How many crossings.")] = None,
    pileup: Annotated[float, typer.Option(help="Mean number of inelastic interactions in a crossing.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same crossings.")] = 1,
    weighted: Annotated[bool, typer.Option(help="Zero bias: draw rare crossings more often, with weights.")] = False,
    regions: Annotated[bool, typer.Option(help="Write the calorimeter regions too.")] = True,
    interactions: Annotated[
        int | None, typer.Option(min=1, help="Limit on the pooled interactions of each component (for quick tries).")
    ] = None,
    samples: Annotated[str | None, typer.Option(help="Write all samples of this file instead.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Cores to use; else all.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the shipped processes and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate crossings: Pythia interactions, pile-up, detector, Level-1 objects.

    Interactions are generated once and kept in the user's cache; the first run of a process takes minutes.
    """
    from triggers.errors import BadValue

    if list_:
        _list_processes(as_json)
        return
    if out is None:
        raise BadValue("--out", "is missing", "name the file to write")
    if samples is not None:
        _write_samples(samples, out, workers, as_json)
        return
    if process is None:
        raise BadValue("PROCESS", "is missing", "name a process, or --samples FILE; --list shows the processes")
    if crossings is None:
        raise BadValue("--crossings", "is missing", "say how many crossings to simulate")
    from triggers.events.simulation.sample import Sample
    from triggers.strict_yaml import validated

    given = {
        "process": process,
        "crossings": crossings,
        "seed": seed,
        "pileup": pileup,
        "weighted": weighted,
        "regions": regions,
        "interactions": interactions,
    }
    record = _write(validated(given, "command line", Sample), out, workers)
    if as_json:
        print_json(record)
    else:
        typer.echo(_written(record))


def _list_processes(as_json: bool) -> None:
    from triggers.events.simulation.process import load_process, process_names

    found = {name: load_process(name)[1].description for name in process_names()}
    if as_json:
        print_json({"processes": found})
    else:
        width = max(map(len, found))
        typer.echo("\n".join(f"{name:<{width}}  {text}" for name, text in found.items()))


def _write_samples(samples: str, folder: Path, workers: int | None, as_json: bool) -> None:
    from stream.errors import FolderUnwritable
    from triggers.errors import FileExists
    from triggers.events.simulation.sample import load_samples

    found = load_samples(samples).samples
    for name in found:
        if (folder / name).exists():
            raise FileExists(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderUnwritable(folder, f"cannot be made ({error.strerror})") from error
    records = [_write(sample, folder / name, workers) for name, sample in found.items()]
    if as_json:
        print_json({"samples": records})
    else:
        typer.echo("\n".join(map(_written, records)))


def _write(sample: Sample, out: Path, workers: int | None) -> dict[str, Any]:
    from triggers.errors import FileExists
    from triggers.events.formats import output_format
    from triggers.events.held import not_held
    from triggers.events.simulation.simulator import Simulator
    from triggers.events.simulation.source import SimulatedSource
    from triggers.events.writers import event_writer

    format_ = output_format(out)
    if out.exists():
        raise FileExists(out)
    with progress_bar() as bar:

        def task(name: str, size: int) -> Callable[[int], None]:
            number = bar.add_task(name, total=size)
            return lambda done: bar.advance(number, done)

        simulator = Simulator.prepare(sample.process, interactions=sample.interactions, progress=task, workers=workers)
        source = SimulatedSource(sample, simulator, workers)
        advance = task(f"simulating {out.name}", sample.n_crossings)
        with event_writer(out, source.info.optional_columns, about=source.info) as writer:
            for batch in source.batches(_ROWS):
                writer.write(batch)
                advance(batch.num_rows)
    return {
        "out": str(out),
        "source": source.info.name,
        "crossings": sample.n_crossings,
        "bytes": out.stat().st_size,
        "not_held": not_held(format_, source.info.optional_columns),
    }


def _written(record: dict[str, Any]) -> str:
    size = f"{record['bytes'] / 1e6:,.1f} MB"
    text = f"wrote {record['out']}: {record['crossings']:,} crossings of {record['source']}, {size}"
    return "\n".join([text, *(f"  not held: {sentence}" for sentence in record["not_held"])])


def validate(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=EVENT_FILES)],
    rates: Annotated[Path, typer.Option(help="Measured rates (CSV: algorithm, pileup_mean, n_zero_bias, n_fired).")],
    menu: Annotated[
        str, typer.Option(help="Menu with the measured algorithms.")
    ] = "shipped:menus/validation-2018.yaml",
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Event files whose object spectra are shown beside those of SOURCE."),
    ] = None,
    pileup: Annotated[float | None, typer.Option(min=0.0, help="Mean pile-up, if SOURCE does not tell it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write an HTML report here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare crossings with measured L1 rates, and their objects with those of other crossings."""
    from triggers.events.open import open_source
    from triggers.events.simulation.rates_table import read_rates
    from triggers.events.simulation.spectra import spectra_of
    from triggers.events.simulation.validation import compare_rates
    from triggers.events.simulation.validation_report import Validation, write_report
    from triggers.menu.load import load_menu

    source = open_source(sources)
    measured, loaded = read_rates(rates), load_menu(menu)
    with progress_bar() as bar:

        def task(name: str, size: int | None) -> Callable[[int], None]:
            number = bar.add_task(name, total=size)
            return lambda done: bar.advance(number, done)

        rows = compare_rates(source, loaded, measured, pileup, task("comparing rates", source.info.n_crossings))
        spectra = None
        if reference:
            other = open_source(reference)
            spectra = (
                spectra_of(source, task("reading spectra", source.info.n_crossings)),
                spectra_of(other, task("reading the reference", other.info.n_crossings)),
            )
    result = Validation(source.info.name, ", ".join(reference or ()), str(rates), tuple(rows), spectra)
    if out is not None:
        write_report(result, out)
    if as_json:
        print_json({**result.record(), "report": None if out is None else str(out)})
    else:
        _print_validation(rows, result)


def _print_validation(rows: list[Comparison], result: Any) -> None:
    from rich.table import Table

    table = Table()
    table.add_column("algorithm", overflow="fold", min_width=24)
    for name in ("kind", "half", "pile-up", "measured", "simulated", "ratio", "distinct", "1.5", "3"):
        table.add_column(name)
    for row in rows:
        marks = ["yes" if row.within(factor) else "no" for factor in (1.5, 3.0)]
        cells = [
            f"{row.measured:.2e} ± {row.measured_error:.0e}",
            f"{row.simulated:.2e} ± {row.simulated_error:.0e}",
            f"{row.ratio:.2f} ± {row.ratio_error:.2f}",
            str(row.n_distinct),
        ]
        name = row.algorithm if row.judged else f"({row.algorithm})"
        table.add_row(name, row.kind, row.half, f"{row.pileup:.1f}", *cells, *marks)
    console().print(table)
    for sentence in result.sentences():
        typer.echo(sentence)
