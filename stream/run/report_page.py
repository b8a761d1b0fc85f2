"""The HTML page about a run that has ended: what ran, what it kept, what it cost, what was done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import numpy as np
import yaml

from stream.run.budgets_on_scores import budgets_on_scores
from stream.run.config import ChainConfig
from stream.run.finished import FinishedRun
from stream.run.hardware_latency import hardware_latency
from stream.run.record import RECORD_FILE
from stream.run.report_budgets import budget_section
from stream.run.report_hlt import hlt_section
from stream.run.report_remarks import remarks
from triggers.decision.settings import simulated_seconds
from triggers.errors import L1ChainError
from triggers.strict_yaml import validated
from triggers.studies import html, plots
from triggers.studies.html import rate_text
from triggers.studies.rates import rate_and_error

_TOP: Final = 25
_KHZ: Final = 1e-3
_SCORE_BINS: Final = 50
_LUMI_SECTION: Final = "lumi section"

Row = dict[str, Any]


def run_page(run: FinishedRun) -> str:
    """The page about a run; it needs no network.

    Raises:
        FileUnreadable: a file of the run is missing or damaged.
    """
    title = f"Run of {run.record['menu']['name']}, {run.record['started']}"
    return html.page(title, _parts(run, title))


def _parts(run: FinishedRun, title: str) -> Iterator[str]:
    record = run.record
    yield html.heading(title, 1)
    yield html.paragraph(_verdict(record), "verdict")
    for sentence in remarks(record):
        yield html.paragraph(sentence, "warning")
    yield from _what_ran(record)
    yield from _rates(record, run.rates)
    yield from _anomaly_detection(run)
    yield from hlt_section(record)
    yield from budget_section(record)
    yield from _dead_time(record)
    yield from _performance(record)
    yield from _hardware(record)
    yield from _actions(run)
    yield html.folded("All rates", _rate_table(run.rates))
    yield html.folded("All lumi sections", _lumi_sections(record))
    yield html.folded("Configuration", html.preformatted(yaml.safe_dump(record["config"], sort_keys=False)))


def _verdict(record: Row) -> str:
    rate = rate_text(record["accepted_hz"], record["accepted_error_hz"])
    return (
        f"{record['decided']:,} of {record['produced']:,} crossings decided in {len(record['lumi_sections'])} lumi "
        f"sections, {record['simulated_seconds']:.3g} simulated seconds: {record['accepted']:,} L1 accepts, {rate}. "
        f"The run ended by: {record['ended']}."
    )


# What ran


def _what_ran(record: Row) -> Iterator[str]:
    menu, source = record["menu"], record["source"]
    yield html.heading("What ran")
    rows = [
        ["menu", f"{menu['name']}, {menu['evaluated']} of {menu['algorithms']} algorithms evaluated"],
        ["its digest", menu["digest"]],
        ["source", source["name"]],
        ["from, to", f"{record['started']} to {record['finished']}"],
        ["l1chain", record["l1chain"]],
        ["host", ", ".join(f"{name} {value}" for name, value in record["host"].items())],
        ["services", f"transport {record['config']['transport']}"],
    ]
    yield html.table(["what", "which"], rows, n_text=2)
    for sentence in source["missing"]:
        yield html.paragraph(sentence, "note")
    if record["models"]:
        header = ["stage", "model", "version at the start", "backend", "replicas", "digest"]
        cells = (
            [m["stage"], m["name"], m["version"], m["backend"], str(m["replicas"]), m["digest"][:16]]
            for m in record["models"]
        )
        yield html.table(header, cells, n_text=6)
    yield html.paragraph("Settings by lumi section:")
    rows = [[_range(rows), *settings] for settings, rows in _periods(record["lumi_sections"])]
    yield html.table(["lumi sections", "prescale column", "masked", "model versions"], rows, n_text=4)


def _periods(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str, str], list[Row]]]:
    """Lumi sections in a row that have the same settings."""

    def settings(row: Row) -> tuple[str, str, str]:
        versions = (f"{model}/{version}" for model, version in row.get("model_versions", {}).items())
        return row["prescale_column"] or "–", ", ".join(row["masked"]) or "–", ", ".join(versions) or "–"

    for key, members in groupby(rows, settings):
        yield key, list(members)


def _range(rows: list[Row]) -> str:
    first, last = rows[0]["lumi_section"], rows[-1]["lumi_section"]
    return str(first) if first == last else f"{first}–{last}"


# Rates


def _rates(record: Row, rates: list[Row]) -> Iterator[str]:
    yield html.heading("Rates")
    rows = record["lumi_sections"]
    limit = {"limit": record["config"]["metrics"]["l1_rate_limit_hz"] * _KHZ}
    total = {
        "final OR": _by_lumi_section(record, lambda row: row["final_or"]),
        "L1 accepts": _by_lumi_section(record, lambda row: row["accepted"]),
    }
    yield html.figure(plots.lines(total, _LUMI_SECTION, "rate [kHz]", limit), "Total rate per simulated second.")
    names = list(rows[0]["groups"]) if rows else []
    if names:
        groups = {name: _by_lumi_section(record, _count_of("groups", name)) for name in names}
        caption = "Crossings of the final OR that each group of the menu keeps."
        yield html.figure(plots.lines(groups, _LUMI_SECTION, "rate [kHz]"), caption)
        yield _group_table(record, "groups", "group")
    top = sorted((row for row in rates if row["evaluated"] and row["final"]), key=lambda row: -row["final"])[:_TOP]
    if top:
        columns = (np.array([row[key] * _KHZ for row in top]) for key in ("final_hz", "final_error_hz", "pure_hz"))
        series = {"final OR": tuple(columns)}
        caption = f"The {len(top)} algorithms with the highest rates, and what nothing else keeps of them (pure)."
        bars = plots.horizontal_bars([row["algorithm"] for row in top], series, "rate [kHz]")  # type: ignore[arg-type]
        yield html.figure(bars, caption)
    cells = [
        [
            budget["name"],
            rate_text(budget["rate_hz"]),
            _beam_rate(record, record["budgets"][budget["name"]]["final"]),
            _beam_rate(record, record["suppressed"][budget["name"]]),
        ]
        for budget in record["config"]["budgets"]
    ]
    if cells:
        yield html.paragraph("Budgets, per second of beam:")
        yield html.table(["budget", "allowed", "kept", "suppressed"], cells)


def _by_lumi_section(record: Row, count: Callable[[Row], int], of_beam: bool = False) -> tuple[list[int], list[float]]:
    """Lumi sections with decided crossings, and a rate in kHz in each: per decided second, or per second of beam."""
    decided = [row for row in record["lumi_sections"] if row["decided"]]
    bunches = _bunches(record)
    crossings = [row["decided"] + (_dead(row) if of_beam else 0) for row in decided]
    rates = [count(row) / simulated_seconds(n, bunches) * _KHZ for row, n in zip(decided, crossings, strict=True)]
    return [row["lumi_section"] for row in decided], rates


def _bunches(record: Row) -> int:
    return int(record["config"]["run"]["colliding_bunches"])


def _dead(counts: Row) -> int:
    """Crossings of a run, or of a lumi section, that were not taken."""
    return sum(counts["dead"].values())


def _count_of(kind: str, name: str, step: str = "final") -> Callable[[Row], int]:
    return lambda row: int(row[kind][name][step])


def _rate(record: Row, count: int) -> str:
    return rate_text(*rate_and_error(count, record["simulated_seconds"]))


def _beam_rate(record: Row, count: int) -> str:
    """A rate as budgets count it: the second of beam has the dead time in it (`docs/budgets.md`, "Which second")."""
    crossings = record["decided"] + _dead(record)
    return rate_text(*rate_and_error(count, simulated_seconds(crossings, _bunches(record))))


def _group_table(record: Row, kind: str, title: str) -> str:
    cells = (
        [name, _rate(record, counts["final"]), _rate(record, counts["pure"])] for name, counts in record[kind].items()
    )
    return html.table([title, "rate", "pure"], cells)


def _rate_table(rates: Iterable[Row]) -> str:
    header = ["algorithm", "prescale at the end", "before it", "after it", "final", "pure", "accepted"]
    steps = ("before_prescale", "after_prescale", "final", "pure", "accepted")
    cells = (
        [row["algorithm"], f"{row['prescale']:g}"]
        + [rate_text(row[f"{step}_hz"], row[f"{step}_error_hz"]) if row["evaluated"] else "–" for step in steps]
        for row in rates
    )
    return html.table(header, cells)


def _lumi_sections(record: Row) -> str:
    cells = (
        [
            str(row["lumi_section"]),
            row["prescale_column"] or "–",
            f"{row['produced']:,}",
            f"{row['decided']:,}",
            f"{sum(row['dead'].values()):,}",
            rate_text(row["accepted_hz"], row["accepted_error_hz"]),
        ]
        for row in record["lumi_sections"]
    )
    return html.table(["lumi section", "prescale column", "produced", "decided", "dead", "L1 rate"], cells, n_text=2)


# Anomaly detection


def _anomaly_detection(run: FinishedRun) -> Iterator[str]:
    record = run.record
    names = set(record["menu"]["on_scores"])
    if not names:
        return
    yield html.heading("Anomaly detection")
    counts = record["anomaly_detection"]
    kept, pure = _rate(record, counts["final"]), _rate(record, counts["pure"])
    yield html.paragraph(f"All algorithms on scores together keep {kept}, of which nothing else keeps {pure}.")
    yield _rate_table(row for row in run.rates if row["algorithm"] in names)
    series = {"AD": _by_lumi_section(record, lambda row: row["anomaly_detection"]["final"])}
    series["AD, pure"] = _by_lumi_section(record, lambda row: row["anomaly_detection"]["pure"])
    beside = budgets_on_scores(record)
    on_scores = {budget["name"]: budget for budget in record["config"]["budgets"] if budget["name"] in beside}
    series |= {
        f"budget {name}": _by_lumi_section(record, _count_of("budgets", name), of_beam=True) for name in on_scores
    }
    limits = {f"{name}, allowed": budget["rate_hz"] * _KHZ for name, budget in on_scores.items()}
    note = " Budgets: per second of beam, dead time included; AD: per decided second." if _dead(record) else ""
    yield html.figure(plots.lines(series, _LUMI_SECTION, "rate [kHz]", limits), f"AD rates against the budgets.{note}")
    yield from _scores(run)


def _scores(run: FinishedRun) -> Iterator[str]:
    series = {}
    for version, values in run.scores().items():
        counts, edges = np.histogram(values.to_numpy(), _SCORE_BINS)
        series[version] = (edges, counts)
    if series:
        yield html.figure(plots.steps(series, "score", "accepted crossings"), "Scores of the accepted crossings.")


# Dead time, performance, actions


def _dead_time(record: Row) -> Iterator[str]:
    yield html.heading("Dead time")
    blocked, final_or = record["blocked"], max(record["final_or"], 1)
    yield html.paragraph(f"Trigger rules blocked {record['dead_time']:.2%} of the final OR.")
    cells = ([rule, f"{n:,}", f"{n / final_or:.2%}"] for rule, n in blocked.items())
    yield html.table(["trigger rule (accepts in slots)", "crossings", "of the final OR"], cells)
    dead = _dead(record)
    if not dead:
        yield html.paragraph("Every crossing was taken: no dead time of the run itself.")
        return
    yield html.paragraph(f"The run did not take {dead:,} crossings, {dead / record['produced']:.2%}, by cause:")
    cells = ([cause, f"{n:,}", f"{n / record['produced']:.2%}"] for cause, n in record["dead"].items())
    yield html.table(["cause", "crossings", "of all"], cells)


def _performance(record: Row) -> Iterator[str]:
    yield html.heading("Services")
    latency, by_service = record["latency_ms"], record["cpu_ns_per_crossing"]
    yield html.paragraph(
        f"{record['crossings_per_s'] / 1e6:.3g} million crossings/s of wall-clock time; latency of a batch: median "
        f"{latency['p50']:.3g} ms, 99 % {latency['p99']:.3g} ms, at most {latency['max']:.3g} ms."
    )
    restarts = record["restarts"]
    kinds = {name: sum(n for service, n in restarts.items() if service.startswith(name)) for name in by_service}
    cells = ([name, f"{ns:,.1f} ns", str(kinds[name])] for name, ns in by_service.items())
    yield html.table(["service", "CPU time a crossing", "restarts"], cells)
    source_ns = record["source_ns_per_crossing"]
    yield html.paragraph(f"The source took {source_ns:,.1f} ns a crossing beside that.", "note")


def _hardware(record: Row) -> Iterator[str]:
    """How long the same chain takes in hardware (`docs/firmware.md`, "Latency")."""
    yield html.heading("In hardware")
    try:
        found = hardware_latency(validated(record["config"], RECORD_FILE, ChainConfig))
    except L1ChainError as error:
        yield html.paragraph(f"The latency in hardware is not known: {error}.")
        return
    budgets = ", ".join(f"{slots:+d} slots of the budget of {name}" for name, slots in found.slack_slots.items())
    yield html.paragraph(
        f"From collision to L1 accept: {found.slots} slots of 25 ns, {found.latency_ns:,.0f} ns; that leaves {budgets}."
    )
    rows = [[path, str(slots)] for path, slots in found.paths.items()]
    yield html.table(["way", "slots"], rows, n_text=1)


def _actions(run: FinishedRun) -> Iterator[str]:
    yield html.heading("Actions")
    cells = [
        [entry["time"], entry["who"], entry["command"], _text(entry["arguments"]), _outcome(entry)]
        for entry in run.audit()
    ]
    if cells:
        yield html.table(["time (UTC)", "who", "command", "arguments", "result"], cells, n_text=5)
    else:
        yield html.paragraph("The run was given no commands.")


def _outcome(entry: Row) -> str:
    if entry["ok"]:
        return _text(entry["result"])
    error = entry["error"]
    return f"refused: {error['where']}: {error['what']}; {error['remedy']}"


def _text(values: Any) -> str:
    return ", ".join(f"{k}: {v}" for k, v in values.items()) if isinstance(values, dict) else json.dumps(values)
