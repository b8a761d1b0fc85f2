"""`l1chain run` and `l1chain demo`: a run from a configuration to its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption, console, print_json, progress_bar
from stream.cli.page import PageOption

if TYPE_CHECKING:
    from stream.page.child import PageChild
    from stream.run.config import ChainConfig

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the configuration, e.g. seeds.replicas=3."),
]
DEMO = "shipped:chains/demo.yaml"


def run(
    config: Annotated[
        str | None, typer.Argument(help="Configuration (YAML); `shipped:chains/demo.yaml` is one to start from.")
    ] = None,
    overrides: SetOption = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Go on with a run that did not come to its end.")
    ] = None,
    page: PageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the chain: crossings through seeds, scores and the decision, to tables and a run record.

    The run's folder (below run.out) gets accepted.parquet, rates.parquet, rates.csv and run.json. Ctrl-C ends a run
    cleanly, with its tables written. A run whose supervisor died goes on with `--resume`, from its last commit.
    """
    from triggers.errors import BadValue

    if resume is not None:
        if config is not None or overrides:
            raise BadValue("--resume", "with a configuration or --set", "leave them out: the run has its own")
        resume_run(resume, page, as_json)
    elif config is None:
        raise BadValue("run", "no configuration", "name one, such as shipped:chains/demo.yaml, or give --resume FOLDER")
    else:
        conduct(config, (*_page_override(page), *(overrides or ())), as_json)


def demo(
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the run's folder.")] = Path("runs"),
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Serve the live page; on a terminal, also after the run.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Run the demo: five lumi sections of simulated zero bias, about 70 seeds, two anomaly networks, a rate budget."""
    conduct(DEMO, (f"run.out={out}", *_page_override(page), *(overrides or ())), as_json, stay=_is_terminal())


def conduct(config: str, overrides: tuple[str, ...], as_json: bool, stay: bool = False) -> None:
    """Run a configuration with a progress bar and print its result.

    Args:
        config: the configuration.
        overrides: of its keys.
        as_json: how the result is printed.
        stay: whether the live page, if there is one, stays after the run until Ctrl-C.
    """
    from stream.page.child import page_child
    from stream.run.config import load_config

    loaded = load_config(config, overrides)
    with page_child(loaded.page) as page:
        _print(run_with_progress(loaded, page=page), as_json)
        if stay:
            _stay(page)


def resume_run(folder: Path, page: bool | None, as_json: bool) -> None:
    """Go on with a run, with a progress bar, and print its result."""
    from stream.page.child import page_child
    from stream.run.folder import resumable

    config, record = resumable(folder)
    section = config.page if page is None else config.page.model_copy(update={"enabled": page})
    with page_child(section) as child:
        _print(run_with_progress(config, (folder.absolute(), record), child), as_json)


def _page_override(page: bool | None) -> tuple[str, ...]:
    return () if page is None else (f"page.enabled={str(page).lower()}",)


def _is_terminal() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stdout.isatty()


def _stay(page: PageChild) -> None:
    try:
        if page.served():
            console().print(f"The live page stays at {page.url} until Ctrl-C.", highlight=False)
            page.wait()
    except KeyboardInterrupt:
        return


def _print(record: dict[str, Any], as_json: bool) -> None:
    from stream.run.report import result_of, summary

    if as_json:
        print_json(result_of(record))
    else:
        console().print(summary(record))


def run_with_progress(
    config: ChainConfig, resume: tuple[Path, dict[str, Any]] | None = None, page: PageChild | None = None
) -> dict[str, Any]:
    """Run a configuration with a progress bar on standard error; the run record.

    Args:
        config: of the run.
        resume: folder and record of a run to go on with.
        page: the live page, if there may be one.
    """
    from stream.run.assembly import Assembly
    from stream.run.report import coverage
    from stream.run.retention import keep_within
    from stream.run.supervisor import Observers, Progress, Supervisor

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

        def notice(sentence: str) -> None:
            bar.console.print(sentence, markup=False, style="yellow")

        def began(folder: Path) -> None:
            if page is not None:
                page.begin(folder, lambda sentence: bar.console.print(sentence, markup=False, soft_wrap=True))

        record = Supervisor(assembly, Observers(watch, serving, notice, began), resume).run()
        for kept in keep_within(config.run.keep, config.run.out, Path(record["run_dir"])):
            notice(f"removed {kept.run.folder} ({kept.bytes:,} bytes), as run.keep says")
        return record


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
