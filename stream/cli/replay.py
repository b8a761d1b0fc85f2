"""`l1chain replay`: what menus do to recorded crossings."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.event_source import EVENT_FILES
from stream.cli.output import JsonOption, console, print_json, progress_bar

if TYPE_CHECKING:
    from stream.run.executors import Executor
    from triggers.studies.selection import Selection

_MOST_MENUS = 2


def replay(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help=f"{EVENT_FILES} Or the folder of a run: what it kept."),
    ],
    menus: Annotated[
        list[str],
        typer.Option("--menu", metavar="MENU", help="Menu A; given twice, also menu B, which is compared with A."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for tables and report; it must not hold anything yet.")],
    prescales: Annotated[
        str | None, typer.Option(help="Prescale table (CSV), of both menus. Without: everything passes.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the prescale table.")] = None,
    prescales_b: Annotated[str | None, typer.Option(help="Prescale table of menu B, if not the same.")] = None,
    column_b: Annotated[str | None, typer.Option(help="Column for menu B, if not the same.")] = None,
    good_runs: Annotated[
        Path | None, typer.Option(help="Good-run list (JSON); other lumi sections are left out.")
    ] = None,
    lumi: Annotated[str | None, typer.Option(metavar="RANGES", help="Lumi sections, such as 10-20,35.")] = None,
    pileup: Annotated[str | None, typer.Option(metavar="LOW-HIGH", help="Pile-up of the crossings.")] = None,
    bunches: Annotated[int, typer.Option(min=1, max=3564, help="Colliding bunches: rates and slots follow.")] = 2544,
    filling: Annotated[Path | None, typer.Option(help="File with the slots of the colliding bunches.")] = None,
    sample_prescale: Annotated[
        float | None, typer.Option(help="Normalise by the source's lumi sections: prescale of its trigger.")
    ] = None,
    target_luminosity: Annotated[float | None, typer.Option(help="Scale rates to it, linearly (in cm⁻² s⁻¹).")] = None,
    luminosity: Annotated[
        float | None, typer.Option(help="The source's own (in cm⁻² s⁻¹); else from its pile-up.")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", metavar="NAME=PATTERN[,…]", help="A group of algorithms.")
    ] = None,
    curve: Annotated[str | None, typer.Option(help="Seed whose threshold is varied around its value.")] = None,
    rules: Annotated[
        list[str] | None, typer.Option("--trigger-rule", metavar="N/M", help="At most N accepts in M slots.")
    ] = None,
    no_rules: Annotated[bool, typer.Option("--no-trigger-rules", help="Leave the trigger rules out.")] = False,
    masks: Annotated[Path | None, typer.Option("--crossing-masks", help="Crossing masks (CSV).")] = None,
    calibration_gap: Annotated[bool, typer.Option(help="Suppress all algorithms from BX 3480 to 3505.")] = False,
    restart_prescales: Annotated[bool, typer.Option(help="Prescale counters restart in each lumi section.")] = False,
    models: Annotated[
        Path | None, typer.Option(help="Folder of model versions; else yours, then those that ship.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads (with dask: local workers) that evaluate; else one for each core."),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="local|dask|dask://HOST:PORT", help="What evaluates: this process, or dask workers.")
    ] = "local",
    dask_tls: Annotated[
        str | None,
        typer.Option(metavar="CA,CERT,KEY", help="Certificates for a dask cluster; else dask's own settings."),
    ] = None,
    dask_trust_network: Annotated[
        bool, typer.Option("--dask-trust-network", help="Use a dask cluster on other hosts without TLS.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replay recorded crossings through one menu or two: rates, overlaps, what a change costs and brings.

    Writes tables (Parquet, CSV) and report.html, which needs no network. The result does not depend on how the input is
    cut into batches, on the number of threads, or on where they run.
    """
    from models.repository import open_repository
    from stream.run.kept_sample import replayed_files
    from stream.run.replay import RateOptions, Replay
    from stream.run.replay_files import ExclusiveWriter, output_folder, summary_of, write_replay
    from stream.run.replay_menus import DecisionOptions, replay_menus
    from stream.run.replay_source import Samples
    from triggers.errors import BadValue

    if len(menus) > _MOST_MENUS:
        raise BadValue("--menu", f"{len(menus)} menus are named", "name one or two")
    files, kept = replayed_files(sources)
    if kept is not None and rules is not None:
        what = "the crossings that a run kept do not follow each other"
        raise BadValue("--trigger-rule", what, "leave the option out: the run's rules have been applied")
    source = Samples(files)
    selection = _selection(good_runs, lumi, pileup, source.info.optional_columns)
    options = DecisionOptions(
        colliding_bunches=bunches,
        filling=filling,
        rules=None if rules is None else tuple(rules),
        no_rules=no_rules or kept is not None,
        crossing_masks=masks,
        calibration_gap=calibration_gap,
        restart_prescales=restart_prescales,
    )
    tables = [(prescales, column), (prescales_b or prescales, column_b or column)]
    rate_options = RateOptions(sample_prescale, target_luminosity, luminosity, kept)
    with ExitStack() as stack:
        folder, bar = stack.enter_context(output_folder(out)), stack.enter_context(progress_bar())
        task = bar.add_task("loading menus and models", total=None)
        parts = replay_menus(menus, tables, options, _groups(groups or []), curve)
        chosen = _executor(executor, dask_tls, dask_trust_network, threads, models, stack)
        play = Replay(parts, open_repository(models), chosen)
        bar.update(task, total=source.info.n_crossings, description="crossings decided")
        writers = tuple(
            ExclusiveWriter(folder / f"only-{part.label.lower()}.parquet", part.label, part.menu)
            for part in (parts if len(parts) > 1 else ())
        )
        try:
            result = play.run(source, selection, rate_options, writers, lambda n: bar.advance(task, n))
        finally:
            for writer in writers:
                writer.close()
        bar.update(task, description="writing tables and report")
        write_replay(result, folder)
        answer = {**summary_of(result), "out": str(out)}
    if as_json:
        print_json(answer)
    else:
        console().print("\n".join(_lines(answer)), highlight=False, markup=False, soft_wrap=True)


