"""A replay's tables (`docs/replay.md`, section "Files")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.studies.result import MenuResult, ReplayResult
from triggers.studies.tally import CrossingTally, Tally

_RATE_COLUMNS: Final = ("fired", "total", "pure", "proportional")
_FLOAT: Final = pa.float64()

RATES: Final = pa.schema(
    [
        pa.field("menu", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("index", pa.uint16()),
        pa.field("name", pa.string()),
        pa.field("prescale", _FLOAT),
        *(pa.field(f"{name}{unit}", _FLOAT) for name in _RATE_COLUMNS for unit in ("_hz", "_error_hz")),
    ]
)
"""Rates by entity: `fired` before the prescale, `total` after it in the final OR, `pure`, `proportional`."""

L1MENUTOOLS: Final = pa.schema(
    [
        pa.field("L1Bit", pa.uint16()),
        pa.field("L1SeedName", pa.string()),
        *(pa.field(n, _FLOAT) for n in ("pre-scale0", "rate0", "error_rate0", "pure0", "propotional0")),
    ]
)
"""The columns of L1MenuTools' rate tables, spelt as there."""

OVERLAP: Final = pa.schema(
    [
        pa.field("menu", pa.string()),
        pa.field("name", pa.string()),
        pa.field("other", pa.string()),
        pa.field("rate_hz", _FLOAT),
        pa.field("fraction", _FLOAT),
    ]
)
"""`rate_hz` of both together, and the `fraction` of the first one's rate that this is."""

