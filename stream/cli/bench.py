"""`l1chain bench`: measurements of the parts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stream.cli import bench_swap
from stream.cli.bench_chain import chain, compare
from stream.cli.event_source import EVENT_FILES
from stream.cli.output import JsonOption, console, print_json

app = typer.Typer(no_args_is_help=True, help="Measure throughput, CPU time a crossing, and latency.")


app.command()(chain)
app.command()(compare)


@app.command()
def menu(
    menu: Annotated[str, typer.Argument(metavar="MENU", help="Menu: CMS XML (.xml, .xml.gz) or YAML.")],
    sources: Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help=EVENT_FILES)] = None,
    synthetic: Annotated[
        int | None, typer.Option("--synthetic", metavar="N", min=1, help="N synthetic zero-bias crossings instead.")
    ] = None,
    pileup: Annotated[float, typer.Option(min=0.0, help="Mean pile-up of the synthetic crossings.")] = 60.0,
    crossings: Annotated[int, typer.Option(help="Distinct crossings in a pass, at most.", min=1)] = 1 << 20,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a menu is evaluated, from packed words to algorithm bits, on one thread."""
    from stream.run.menu_benchmark import measure_menu
    from triggers.errors import BadValue
    from triggers.events.open import open_source
    from triggers.events.synthetic import SyntheticSource

    if sources and synthetic is not None:
        raise BadValue("--synthetic", f"does not go with files ({sources[0]})", "give files or --synthetic")
    source = open_source(sources) if sources else SyntheticSource(synthetic or crossings, pileup=pileup)
    result = asdict(measure_menu(menu, source, crossings))
    if as_json:
        print_json(result)
        return
    speed = f"{result['crossings_per_s']:,.0f} crossings/s on one thread"
    console().print(f"{result['menu']}: {result['algorithms']} algorithms, {speed}")
    for stage, ns in result["stages_ns"].items():
        console().print(f"  {stage.replace('_', ' '):<18}{ns:7.1f} ns per crossing")
    console().print(
        f"  menu loaded in {result['load_s']:.2f} s; the plain evaluator does "
        f"{result['oracle_crossings_per_s']:,.0f} crossings/s"
    )


app.command()(bench_swap.swap)


@app.command()
def models(
    model: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="A version, or an alias instead of a version.")],
    backend: Annotated[str | None, typer.Option(help="Backend. [default: the manifest's]")] = None,
    crossings: Annotated[int, typer.Option(help="Distinct crossings in a pass.", min=1)] = 1 << 20,
    batch: Annotated[int, typer.Option(help="Crossings in a call.", min=1)] = 8192,
    repository: Annotated[
        Path | None, typer.Option(help="Folder of NAME/VERSION/ folders. [default: the shipped versions]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a backend scores crossings, from packed words to score integers, on one thread."""
    from models.benchmark import measure
    from models.repository import open_repository, parse_label

    opened = open_repository(repository)
    version = opened.load(*parse_label(model))
    used = backend or version.manifest.backend
    result = {"model": version.label, "backend": used} | asdict(measure(version, used, crossings, batch))
    if as_json:
        print_json(result)
        return
    console().print(f"{result['model']} by {used}: {result['crossings_per_s']:,.0f} crossings/s on one thread")
    for step in ("inputs", "layers", "score"):
        if result[f"{step}_ns"] is not None:
            console().print(f"  {step:<7}{result[f'{step}_ns']:6.1f} ns per crossing")
