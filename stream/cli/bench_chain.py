"""`l1chain bench chain`: the whole chain's speed, CPU time, latency and memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption, console, print_json
from stream.cli.run import SetOption, run_with_progress

if TYPE_CHECKING:
    from rich.table import Table

    from stream.run.config import ChainConfig

BENCH = "shipped:chains/bench.yaml"
_SHIPPED = "shipped:"

ConfigArgument = Annotated[str, typer.Argument(help="Configuration of the chain to measure.")]
MenuOption = Annotated[
    str | None,
    typer.Option(metavar="MENU", help="Menu instead of the configuration's, with neither its prescales nor budgets."),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME/VERSION", help="Model version instead of the configuration's; repeatable."),
]
BackendOption = Annotated[str, typer.Option(help="Backend of each --model.")]
RepositoryOption = Annotated[
    Path | None, typer.Option(help="Folder of NAME/VERSION/ folders. [default: the shipped ones]")
]
PrescalesOption = Annotated[Path | None, typer.Option(help="Prescale table (CSV).")]
ColumnOption = Annotated[str | None, typer.Option(help="Column of the prescale table.")]


def chain(
    config: ConfigArgument = BENCH,
    menu: MenuOption = None,
    models: ModelsOption = None,
    backend: BackendOption = "native",
    repository: RepositoryOption = None,
    prescales: PrescalesOption = None,
    column: ColumnOption = None,
    transport: Annotated[
        str | None, typer.Option(help="inproc: threads; ipc, tcp: a process for each service.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=16, help="Crossings in a batch.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Batches that may be undecided at a time.")] = None,
    crossings: Annotated[int | None, typer.Option(min=16, help="Distinct crossings, prepared in memory.")] = None,
    load: Annotated[
        float | None, typer.Option(min=0.01, max=1.0, help="Measure the latency at this fraction of the full speed.")
    ] = None,
    replicas: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=1, help="Measure with so many replicas of every stage, too; repeatable."),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the whole chain on crossings prepared in memory, so that the source's own time does not count.

    At least a million distinct crossings are prepared and go round; the run folder is temporary. With --load, a second
    run is paced at that fraction of the speed of the first, and the latency is that run's.
    """
    from stream.run.chain_benchmark import ChainBenchmark, measure_chain
    from stream.run.config import load_config

    chosen = {"transport": transport, "batch.crossings": batch, "batch.window": window, "source.crossings": crossings}
    settings = [
        *chain_settings(menu, models, backend, repository, prescales, column),
        *(f"{key}={value}" for key, value in chosen.items() if value is not None),
        *(overrides or ()),
    ]
    benchmark = ChainBenchmark(load_config(config, tuple(settings)), load, replicas or ())
    result = measure_chain(benchmark, _run)
    if as_json:
        print_json(result)
        return
    for table in _tables(result):
        console().print(table)


