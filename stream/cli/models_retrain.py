"""`l1chain models retrain`: from zero-bias crossings to a candidate beside production."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.model_versions import RepositoryOption
from stream.cli.models_options import (
    DEFAULT_BUNCHES,
    BunchesOption,
    ColumnOption,
    MenuOption,
    PrescalesOption,
    SignalsOption,
    cut_based_menu,
    opened,
    opened_signals,
    rates_hz,
    training_config,
    with_neighbours,
)
from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from models.retraining import Retrained
    from models.training.checkpoints import EpochRecord

_PILEUP = 60.0
"""Of synthetic crossings."""
_STOPPED_EXIT = 1


def retrain(
    system: Annotated[str, typer.Argument(metavar="NAME", help="System of the zoo, such as axol1tl_v5.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Zero bias to train on; any number of times.")
    ] = None,
    synthetic: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="N synthetic crossings instead of files.")
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option("--background", metavar="FILE", help="Zero bias that rates are of. [default: that of --data]"),
    ] = None,
    signals: SignalsOption = None,
    version: Annotated[
        str | None, typer.Option(help="Name of the new version. [default: the system and the time]")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model. [default: the system's]")] = None,
    config: Annotated[
        str | None, typer.Option(help="Training configuration of that system (YAML). [default: the shipped one]")
    ] = None,
    crossings: Annotated[int | None, typer.Option(min=1, help="Train on at most so many.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the crossings in every stage.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all random numbers.")] = None,
    gates: Annotated[str, typer.Option(help="Limits that stop it (YAML).")] = "shipped:training/gates.yaml",
    shadow: Annotated[bool, typer.Option("--shadow", help="Start it beside production in the latest run.")] = False,
    shadow_fraction: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the crossings that it scores there.")
    ] = 0.1,
    run: Annotated[Path | None, typer.Option("--run", metavar="FOLDER", help="Folder of that run.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report and tables. [default: retrain/VERSION]")
    ] = None,
    menu: MenuOption = None,
    prescales: PrescalesOption = None,
    column: ColumnOption = None,
    colliding_bunches: BunchesOption = DEFAULT_BUNCHES,
    rates: Annotated[str, typer.Option("--rates-hz", help="Rates at which efficiencies are stated.")] = (
        "250,500,1000,5000"
    ),
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, quantise, export, compare all backends, evaluate against production, register as `candidate`.

    Gates with stated limits stop it (exit code 1); what did not pass stays in OUT/staging.
    """
    from models.evaluation_report import write_report
    from models.evaluation_result import Options
    from models.importing import NewVersion
    from models.repository import open_repository
    from models.retraining import Samples
    from models.retraining import retrain as retrained
    from models.retraining_gates import load_gates
    from models.training.versions import TrainingOrder
    from models.zoo import recipe
    from stream.cli.event_source import opened_source
    from stream.run.replay_files import output_folder

    start = time.perf_counter()
    version = version or f"{system}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    out = out or Path("retrain") / version
    stated = training_config(system, config)
    given = {"crossings": crossings, "epochs": epochs, "seed": seed}
    settings = stated.settings.model_copy(update={key: value for key, value in given.items() if value is not None})
    limits = load_gates(gates)
    cut_based = cut_based_menu(menu, prescales, column)
    zero_bias = opened_source(data, None, synthetic, settings.seed, _PILEUP)
    of_rates = opened(background, cut_based) if background else with_neighbours(zero_bias, cut_based)
    samples = Samples(zero_bias, of_rates, opened_signals(signals, cut_based))
    chosen = recipe(system, stated.recipe)
    new = NewVersion(open_repository(repository, make=True), model or chosen.model, version)
    if not background:
        _announce("Rates are of the crossings that it is trained on; --background names others.")
    with output_folder(out) as folder:
        options = Options(rates_hz(rates, "--rates-hz"), colliding_bunches, cut_based)
        order = TrainingOrder(system, chosen, settings, new)
        found = retrained(order, samples, options, limits, folder, _show, _announce)
        with found.steps.step("report"):
            write_report(found.evaluation, folder)
        answer = _summary(found, start, out)
        if shadow and not found.failures:
            with found.steps.step("shadow"):
                came_of_it = start_shadow(found.label, run, shadow_fraction)
            answer = _summary(found, start, out) | {"shadow": came_of_it}
        _write_summary(answer, folder)
    if as_json:
        print_json(answer)
    else:
        _print(answer, found)
    if found.failures:
        raise typer.Exit(_STOPPED_EXIT)


def start_shadow(label: str, run: Path | None, fraction: float) -> str:
    """Let a running chain score crossings with a version beside production; returns what came of it, in words."""
    from stream.cli.ctl_options import ask
    from triggers.errors import L1ChainError

    name, _, version = label.partition("/")
    arguments = {"name": name, "version": version, "fraction": fraction, "backend": None, "at": "next"}
    try:
        answer = ask(run, "shadow_start", arguments)
    except L1ChainError as error:
        return f"not started: {error}"
    return f"scores {fraction:.0%} of the crossings from lumi section {answer['lumi_section']} on"


def _show(record: EpochRecord) -> None:
    terms = ", ".join(f"{name} {value:.4g}" for name, value in record.terms.items())
    _announce(f"{record.stage} {record.epoch}/{record.epochs}: {terms} ({record.seconds:.1f} s)")


def _announce(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _summary(found: Retrained, start: float, out: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from models.evaluation_tables import finite, summary

    total = time.perf_counter() - start
    seconds = {**found.steps.seconds, "loading libraries, tracking": total - sum(found.steps.seconds.values())}
    answer: dict[str, Any] = {
        "model": found.label,
        "production": found.production,
        "registered": not found.failures,
        "folder": str(found.folder if not found.failures else out / "staging" / found.label),
        "crossings": found.crossings,
        "gates": [asdict(gate) for gate in found.gates],
        "seconds": {step: round(spent, 2) for step, spent in seconds.items()},
        "total_seconds": round(total, 2),
        "working_points": {name: point.model_dump(mode="json") for name, point in found.working_points.items()},
        "evaluation": summary(found.evaluation),
        "tracking_uri": found.tracking_uri,
        "run_id": found.run_id,
        "shadow": "not asked for" if not found.failures else "not started: a gate stopped it",
        "out": str(out),
    }
    checked: dict[str, Any] = finite(answer)
    return checked


def _write_summary(answer: Mapping[str, Any], folder: Path) -> None:
    import json

    (folder / "summary.json").write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _print(answer: Mapping[str, Any], found: Retrained) -> None:
    from rich.table import Table

    from stream.cli.models_evaluate import print_evaluation

    out = console()
    print_evaluation(found.evaluation)
    gates = Table("gate", "", "found", "limit")
    for gate in found.gates:
        mark = {True: "[green]passed[/]", False: "[red]stopped[/]", None: "not judged"}[gate.passed]
        gates.add_row(gate.gate, mark, gate.found, gate.limit)
    out.print(gates)
    times = Table("step", "seconds")
    for step, seconds in answer["seconds"].items():
        times.add_row(step, f"{seconds:.1f}")
    times.add_row("in all", f"{answer['total_seconds']:.1f}")
    out.print(times)
    if answer["registered"]:
        out.print(f"{answer['model']} registered as candidate in {answer['folder']}", soft_wrap=True)
    else:
        out.print(f"{answer['model']} is no candidate; it stays in {answer['folder']}", soft_wrap=True)
    out.print(f"shadow: {answer['shadow']}; report: {answer['out']}/report.html", soft_wrap=True, markup=False)
