"""A run's result as a person reads it in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.run.report_budgets import budget_sentences
from stream.run.report_hlt import hlt_sentence

_TOP: Final = 15
_NAME_WIDTH: Final = 30
_UNITS: Final = ((1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))


def result_of(record: dict[str, Any]) -> dict[str, Any]:
    """What `--json` prints: the record's result without the configuration."""
    left_out = {"config", "host"}
    return {key: value for key, value in record.items() if key not in left_out}


def summary(record: dict[str, Any], top: int = _TOP) -> RenderableType:
    """The whole summary of a run.

    Args:
        record: the run record.
        top: how many of the highest rates to show.
    """
    return Group(*_parts(record, top))


def _parts(record: dict[str, Any], top: int) -> Iterator[RenderableType]:
    folder = Path(record["run_dir"])
    rows = pq.read_table(folder / "rates.parquet").to_pylist()
    yield _lumi_sections(record)
    yield _rates(rows, top)
    scored = _score_rates(record, rows)
    if scored is not None:
        yield scored
    yield _speed(record)
    yield from _sentences(record)


def _lumi_sections(record: dict[str, Any]) -> Table:
    table = Table(title=f"Lumi sections ({record['ended']})", title_justify="left", box=SIMPLE_HEAD)
    for column in ("section", "produced", "decided", "accepted", "L1 rate", "suppressed by budgets"):
        table.add_column(column, justify="right", no_wrap=column == "L1 rate")
    for row in record["lumi_sections"]:
        table.add_row(str(row["lumi_section"]), *_totals(row))
    table.add_section()
    table.add_row("all", *_totals(record), style="bold")
    return table


def _totals(row: dict[str, Any]) -> list[str]:
    rate = rate_text(row["accepted_hz"], row["accepted_error_hz"])
    suppressed = ", ".join(f"{name}: {n:,}" for name, n in row["suppressed"].items()) or "none set"
    return [f"{row['produced']:,}", f"{row['decided']:,}", f"{row['accepted']:,}", rate, suppressed]


def _rates(rows: list[dict[str, Any]], top: int) -> Table:
    evaluated = sorted((row for row in rows if row["evaluated"]), key=lambda row: -row["final_hz"])
    table = Table(title=f"Highest rates ({min(top, len(evaluated))} of {len(evaluated)} algorithms)")
    return _rate_table(table, evaluated[:top])


def rate_text(rate_hz: float, error_hz: float | None = None) -> str:
    """A rate in the unit that suits it, e.g. `1.23 ± 0.04 kHz`; `0` where nothing was counted.

    Args:
        rate_hz: the rate.
        error_hz: its error, shown with one significant digit; None shows none, and three digits of the rate.
    """
    if rate_hz == 0:
        return "0"
    size, unit = next(((size, unit) for size, unit in _UNITS if rate_hz >= size), _UNITS[-1])
    if error_hz is None:
        return f"{rate_hz / size:.3g} {unit}"
    digits = max(0, -math.floor(math.log10(error_hz / size)))
    return f"{rate_hz / size:.{digits}f} ± {error_hz / size:.{digits}f} {unit}"


def _score_rates(record: dict[str, Any], rows: list[dict[str, Any]]) -> Table | None:
    names = set(record["menu"]["on_scores"])
    chosen = [row for row in rows if row["algorithm"] in names and row["evaluated"]]
    if not chosen:
        return None
    models = ", ".join(f"{m['name']}/{m['version']} ({m['backend']})" for m in record["models"])
    return _rate_table(Table(title=f"Anomaly detection: {models}"), chosen)


def _rate_table(table: Table, rows: list[dict[str, Any]]) -> Table:
    table.box, table.title_justify, table.padding = SIMPLE_HEAD, "left", (0, 1, 0, 0)
    table.add_column("algorithm", overflow="fold", min_width=_NAME_WIDTH)
    for column in ("prescale", "before it", "final", "pure"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        before, pure = (rate_text(row[f"{step}_hz"]) for step in ("before_prescale", "pure"))
        final = rate_text(row["final_hz"], row["final_error_hz"])
        table.add_row(row["algorithm"], f"{row['prescale']:g}", before, final, pure)
    return table


def _speed(record: dict[str, Any]) -> Table:
    table = Table(title="Speed", title_justify="left", show_header=False, box=SIMPLE_HEAD)
    table.add_column()
    table.add_column()
    latency = record["latency_ms"]
    by_service = record["cpu_ns_per_crossing"]
    services = ", ".join(f"{name} {ns:,.1f}" for name, ns in by_service.items() if name != "total")
    table.add_row("throughput", f"{record['crossings_per_s'] / 1e6:,.2f} million crossings/s")
    table.add_row("CPU a crossing", f"{by_service['total']:,.1f} ns ({services})")
    table.add_row("source", f"{record['source_ns_per_crossing']:,.1f} ns a crossing, not counted above")
    table.add_row(
        "batch latency", f"median {latency['p50']:,.2f} ms, 99 % {latency['p99']:,.2f} ms, max {latency['max']:,.2f} ms"
    )
    return table


def _sentences(record: dict[str, Any]) -> Iterator[Text]:
    menu = record["menu"]
    yield coverage(menu["name"], menu["algorithms"], menu["not_evaluated"])
    for sentence in record["source"]["missing"]:
        yield Text(f"  {sentence}", style="yellow")
    check = record["expected"]
    if check is not None:
        differing = sum(check["differing_bits"].values())
        compared = f"{check['algorithms']} algorithms in {check['crossings']:,} crossings"
        yield Text(
            f"Against the source's own bits: {compared}, {differing} bits differ.",
            style="red" if differing else "green",
        )
        for name, n in check["differing_bits"].items():
            yield Text(f"  {name}: {n}", style="red")
    if record["blocked"]:
        rules = ", ".join(f"{rule}: {n:,}" for rule, n in record["blocked"].items())
        yield Text(f"Trigger rules blocked {record['dead_time']:.2%} of the final OR ({rules}).")
    after = hlt_sentence(record)
    if after is not None:
        yield Text(after)
    for sentence in budget_sentences(record):
        yield Text(sentence)
    dead = record.get("dead", {})
    lost = record["produced"] - record["decided"] - sum(dead.values())
    state = "every crossing was decided" if not dead else "every other crossing was decided"
    if lost:
        state = f"{lost:,} crossings were NOT decided"
    causes = "".join(f", dead time {n:,} ({cause})" for cause, n in dead.items())
    told = f"Produced {record['produced']:,}, decided {record['decided']:,}{causes}: {state}."
    yield Text(told, style="red" if lost else "yellow" if dead else "green")
    yield Text(f"Run folder: {record['run_dir']}")


def coverage(menu: str, algorithms: int, not_evaluated: Mapping[str, str]) -> Text:
    """Which algorithms of a menu are evaluated, and which are not, by reason."""
    text = Text(f"Menu {menu}: {algorithms - len(not_evaluated)} of {algorithms} algorithms evaluated.")
    by_reason: dict[str, list[str]] = {}
    for name, reason in not_evaluated.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        text.append(f"\n  not evaluated ({reason}): {', '.join(names)}", style="yellow")
    return text
