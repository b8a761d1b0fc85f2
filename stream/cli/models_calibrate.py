"""`l1chain models calibrate`: target rates become working points of a new version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream.cli.model_versions import LabelArgument, RepositoryOption
from stream.cli.models_options import (
    DEFAULT_BUNCHES,
    BackgroundOption,
    BunchesOption,
    ColumnOption,
    MenuOption,
    PrescalesOption,
    cut_based_menu,
    named_rates,
    opened,
)
from stream.cli.output import JsonOption, console, print_json, progress_bar


def calibrate(
    model: LabelArgument,
    background: BackgroundOption,
    target_rates_hz: Annotated[
        str,
        typer.Option("--target-rates-hz", metavar="[NAME=]HZ,…", help="Rates, such as nominal=500,1000."),
    ],
    version: Annotated[str, typer.Option("--version", help="Name of the new version: versions never change.")],
    pure: Annotated[bool, typer.Option("--pure", help="Rates that --menu does not keep anyway.")] = False,
    menu: MenuOption = None,
    prescales: PrescalesOption = None,
    column: ColumnOption = None,
    colliding_bunches: BunchesOption = DEFAULT_BUNCHES,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find thresholds for rates on zero bias, and write them into a new version as its working points."""
    from models.evaluation import rate_points
    from models.evaluation_calibration import (
        add_calibrated,
        calibrated_points,
        check_known,
        check_reachable,
        weighted_distribution,
    )
    from models.evaluation_result import LEAST_EFFECTIVE, Options, RateKind
    from models.evaluation_sample import score_sample
    from models.evaluation_scorers import Arithmetic, Scorer, scorers
    from models.repository import open_repository, parse_label
    from models.repository_changes import check_free
    from triggers.errors import BadValue

    if pure and menu is None:
        raise BadValue("--pure", "is without a menu", "name it with --menu")
    opened_repository = open_repository(repository)
    loaded = opened_repository.load(*parse_label(model))
    check_free(opened_repository, loaded.manifest.name, version)
    cut_based = cut_based_menu(menu, prescales, column)
    names = named_rates(target_rates_hz, "--target-rates-hz")
    options = Options(tuple(names), colliding_bunches, cut_based)
    columns = [scorer for scorer in scorers(loaded, [Arithmetic.FIXED]) if isinstance(scorer, Scorer)]
    with progress_bar() as bar:
        task = bar.add_task("crossings scored", total=None)
        sample = score_sample(opened(background, cut_based), columns, cut_based, lambda n: bar.advance(task, n))
    kind = RateKind.PURE if pure else RateKind.TOTAL
    found = [point for point in rate_points(columns[0].name, sample, options) if point.kind is kind]
    check_known(sample, found)
    points = calibrated_points(names, found, kind, sample, options)
    if columns[0].largest is not None:
        check_reachable(loaded.label, points, names, columns[0].largest)
    manifest, folder = add_calibrated(
        opened_repository, loaded, version, points, weighted_distribution(sample, columns[0].name)
    )
    rows: list[dict[str, Any]] = [
        {
            "working_point": names[point.target_hz],
            "target_hz": point.target_hz,
            "threshold": int(point.threshold),
            "rate_hz": point.rate_hz,
            "rate_error_hz": point.rate_error_hz,
            "effective": point.effective,
            "uncertain": point.uncertain,
        }
        for point in found
    ]
    if as_json:
        label = f"{manifest.name}/{manifest.version}"
        print_json({"model": label, "folder": str(folder), "kind": kind.value, "working_points": rows})
        return
    console().print(f"{manifest.name}/{manifest.version} written to {folder}", soft_wrap=True)
    for row in rows:
        text = "{working_point}: score at least {threshold}, {rate_hz:,.1f} ± {rate_error_hz:,.1f} Hz"
        console().print(text.format(**row), highlight=False)
        if row["uncertain"]:
            few = f"only {row['effective']:.0f} effective crossings lie above it, {LEAST_EFFECTIVE:.0f} are wanted"
            console().print(few, style="yellow", soft_wrap=True)
