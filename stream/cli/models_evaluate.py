"""`l1chain models evaluate`: what versions are worth on simulated crossings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.model_versions import RepositoryOption
from stream.cli.models_options import (
    DEFAULT_BUNCHES,
    BackgroundOption,
    BunchesOption,
    ColumnOption,
    MenuOption,
    PrescalesOption,
    SignalsOption,
    cut_based_menu,
    opened,
    opened_signals,
    rates_hz,
)
from stream.cli.output import JsonOption, console, print_json, progress_bar

if TYPE_CHECKING:
    from models.evaluation_result import Evaluation
    from models.evaluation_scorers import Arithmetic


def evaluate(
    versions: Annotated[list[str], typer.Argument(metavar="NAME/VERSION...", help="Versions to compare.")],
    background: BackgroundOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for tables and report; it must not hold anything yet.")],
    signals: SignalsOption = None,
    menu: MenuOption = None,
    prescales: PrescalesOption = None,
    column: ColumnOption = None,
    colliding_bunches: BunchesOption = DEFAULT_BUNCHES,
    rates: Annotated[str, typer.Option("--rates-hz", help="Rates at which efficiencies are stated.")] = (
        "250,500,1000,5000"
    ),
    arithmetic: Annotated[
        str, typer.Option(help="Columns of each version: fixed, float, csim (which compiles for seconds).")
    ] = "fixed,float,csim",
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare versions: efficiencies at equal rates, AUC, what rates depend on, float against fixed point and C-sim.

    Writes one HTML report that needs no network, CSV tables and evaluation.json.
    """
    from models.evaluation import evaluate as evaluated
    from models.evaluation_report import write_report
    from models.evaluation_result import Options
    from models.evaluation_scorers import scorers
    from models.evaluation_tables import finite, summary
    from models.repository import open_repository, parse_label
    from stream.run.replay_files import output_folder

    opened_repository = open_repository(repository)
    cut_based = cut_based_menu(menu, prescales, column)
    options = Options(rates_hz(rates, "--rates-hz"), colliding_bunches, cut_based)
    wanted = _arithmetics(arithmetic)
    zero_bias, by_name = opened(background, cut_based), opened_signals(signals, cut_based)
    loaded = {v.label: v for v in (opened_repository.load(*parse_label(label)) for label in versions)}
    with output_folder(out) as folder, progress_bar() as bar:
        task = bar.add_task("opening backends", total=None)
        columns = [scorer for version in loaded.values() for scorer in scorers(version, wanted)]

        def advance(name: str, rows: int) -> None:
            bar.update(task, description=f"scoring {name}", advance=rows)

        result = evaluated(columns, zero_bias, by_name, options, advance)
        bar.update(task, description="writing tables and report")
        write_report(result, folder)
    if as_json:
        print_json({**finite(summary(result)), "out": str(out)})
    else:
        print_evaluation(result)
        console().print(f"report: {out}/report.html", highlight=False, soft_wrap=True)


def print_evaluation(result: Evaluation) -> None:
    """Thresholds, efficiencies at all rates, warnings; of the fixed-point columns, which are what the menu sees."""
    from rich.table import Table

    from models.evaluation_scorers import Arithmetic
    from triggers.studies.html import rate_text

    names = [
        scorer.name for scorer in result.scorers if scorer.arithmetic is Arithmetic.FIXED or len(result.scorers) == 1
    ]

    out = console()
    rates = Table("column", "rate", "target", "score at least", "reached", "effective above")
    for point in (point for point in result.rates if point.scorer in names):
        reached = rate_text(point.rate_hz, point.rate_error_hz)
        rates.add_row(
            point.scorer,
            point.kind,
            rate_text(point.target_hz),
            f"{point.threshold:.8g}",
            reached,
            f"{point.effective:,.0f}",
        )
    out.print(rates)
    if result.efficiencies:
        table = Table("signal", "rate", "target", *names)
        for row in dict.fromkeys((e.signal, e.kind, e.target_hz) for e in result.efficiencies):
            found = [result.efficiency(name, *row) for name in names]
            cells = (f"{100 * e.efficiency:.2f} ± {100 * e.error:.2f} %" for e in found)
            table.add_row(row[0], row[1], rate_text(row[2]), *cells)
        out.print(table)
    for sentence in (*result.warnings, *(f"{c.label}, {c.arithmetic}: {c.why}" for c in result.left_out)):
        out.print(sentence, style="yellow", markup=False, soft_wrap=True)


def _arithmetics(text: str) -> list[Arithmetic]:
    from models.evaluation_scorers import Arithmetic
    from triggers.errors import UnknownName

    names: list[Any] = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in list(Arithmetic):
            raise UnknownName("--arithmetic", "arithmetic", name, Arithmetic)
    return [Arithmetic(name) for name in names]
