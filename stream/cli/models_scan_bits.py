"""`l1chain models scan-bits`: how many bits an autoencoder of the ADC2021 challenge needs (`docs/adc2021.md`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.models_options import BackgroundOption, opened, opened_signals
from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    import pyarrow as pa

    from models.zoo.adc2021 import Adc2021
    from models.zoo.bit_scan import ScanPoint
    from triggers.events.source import Source, SourceInfo

_TABLE = "scan.csv"
_PLOT = "scan.svg"
_WEIGHT = "weight"


class _Unweighted:
    """A source without its weights."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self._source.batches(n_rows):
            yield batch.drop_columns([_WEIGHT]) if _WEIGHT in batch.schema.names else batch


def scan_bits(
    system: Annotated[
        str, typer.Argument(metavar="NAME", help="adc2021_dense_ae, …_dense_vae, …_conv_ae, …_conv_vae.")
    ],
    data: Annotated[list[str], typer.Option("--data", metavar="FILE", help="Zero bias to train on.")],
    background: BackgroundOption,
    signals: Annotated[
        list[str], typer.Option("--signals", metavar="NAME=FILE", help="A signal by name; any number of times.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and the plot.")],
    bits: Annotated[str, typer.Option(help="Numbers of bits, such as 2-16 or 4,6,8.")] = "2-16",
    false_positives: Annotated[str, typer.Option(help="Parts of the background that are selected.")] = "1e-5",
    ignore_weights: Annotated[
        bool, typer.Option("--ignore-weights", help="Take each crossing once, so that rare ones stay frequent.")
    ] = False,
    crossings: Annotated[
        int, typer.Option(min=1, help="Train on at most so many that pass the preselection.")
    ] = 500_000,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the crossings.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the trainings.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train in float and in each number of bits; AUC and true positive rate relative to float, by score and signal.

    All crossings pass the preselection of the data set first: an e/γ or muon above 23 GeV.
    """
    from models.evaluation_networks import read_inputs
    from models.evaluation_tables import write_csv
    from models.training.settings import TrainingSettings
    from models.training.train import prepared
    from models.zoo.bit_scan import ScanSamples
    from models.zoo.bit_scan import scan_bits as scanned
    from models.zoo.bit_scan_plot import write_plot
    from stream.errors import FolderUnwritable

    parts, numbers, recipe = _fractions(false_positives), _numbers(bits), _recipe(system)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderUnwritable(out, f"cannot be made ({error.strerror})") from error
    read = _Unweighted if ignore_weights else lambda source: source
    sources = {"": opened(background, None), **opened_signals(signals, None)}
    inputs = {name: read_inputs(read(source), recipe.layout).inputs for name, source in sources.items()}
    kept = {name: rows[recipe.accepted(rows)] for name, rows in inputs.items()}
    samples = ScanSamples(kept.pop(""), kept, parts)
    settings = TrainingSettings(crossings=crossings, epochs=epochs, seed=seed)
    trained_on = prepared(recipe, read(opened(data, None)), settings)
    points = scanned(recipe, trained_on, samples, settings, numbers, _tell)
    rows = [point.as_row() for point in points]
    write_csv(rows, out / _TABLE)
    write_plot(points, system, out / _PLOT)
    counts = {"trained_on": len(trained_on.inputs), "background": len(samples.background)}
    counts |= {name: len(found) for name, found in samples.signals.items()}
    if as_json:
        print_json({"system": system, "crossings": counts, "points": rows, "out": str(out)})
        return
    _show(rows)
    told = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    console().print(f"crossings after the preselection: {told}; {out}/{_TABLE}, {_PLOT}", soft_wrap=True)


def _recipe(system: str) -> Adc2021:
    from models.zoo import recipe
    from models.zoo.adc2021 import Adc2021
    from triggers.errors import BadValue

    found = recipe(system)
    if not isinstance(found, Adc2021):
        raise BadValue("models scan-bits", f"{system} is not scanned", "name one of the adc2021_* systems")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    """Numbers of bits, of `2-16` or `4,6,8`."""
    from models.zoo.bit_scan import ALL_BITS
    from triggers.errors import BadValue

    first, dash, last = text.partition("-")
    try:
        found = range(int(first), int(last) + 1) if dash else [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not set(found) <= set(ALL_BITS):
        raise BadValue("--bits", f"'{text}' is no list of numbers of bits", "write e.g. 2-16 or 4,6,8, from 2 to 16")
    return tuple(found)


def _fractions(text: str) -> tuple[float, ...]:
    from triggers.errors import BadValue

    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < part < 1 for part in found):
        raise BadValue("--false-positives", f"'{text}' is no list of parts", "write e.g. 1e-5 or 1e-5,1e-4")
    return found


def _tell(points: Sequence[ScanPoint]) -> None:
    """A line for each training."""
    means = sum(point.auc_ratio for point in points) / len(points)
    typer.echo(f"{points[0].bits or 'float'}: mean AUC relative to float {means:.4f}", err=True)


def _show(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console().print(table)
