"""`l1chain firmware report|latency`: what versions take in hardware, and how long a chain takes."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.model_versions import RepositoryOption
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from firmware.latency import ChainLatency
    from firmware.resources import Resources
    from firmware.synthesis import Cells
    from triggers.errors import L1ChainError

_LEAST_WIDTH: Final = 17


def report(
    versions: Annotated[list[str], typer.Argument(metavar="NAME/VERSION...", help="Versions, or aliases of them.")],
    part: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="Full names of parts. [default: xc7vx690tffg1927-2]")
    ] = None,
    clock_ns: Annotated[float, typer.Option("--clock-ns", help="Period of the clock.")] = 25.0,
    ports: Annotated[
        str, typer.Option(help="Widths of inputs: declared, or packed as the links fill them.")
    ] = "packed",
    synthesis: Annotated[bool, typer.Option(help="Whether yosys counts cells, which takes minutes.")] = True,
    limit_s: Annotated[
        float, typer.Option("--limit-s", min=1, help="Longest step: da4ml makes the logic, yosys counts it.")
    ] = 1800.0,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report look-up tables, registers, multipliers, memories and latency, next to published numbers."""
    from firmware.build_requests import rtl_request
    from firmware.da4ml_package import check_da4ml
    from firmware.hls_build import DEFAULT_SETTINGS
    from firmware.ports import Ports
    from firmware.rtl_errors import LogicTooLong, NotLogic
    from models.repository import open_repository, parse_label
    from stream.cli.event_source import progress
    from stream.cli.firmware import named
    from stream.cli.output import console, print_json

    check_da4ml()
    from firmware.resources import resources
    from firmware.synthesis import Family

    opened = open_repository(repository)
    chosen = named(Ports, ports, "--ports")
    requests = [rtl_request(one, clock_ns, chosen) for one in part or [DEFAULT_SETTINGS.part]]
    for request in requests:
        Family.of(request.part)
    loaded = [opened.load(*parse_label(label)) for label in versions]
    rows: list[Resources] = []
    refused: dict[str, L1ChainError] = {}
    with progress("report", len(loaded) * len(requests)) as done:
        for one, request in product(loaded, requests):
            try:
                rows.append(resources(one, request, synthesis, limit_s))
            except (NotLogic, LogicTooLong) as error:
                refused[one.label] = error
            done(1)
    if not rows:
        raise next(iter(refused.values()))
    if as_json:
        refusals = {label: str(error) for label, error in refused.items()}
        print_json({"reports": [_record(row) for row in rows], "refused": refusals})
    else:
        _print_reports(rows)
        for label, why in refused.items():
            console().print(f"{label} is not in the tables: {why}", soft_wrap=True, markup=False)


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
        "convolutions": [{**asdict(one), "cost": one.cost, "luts": one.luts} for one in row.convolutions],
        "estimated_luts": row.estimated_luts,
        "logic_s": row.logic_s,
    }


def _print_reports(rows: list[Resources]) -> None:
    from stream.cli.output import console

    out = console()
    out.print("Synthesis only, not placed or routed. LUT, packed, FF, DSP, BRAM: yosys", soft_wrap=True)
    out.print(_cells_table(rows))
    out.print("Shares are of packed LUT; in brackets, where yosys did not count, of da4ml's", soft_wrap=True)
    out.print(_shares_table(rows))
    if any(row.off_by for row in rows):
        out.print("Estimates over published figures; of which version these are is not known", soft_wrap=True)
        out.print(_off_table(rows))
    for row in rows:
        for sentence in _sentences(row):
            out.print(sentence, soft_wrap=True, markup=False)


def _cells_table(rows: list[Resources]) -> Table:
    """Ticks and cells of each version, then what was published."""
    from firmware.parts import PUBLISHED

    table = _table(("version",), ("ticks", "ns", "da4ml", "LUT", "packed", "FF", "DSP", "BRAM"))
    for row in rows:
        counts = ["–"] * 5 if row.synthesis is None else _counts(row.synthesis.cells)
        table.add_row(_placed(row), str(row.ticks), f"{row.latency_ns:g}", f"{row.da4ml_cost:,.0f}", *counts)
    table.add_section()
    for known in PUBLISHED.values():
        luts = "" if known.luts is None else f"{known.luts_bound} {known.luts:,.0f}"
        others = ["" if n is None else str(n) for n in (known.dsps, known.brams)]
        latency = f"{known.latency_bound} {known.latency_ns:g}"
        place = f"\n{known.device}" if known.device else ""
        table.add_row(f"{known.network}, published{place}", "", latency, "", luts, "", "", *others)
    return table


def _placed(row: Resources) -> str:
    """Version and device, one below the other: numbers need the width of a terminal."""
    from firmware.parts import device_of

    return f"{row.version}\n{device_of(row.request.part)}"


def _counts(cells: Cells) -> list[str]:
    return [f"{n:,}" for n in (cells.luts, cells.packed_luts, cells.flip_flops, cells.dsps, cells.brams)]


def _shares_table(rows: list[Resources]) -> Table:
    """Bit operations, shares of devices, and how long the steps took."""
    from firmware.parts import DEVICES

    shares = (f"% {device.name[2:]}" for device in DEVICES)
    table = _table(("version",), ("EBOPs", *shares, "logic in", "yosys in"))
    for row in rows:
        took = "–" if row.synthesis is None else f"{row.synthesis.seconds:.0f} s"
        form = "({:.2f})" if row.synthesis is None else "{:.2f}"
        percents = (form.format(share) for share in row.shares_percent.values())
        table.add_row(_placed(row), f"{row.bit_operations:,}", *percents, f"{row.logic_s:.1f} s", took)
    return table


def _off_table(rows: list[Resources]) -> Table:
    """How far latency and the estimates of look-up tables are from a published figure."""
    names = {"ns": "ns", "da4ml": "da4ml", "yosys": "LUT", "yosys, packed": "packed"}
    table = _table(("version", "published"), tuple(names.values()))
    for row in rows:
        if row.off_by and row.published is not None:
            known = row.published
            figure = f"{known.latency_ns:g} ns, {known.luts_percent:g} % = {known.luts:,.0f} LUT of {known.device}"
            factors = (f"{row.off_by[name]:.2f}" if name in row.off_by else "–" for name in names)
            table.add_row(_placed(row), figure, *factors)
    return table


def _table(words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in words:
        table.add_column(name, overflow="fold", min_width=_LEAST_WIDTH)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _sentences(row: Resources) -> list[str]:
    from firmware.parts import device_of

    here = f"{row.version}, {device_of(row.request.part)}"
    sentences = [f"{here}: not synthesised: {row.why_not}"] if row.why_not else []
    for one in row.convolutions:
        block = f"{one.block_cost:,.0f} (da4ml)" if one.block_luts is None else f"{one.block_luts:,} (yosys, packed)"
        sentences.append(
            f"{here}: convolution {one.layer}: {block} LUT of one window × ρ {one.rho:,.0f} = {one.luts:,.0f}"
        )
    if row.estimated_luts is not None:
        sentences.append(f"{here}: {row.estimated_luts:,.0f} LUT in all, with the convolutions by ρ, the rest by da4ml")
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
        word = "faster" if slack > 0 else "slower"
        beside = (
            f"is {abs(slack)} {'slot' if abs(slack) == 1 else 'slots'} {word} than the conditions"
            if slack
            else "is done when the conditions are"
        )
        out.print(f"the slowest network {beside}")
