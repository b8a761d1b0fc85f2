"""`l1chain firmware`: versions as hardware."""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from stream.cli import firmware_report, firmware_scan
from stream.cli.event_source import Seed
from stream.cli.model_versions import LabelArgument, RepositoryOption
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from firmware.build_requests import BuildRequest
    from firmware.verification import Agreement, Difference
    from models.repository import LoadedVersion
    from triggers.events.source import Source

app = typer.Typer(no_args_is_help=True, help="Versions as hardware: build, verify, resources, trade-offs, latency.")
app.command("report")(firmware_report.report)
app.command("latency")(firmware_report.latency)
app.command("scan")(firmware_scan.scan)

PartOption = Annotated[str, typer.Option(help="Full name of the part.")]
ClockOption = Annotated[float, typer.Option("--clock-ns", help="Period of the clock.")]
PortsOption = Annotated[str, typer.Option(help="Widths of da4ml's inputs: as declared, or as packed words fill them.")]
_Kind = TypeVar("_Kind", bound=StrEnum)
DEFAULT_PART: Final = "xc7vx690tffg1927-2"
DEFAULT_CLOCK_NS: Final = 25.0
_DIFFERING_EXIT: Final = 1
_NOTHING_COMPARED_EXIT: Final = 2
_SHOWN_CODES: Final = 64


@app.command()
def build(
    version: LabelArgument,
    backend: Annotated[
        str, typer.Option(help="hls4ml (C++ for Vitis and Vivado) or da4ml (Verilog, VHDL).")
    ] = "hls4ml",
    part: PartOption = DEFAULT_PART,
    clock_ns: ClockOption = DEFAULT_CLOCK_NS,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="latency, distributed_arithmetic or resource. [default: latency; da4ml: distributed_arithmetic]"
        ),
    ] = None,
    reuse: Annotated[int, typer.Option(min=1, help="Products that share a multiplier.")] = 1,
    ports: PortsOption = "declared",
    repository: RepositoryOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to build in. [default: beside the version]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the projects of a version for a vendor's tool, with the digests of their files."""
    from firmware.build_requests import BuildRequest, Tool
    from firmware.builds import build as build_version
    from firmware.hls_strategies import Strategy
    from firmware.ports import Ports
    from stream.cli.output import console, print_json

    tool = named(Tool, backend, "--backend")
    usual = Strategy.LATENCY if tool is Tool.HLS4ML else Strategy.DISTRIBUTED_ARITHMETIC
    chosen = usual if strategy is None else named(Strategy, strategy, "--strategy")
    request = BuildRequest(tool, part, clock_ns, chosen, reuse, named(Ports, ports, "--ports"))
    loaded = _loaded(version, repository)
    start = time.monotonic()
    made = build_version(loaded, request, out)
    took_s = round(time.monotonic() - start, 2)
    result = {
        "version": loaded.label,
        **request.stated,
        "folder": str(made.folder),
        "projects": list(made.projects),
        "digest": made.digest,
        "ticks": made.ticks,
        "took_s": took_s,
    }
    if as_json:
        print_json(result)
        return
    out_console = console()
    out_console.print(
        f"{loaded.label}: {', '.join(made.projects)} in {made.folder}, made in {took_s:.1f} s", soft_wrap=True
    )
    out_console.print(f"digest {made.digest}")
    if made.ticks is not None:
        out_console.print(f"{made.ticks} ticks, {made.ticks * clock_ns:g} ns")


