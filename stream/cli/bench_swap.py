"""`l1chain bench swap`: what it costs to change model versions while crossings flow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption, console, print_json, progress_bar

if TYPE_CHECKING:
    from models.repository import LoadedVersion, Repository

_DEFAULT = ("axol1tl/sim-v4", "axol1tl/sim-v5")
_ORBITS = 40
"""Of a lumi section: at full speed some tenths of a second."""
_DISTINCT = 1 << 18
_ENDLESS = 1_000_000
_PATIENCE_S = 20
"""A busy machine shall not look like a lost service."""


def swap(
    config: Annotated[str, typer.Argument(help="Configuration of the chain to measure.")] = "shipped:chains/bench.yaml",
    a: Annotated[
        str | None, typer.Option("--a", metavar="NAME/VERSION", help="Version to begin with. [default: axol1tl/sim-v4]")
    ] = None,
    b: Annotated[
        str | None, typer.Option("--b", metavar="NAME/VERSION", help="Version to change to and fro. [default: sim-v5]")
    ] = None,
    swaps: Annotated[int, typer.Option(min=1, help="How many swaps on each transport.")] = 20,
    transport: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="inproc, ipc or tcp, any number of times. [default: inproc and ipc]"),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas of the score stage, but one with inproc.")] = 3,
    backend: Annotated[str, typer.Option(help="Backend of both versions.")] = "native",
    repository: Annotated[
        Path | None, typer.Option(help="Folder of NAME/VERSION/ folders. [default: yours, then the shipped versions]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Swap two versions of a model to and fro at full speed, and check every crossing afterwards.

    Ends with 1 if a crossing was lost, decided twice or scored by another version than recorded, or a swap did not
    take place.
    """
    from models.repository import open_repository
    from stream.run.config import load_config
    from stream.run.swap_benchmark import contestants, measure_swaps
    from triggers.events.synthetic import SyntheticSource

    first, second = _versions(open_repository(repository), a, b)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="l1chain-bench-") as folder, progress_bar() as bar:
        task = bar.add_task("scoring crossings", total=None)
        for place, name in enumerate(transport or ["inproc", "ipc"]):
            out = Path(folder) / str(place)
            stage = (
                f"{{name: {first.manifest.name}, backend: {backend}, replicas: {1 if name == 'inproc' else replicas}}}"
            )
            settings = (
                f"run.out={out / 'runs'}",
                f"run.lumi_sections={_ENDLESS}",
                f"run.orbits_per_lumi_section={_ORBITS}",
                "run.trace=true",
                f"source={{format: synthetic, crossings: {_DISTINCT}, repeat: forever, prepare: true}}",
                f"scores=[{stage}]",
                f"transport={name}",
                "metrics.address=null",
                f"delivery={{lost_after_s: {_PATIENCE_S}, resend_after_s: {_PATIENCE_S}}}",
            )
            chain = load_config(config, settings)
            source = SyntheticSource(_DISTINCT, chain.source.seed, chain.source.pileup)
            both = contestants(out / "models", first, second, backend, chain.menu.path, source)
            bar.update(task, description=f"{swaps} swaps with {name}")
            runs.append(measure_swaps(chain, both, swaps))
    result = {"a": first.label, "b": second.label, "backend": backend, **_worst(runs), "runs": runs}
    if as_json:
        print_json(result)
    else:
        for run in runs:
            console().print(_sentence(run), highlight=False, markup=False)
    if result["lost"] or result["doubled"] or result["mixed"] or result["swaps"] < swaps:
        raise typer.Exit(1)


def _versions(repository: Repository, a: str | None, b: str | None) -> tuple[LoadedVersion, LoadedVersion]:
    """The versions asked for; beside only one, another of its model; else two that ship."""
    from models.repository import parse_label
    from triggers.errors import BadValue

    if a is None and b is None:
        a, b = _DEFAULT
    if a is not None and b is not None:
        return repository.load(*parse_label(a)), repository.load(*parse_label(b))
    named = repository.load(*parse_label(a or b or ""))
    model = named.manifest.name
    others = [version for version in repository.versions(model) if version != named.manifest.version]
    if not others:
        raise BadValue(
            "bench swap", f"{model} has one version only", "import another one, or name two with --a and --b"
        )
    other = repository.load(model, others[0])
    return (named, other) if b is None else (other, named)


def _worst(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What holds of all runs."""
    return {
        "swaps": min(run["swaps"] for run in runs),
        **{key: sum(run[key] for run in runs) for key in ("lost", "doubled", "mixed")},
        "throughput_ratio": min(run["throughput_ratio"] for run in runs),
        "pause_ratio": max(run["pause_ratio"] for run in runs),
    }


def _sentence(run: dict[str, Any]) -> str:
    return (
        "{transport}, {replicas} replica(s): {swaps} swaps; {lost} lost, {doubled} doubled, {mixed} mixed of "
        "{crossings:,} crossings; throughput around a swap {throughput_ratio:.2f} of that between, longest pause "
        "{longest_pause_ms:.0f} ms, {pause_ratio:.2f} of the p99 before"
    ).format(**run)
