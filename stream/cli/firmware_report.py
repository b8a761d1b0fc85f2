"""`l1chain firmware report|latency`: what versions take in hardware, and how long a chain takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.model_versions import RepositoryOption
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from firmware.latency import ChainLatency
    from firmware.resources import Resources
    from firmware.synthesis import Cells


def report(
    versions: Annotated[list[str], typer.Argument(metavar="NAME/VERSION...", help="Versions, or aliases of them.")],
    part: Annotated[list[str] | None, typer.Option(help="Full names of parts. [default: xc7vx690tffg1927-2]")] = None,
    clock_ns: Annotated[float, typer.Option("--clock-ns", help="Period of the clock.")] = 25.0,
    ports: Annotated[
        str, typer.Option(help="Widths of inputs: declared, or packed as the links fill them.")
    ] = "packed",
    synthesis: Annotated[bool, typer.Option(help="Whether yosys counts cells, which takes minutes.")] = True,
    limit_s: Annotated[float, typer.Option("--limit-s", min=1, help="Longest synthesis.")] = 1800.0,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report look-up tables, registers, multipliers, memories and latency, next to published numbers."""
    from firmware.build_requests import rtl_request
    from firmware.da4ml_package import check_da4ml
    from firmware.hls_build import DEFAULT_SETTINGS
    from firmware.ports import Ports
    from models.repository import open_repository, parse_label
    from stream.cli.firmware import named
    from stream.cli.output import print_json

    check_da4ml()
    from firmware.resources import resources

    opened = open_repository(repository)
    chosen = named(Ports, ports, "--ports")
    requests = [rtl_request(one, clock_ns, chosen) for one in part or [DEFAULT_SETTINGS.part]]
    loaded = [opened.load(*parse_label(label)) for label in versions]
    rows = [resources(one, request, synthesis, limit_s) for one in loaded for request in requests]
    if as_json:
        print_json({"reports": [_record(row) for row in rows]})
    else:
        _print_reports(rows)


def latency(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="Configuration of a chain, or shipped:chains/NAME.yaml.")
    ],
    objects_slots: Annotated[int | None, typer.Option(help="From collision to objects. [default: assumed]")] = None,
    decision_slots: Annotated[int | None, typer.Option(help="Masks to final OR. [default: assumed]")] = None,
    accept_slots: Annotated[int | None, typer.Option(help="Final OR to front end. [default: assumed]")] = None,
    part: Annotated[str, typer.Option(help="Full name of the networks' part.")] = "xc7vx690tffg1927-2",
    clock_ns: Annotated[float, typer.Option("--clock-ns", help="Period of the networks' clock.")] = 25.0,
    as_json: JsonOption = False,
) -> None:
    """Show the latency of a chain in hardware, block by block, in slots of 25 ns, against the budgets."""
    from firmware.build_requests import rtl_request
    from firmware.latency import FixedBlocks
    from stream.cli.output import print_json
    from stream.run.config import load_config
    from stream.run.hardware_latency import hardware_latency

    fixed = FixedBlocks(objects_slots, decision_slots, accept_slots)
    found = hardware_latency(load_config(config), fixed, rtl_request(part, clock_ns))
    if as_json:
        print_json({"config": config, **found.as_record()})
    else:
        _print_latency(found)


def _record(row: Resources) -> dict[str, Any]:
    cells = None if row.synthesis is None else asdict(row.synthesis)
    return {
        "version": row.version,
        **row.request.stated,
        "family": row.family,
        "ticks": row.ticks,
        "latency_ns": row.latency_ns,
        "da4ml_cost": row.da4ml_cost,
        "effective_bit_operations": row.bit_operations,
        "synthesis": cells,
        "why_not": row.why_not,
        "shares_percent": dict(row.shares_percent),
        "published": None if row.published is None else asdict(row.published),
        "off_by": dict(row.off_by),
        "convolutions": [{**asdict(one), "cost": one.cost} for one in row.convolutions],
        "logic_s": row.logic_s,
    }


