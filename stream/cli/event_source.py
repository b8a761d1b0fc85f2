"""What the `l1chain events` commands share: the options that name a source, and the source they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.output import progress_bar

if TYPE_CHECKING:
    from triggers.events.formats import SourceFormat
    from triggers.events.source import Source
    from triggers.menu.model import Menu

EVENT_FILES = (
    "Event files or patterns: Parquet, Arrow IPC, test vectors, open data set, L1 ntuples, NanoAOD, ADC2021 "
    "(docs/formats.md); `shipped:samples/zero-bias.parquet` is one."
)
Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help=EVENT_FILES,
        show_default=False,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Format of the files: test_vector, parquet, arrow, open_data, l1_ntuple, l1_ntuple_emulated, nanoaod or "
        "adc2021. Default: their content tells.",
    ),
]
Synthetic = Annotated[
    int | None,
    typer.Option("--synthetic", metavar="N", min=1, help="N synthetic zero-bias crossings instead of files."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the synthetic crossings: the same seed, the same crossings.")]
Pileup = Annotated[float, typer.Option(min=0.0, help="Mean pile-up of the synthetic crossings.")]
MenuOption = Annotated[
    str | None,
    typer.Option("--menu", metavar="MENU", help="Trigger menu: gives decisions that are known by name their bits."),
]


def opened_source(
    sources: list[str] | None,
    format_: str | None,
    synthetic: int | None,
    seed: int,
    pileup: float,
    menu: Menu | None = None,
) -> Source:
    """The source that the arguments mean: files, or a generator."""
    from triggers.errors import BadValue
    from triggers.events.open import open_source

    if synthetic is not None:
        if sources:
            raise BadValue("--synthetic", f"does not go with files ({sources[0]})", "give files or --synthetic")
        from triggers.events.synthetic import SyntheticSource

        return SyntheticSource(synthetic, seed, pileup)
    if not sources:
        raise BadValue("SOURCE", "no event file is named", "name files, or generate crossings with --synthetic N")
    algorithms = None if menu is None else {algorithm.name: algorithm.index for algorithm in menu.algorithms}
    return open_source(sources, format_named(format_, "--format"), algorithms)


def format_named(name: str | None, option: str) -> SourceFormat | None:
    """The format that an option names."""
    from triggers.errors import UnknownName
    from triggers.events.formats import SourceFormat

    if name is not None and name not in list(SourceFormat):
        raise UnknownName(option, "format", name, list(SourceFormat))
    return None if name is None else SourceFormat(name)


def loaded_menu(path: str | None) -> Menu | None:
    """The menu that an option names, if it names one."""
    from triggers.menu.load import load_menu

    return None if path is None else load_menu(path)


@contextmanager
def progress(task: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of rows done."""
    with progress_bar() as bar:
        number = bar.add_task(task, total=total)
        yield lambda n: bar.advance(number, n)
