"""`l1chain models train`: from zero-bias crossings to a version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.model_versions import print_outcomes
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from models.training.checkpoints import EpochRecord
    from models.training.versions import TrainedVersion

_PILEUP = 60.0
"""Of synthetic crossings."""


def train(
    system: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="System of the zoo, such as axol1tl_v5.", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="SOURCE", help="Zero-bias event file; any number of times.")
    ] = None,
    synthetic: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="N synthetic crossings instead of files.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Name of the new version.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Repository to write to. [default: yours]", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model. [default: the system's]", show_default=False)
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Training configuration (YAML) instead of NAME.", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the crossings in every stage.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all random numbers. [default: 1]")] = None,
    crossings: Annotated[int | None, typer.Option(min=1, help="Read at most so many. [default: 500,000]")] = None,
    allow_constant: Annotated[
        bool, typer.Option("--allow-constant", help="Train although an input does not vary.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch of an interrupted run.")] = False,
    description: Annotated[str | None, typer.Option(help="For people. [default: what it was made of]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a system of the zoo on zero bias, and write it as a version that every backend scores alike."""
    from models.importing import NewVersion
    from models.repository import open_repository
    from models.training.versions import TrainingOrder, train_version
    from models.zoo import TrainingConfig, load_config, names, recipe
    from stream.cli.event_source import opened_source
    from triggers.errors import BadValue

    if (system is None) == (config is None):
        raise BadValue("NAME", "or --config must be given, and not both", f"name one of {', '.join(names())}")
    if version is None:
        raise BadValue("--version", "is missing", "name the new version")
    stated = TrainingConfig(system=system or "") if config is None else load_config(config)
    given: dict[str, Any] = {"epochs": epochs, "seed": seed, "crossings": crossings}
    changes = {key: value for key, value in given.items() if value is not None}
    if allow_constant:
        changes["allow_constant"] = True
    settings = stated.settings.model_copy(update=changes)
    source = opened_source(data, None, synthetic, settings.seed, _PILEUP)
    chosen = recipe(stated.system, stated.recipe)
    new = NewVersion(open_repository(out, make=True), model or chosen.model, version, description)
    order = TrainingOrder(stated.system, chosen, settings, new, resume=resume)
    _print(train_version(order, source, _show), as_json)


def _show(record: EpochRecord) -> None:
    """A line on standard error after every epoch."""
    terms = ", ".join(f"{name} {value:.4g}" for name, value in record.terms.items())
    sys.stderr.write(f"{record.stage} {record.epoch}/{record.epochs}: {terms} ({record.seconds:.1f} s)\n")
    sys.stderr.flush()


def _print(made: TrainedVersion, as_json: bool) -> None:
    from stream.cli.output import console, print_json

    trained, manifest = made.trained, made.version.manifest
    label = f"{manifest.name}/{manifest.version}"
    rows: list[dict[str, Any]] = [
        {"backend": o.backend, "crossings": o.crossings, "differing": o.differing, "why_not": o.why_not}
        for o in made.version.outcomes
    ]
    if as_json:
        print_json(
            {
                "model": label,
                "folder": str(made.version.folder),
                "crossings": trained.crossings,
                "data_sha256": trained.digest,
                "seconds": dict(trained.seconds),
                "figures": dict(trained.fitted.figures),
                "framework_differing": trained.agreement.differing,
                "compared": rows,
                "tracking_uri": made.tracking_uri,
                "run_id": made.run_id,
            }
        )
        return
    out = console()
    out.print(f"{label} written to {made.version.folder}, to be run by {manifest.backend}", soft_wrap=True)
    steps = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in trained.seconds.items())
    out.print(f"trained on {trained.crossings:,} crossings of {trained.sample}: {steps}", soft_wrap=True)
    if trained.fitted.figures:
        out.print(", ".join(f"{name} {value:.4g}" for name, value in trained.fitted.figures.items()), soft_wrap=True)
    out.print(f"tracked as {made.run_id} in {made.tracking_uri}", soft_wrap=True)
    print_outcomes([{"model": label, **row} for row in rows])