_BIN_RATES: Final = (
    pa.field("menu", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("name", pa.string()),
    *(pa.field(f"{name}{unit}", _FLOAT) for name in ("fired", "total") for unit in ("_hz", "_error_hz")),
)
BY_LUMI_SECTION: Final = pa.schema(
    [
        pa.field("run", pa.uint32()),
        pa.field("lumi_section", pa.uint32()),
        pa.field("crossings", pa.int64()),
        *_BIN_RATES,
    ]
)
BY_PILEUP: Final = pa.schema(
    [
        pa.field("pileup_low", pa.uint16()),
        pa.field("pileup_high", pa.uint16()),
        pa.field("crossings", pa.int64()),
        *_BIN_RATES,
    ]
)
CURVE: Final = pa.schema(
    [
        pa.field("menu", pa.string()),
        pa.field("seed", pa.string()),
        pa.field("threshold", _FLOAT),
        pa.field("unit", pa.string()),
        *(pa.field(f"{name}{unit}", _FLOAT) for name in ("total", "added") for unit in ("_hz", "_error_hz")),
    ]
)
"""Rate of the seed at a threshold with prescale 1, and what it adds to all others."""


def rates_table(result: ReplayResult) -> pa.Table:
    """Rates of every menu, entity by entity."""
    rows: list[dict[str, Any]] = []
    for part in result.menus:
        shares = part.study.shares
        columns = {
            "fired": result.rates(*part.study.fired.total),
            "total": result.rates(*part.study.final.total),
            "pure": result.rates(shares.pure, shares.pure_squares),
            "proportional": result.rates(shares.proportional, shares.proportional_squares),
        }
        for entity in part.entities:
            row: dict[str, Any] = {"menu": part.label, "kind": entity.kind, "index": entity.index, "name": entity.name}
            row["prescale"] = entity.prescale
            alone = ("total",) if entity.kind in ("total", "accept") else _RATE_COLUMNS
            for name in alone:
                rates, errors = columns[name]
                error = 0.0 if entity.prescale == 0 and name != "fired" else errors[entity.number]
                row |= {f"{name}_hz": rates[entity.number], f"{name}_error_hz": error}
            rows.append(row)
    return pa.Table.from_pylist(rows, RATES)


def l1menutools_table(result: ReplayResult, part: MenuResult) -> pa.Table:
    """The rates of one menu's algorithms in the columns of L1MenuTools."""
    shares = part.study.shares
    rates, errors = result.rates(*part.study.final.total)
    pure, _ = result.rates(shares.pure, shares.pure_squares)
    shared, _ = result.rates(shares.proportional, shares.proportional_squares)
    rows = [
        {
            "L1Bit": entity.index,
            "L1SeedName": entity.name,
            "pre-scale0": entity.prescale,
            "rate0": rates[entity.number],
            "error_rate0": errors[entity.number] if entity.prescale else 0.0,
            "pure0": pure[entity.number],
            "propotional0": shared[entity.number],
        }
        for entity in part.entities
        if entity.kind == "algorithm"
    ]
    return pa.Table.from_pylist(rows, L1MENUTOOLS)


def overlap_table(result: ReplayResult) -> pa.Table:
    """Pairs of algorithms and of groups that keep crossings together, both ways round."""
    tables = [_overlap_of(result, part) for part in result.menus]
    return pa.concat_tables(tables)


def _overlap_of(result: ReplayResult, part: MenuResult) -> pa.Table:
    matrix = part.study.overlap.matrix
    columns: dict[str, list[Any]] = {name: [] for name in OVERLAP.names}
    for kind in ("group", "algorithm"):
        chosen = [entity for entity in part.entities if entity.kind == kind]
        numbers = [entity.number for entity in chosen]
        block = matrix[np.ix_(numbers, numbers)]
        for i, j in zip(*np.nonzero(block), strict=True):
            if i != j:
                columns["menu"].append(part.label)
                columns["name"].append(chosen[i].name)
                columns["other"].append(chosen[j].name)
                columns["rate_hz"].append(block[i, j] * result.normalisation.hz_per_weight)
                columns["fraction"].append(block[i, j] / block[i, i])
    return pa.table(columns, OVERLAP)


def lumi_section_table(result: ReplayResult) -> pa.Table:
    """Rates in each run and lumi section, as in the sample (not scaled to another luminosity)."""
    order = sorted(range(len(result.lumi_sections)), key=lambda number: result.lumi_sections[number])
    rows: list[dict[str, Any]] = []
    for part in result.menus:
        pairs = part.study.fired, part.study.final
        for number in order:
            run, lumi_section = result.lumi_sections[number]
            place = {"run": run, "lumi_section": lumi_section}
            rows += _bin_rows(result, part, result.by_lumi_section, pairs, slice(number, number + 1), place)
    return pa.Table.from_pylist(rows, BY_LUMI_SECTION)


def pileup_bins(result: ReplayResult, at_most: int = 24) -> list[tuple[int, int]]:
    """Ranges of pile-up, `[low, high)`, of equal width, that hold all crossings; none if the source has no pile-up."""
    filled = np.flatnonzero(result.by_pileup.counts)
    if not len(filled):
        return []
    low, high = int(filled[0]), int(filled[-1]) + 1
    width = next(w for w in (1, 2, 5, 10, 20, 50, 100, 300) if (high - low) / w <= at_most)
    edges = range(low // width * width, high, width)
    return [(edge, edge + width) for edge in edges if result.by_pileup.counts[edge : edge + width].sum()]


def pileup_table(result: ReplayResult) -> pa.Table:
    """Rates in ranges of pile-up `[pileup_low, pileup_high)`, as in the sample (not scaled to another luminosity)."""
    rows: list[dict[str, Any]] = []
    for part in result.menus:
        pairs = part.study.fired_by_pileup, part.study.final_by_pileup
        for low, high in pileup_bins(result):
            rows += _bin_rows(
                result, part, result.by_pileup, pairs, slice(low, high), {"pileup_low": low, "pileup_high": high}
            )
    return pa.Table.from_pylist(rows, BY_PILEUP)


def _bin_rows(
    result: ReplayResult,
    part: MenuResult,
    crossings: CrossingTally,
    tallies: tuple[Tally, Tally],
    bins: slice,
    place: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    weight, n = float(crossings.sums[bins].sum()), int(crossings.counts[bins].sum())
    collisions_hz = result.normalisation.collisions_hz / result.normalisation.scale
    hz = collisions_hz / weight if weight > 0 else 0.0
    one = float(crossings.squares[bins].sum()) / max(n, 1)
    columns = [_rates_in(tally, bins, hz, one) for tally in tallies]
    for entity in part.entities:
        row: dict[str, Any] = {**place, "crossings": n, "menu": part.label, "kind": entity.kind, "name": entity.name}
        for name, (rates, errors) in zip(("fired", "total"), columns, strict=True):
            if name == "total" or entity.kind in ("group", "algorithm"):
                row |= {f"{name}_hz": rates[entity.number], f"{name}_error_hz": errors[entity.number]}
        yield row


def _rates_in(tally: Tally, bins: slice, hz: float, one: float) -> tuple[NDArray[Any], NDArray[Any]]:
    sums, squares = tally.sums[bins].sum(axis=0), tally.squares[bins].sum(axis=0)
    return sums * hz, np.sqrt(np.where(squares > 0, squares, one)) * hz


def curve_table(result: ReplayResult) -> pa.Table:
    """Rate versus threshold, for each menu that has the seed."""
    rows: list[dict[str, Any]] = []
    for part in result.menus:
        if part.curve is None:
            continue
        total, total_error = result.rates(*part.curve.total.total)
        added, added_error = result.rates(*part.curve.added.total)
        rows += [
            {
                "menu": part.label,
                "seed": part.curve.curve.seed,
                "threshold": threshold,
                "unit": part.curve.curve.unit,
                "total_hz": total[entity],
                "total_error_hz": total_error[entity],
                "added_hz": added[entity],
                "added_error_hz": added_error[entity],
            }
            for entity, threshold in enumerate(part.curve.curve.thresholds)
        ]
    return pa.Table.from_pylist(rows, CURVE)