def _executor(
    name: str,
    tls: str | None,
    is_network_trusted: bool,
    threads: int | None,
    models: Path | None,
    stack: ExitStack,
) -> Executor:
    """What evaluates; a cluster is left, or ended, with the stack."""
    from stream.run.dask_cluster import Tls, dask_client
    from stream.run.executors import ThreadExecutor

    if name == "local":
        return ThreadExecutor(threads)
    client = stack.enter_context(dask_client(name, Tls.parse(tls) if tls else None, is_network_trusted, threads))
    from stream.run.dask_executor import DaskExecutor

    return DaskExecutor(client, models)


def _selection(good_runs: Path | None, lumi: str | None, pileup: str | None, columns: tuple[str, ...]) -> Selection:
    from triggers.errors import BadValue
    from triggers.studies.selection import Selection, parse_ranges, read_good_runs

    limits = None
    if pileup is not None:
        found = parse_ranges("--pileup", pileup)
        if len(found) != 1:
            raise BadValue("--pileup", f"'{pileup}' are several ranges", "give one, such as 50-60")
        if "pileup" not in columns:
            raise BadValue("--pileup", "the source does not know the pile-up of its crossings", "leave the option out")
        (limits,) = found
    return Selection(
        read_good_runs(good_runs) if good_runs else None, parse_ranges("--lumi", lumi) if lumi else None, limits
    )


def _groups(texts: list[str]) -> dict[str, list[str]]:
    from triggers.errors import BadValue

    groups = {}
    for text in texts:
        name, equals, members = text.partition("=")
        if not (name and equals and members):
            raise BadValue("--group", f"'{text}' is no group", "write NAME=PATTERN,PATTERN, such as mu='L1_*Mu*'")
        groups[name] = members.split(",")
    return groups


def _lines(answer: dict[str, Any]) -> list[str]:
    from triggers.studies.changes import UNKNOWN
    from triggers.studies.html import rate_text

    lines = [f"{answer['crossings']:,} crossings of {answer['source']}; {answer['selection']}"]
    for menu in answer["menus"]:
        total = rate_text(menu["total_hz"], menu["total_error_hz"])
        accept = rate_text(menu["accept_hz"], menu["accept_error_hz"])
        lines.append(f"{menu['label']}  {menu['name']} ({menu['prescales']})")
        lines.append(f"   final OR {total}; L1 accept {accept}, {100 * menu['dead_time']:.2f} % lost to trigger rules")
        evaluated = menu["algorithms"] - len(menu["not_evaluated"])
        lines.append(f"   {evaluated} of {menu['algorithms']} algorithms evaluated")
        for reason in dict.fromkeys(menu["not_evaluated"].values()):
            names = [name for name, why in menu["not_evaluated"].items() if why == reason]
            lines.append(f"   not evaluated ({reason}): {', '.join(names)}")
        if menu["without_prescale"]:
            lines.append(f"   not in the prescale table, taken with 1: {', '.join(menu['without_prescale'])}")
    if "difference" in answer:
        change = answer["difference"]
        n_changed = sum(status != UNKNOWN for status in answer["changed_algorithms"].values())
        lines.append(
            f"B − A  {rate_text(change['change_hz'], change['change_error_hz'], True)}: gains"
            f" {rate_text(change['only_b_hz'], change['only_b_error_hz'])}, loses"
            f" {rate_text(change['only_a_hz'], change['only_a_error_hz'])};"
            f" {n_changed} algorithms added, removed or changed"
        )
    return [*lines, *answer["normalisation"], f"report: {answer['out']}/report.html ({answer['seconds']:.1f} s)"]
