"""The report of a validation: as data, in sentences, and as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triggers.events.simulation.spectra import OBJECTS, Spectra, spectra_rows
from triggers.events.simulation.validation import FACTORS, Comparison, Half, SeedKind, agreement
from triggers.events.writers import whole_file
from triggers.studies import html, plots

_SHOWN_HW = 256
"""Energies of the plots, hardware units."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Rates and spectra of a source beside measured ones.

    Attributes:
        source: its name.
        reference: the name of the crossings whose spectra are shown beside it, or empty.
        rates: the table of measured rates.
        rows: the comparisons.
        spectra: of source and reference, if there is one.
    """

    source: str
    reference: str
    rates: str
    rows: tuple[Comparison, ...]
    spectra: tuple[Spectra, Spectra] | None = None

    def selections(self) -> Iterator[tuple[str, tuple[Comparison, ...]]]:
        """The groups of algorithms that are counted apart, with what they are."""
        yield "all", self.rows
        for half in Half:
            yield f"{half} half", tuple(row for row in self.rows if row.half is half)
        judged = (SeedKind.SINGLE, SeedKind.DOUBLE, SeedKind.SUM)
        yield "single, double and sum", tuple(row for row in self.rows if row.kind in judged)

    def sentences(self) -> list[str]:
        """How well the rates agree, one sentence for each group."""
        return [_sentence(name, rows) for name, rows in self.selections()]

    def record(self) -> dict[str, Any]:
        """Everything as plain values."""
        groups = {name: asdict(agreement(rows)) for name, rows in self.selections()}
        rows = [
            {
                **asdict(row),
                "ratio": row.ratio if row.simulated > 0 else 0.0,
                "ratio_error": row.ratio_error if row.simulated > 0 else None,
                "judged": row.judged,
                **{f"within_{factor:g}": row.within(factor) for factor in FACTORS},
            }
            for row in self.rows
        ]
        spectra = None if self.spectra is None else spectra_rows(*self.spectra)
        return {"source": self.source, "rates": self.rates, "agreement": groups, "rows": rows, "spectra": spectra}


def _sentence(name: str, rows: Iterable[Comparison]) -> str:
    found = agreement(rows)
    if not found.n:
        return f"{name}: no algorithm with enough measured accepts."
    parts = [
        f"{100 * n / found.n:.0f} % within a factor {factor:g}" for factor, n in zip(FACTORS, found.within, strict=True)
    ]
    return (
        f"{name}: {found.n} algorithms, {' and '.join(parts)} (two standard deviations allowed); "
        f"{100 * found.supported / found.n:.0f} % with at least 100 distinct hard interactions."
    )


def write_report(result: Validation, path: Path) -> None:
    """Write the HTML report, whole or not at all.

    Raises:
        FileExists, FileMissing, BadValue: the file exists, its folder does not, or it cannot be written.
    """
    with whole_file(path) as partial:
        partial.write_text(html.page("Simulated and measured Level-1 rates", _parts(result)), encoding="utf-8")


def _parts(result: Validation) -> Iterator[str]:
    yield html.heading("Simulated and measured Level-1 rates", 1)
    yield html.paragraph(f"{result.source}; measured rates of {result.rates}.")
    for sentence in result.sentences():
        yield html.paragraph(sentence, "verdict")
    for half in Half:
        rows = [row for row in result.rows if row.half is half]
        if rows:
            yield html.heading(f"The {half} half")
            yield html.figure(_ratio_plot(rows), "Simulated over measured probability, against the measured one.")
            yield _table(rows)
    if result.spectra is not None:
        yield from _spectra(result, *result.spectra)
    yield html.paragraph(
        "Algorithms in parentheses have fewer than 30 measured accepts and are not judged. Errors are statistical. "
        "Distinct: hard interactions of the pools that fired the algorithm at least once.",
        "note",
    )


def _ratio_plot(rows: list[Comparison]) -> str:
    shown = sorted((row for row in rows if row.judged and row.simulated > 0), key=lambda row: row.measured)
    points = (
        np.array([row.measured for row in shown]),
        np.array([row.ratio for row in shown]),
        np.array([row.ratio_error for row in shown]),
    )
    return plots.curves({"ratio": points}, "measured probability per crossing", "simulated / measured", log=True)


def _table(rows: list[Comparison]) -> str:
    header = ["algorithm", "kind", "pile-up", "measured", "simulated", "ratio", "distinct"]
    header += [f"within {factor:g}" for factor in FACTORS]
    cells = (
        [
            row.algorithm if row.judged else f"({row.algorithm})",
            row.kind,
            f"{row.pileup:.1f}",
            f"{row.measured:.2e} ± {row.measured_error:.1e}",
            f"{row.simulated:.2e} ± {row.simulated_error:.1e}",
            f"{row.ratio:.2f} ± {row.ratio_error:.2f}",
            str(row.n_distinct),
            *("yes" if row.within(factor) else "no" for factor in FACTORS),
        ]
        for row in rows
    )
    return html.table(header, cells, n_text=2)


def _spectra(result: Validation, source: Spectra, reference: Spectra) -> Iterator[str]:
    yield html.heading("Objects")
    yield html.paragraph(f"Beside those of {result.reference}. Crossings that a trigger chose have harder objects.")
    rows = spectra_rows(source, reference)
    header = list(rows[0])
    cells = ([str(row["quantity"]), *(f"{row[key]:.3g}" for key in header[1:])] for row in rows)
    yield html.table(header, cells)
    for name in OBJECTS:
        series = {}
        for label, spectra in (("source", source), ("reference", reference)):
            values = spectra.leading[name][1:_SHOWN_HW] / spectra.crossings
            at = 0.5 * np.arange(1, _SHOWN_HW)
            series[label] = (at, values, np.zeros_like(values))
        if not any(values.any() for _, values, _ in series.values()):
            continue
        caption = f"Leading {name}: probability per crossing and 0.5 GeV."
        yield html.figure(plots.curves(series, "energy [GeV]", "probability", log=True), caption)
