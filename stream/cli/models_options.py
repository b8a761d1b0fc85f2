"""What `l1chain models evaluate|calibrate|retrain|tune` share: samples, the cut-based menu, versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pyarrow as pa

    from models.evaluation_menu import CutBasedMenu
    from models.zoo import TrainingConfig
    from triggers.events.source import Source, SourceInfo

BackgroundOption = Annotated[
    list[str], typer.Option("--background", metavar="FILE", help="Zero-bias crossings; any number of times.")
]
SignalsOption = Annotated[
    list[str] | None,
    typer.Option("--signals", metavar="NAME=FILE", help="A signal by name; again for others, or more files of it."),
]
MenuOption = Annotated[
    str | None, typer.Option("--menu", help="Cut-based menu beside which pure rates count; its AD seeds are left out.")
]
PrescalesOption = Annotated[str | None, typer.Option("--prescales", help="Prescale table (CSV) of that menu.")]
ColumnOption = Annotated[str | None, typer.Option("--column", help="Column of the prescale table.")]
BunchesOption = Annotated[
    int, typer.Option("--colliding-bunches", min=1, max=3564, help="Colliding bunches: rates follow.")
]
DEFAULT_BUNCHES = 2544


class _WithNeighbours:
    """A source whose batches have the neighbours of their crossings at both ends, as context."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from stream.services.batches import cut

        for block in cut(self._source.batches(n_rows), n_rows, neighbours=True):
            rows = block.rows
            names = [name for name in rows.schema.names if name != "context"]
            context = [False] * rows.num_rows if block.context is None else block.context
            yield rows.select(names).append_column("context", pa.array(context, pa.bool_()))


def opened(files: Sequence[str], menu: CutBasedMenu | None) -> Source:
    """A source of event files, whose batches have neighbours if the menu looks at them."""
    from triggers.events.open import open_source

    return with_neighbours(open_source(list(files)), menu)


def with_neighbours(source: Source, menu: CutBasedMenu | None) -> Source:
    """A source whose batches have neighbours as context, if the menu looks at them."""
    return _WithNeighbours(source) if menu is not None and menu.needs_neighbours else source


def opened_signals(texts: Sequence[str] | None, menu: CutBasedMenu | None) -> dict[str, Source]:
    """The signals that `--signals NAME=FILE` names; without a name, that of the file."""
    from triggers.errors import BadValue

    files: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, path = text.partition("=")
        if not equals:
            name, path = Path(text).stem, text
        if not name or not path:
            raise BadValue("--signals", f"'{text}' is no signal", "write NAME=FILE, such as tt=ttbar.parquet")
        files.setdefault(name, []).append(path)
    return {name: opened(paths, menu) for name, paths in files.items()}


def cut_based_menu(menu: str | None, prescales: str | None, column: str | None) -> CutBasedMenu | None:
    """The menu that the options name, if they name one."""
    if menu is None and prescales is None and column is None:
        return None
    from models.evaluation_menu import CutBasedMenu
    from triggers.decision.prescales import read_prescales
    from triggers.errors import BadValue
    from triggers.menu.load import load_menu
    from triggers.shipped import find_file

    if menu is None:
        raise BadValue("--prescales", "is without a menu", "name it with --menu")
    table = None if prescales is None else read_prescales(find_file(prescales, role="prescale table"))
    return CutBasedMenu.of(load_menu(menu), table, column)


def rates_hz(text: str, option: str) -> tuple[float, ...]:
    """Rates in a list such as `250,1000`, ascending."""
    from triggers.errors import BadValue

    try:
        rates = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate < float("inf") for rate in rates):
        raise BadValue(option, f"'{text}' is no list of rates", "write e.g. 250,1000 (in Hz)")
    return rates


def named_rates(text: str, option: str) -> dict[float, str]:
    """Working points by rate, of a list such as `nominal=500,1000`; without a name, `1000hz`."""
    from models.repository_changes import check_name
    from triggers.errors import BadValue

    names: dict[float, str] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        (rate,) = rates_hz(number, option)
        name = name or f"{rate:.10g}hz"
        check_name("working point", name)
        if rate in names or name in names.values():
            raise BadValue(option, f"'{part}' names a rate or working point again", "state each once")
        names[rate] = name
    return names


def training_config(system: str, config: str | None, use: str = "") -> TrainingConfig:
    """The training configuration of a system: that of a file, else the one that ships, else its recipe as it is.

    Args:
        system: name in the zoo.
        config: a file.
        use: what the name of the shipped one begins with.
    """
    from models.zoo import TrainingConfig, load_config
    from triggers.errors import BadValue
    from triggers.shipped import CONFIGS

    shipped = CONFIGS / "training" / f"{use}{system}.yaml"
    if config is None:
        return load_config(shipped) if shipped.is_file() else TrainingConfig(system=system)
    stated = load_config(config)
    if stated.system != system:
        raise BadValue("--config", f"is of the system {stated.system}, not of {system}", "name the same system")
    return stated