def compare(
    config: ConfigArgument = BENCH,
    menu: MenuOption = None,
    models: ModelsOption = None,
    backend: BackendOption = "native",
    repository: RepositoryOption = None,
    prescales: PrescalesOption = None,
    column: ColumnOption = None,
    crossings: Annotated[int, typer.Option(min=1024, help="Crossings for each of the other ways.")] = 16_384,
    mlserver: Annotated[
        Path | None, typer.Option(exists=True, help="The program `mlserver`. [default: the one on the path]")
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the chain beside a NumPy script with ONNX Runtime, and beside its network behind an HTTP server.

    The server is MLServer, which speaks the Open Inference Protocol; without it, only the script is compared.
    """
    from stream.run import comparison
    from stream.run.config import load_config

    settings = (*chain_settings(menu, models, backend, repository, prescales, column), *(overrides or ()))
    result = comparison.compare(load_config(config, settings), crossings, mlserver, _run)
    if as_json:
        print_json(result)
        return
    console().print(f"chain: {result['chain']['crossings_per_s']:,.0f} crossings/s")
    for name in ("numpy_script", "inference_server"):
        if (other := result[name]) is not None:
            ratios = (
                f"the chain is {other['throughput_ratio']:,.0f} times as fast, {other['cpu_ratio']:,.0f} by CPU time"
            )
            console().print(f"{name.replace('_', ' ')}: {other['crossings_per_s']:,.0f} crossings/s; {ratios}")
    if result["missing"]:
        console().print(result["missing"], style="yellow", markup=False)


def chain_settings(
    menu: str | None,
    models: Sequence[str] | None,
    backend: str,
    repository: Path | None,
    prescales: Path | None,
    column: str | None,
) -> Iterator[str]:
    """Overrides of a configuration that stand for the options of a benchmark.

    Raises:
        BadValue: an option needs another one.
        LabelInvalid: a model is not NAME/VERSION.
    """
    from models.repository import parse_label
    from triggers.errors import BadValue

    if (prescales is None) != (column is None):
        raise BadValue("--prescales", "needs --column, and --column needs it", "give both or none")
    if menu is not None:
        path = menu if menu.startswith(_SHIPPED) else str(Path(menu).absolute())
        yield from (f"menu={json.dumps({'path': path})}", "prescales=null", "budgets=[]")
    if prescales is not None:
        yield f"prescales={json.dumps({'path': str(prescales.absolute()), 'column': column})}"
    if models:
        labels = [parse_label(label) for label in models]
        scores = [{"name": name, "version": version, "backend": backend} for name, version in labels]
        yield f"scores={json.dumps(scores)}"
    if repository is not None:
        yield f"models.repository={repository.absolute()}"


def _run(config: ChainConfig) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="l1chain-bench-") as folder:
        out = config.run.model_copy(update={"out": Path(folder)})
        return run_with_progress(config.model_copy(update={"run": out}))


def _tables(result: dict[str, Any]) -> Iterator[Table]:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    menu, latency = result["menu"], result["latency_ms"]
    title = f"{menu['name']}: {menu['evaluated']} of {menu['algorithms']} algorithms, {result['transport']}"
    speed = Table(title=title, title_justify="left", show_header=False, box=SIMPLE_HEAD)
    fraction = f"{result['lhc_fraction']:.1%} of the LHC's collisions"
    speed.add_row("throughput", f"{result['crossings_per_s'] / 1e6:,.2f} million crossings/s, {fraction}")
    speed.add_row("source", f"{result['source_ns_per_crossing']:,.1f} ns a crossing, not counted")
    load = result["load"]
    at = "at full speed" if load is None else f"at {load['crossings_per_s'] / 1e6:,.2f} million crossings/s"
    numbers = f"median {latency['p50']:,.2f} ms, 99 % {latency['p99']:,.2f} ms, max {latency['max']:,.2f} ms"
    speed.add_row("batch latency", f"{numbers}, {at}")
    speed.add_row("copied", f"{result['bytes_copied_per_crossing']:,.1f} bytes a crossing")
    yield speed
    cpu = Table(title="CPU ns per crossing", title_justify="left", box=SIMPLE_HEAD)
    columns = [("as configured", result["cpu_ns_per_crossing"])]
    columns += [(f"{scaled['replicas']} replicas", scaled["cpu_ns_per_crossing"]) for scaled in result["scaling"]]
    cpu.add_column("service")
    for name, _ in columns:
        cpu.add_column(name, justify="right")
    for service in columns[0][1]:
        cpu.add_row(service, *(f"{spent.get(service, 0.0):,.1f}" for _, spent in columns))
    yield cpu
    memory = Table(title="Memory", title_justify="left", box=SIMPLE_HEAD)
    for name in ("process", "most, MB", "slope, MB/minute"):
        memory.add_column(name, justify="left" if name == "process" else "right")
    for service, curve in result["memory"].items():
        slope = curve["slope_bytes_per_minute"]
        text = "run too short" if slope is None else f"{slope / 1e6:+,.1f}"
        memory.add_row(service, f"{curve['max_bytes'] / 1e6:,.0f}", text)
    yield memory
