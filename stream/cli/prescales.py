"""`l1chain prescales suggest`: a prescale column for a target rate."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from stream.run.offline import OfflineMenu
    from triggers.decision.prescales import PrescaleTable
    from triggers.menu.model import Menu
    from triggers.studies.prescale_suggestion import Suggestion

app = typer.Typer(no_args_is_help=True, help="Prescale columns.")
_MOST_LINES = 20


@app.callback()
def prescales() -> None:
    """Prescale columns."""


@app.command("suggest")
def suggest(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Zero-bias crossings.")],
    menu: Annotated[str, typer.Option("--menu", help="The menu.")],
    table: Annotated[str, typer.Option("--prescales", help="Prescale table (CSV) to begin with.")],
    column: Annotated[str, typer.Option("--column", help="Column to begin with.")],
    target_rate_hz: Annotated[float, typer.Option("--target-rate-hz", min=0, help="Total rate to reach.")],
    protect: Annotated[
        list[str] | None, typer.Option("--protect", metavar="PATTERN", help="Algorithms that keep their prescale.")
    ] = None,
    bunches: Annotated[int, typer.Option(min=1, max=3564, help="Colliding bunches.")] = 2544,
    target_luminosity: Annotated[float | None, typer.Option(help="Scale rates to it (in cm⁻² s⁻¹).")] = None,
    luminosity: Annotated[float | None, typer.Option(help="The source's own; else from its pile-up.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of model versions.")] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the new column.")] = "suggested",
    out: Annotated[Path | None, typer.Option("--out", help="Write the table with the new column here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a column for a total rate, from what fires in a source."""
    from models.repository import open_repository
    from stream.run.offline import OfflineMenu
    from stream.run.prescale_suggestion import count_patterns, fired_patterns, write_with_column
    from stream.run.replay_source import Samples
    from triggers.decision.prescales import INCREMENT, read_prescales
    from triggers.menu.load import load_menu
    from triggers.shipped import find_file
    from triggers.studies import prescale_suggestion
    from triggers.studies.normalisation import from_bunches, luminosity_scale

    loaded = load_menu(menu)
    base = read_prescales(find_file(table, role="prescale table"))
    factors = _base_factors(loaded, base, column, INCREMENT)
    protected = _protected(loaded, protect or [])
    offline = OfflineMenu(loaded, open_repository(models))
    weights, total, pileup = count_patterns(offline, Samples(sources))
    scale = None if target_luminosity is None else luminosity_scale(target_luminosity, luminosity, pileup, bunches)
    normalisation = from_bunches(total, bunches, 1.0 if scale is None else scale.factor)
    fired = fired_patterns(loaded, weights, normalisation.hz_per_weight)
    found = prescale_suggestion.suggest(fired, factors, protected, target_rate_hz)
    if out is not None:
        write_with_column(out, loaded, base, name, found)
    sentences = [*normalisation.sentences, *([] if scale is None else [scale.sentence])]
    if as_json:
        print_json(_as_json(found, sentences, offline))
    else:
        _print(found, factors, sentences, out)


def _base_factors(menu: Menu, table: PrescaleTable, column: str, one: int) -> dict[str, int]:
    """The factors of the column; algorithms without a row have prescale 1, as in `l1chain replay`."""
    lacking = table.lacking(menu.algorithms)
    by_index = table.factors(column, [a for a in menu.algorithms if a not in lacking])
    return {a.name: one if a in lacking else int(by_index[a.index]) for a in menu.algorithms}


def _protected(menu: Menu, patterns: list[str]) -> frozenset[str]:
    from triggers.errors import UnknownName

    names = [algorithm.name for algorithm in menu.algorithms]
    chosen: set[str] = set()
    for pattern in patterns:
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise UnknownName("--protect", "algorithm or pattern", pattern, names)
        chosen.update(found)
    return frozenset(chosen)


def _as_json(found: Suggestion, sentences: list[str], offline: OfflineMenu) -> dict[str, object]:
    return {
        "total_hz": found.total_hz,
        "base_hz": found.base_hz,
        "multiplier": found.multiplier,
        "prescales": {name: factor / 100 for name, factor in found.factors.items()},
        "rates_hz": dict(found.rates_hz),
        "not_evaluated": sorted(offline.evaluator.not_evaluated),
        "assumptions": sentences,
    }


def _print(found: Suggestion, before: dict[str, int], sentences: list[str], out: Path | None) -> None:
    from rich.table import Table

    table = Table("algorithm", "prescale before", "suggested", "rate [Hz]")
    by_rate = sorted(found.rates_hz, key=lambda name: -found.rates_hz[name])
    for name in by_rate[:_MOST_LINES]:
        table.add_row(name, f"{before[name] / 100:g}", f"{found.factors[name] / 100:g}", f"{found.rates_hz[name]:,.0f}")
    shown = console()
    shown.print(table)
    shown.print(f"Total: {found.total_hz:,.0f} Hz (with the column to begin with: {found.base_hz:,.0f} Hz).")
    for sentence in sentences:
        shown.print(sentence, markup=False)
    if out is not None:
        shown.print(f"Written: {out}", markup=False)
