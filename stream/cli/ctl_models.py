"""`l1chain ctl swap`, `rollback`, `promote`, `shadow`: model versions of a running chain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream.cli.ctl_options import AtOption, RunOption, ask, change
from stream.cli.output import JsonOption, console, print_json

ModelArgument = Annotated[str, typer.Argument(metavar="NAME", help="Model of the run.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Version, or an alias, of that model.")]
BackendOption = Annotated[str | None, typer.Option(help="Backend. [default: that of the present version]")]

_LHC_COLLISIONS_HZ = 2544 * 11_245.5

shadow_app = typer.Typer(no_args_is_help=True, help="A candidate beside the version that decides.")


def swap(
    name: ModelArgument,
    version: VersionArgument,
    backend: BackendOption = None,
    at: AtOption = "next",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let another version of a model decide from a lumi section on, with its own thresholds."""
    text = "{model}/{version} decides from lumi section {lumi_section}, {model}/{previous} before it"
    change(run, "swap", {"name": name, "version": version, "backend": backend}, at, as_json, text)


def rollback(name: ModelArgument, at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Let the version decide again that did before the last swap."""
    text = "{model}/{version} decides again from lumi section {lumi_section}, {model}/{previous} before it"
    change(run, "rollback", {"name": name}, at, as_json, text)


def promote(name: ModelArgument, at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Let the candidate decide; its time as a candidate ends."""
    text = "{model}/{version} decides from lumi section {lumi_section}, {model}/{previous} before it"
    change(run, "promote", {"name": name}, at, as_json, text)


@shadow_app.command()
def start(
    name: ModelArgument,
    version: VersionArgument,
    fraction: Annotated[float, typer.Option(help="Part of the crossings that it scores.", min=0.0, max=1.0)] = 0.1,
    backend: BackendOption = None,
    at: AtOption = "next",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a candidate score a part of the crossings beside the version that decides."""
    arguments = {"name": name, "version": version, "fraction": fraction, "backend": backend}
    text = "{model}/{version} scores {fraction:.0%} of the crossings from lumi section {lumi_section} on"
    change(run, "shadow_start", arguments, at, as_json, text)


@shadow_app.command()
def stop(name: ModelArgument, at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Let the candidate score no more."""
    text = "{model}/{version} scores no crossing from lumi section {lumi_section} on"
    change(run, "shadow_stop", {"name": name}, at, as_json, text)


@shadow_app.command()
def show(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Compare candidates with production: rates, overlap and disagreement by working point, drift of scores."""
    result = ask(run, "models")
    if as_json:
        print_json(result)
        return
    for model in result["models"]:
        _show(model)


def _show(model: dict[str, Any]) -> None:
    name = model["model"]
    line = f"{name}: {model['production']} decides"
    if model["shadow"]:
        line += f", {model['shadow']} scores {model['fraction']:.3g} of the crossings"
    console().print(line, highlight=False, markup=False)
    for version, psi in model["drift"].items():
        told = "no reference distribution in its manifest" if psi is None else f"population stability index {psi:.4f}"
        console().print(f"  drift of {version}: {told}", highlight=False, markup=False)
    for shadow in model["shadows"]:
        console().print(_table(name, shadow))


def _table(name: str, shadow: dict[str, Any]) -> Any:
    from rich.table import Table

    crossings = shadow["crossings"]
    title = f"{name}: {shadow['candidate']} beside {shadow['production']}, {crossings:,} crossings"
    table = Table(title=title)
    columns = (f"{shadow['production']} [Hz]", f"{shadow['candidate']} [Hz]", "both", "one only", "agreement")
    for column in ("working point", *columns):
        table.add_column(column, justify="left" if column == "working point" else "right")
    for point, counts in shadow["working_points"].items():
        either = counts["both"] + counts["disagree"]
        rates = [
            f"{counts[which] / max(crossings, 1) * _LHC_COLLISIONS_HZ:,.0f}" for which in ("production", "candidate")
        ]
        agreement = f"{counts['both'] / either:.1%}" if either else "–"
        table.add_row(point, *rates, f"{counts['both']:,}", f"{counts['disagree']:,}", agreement)
    return table
