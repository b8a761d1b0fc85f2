"""Menu A against menu B in tables: which algorithms changed, what the change costs and brings (`docs/replay.md`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from triggers.decision.prescales import INCREMENT
from triggers.errors import BadValue
from triggers.studies.compare import Comparison, Exclusive
from triggers.studies.entities import FINAL_OR
from triggers.studies.result import MenuResult, ReplayResult

_FLOAT: Final = pa.float64()

CHANGES: Final = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("status", pa.string()),
        pa.field("prescale_a", _FLOAT),
        pa.field("prescale_b", _FLOAT),
        *(
            pa.field(f"{name}{unit}", _FLOAT)
            for name in ("fired_a", "fired_b", "fired_only_a", "fired_only_b", "total_a", "total_b", "pure_a", "pure_b")
            for unit in ("_hz", "_error_hz")
        ),
        *(pa.field(f"{name}_hz", _FLOAT) for name in ("lost", "lost_alone", "gained", "gained_alone")),
        pa.field("expression_a", pa.string()),
        pa.field("expression_b", pa.string()),
    ]
)
"""An algorithm in both menus; `lost` and `gained`: its part in the crossings that only A, only B, keeps."""

PROCESSES: Final = pa.schema(
    [
        pa.field("process", pa.string()),
        pa.field("crossings", pa.int64()),
        *(pa.field(f"{name}{end}", _FLOAT) for name in ("acceptance_a", "acceptance_b") for end in ("", "_error")),
        pa.field("only_a", _FLOAT),
        pa.field("only_b", _FLOAT),
    ]
)
"""Fractions of a process's weight: kept by each menu, and by one only."""

SAME, CHANGED, PRESCALED, ADDED, REMOVED, UNKNOWN = "same", "changed", "prescale", "added", "removed", "not evaluated"


@dataclass(frozen=True)
class Difference:
    """What menu B does to the rate of the final OR.

    Attributes:
        only_a_hz, only_a_error_hz: of crossings that only A keeps: what B loses.
        only_b_hz, only_b_error_hz: of crossings that only B keeps: what B gains.
        change_hz, change_error_hz: B minus A.
    """

    only_a_hz: float
    only_a_error_hz: float
    only_b_hz: float
    only_b_error_hz: float
    change_hz: float
    change_error_hz: float


def difference(result: ReplayResult) -> Difference:
    """The difference of the two menus' final OR."""
    comparison, _, _ = _two(result)
    (only_a,), (error_a,) = _exclusive_rate(result, comparison.kept_only_a)
    (only_b,), (error_b,) = _exclusive_rate(result, comparison.kept_only_b)
    error = float(np.hypot(error_a, error_b))
    return Difference(float(only_a), float(error_a), float(only_b), float(error_b), float(only_b - only_a), error)


def _exclusive_rate(result: ReplayResult, exclusive: Exclusive) -> tuple[Any, Any]:
    return result.rates(exclusive.crossings.sums[:1], exclusive.crossings.squares[:1])


def changes_table(result: ReplayResult) -> pa.Table:
    """Every algorithm of either menu, those with the greatest difference in rate first."""
    comparison, a, b = _two(result)
    names = list(dict.fromkeys([x.name for x in a.menu.algorithms] + [x.name for x in b.menu.algorithms]))
    rates = {part.label: _rates(result, part) for part in (a, b)}
    fired_only = result.rates(*comparison.fired_only_a.total), result.rates(*comparison.fired_only_b.total)
    parts = _parts(result, comparison)
    rows = [_row(name, a, b, rates, fired_only, parts) for name in names]
    rows.sort(key=lambda row: -abs((row.get("total_b_hz") or 0.0) - (row.get("total_a_hz") or 0.0)))
    rows.sort(key=lambda row: row["status"] == SAME)
    return pa.Table.from_pylist(rows, CHANGES)


