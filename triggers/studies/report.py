"""The HTML report of a replay, for the author of a menu: what does a change cost, and what does it bring?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triggers.events.show import crossing_text
from triggers.studies import html, plots
from triggers.studies.changes import SAME, changes_table, difference, processes_table
from triggers.studies.entities import FINAL_OR
from triggers.studies.html import rate_text
from triggers.studies.result import MenuResult, ReplayResult
from triggers.studies.tables import curve_table, lumi_section_table, pileup_table, rates_table

_TOP: Final = 25
_KHZ: Final = 1e-3
_MOST_CHANGES: Final = 60
_LARGEST_ZERO_BIAS_FRACTION: Final = 0.1
"""A menu keeps about 100 kHz of 30 MHz; ten times more are no rates of a beam."""

Rows = list[dict[str, Any]]


def html_report(result: ReplayResult) -> str:
    """The report as one page that needs no network."""
    names = " against ".join(f"{part.menu.name} ({part.label})" for part in result.menus)
    rates = rates_table(result).to_pylist()
    return html.page(f"Replay of {names}", _parts(result, names, rates))


def _parts(result: ReplayResult, names: str, rates: Rows) -> Iterator[str]:
    yield html.heading(f"Replay of {names}", 1)
    yield html.paragraph(f"{result.n_crossings:,} crossings of {result.source}; {result.selection}.")
    if result.comparison is not None:
        yield from _cost_and_gain(result)
    yield from _totals(result, rates)
    yield from _warnings(result)
    yield from _algorithms(result, rates)
    yield from _groups(result, rates)
    yield from _curve(result)
    yield from _by_pileup(result)
    yield from _by_lumi_section(result)
    yield from _overlaps(result, rates)
    yield from _examples(result)
    yield html.heading("How the rates were made")
    for sentence in (*result.normalisation.sentences, *result.missing):
        yield html.paragraph(sentence)
    yield html.paragraph(
        "Errors are statistical: the root of the sum of squared weights; that of nothing is that of one crossing. "
        "Total: after the prescale, in crossings of the final OR. Pure: crossings that nothing else keeps. "
        "Proportional: each crossing shared equally among the algorithms that keep it. L1 accept: what the trigger "
        "rules let through, with the crossings in the slots of the filling scheme.",
        "note",
    )
    yield html.folded("All rates", _all_rates(rates))


def _cost_and_gain(result: ReplayResult) -> Iterator[str]:
    change = difference(result)
    before = float(result.rates(*result.menus[0].study.final.total)[0][FINAL_OR])
    percent = f" ({100 * change.change_hz / before:+.2f} %)".replace("-", "−") if before > 0 else ""
    significance = abs(change.change_hz) / change.change_error_hz if change.change_error_hz > 0 else 0.0
    weak = "" if significance >= 2 else " With this sample that is compatible with no change."
    yield html.heading("What does the change cost?")
    yield html.paragraph(
        f"Menu B changes the rate of the final OR by {rate_text(change.change_hz, change.change_error_hz, True)}"
        f"{percent}: it keeps {rate_text(change.only_b_hz, change.only_b_error_hz)} that A does not, and loses "
        f"{rate_text(change.only_a_hz, change.only_a_error_hz)} that A keeps.{weak}",
        "verdict",
    )
    rows = changes_table(result).to_pylist()
    changed = [row for row in rows if row["status"] != SAME]
    if not changed:
        yield html.paragraph("No algorithm differs in its expression or prescale.")
    else:
        yield _changes(changed[:_MOST_CHANGES])
        if len(changed) > _MOST_CHANGES:
            yield html.paragraph(f"… and {len(changed) - _MOST_CHANGES} more, in changes.csv.", "note")
        yield html.folded("Expressions of the changed algorithms", _expressions(changed))
    yield html.heading("What does it bring?")
    yield _origin("Crossings that only B keeps, by the algorithms that keep them", rows, "gained")
    yield _origin("Crossings that only A keeps (lost), by the algorithms that kept them", rows, "lost")
    if result.processes:
        yield _processes(processes_table(result).to_pylist())


def _changes(rows: Rows) -> str:
    header = ["algorithm", "change", "prescale A", "prescale B", "total A", "total B", "pure A", "pure B"]
    header += ["fires only in A", "fires only in B"]
    cells = []
    for row in rows:
        rates = [
            rate_text(row[f"{name}_hz"], row[f"{name}_error_hz"])
            for name in ("total_a", "total_b", "pure_a", "pure_b", "fired_only_a", "fired_only_b")
        ]
        cells.append([row["name"], row["status"], _number(row["prescale_a"]), _number(row["prescale_b"]), *rates])
    return html.table(header, cells, n_text=2)


def _expressions(rows: Rows) -> str:
    return html.table(
        ["algorithm", "in A", "in B"],
        ([row["name"], row["expression_a"] or "–", row["expression_b"] or "–"] for row in rows),
        n_text=3,
    )


def _origin(title: str, rows: Rows, key: str) -> str:
    found = sorted((row for row in rows if row[f"{key}_hz"]), key=lambda row: -row[f"{key}_hz"])
    if not found:
        return html.paragraph(f"{title}: none.")
    cells = (
        [row["name"], row["status"], rate_text(row[f"{key}_hz"]), rate_text(row[f"{key}_alone_hz"])]
        for row in found[:_TOP]
    )
    table = html.table(["algorithm", "change", "rate in these", "of it alone"], cells, n_text=2)
    return f"{html.paragraph(title + ':')}{table}"


def _processes(rows: Rows) -> str:
    def percent(value: float | None, error: float | None = None) -> str:
        if value is None:
            return "–"
        return f"{100 * value:.2f} %" if error is None else f"{100 * value:.2f} ± {100 * error:.2f} %"

    cells = (
        [
            row["process"],
            f"{row['crossings']:,}",
            percent(row["acceptance_a"], row["acceptance_a_error"]),
            percent(row["acceptance_b"], row["acceptance_b_error"]),
            percent(row["only_a"]),
            percent(row["only_b"]),
        ]
        for row in rows
    )
    return html.table(["process", "crossings", "kept by A", "kept by B", "only by A", "only by B"], cells)


def _totals(result: ReplayResult, rates: Rows) -> Iterator[str]:
    yield html.heading("Totals")
    cells = []
    for part in result.menus:
        rows = {row["kind"]: row for row in rates if row["menu"] == part.label and row["kind"] in ("total", "accept")}
        counts = part.study.counts
        total, accept = rows["total"], rows["accept"]
        blocked = (
            f"{rule}: {100 * n / counts.final_or:.2f} %" if counts.final_or else f"{rule}: 0"
            for rule, n in zip(part.study.settings.rules, counts.blocked, strict=False)
        )
        cells.append(
            [
                f"{part.label}: {part.menu.name}",
                part.prescales,
                rate_text(total["total_hz"], total["total_error_hz"]),
                rate_text(accept["total_hz"], accept["total_error_hz"]),
                f"{100 * counts.dead_time:.2f} %",
                "; ".join(blocked) or "no trigger rules",
            ]
        )
    header = ["menu", "prescales", "final OR", "L1 accept", "lost to trigger rules", "by rule"]
    yield html.table(header, cells, n_text=2)


def _warnings(result: ReplayResult) -> Iterator[str]:
    weight = float(result.by_lumi_section.sums.sum())
    for part in result.menus:
        fraction = float(part.study.final.total[0][FINAL_OR]) / weight
        if fraction > _LARGEST_ZERO_BIAS_FRACTION:
            what = f"{part.label} keeps {100 * fraction:.0f} % of the sample's crossings, far more than of zero bias"
            remedy = "read the rates as fractions of this sample, not as rates of a beam, and not the dead time either"
            yield html.paragraph(f"{what}: {remedy}.", "warning")
        if part.without_prescale:
            listed = ", ".join(part.without_prescale)
            yield html.paragraph(f"{part.label}: not in the prescale table, taken with prescale 1: {listed}", "warning")
        if part.not_evaluated:
            by_reason: dict[str, list[str]] = {}
            for name, reason in part.not_evaluated.items():
                by_reason.setdefault(reason, []).append(name)
            for reason, names in by_reason.items():
                yield html.paragraph(f"{part.label}: not evaluated ({reason}): {', '.join(names)}", "warning")
        elif part.scores:
            used = ", ".join(f"{name} by {version}" for name, version in part.scores.items())
            yield html.paragraph(f"{part.label}: scores {used}.", "note")


def _top(rates: Rows, kind: str, n: int) -> list[str]:
    """The names with the highest total rates of either menu."""
    highest: dict[str, float] = {}
    for row in rates:
        if row["kind"] == kind and row["total_hz"]:
            highest[row["name"]] = max(highest.get(row["name"], 0.0), row["total_hz"])
    return sorted(highest, key=lambda name: -highest[name])[:n]


def _bars(result: ReplayResult, rates: Rows, kind: str, names: list[str]) -> str:
    series = {}
    for part in result.menus:
        rows = {row["name"]: row for row in rates if row["menu"] == part.label and row["kind"] == kind}
        columns = [
            np.array([(rows[name][column] if name in rows else 0.0) * _KHZ for name in names])
            for column in ("total_hz", "total_error_hz", "pure_hz")
        ]
        series[part.label] = (columns[0], columns[1], columns[2])
    return plots.horizontal_bars(names, series, "rate [kHz]")


def _algorithms(result: ReplayResult, rates: Rows) -> Iterator[str]:
    names = _top(rates, "algorithm", _TOP)
    yield html.heading("Algorithms")
    if names:
        caption = f"The {len(names)} algorithms with the highest rate after the prescale, and their pure part."
        yield html.figure(_bars(result, rates, "algorithm", names), caption)


def _groups(result: ReplayResult, rates: Rows) -> Iterator[str]:
    names = _top(rates, "group", _TOP)
    if not names:
        return
    yield html.heading("Groups")
    yield html.figure(_bars(result, rates, "group", names), "Rate of each group, and crossings that only it keeps.")
    rows = (row for row in rates if row["kind"] == "group")
    yield html.table(["group", "menu", "total", "pure", "proportional"], (_rate_cells(row) for row in rows), n_text=2)


def _rate_cells(row: dict[str, Any]) -> list[str]:
    columns = ("total", "pure", "proportional")
    return [row["name"], row["menu"], *(rate_text(row[f"{c}_hz"], row[f"{c}_error_hz"]) for c in columns)]


def _curve(result: ReplayResult) -> Iterator[str]:
    varied = [part.curve.curve for part in result.menus if part.curve]
    if not varied:
        return
    table, series = curve_table(result), {}
    for column, words in (("total", "rate"), ("added", "added to all others")):
        for label in pc.unique(table["menu"]).to_pylist():
            rows = table.filter(pc.equal(table["menu"], label))
            y, error = (rows[f"{column}{end}"].to_numpy() * _KHZ for end in ("_hz", "_error_hz"))
            series[f"{label}: {words}"] = (rows["threshold"].to_numpy(), y, error)
    yield html.heading(f"Threshold of {varied[0].seed}")
    marks = [curve.own for curve in varied]
    svg = plots.curves(series, f"threshold [{varied[0].unit}]", "rate, prescale 1 [kHz]", log=True, marks=marks)
    caption = "Rate of the seed at other thresholds without prescale, and the part of it that nothing else keeps. "
    yield html.figure(svg, caption + "The dashed line is the seed's own threshold.")


def _totals_by(table: pa.Table, x_of: Callable[[pa.Table], Any]) -> dict[str, tuple[Any, Any, Any]]:
    totals = table.filter(pc.equal(table["kind"], "total"))
    series = {}
    for label in pc.unique(totals["menu"]).to_pylist():
        rows = totals.filter(pc.equal(totals["menu"], label))
        y, error = (rows[name].to_numpy() * _KHZ for name in ("total_hz", "total_error_hz"))
        series[f"{label}: final OR"] = (x_of(rows), y, error)
    return series


def _pileup_centres(rows: pa.Table) -> Any:
    return (rows["pileup_low"].to_numpy() + rows["pileup_high"].to_numpy()) / 2


def _by_pileup(result: ReplayResult) -> Iterator[str]:
    yield html.heading("Rate versus pile-up")
    if result.mean_pileup is None:
        yield html.paragraph("The source does not know the pile-up of its crossings.", "note")
        return
    svg = plots.curves(_totals_by(pileup_table(result), _pileup_centres), "pile-up", "rate [kHz]")
    yield html.figure(svg, f"Mean pile-up {result.mean_pileup:.1f}. Each algorithm's rates are in by-pileup.csv.")


def _by_lumi_section(result: ReplayResult) -> Iterator[str]:
    yield html.heading("Rate versus lumi section")
    if len(result.lumi_sections) < 2:
        yield html.paragraph("The crossings are of a single lumi section.", "note")
        return
    one_run = len({run for run, _ in result.lumi_sections}) == 1
    table = lumi_section_table(result)
    if one_run:
        series, label = _totals_by(table, lambda rows: rows["lumi_section"].to_numpy()), "lumi section"
    else:
        series, label = _totals_by(table, lambda rows: np.arange(len(rows))), "lumi section, by run and number"
    svg = plots.curves(series, label, "rate [kHz]")
    yield html.figure(svg, "Each algorithm's rates are in by-lumi-section.csv.")


def _overlaps(result: ReplayResult, rates: Rows) -> Iterator[str]:
    yield html.heading("Overlap")
    for part in result.menus[-1:]:
        names = _top([row for row in rates if row["menu"] == part.label], "algorithm", _TOP)
        if len(names) < 2:
            yield html.paragraph("Fewer than two algorithms keep crossings.", "note")
            continue
        caption = f"Menu {part.label}: of the rate of the row's algorithm, the percentage that the column's keeps too."
        yield html.figure(plots.overlap_map(names, _fractions(part, names)), caption)


def _fractions(part: MenuResult, names: list[str]) -> Any:
    number = {entity.name: entity.number for entity in part.entities if entity.kind == "algorithm"}
    chosen = [number[name] for name in names]
    matrix = part.study.overlap.matrix[np.ix_(chosen, chosen)]
    return matrix / np.diagonal(matrix)[:, None]


def _examples(result: ReplayResult) -> Iterator[str]:
    if not result.examples:
        return
    yield html.heading("Crossings that only one menu keeps")
    for label, (n, written) in result.kept_only.items():
        where = f"; the first {written:,} are in only-{label.lower()}.parquet" if n else ""
        yield html.paragraph(f"Only {label}: {n:,} crossings{where}.")
    for example in result.examples:
        title = f"Only {example.label}, crossing {example.crossing:,}: {', '.join(example.kept_by)}"
        yield html.folded(title, html.preformatted(crossing_text(example.record, example.crossing)))


def _all_rates(rates: Rows) -> str:
    header = ["algorithm", "menu", "prescale", "fired", "total", "pure", "proportional"]
    rows = sorted((row for row in rates if row["kind"] == "algorithm"), key=lambda row: (row["index"], row["menu"]))
    cells = []
    for row in rows:
        name, menu, *values = _rate_cells(row)
        cells.append([name, menu, _number(row["prescale"]), rate_text(row["fired_hz"], row["fired_error_hz"]), *values])
    return html.table(header, cells, n_text=2)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
