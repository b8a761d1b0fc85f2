"""`l1chain run` and `l1chain demo`: a run from a configuration to its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption, console, print_json, progress_bar

if TYPE_CHECKING:
    from stream.run.config import ChainConfig

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the configuration, e.g. seeds.replicas=3."),
]
DEMO = "shipped:chains/demo.yaml"


def run(
    config: Annotated[
        str, typer.Argument(help="Configuration (YAML); `shipped:chains/demo.yaml` is one to start from.")
    ],
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the chain: crossings through seeds, scores and the decision, to tables and a run record.

    The run's folder (below run.out) gets accepted.parquet, rates.parquet, rates.csv and run.json. Ctrl-C ends a run
    cleanly, with its tables written.
    """
    conduct(config, tuple(overrides or ()), as_json)


def demo(
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the run's folder.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Run the demo: five lumi sections of synthetic zero bias, about 60 seeds, an anomaly model, rate budgets."""
    conduct(DEMO, (f"run.out={out}", *(overrides or ())), as_json)


def conduct(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run a configuration with a progress bar and print its result."""
    from stream.run.config import load_config
    from stream.run.report import result_of, summary

    record = run_with_progress(load_config(config, overrides))
    if as_json:
        print_json(result_of(record))
    else:
        console().print(summary(record))


def run_with_progress(config: ChainConfig) -> dict[str, Any]:
    """Run a configuration with a progress bar on standard error; the run record."""
    from stream.run.assembly import Assembly
    from stream.run.report import coverage
    from stream.run.supervisor import Progress, Supervisor

    assembly = Assembly(config)
    with progress_bar() as bar:
        preparing = bar.add_task("loading menu and models", total=None)
        assembly.check()
        bar.console.print(coverage(assembly.menu.name, len(assembly.menu.algorithms), assembly.evaluator.not_evaluated))
        total = expected_crossings(assembly)
        task = bar.add_task("starting services", total=total)

        def watch(progress: Progress) -> None:
            bar.update(
                task, completed=progress.decided, description=f"lumi section {progress.lumi_section}, crossings decided"
            )

        def serving(address: str) -> None:
            bar.update(preparing, visible=False)
            bar.console.print(f"metrics: http://{address}/metrics")

        return Supervisor(assembly, watch, serving).run()


def expected_crossings(assembly: Any) -> int | None:
    """How many crossings the run will decide, if that is known before."""
    config: ChainConfig = assembly.config
    of_run = (
        None if config.run.lumi_sections is None else config.run.lumi_sections * config.run.crossings_per_lumi_section
    )
    one_pass = assembly.source.info.n_crossings
    of_source = None if one_pass is None or config.source.repeat == "forever" else one_pass * config.source.repeat
    known = [n for n in (of_run, of_source) if n is not None]
    return min(known) if known else None
