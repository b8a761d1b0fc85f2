"""`l1chain firmware scan`: accuracy against resources and time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.event_source import Seed, progress
from stream.cli.model_versions import LabelArgument, RepositoryOption
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from firmware.scans import Point, Sample
    from models.repository import LoadedVersion

_DEFAULT_BITS = "2-16"
_DEFAULT_PRUNED = "0,0.1,0.25"


def scan(
    version: LabelArgument,
    signal: Annotated[list[str], typer.Option(metavar="FILE", help="Event file of a signal; again for another one.")],
    background: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Event files of zero bias.")] = None,
    synthetic: Annotated[int, typer.Option(min=1, help="Synthetic crossings of zero bias, if no files are named.")] = (
        200_000
    ),
    seed: Seed = 0,
    crossings: Annotated[int, typer.Option(min=1, help="Crossings of each sample at most.")] = 1_000_000,
    bits: Annotated[str, typer.Option(help="Bit widths, such as 2-16 or 4,6,8.")] = _DEFAULT_BITS,
    pruned: Annotated[str, typer.Option(help="Parts of the weights that become 0.")] = _DEFAULT_PRUNED,
    strategy: Annotated[str, typer.Option(help="distributed_arithmetic, latency, resource, or several.")] = (
        "distributed_arithmetic,resource"
    ),
    reuse: Annotated[str, typer.Option(help="Reuse factors of the strategy resource.")] = "1,2,4",
    metric: Annotated[str, typer.Option(help="What the best designs have most of: efficiency or auc.")] = "efficiency",
    rate_hz: Annotated[float, typer.Option("--rate-hz", help="Rate of zero bias at which efficiency is taken.")] = (
        1000.0
    ),
    bunches: Annotated[int, typer.Option(min=1, max=3564, help="Colliding bunches an orbit.")] = 2544,
    part: Annotated[str, typer.Option(help="Full name of the part.")] = "xc7vx690tffg1927-2",
    clock_ns: Annotated[float, typer.Option("--clock-ns", help="Period of the clock.")] = 25.0,
    synthesis: Annotated[bool, typer.Option("--synthesis", help="Let yosys count cells of the best designs.")] = False,
    repository: RepositoryOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. [default: beside the version's builds]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Scan bit widths, pruning, strategy and reuse: efficiency or AUC against look-up tables and latency."""
    from firmware.builds import builds_folder
    from firmware.hls_strategies import Strategy
    from firmware.requantise import Variant
    from firmware.scan_plot import METRICS
    from firmware.scan_report import record, write_scan
    from firmware.scans import designs, pareto
    from firmware.scans import scan as scan_version
    from models.repository import open_repository, parse_label
    from stream.cli.output import print_json
    from triggers.errors import UnknownName
    from triggers.events.schema import ORBITS_PER_SECOND

    if metric not in METRICS:
        raise UnknownName("--metric", "metric", metric, METRICS)
    loaded = open_repository(repository).load(*parse_label(version))
    widths = _integers(bits, "--bits")
    parts = _fractions(pruned, "--pruned")
    strategies = [_strategy(name) for name in strategy.split(",")]
    hardware = designs([Strategy(name) for name in strategies], _integers(reuse, "--reuse"))
    variants = [Variant(None), *(Variant(width, part_of) for width in widths for part_of in parts)]
    sample = _sample(loaded, signal, background, synthetic, seed, crossings, rate_hz, bunches)
    points: list[Point] = []
    with progress("scan", len(variants) * len(hardware)) as done:
        for point in scan_version(loaded, sample, variants, hardware, part, clock_ns):
            points.append(point)
            done(1)
    front = pareto(points, metric)
    settings = {
        "version": loaded.label,
        "part": part,
        "clock_ns": clock_ns,
        "rate_hz": rate_hz,
        "colliding_bunches": bunches,
        "collisions_hz": bunches * ORBITS_PER_SECOND,
        "background_crossings": len(sample.background),
        "signal_crossings": {name: len(inputs) for name, inputs in sample.signals.items()},
        "metric": metric,
    }
    cells = _cells(loaded, sample, front, part, clock_ns) if synthesis else []
    folder = out or builds_folder(loaded) / "scan"
    files = write_scan(folder, f"Trade-offs of {loaded.label}", settings, points, front, metric)
    result = {**settings, "points": len(points), "pareto": [record(point) for point in front], "cells": cells}
    if as_json:
        print_json({**result, "files": [str(path) for path in files]})
    else:
        _print_front(front, metric, files)