def _print_reports(rows: list[Resources]) -> None:
    from stream.cli.output import console

    out = console()
    out.print("Synthesis only, not placed or routed; % are of the LUT after packing, else of da4ml's")
    out.print(_cells_table(rows))
    out.print(_shares_table(rows))
    for row in rows:
        for sentence in _sentences(row):
            out.print(sentence, soft_wrap=True)


def _cells_table(rows: list[Resources]) -> Table:
    """Ticks and cells of each version, then what was published."""
    table = _table(("version", "part"), ("ns", "da4ml", "LUT", "packed", "FF", "DSP", "BRAM"))
    for row in rows:
        counts = ["–"] * 5 if row.synthesis is None else _counts(row.synthesis.cells)
        table.add_row(row.version, row.family, f"{row.latency_ns:g}", f"{row.da4ml_cost:,.0f}", *counts)
    table.add_section()
    for known in dict.fromkeys(row.published for row in rows if row.published is not None):
        luts = "" if known.luts is None else f"{known.luts:,.0f}"
        others = ["" if n is None else str(n) for n in (known.dsps, known.brams)]
        latency = "" if known.latency_ns is None else f"{known.latency_ns:g}"
        table.add_row(f"{known.network}, published", known.device or "", latency, "", luts, "", "", *others)
    return table


def _counts(cells: Cells) -> list[str]:
    return [f"{n:,}" for n in (cells.luts, cells.packed_luts, cells.flip_flops, cells.dsps, cells.brams)]


def _shares_table(rows: list[Resources]) -> Table:
    """Ticks, bit operations, share of devices, and how long synthesis took."""
    from firmware.parts import DEVICES

    table = _table(("version", "part"), ("ticks", "EBOPs", *(f"% {device.name[2:]}" for device in DEVICES), "took"))
    for row in rows:
        took = "–" if row.synthesis is None else f"{row.synthesis.seconds:.0f} s"
        shares = (f"{share:.2f}" for share in row.shares_percent.values())
        table.add_row(row.version, row.family, str(row.ticks), f"{row.bit_operations:,}", *shares, took)
    return table


def _table(words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _sentences(row: Resources) -> list[str]:
    sentences = [f"{row.version}, {row.family}: no cells: {row.why_not}"] if row.why_not else []
    if row.published is not None:
        known = row.published
        numbers = [] if known.latency_ns is None else [f"{known.latency_ns:g} ns"]
        numbers += [] if known.luts_percent is None else [f"{known.luts_percent:g} % of the LUT of {known.device}"]
        numbers += [] if known.dsps is None else [f"{known.dsps} DSP, {known.brams} BRAM"]
        sentences.append(f"{row.version}: published for {known.network}: {', '.join(numbers)} ({known.note})")
    if row.off_by:
        factors = ", ".join(f"{name} {factor:.2f} times" for name, factor in row.off_by.items())
        sentences.append(
            f"{row.version}, {row.family}: LUT over the published ones, whose version is not known: {factors}"
        )
    for one in row.convolutions:
        product = f"{one.block_cost:,.0f} × ρ {one.rho:,.0f} = {one.cost:,.0f}"
        sentences.append(f"{row.version}: {one.layer}: da4ml's LUT of one window {product}")
    return sentences


def _print_latency(found: ChainLatency) -> None:
    from rich.table import Table

    from firmware.latency import BUDGETS_NS
    from stream.cli.output import console

    out = console()
    table = Table("way", "block", "slots", "ns", "from", "what is known")
    for way, block in found.blocks:
        table.add_row(way, block.name, str(block.slots), f"{block.latency_ns:g}", block.origin, block.note)
    out.print(table)
    for name, slots in found.paths.items():
        out.print(f"by {name}: {slots} slots")
    out.print(f"L1 accept after {found.slots} slots = {found.latency_ns / 1000:g} µs")
    for name, slack in found.slack_slots.items():
        word = "left" if slack >= 0 else "too many"
        out.print(f"  {name}, {BUDGETS_NS[name] / 1000:g} µs: {abs(slack)} slots {word}")
    if found.networks:
        slack = found.network_slack_slots
        beside = "networks are done when the conditions are" if slack == 0 else f"networks are {abs(slack)} slots "
        out.print(
            beside
            if slack == 0
            else beside + ("faster than the conditions" if slack > 0 else "slower than the conditions")
        )
