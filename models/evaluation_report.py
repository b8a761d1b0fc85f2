"""The report of an evaluation: one HTML page that needs no network (`docs/evaluation.md`, "Report")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from models.evaluation_plots import lines
from models.evaluation_profiles import Quantity
from models.evaluation_result import LEAST_EFFECTIVE, Efficiency, Evaluation, RateKind
from models.evaluation_scorers import Arithmetic
from models.evaluation_tables import Rows, plotted_tables, tables, write_tables
from triggers.studies import html
from triggers.studies.html import rate_text

_KHZ: Final = 1e-3
_MOST_LINES: Final = 18
"""More than these on one plot are told from one another by nobody."""
_LEAST_PLOTTED: Final = 4
"""Effective crossings below which a rate's error is as large as the plot."""


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write all tables and `report.html`."""
    plotted = plotted_tables(evaluation)
    write_tables(evaluation, plotted, folder)
    (folder / "report.html").write_text(html_report(evaluation, plotted), encoding="utf-8")


def html_report(evaluation: Evaluation, plotted: Mapping[str, Rows]) -> str:
    """The report as one page; `plotted` is from `models.evaluation_tables.plotted_tables`."""
    names = ", ".join(scorer.label for scorer in evaluation.scorers if scorer.arithmetic is Arithmetic.FIXED)
    return html.page(f"Evaluation of {names}", _parts(evaluation, names, plotted))


def _parts(evaluation: Evaluation, names: str, plotted: Mapping[str, Rows]) -> Iterator[str]:
    yield html.heading(f"Evaluation of {names}", 1)
    yield from _samples(evaluation)
    for sentence in evaluation.warnings:
        yield html.paragraph(sentence, "warning")
    yield from _efficiencies(evaluation)
    yield from _rates(evaluation)
    yield from _separation(evaluation)
    yield from _curves(evaluation, plotted["curves"])
    yield from _arithmetic(evaluation)
    yield from _distributions(evaluation, plotted["distributions"])
    yield from _profiles(evaluation, tables(evaluation)["profiles"])
    yield html.heading("How the numbers were made")
    yield html.paragraph(
        "A rate is the fraction of the background's weight times the rate of colliding bunches. A threshold is the "
        "least integer whose rate is not above the target; nothing is interpolated. Errors of fractions are binomial, "
        "with squared weights. The first error of an efficiency is that of the signal sample, the second half the "
        "difference between thresholds whose rate is one error higher and lower. Pure: crossings that the cut-based "
        "menu does not keep; a prescale keeps a crossing with a chance. AUC: equal scores count half.",
        "note",
    )


def _samples(evaluation: Evaluation) -> Iterator[str]:
    options = evaluation.options
    yield html.paragraph(
        f"{options.colliding_bunches} colliding bunches, {options.collisions_hz / 1e6:.2f} MHz of crossings."
        + ("" if options.menu is None else f" Cut-based menu: {options.menu.description}.")
    )
    samples = {"background": evaluation.background, **evaluation.signals}
    cells = ([n, s.name, f"{s.n_crossings:,}", f"{s.effective:,.0f}"] for n, s in samples.items())
    yield html.table(["sample", "source", "crossings", "effective"], cells, n_text=2)
    for column in evaluation.left_out:
        yield html.paragraph(f"{column.label} has no column {column.arithmetic}: {column.why}", "note")


def _percent(row: Efficiency) -> str:
    parts = f"{100 * row.efficiency:.2f} ± {100 * row.sample_error:.2f} ± {100 * row.threshold_error:.2f}"
    return parts if row.added is None else f"{parts} (+{100 * row.added:.2f})"


def _efficiencies(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.efficiencies:
        return
    yield html.heading("Efficiencies")
    columns = [scorer.name for scorer in evaluation.scorers]
    has_menu = evaluation.options.menu is not None
    rows: dict[tuple[str, RateKind, float], dict[str, Efficiency]] = {}
    for row in evaluation.efficiencies:
        rows.setdefault((row.signal, row.kind, row.target_hz), {})[row.scorer] = row
    cells = []
    for (signal, kind, target_hz), found in rows.items():
        kept = [f"{100 * (found[columns[0]].menu or 0.0):.2f}"] if has_menu else []
        numbers = [_percent(found[column]) for column in columns]
        cells.append([signal, kind, rate_text(target_hz), *kept, *numbers])
    header = ["signal", "rate", "at", *(["menu [%]"] if has_menu else []), *(f"{column} [%]" for column in columns)]
    yield html.table(header, cells, n_text=3)
    if has_menu:
        yield html.paragraph("In brackets: what the menu does not keep anyway.", "note")


def _rates(evaluation: Evaluation) -> Iterator[str]:
    yield html.heading("Thresholds and rates")
    cells = (
        [
            point.scorer,
            point.kind,
            rate_text(point.target_hz),
            f"{point.threshold:g}" if isinstance(point.threshold, int) else f"{point.threshold:.2f}",
            rate_text(point.rate_hz, point.rate_error_hz),
            f"{point.effective:,.0f}{' (!)' if point.uncertain else ''}",
        ]
        for point in evaluation.rates
    )
    header = ["column", "rate", "target", "score at least", "reached", "effective crossings above"]
    yield html.table(header, cells, n_text=2)
    yield html.paragraph(f"(!): fewer than {LEAST_EFFECTIVE:.0f} effective crossings, the rate is uncertain.", "note")


def _separation(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.separations:
        return
    yield html.heading("Separation, whatever the rate")
    cells = (
        [
            row.scorer,
            row.signal,
            f"{row.auc:.4f} ± {row.auc_error:.4f}",
            f"{100 * row.true_positives:.3f} ± {100 * row.true_positives_error:.3f} %",
            f"{row.false_positives:.2e}",
            f"{row.effective:.0f}",
        ]
        for row in evaluation.separations
    )
    header = ["column", "signal", "AUC", "TPR at FPR ≤ 10⁻⁵", "FPR reached", "background above"]
    yield html.table(header, cells, n_text=2)


def _curves(evaluation: Evaluation, rows: Rows) -> Iterator[str]:
    yield html.heading("Efficiency and threshold versus rate")
    fixed = [scorer.name for scorer in evaluation.scorers if scorer.arithmetic is Arithmetic.FIXED]
    by_column = {
        name: [row for row in rows if row["scorer"] == name and row["effective"] >= _LEAST_PLOTTED] for name in fixed
    }
    marks = [target * _KHZ for target in evaluation.options.targets_hz]
    rate = {name: [row["rate_hz"] * _KHZ for row in found] for name, found in by_column.items()}
    thresholds: dict[str, Any] = {
        name: ([row["threshold"] for row in found], rate[name], [row["rate_error_hz"] * _KHZ for row in found])
        for name, found in by_column.items()
    }
    svg = lines(thresholds, "score at least", "rate [kHz]", log_x=True, log_y=True)
    yield html.figure(svg, "Rate versus threshold, with statistical errors.")
    for signal in evaluation.signals:
        series: dict[str, Any] = {
            name: (rate[name], [100 * row[f"efficiency_{signal}"] for row in found], None)
            for name, found in by_column.items()
        }
        svg = lines(series, "total rate [kHz]", "efficiency [%]", log_x=True, marks=marks)
        yield html.figure(svg, f"{signal}: efficiency versus total rate.")


def _arithmetic(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.differences:
        return
    yield html.heading("Float, fixed point, C simulation")
    cells = (
        [row.scorer, f"{row.crossings:,}", f"{row.differing:,}", f"{row.largest:,}"] for row in evaluation.differences
    )
    yield html.table(["column", "crossings", "other integer than fixed point", "largest difference"], cells)
    yield html.paragraph(
        "Float is the same network without rounding, ranges kept; the table of efficiencies has it beside fixed "
        "point. The C simulation is to agree in every crossing.",
        "note",
    )


def _distributions(evaluation: Evaluation, rows: Rows) -> Iterator[str]:
    yield html.heading("Score distributions")
    for scorer in evaluation.scorers:
        if scorer.arithmetic is not Arithmetic.FIXED:
            continue
        here = [row for row in rows if row["scorer"] == scorer.name]
        names = list(dict.fromkeys(row["sample"] for row in here))[:_MOST_LINES]
        series: dict[str, Any] = {
            name: (
                [1 + row["low"] for row in here if row["sample"] == name],
                [row["fraction"] for row in here if row["sample"] == name],
                None,
            )
            for name in names
        }
        svg = lines(series, "1 + score", "fraction of the sample", log_x=True, log_y=True, steps=True)
        yield html.figure(svg, f"{scorer.name}: scores of each sample.")


def _profiles(evaluation: Evaluation, rows: Rows) -> Iterator[str]:
    reference = rate_text(evaluation.options.reference_hz)
    yield html.heading(f"What the rate depends on, at the threshold of {reference}")
    fixed = [scorer.name for scorer in evaluation.scorers if scorer.arithmetic is Arithmetic.FIXED]
    for quantity in Quantity:
        here = [row for row in rows if row["quantity"] is quantity and row["scorer"] in fixed]
        if len({row["low"] for row in here}) < 2:
            yield html.paragraph(f"The background has one {quantity} only: nothing to show.", "note")
            continue
        for value, error, unit, label in (
            ("rate_hz", "rate_error_hz", _KHZ, "rate [kHz]"),
            ("mean_score", "mean_error", 1.0, "mean score"),
        ):
            series: dict[str, Any] = {
                name: (
                    [(row["low"] + row["high"]) / 2 for row in here if row["scorer"] == name],
                    [unit * row[value] for row in here if row["scorer"] == name],
                    [unit * row[error] for row in here if row["scorer"] == name],
                )
                for name in fixed
            }
            svg = lines(series, quantity, label)
            yield html.figure(svg, f"{label} versus {quantity}: crossings like these alone would give it.")
    if evaluation.stabilities:
        cells = (
            [
                row.scorer,
                str(row.bins),
                f"{row.chi_squared:.1f}",
                f"{100 * row.excess_spread:.1f} ± {100 * row.excess_error:.1f} %",
                f"{row.largest_to_smallest:.2f}",
            ]
            for row in evaluation.stabilities
        )
        header = ["column", "bins", "χ² of a constant", "spread beyond statistics", "largest / smallest"]
        yield html.paragraph("Stability over the lumi sections of the background:")
        yield html.table(header, cells)
