"""`l1chain models tune`: a search for networks that are efficient and small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.models_options import (
    DEFAULT_BUNCHES,
    BackgroundOption,
    BunchesOption,
    opened,
    opened_signals,
    training_config,
)
from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from models.tuning import Trial

_PILEUP = 60.0
_TRIALS_FILE = "trials.csv"


def tune(
    system: Annotated[str, typer.Argument(metavar="NAME", help="System of the zoo, such as axol1tl_v5.")],
    background: BackgroundOption,
    signals: Annotated[
        list[str], typer.Option("--signals", metavar="NAME=FILE", help="A signal by name; any number of times.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of trials and tracked runs; a search goes on in its own.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Zero bias to train on. [default: --background]")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="What is varied (YAML). [default: shipped:training/tune-NAME.yaml]")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all.")] = 20,
    config: Annotated[
        str | None, typer.Option(help="Training configuration of that system (YAML). [default: the shipped one]")
    ] = None,
    crossings: Annotated[int | None, typer.Option(min=1, help="Train on at most so many.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the crossings in every stage.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of trainings and of the search.")] = None,
    rate_hz: Annotated[float, typer.Option(min=1.0, help="Total rate at which efficiencies count.")] = 1000.0,
    colliding_bunches: BunchesOption = DEFAULT_BUNCHES,
    as_json: JsonOption = False,
) -> None:
    """Search: mean signal efficiency at a rate against effective bit operations; prints the Pareto front.

    Every trial is tracked in MLflow. Called again with the same folder, it goes on until it has that many trials.
    """
    from models.evaluation_networks import read_inputs
    from models.evaluation_tables import write_csv
    from models.training.train import prepared
    from models.tuning import Judge, SearchSpace, Task
    from models.tuning import tune as tuned
    from models.zoo import recipe
    from triggers.events.schema import ORBITS_PER_SECOND
    from triggers.shipped import find_file
    from triggers.strict_yaml import read_yaml

    stated = training_config(system, config)
    given = {"crossings": crossings, "epochs": epochs, "seed": seed}
    settings = stated.settings.model_copy(update={key: value for key, value in given.items() if value is not None})
    path = space or f"shipped:training/tune-{system}.yaml"
    varied = read_yaml(find_file(path, role="search space").read_bytes(), path, SearchSpace)
    chosen = recipe(system, stated.recipe)
    by_name = opened_signals(signals, None)
    judge = Judge(
        read_inputs(opened(background, None), chosen.layout),
        {name: read_inputs(source, chosen.layout) for name, source in by_name.items()},
        rate_hz,
        colliding_bunches * ORBITS_PER_SECOND,
    )
    read = prepared(chosen, opened(data or background, None), settings)
    task = Task(system, stated.recipe, settings, varied, read, judge, out)
    found = tuned(task, trials, lambda trial: typer.echo(_line(trial), err=True))
    rows = [_row(trial) for trial in found]
    write_csv(rows, out / _TRIALS_FILE)
    if as_json:
        print_json({"system": system, "rate_hz": rate_hz, "out": str(out), "trials": rows})
        return
    from rich.table import Table

    table = Table("trial", "mean efficiency", "bit operations", "parameters")
    for trial in sorted((trial for trial in found if trial.best), key=lambda trial: trial.bit_operations or 0):
        parameters = ", ".join(f"{name} {value}" for name, value in trial.parameters.items())
        table.add_row(
            str(trial.number), f"{100 * (trial.efficiency or 0):.2f} %", f"{trial.bit_operations:,}", parameters
        )
    console().print(table)
    console().print(f"{len(found)} trials in {out}/{_TRIALS_FILE}; these are the Pareto front", soft_wrap=True)


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "mean_signal_efficiency": trial.efficiency,
        "effective_bit_operations": trial.bit_operations,
        "best": trial.best,
        "parameters": ", ".join(f"{name}={value}" for name, value in trial.parameters.items()),
        "run_id": trial.run_id,
        "why_not": trial.why_not,
    }


def _line(trial: Trial) -> str:
    if trial.efficiency is None:
        return f"trial {trial.number} refused: {trial.why_not}"
    return f"trial {trial.number}: {100 * trial.efficiency:.2f} %, {trial.bit_operations:,} bit operations"