def _two(result: ReplayResult) -> tuple[Comparison, MenuResult, MenuResult]:
    if result.comparison is None:
        raise BadValue("replay", "there is one menu, so nothing to compare", "give a second with --menu")
    return result.comparison, result.menus[0], result.menus[1]


def _rates(result: ReplayResult, part: MenuResult) -> dict[str, Any]:
    shares = part.study.shares
    return {
        "fired": result.rates(*part.study.fired.total),
        "total": result.rates(*part.study.final.total),
        "pure": result.rates(shares.pure, shares.pure_squares),
    }


def _parts(result: ReplayResult, comparison: Comparison) -> dict[str, Any]:
    hz = result.normalisation.hz_per_weight
    return {
        "lost": comparison.kept_only_a.by_process.total[0] * hz,
        "lost_alone": comparison.kept_only_a.shares.pure * hz,
        "gained": comparison.kept_only_b.by_process.total[0] * hz,
        "gained_alone": comparison.kept_only_b.shares.pure * hz,
    }


def _row(name: str, a: MenuResult, b: MenuResult, rates: Any, fired_only: Any, parts: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "status": status(name, a, b)}
    for part, letter, exclusive in ((a, "a", ("lost", "lost_alone")), (b, "b", ("gained", "gained_alone"))):
        algorithm = part.menu.algorithm(name)
        if algorithm is None:
            continue
        row[f"expression_{letter}"] = algorithm.text
        row[f"prescale_{letter}"] = float(part.study.settings.factors[algorithm.index]) / INCREMENT
        if name in part.not_evaluated:
            continue
        for quantity, (values, errors) in rates[part.label].items():
            row[f"{quantity}_{letter}_hz"] = values[algorithm.index]
            row[f"{quantity}_{letter}_error_hz"] = errors[algorithm.index]
        row |= {f"{key}_hz": parts[key][algorithm.index] for key in exclusive}
    in_a = a.menu.algorithm(name)
    if in_a is not None and row["status"] in (SAME, CHANGED, PRESCALED):
        for letter, (values, errors) in zip("ab", fired_only, strict=True):
            row[f"fired_only_{letter}_hz"] = values[in_a.index]
            row[f"fired_only_{letter}_error_hz"] = errors[in_a.index]
    return row


def status(name: str, a: MenuResult, b: MenuResult) -> str:
    """What happened to an algorithm from menu A to menu B."""
    in_a, in_b = a.menu.algorithm(name), b.menu.algorithm(name)
    if in_a is None:
        return ADDED
    if in_b is None:
        return REMOVED
    if name in a.not_evaluated or name in b.not_evaluated:
        return UNKNOWN
    if in_a.expression != in_b.expression:
        return CHANGED
    factor_a, factor_b = a.study.settings.factors[in_a.index], b.study.settings.factors[in_b.index]
    return SAME if factor_a == factor_b else PRESCALED


def processes_table(result: ReplayResult) -> pa.Table:
    """What each menu keeps of each process that the source names."""
    comparison, a, b = _two(result)
    rows = []
    for number, process in enumerate(result.processes):
        weight = float(result.by_process.sums[number])
        row: dict[str, Any] = {"process": process, "crossings": int(result.by_process.counts[number])}
        for letter, part in (("a", a), ("b", b)):
            tally = part.study.final_by_process
            tally.grow(len(result.processes))
            kept, square = float(tally.sums[number, FINAL_OR]), float(tally.squares[number, FINAL_OR])
            row[f"acceptance_{letter}"] = kept / weight if weight else None
            row[f"acceptance_{letter}_error"] = np.sqrt(square) / weight if weight else None
        for letter, exclusive in (("a", comparison.kept_only_a), ("b", comparison.kept_only_b)):
            exclusive.by_process.grow(len(result.processes))
            row[f"only_{letter}"] = float(exclusive.by_process.sums[number, FINAL_OR]) / weight if weight else None
        rows.append(row)
    return pa.Table.from_pylist(rows, PROCESSES)