def _integers(text: str, option: str) -> tuple[int, ...]:
    """Integers separated by commas, or ranges FIRST-LAST."""
    from triggers.errors import BadValue

    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            found += range(int(first), int(last or first) + 1)
        except ValueError:
            raise BadValue(option, f"'{part}' is no integer", "write such as 4,6,8 or 2-16") from None
    return tuple(found)


def _fractions(text: str, option: str) -> tuple[float, ...]:
    """Numbers separated by commas."""
    from triggers.errors import BadValue

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise BadValue(option, f"'{text}' are no numbers", "write such as 0,0.25,0.5") from None


def _strategy(name: str) -> str:
    from firmware.hls_strategies import Strategy
    from triggers.errors import UnknownName

    if name.strip() not in list(Strategy):
        raise UnknownName("--strategy", "strategy", name.strip(), list(Strategy))
    return name.strip()


def _sample(
    loaded: LoadedVersion,
    signals: Sequence[str],
    background: Sequence[str] | None,
    synthetic: int,
    seed: int,
    n: int,
    rate_hz: float,
    bunches: int,
) -> Sample:
    """The inputs of all crossings that are scored."""
    from firmware.scans import Sample, signal_names
    from firmware.verification_inputs import crossings
    from triggers.events.open import open_source
    from triggers.events.synthetic import SyntheticSource

    source = open_source(background) if background else SyntheticSource(synthetic, seed)
    named = zip(signal_names(signals), signals, strict=True)
    inputs = {name: crossings(loaded, open_source([path]), n) for name, path in named}
    return Sample(crossings(loaded, source, n), inputs, bunches, rate_hz)


def _cells(
    loaded: LoadedVersion, sample: Sample, front: Sequence[Point], part: str, clock_ns: float
) -> list[dict[str, Any]]:
    """What yosys counts for the best designs of distributed arithmetic."""
    from dataclasses import asdict

    from firmware.build_requests import rtl_request
    from firmware.hls_strategies import Strategy
    from firmware.resources import resources
    from firmware.scans import input_ports, variant_of

    request = rtl_request(part, clock_ns, input_ports(loaded))
    found = []
    for point in front:
        if point.hardware.strategy is Strategy.DISTRIBUTED_ARITHMETIC:
            row = resources(variant_of(loaded, sample, point.variant), request)
            cells = None if row.synthesis is None else asdict(row.synthesis.cells)
            found.append({**asdict(point.variant), "cells": cells, "why_not": row.why_not})
    return found


def _print_front(front: Sequence[Point], metric: str, files: Sequence[Path]) -> None:
    from rich.table import Table

    from stream.cli.output import console

    out = console()
    table = Table("bits", "pruned", "strategy", "reuse", "LUT", "ns", "rate [Hz]", "efficiency", "AUC")
    for point in front:
        chosen = point.selection
        table.add_row(
            "as is" if point.variant.bits is None else str(point.variant.bits),
            f"{point.variant.pruned:.0%}",
            point.hardware.strategy,
            str(point.hardware.reuse),
            f"{point.luts:,.0f}",
            f"{point.latency_ns:g}",
            f"{chosen.rate_hz:,.0f} ± {chosen.rate_error_hz:,.0f}",
            f"{chosen.mean_efficiency:.4f}",
            f"{chosen.mean_auc:.4f}",
        )
    out.print(f"Designs that no other one surpasses in LUT, latency and {metric}:")
    out.print(table)
    out.print("written: " + ", ".join(map(str, files)), soft_wrap=True)