@app.command()
def verify(
    version: LabelArgument,
    source: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Event files for zero bias. [default: synthetic crossings]")
    ] = None,
    random: Annotated[int, typer.Option(min=1, help="Random inputs, and crossings of zero bias at most.")] = 100_000,
    seed: Seed = 0,
    backend: Annotated[
        str | None, typer.Option(help="hls4ml (C simulations) or da4ml (logic, Verilog, VHDL). [default: both]")
    ] = None,
    reuse: Annotated[int, typer.Option(min=1, help="Products that share a multiplier in the strategy resource.")] = 4,
    part: PartOption = DEFAULT_PART,
    clock_ns: ClockOption = DEFAULT_CLOCK_NS,
    ports: PortsOption = "declared",
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare C simulations, logic and RTL simulations with the backend `fixed`; exit code 1 if a score differs."""
    from firmware.build_requests import Tool, rtl_request
    from firmware.ports import Ports
    from firmware.verification import verify as verify_version
    from firmware.verification_forms import forms_of
    from firmware.verification_inputs import input_sets
    from stream.cli.event_source import progress
    from stream.cli.output import print_json

    tools = tuple(Tool) if backend is None else (named(Tool, backend, "--backend"),)
    request = rtl_request(part, clock_ns, named(Ports, ports, "--ports"))
    loaded = _loaded(version, repository)
    zero_bias = _zero_bias(loaded, source, random, seed)
    sets = input_sets(loaded, request.ports, zero_bias, random, seed)
    forms = forms_of(loaded, reuse, tools)
    rows: list[Agreement] = []
    with progress("verify", len(forms) * len(sets)) as done:
        for row in verify_version(loaded, request, sets, forms):
            rows.append(row)
            done(1)
    if as_json:
        print_json({"version": loaded.label, **request.stated, "compared": [asdict(row) for row in rows]})
    else:
        _print_agreements(loaded, request, rows, zero_bias)
    if any(row.differing for row in rows):
        raise typer.Exit(_DIFFERING_EXIT)
    if all(row.differing is None for row in rows):
        raise typer.Exit(_NOTHING_COMPARED_EXIT)


def named(kind: type[_Kind], name: str, option: str) -> _Kind:
    """The member of an enum that an option names."""
    from triggers.errors import UnknownName

    if name not in list(kind):
        raise UnknownName(option, option.lstrip("-"), name, list(kind))
    return kind(name)


def _loaded(label: str, repository: Path | None) -> LoadedVersion:
    from models.repository import open_repository, parse_label

    return open_repository(repository).load(*parse_label(label))


def _zero_bias(loaded: LoadedVersion, files: list[str] | None, n: int, seed: int) -> Source | None:
    """The crossings named, or synthetic ones; None if these lack what the version reads."""
    from models.errors import InputsInvalid
    from triggers.events.open import open_source
    from triggers.events.schema import REQUIRED
    from triggers.events.synthetic import SyntheticSource

    if files:
        return open_source(files)
    try:
        readable = set(loaded.layout.columns) <= set(REQUIRED.names)
    except InputsInvalid:
        readable = False
    return SyntheticSource(n, seed) if readable else None


def _print_agreements(
    loaded: LoadedVersion, request: BuildRequest, rows: list[Agreement], zero_bias: Source | None
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from stream.cli.output import console

    out = console()
    by_form: dict[str, list[Agreement]] = {}
    for row in rows:
        by_form.setdefault(row.form, []).append(row)
    table = Table("form", *(row.inputs for row in next(iter(by_form.values()))), "made in", "ran in", box=SIMPLE_HEAD)
    for form, of_form in by_form.items():
        ran = [row for row in of_form if row.differing is not None]
        times = (f"{ran[0].opening_s:.1f} s", f"{sum(row.seconds for row in ran):.1f} s") if ran else ()
        table.add_row(form, *(_found(row) for row in of_form), *times)
    out.print(
        f"[bold]{loaded.label}[/] against fixed: scores that differ, of how many; "
        f"RTL for {request.part} at {request.clock_ns:g} ns",
        soft_wrap=True,
    )
    out.print(table)
    for why_not, names in _reasons(rows).items():
        out.print(f"{', '.join(names)} not compared: {why_not}", soft_wrap=True, markup=False)
    if zero_bias is None:
        out.print("zero bias: synthetic crossings do not hold what this version reads; name files with --source")
    for row in rows:
        for difference in row.first:
            _print_difference(row, difference)


def _found(row: Agreement) -> str:
    if row.differing is None:
        return "–"
    count = f"{row.differing:,} of {row.crossings:,}"
    return f"[red]{count}[/]" if row.differing else count


def _reasons(rows: list[Agreement]) -> dict[str, list[str]]:
    """The forms that cannot run, by the sentence that says why."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.why_not and row.form not in found.setdefault(row.why_not, []):
            found[row.why_not].append(row.form)
    return found


def _print_difference(row: Agreement, difference: Difference) -> None:
    from stream.cli.output import console

    out = console()
    out.print(f"[bold]{row.form}, {row.inputs}[/]: {difference.found}, expected {difference.expected}", soft_wrap=True)
    out.print(f"  inputs {difference.inputs}", soft_wrap=True)
    for name, codes in difference.layers.items():
        out.print(f"  {name}: {_short(codes)}", soft_wrap=True)
        if difference.layers_found is not None and difference.layers_found.get(name, codes) != codes:
            out.print(f"  {name} [red]found[/]: {_short(difference.layers_found[name])}", soft_wrap=True)


def _short(codes: list[int]) -> str:
    more = f", … ({len(codes)} in all)" if len(codes) > _SHOWN_CODES else ""
    return ", ".join(map(str, codes[:_SHOWN_CODES])) + more
