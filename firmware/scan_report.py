"""A scan as CSV, JSON, plot and HTML page (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from firmware.scan_plot import label, pareto_plot
from firmware.scans import Point
from triggers.studies.html import figure, heading, page, paragraph, table

_FEW: Final = 10
"""Selected crossings of background below which efficiencies say little."""
_ESTIMATED: Final = (
    "LUT of distributed arithmetic are da4ml's cost; of latency and resource, effective bit operations over the reuse "
    "factor, with no DSP, without what scaling and conversions take: an estimate. None is placed and routed."
)


def record(point: Point) -> dict[str, Any]:
    """One design, for JSON."""
    return {
        "bits": point.variant.bits,
        "pruned": point.variant.pruned,
        "strategy": point.hardware.strategy,
        "reuse": point.hardware.reuse,
        "luts": point.luts,
        "ticks": point.ticks,
        "latency_ns": point.latency_ns,
        "effective_bit_operations": point.bit_operations,
        "threshold": point.selection.threshold,
        "rate_hz": point.selection.rate_hz,
        "rate_error_hz": point.selection.rate_error_hz,
        "efficiency": {name: part.fraction for name, part in point.selection.efficiencies.items()},
        "efficiency_error": {name: part.error for name, part in point.selection.efficiencies.items()},
        "auc": {name: area.auc for name, area in point.selection.areas.items()},
        "auc_error": {name: area.error for name, area in point.selection.areas.items()},
    }


def write_scan(
    folder: Path, title: str, settings: Mapping[str, Any], points: Sequence[Point], front: Sequence[Point], metric: str
) -> tuple[Path, ...]:
    """Write `scan.csv`, `scan.json`, `pareto.svg` and `scan.html`.

    Args:
        folder: made if need be; files of these names are replaced.
        title: of the page.
        settings: of the scan, for the record.
        points: of the scan.
        front: those of them that no other one surpasses.
        metric: `efficiency` or `auc`.

    Returns:
        The files.
    """
    svg = pareto_plot(points, front, metric)
    content = {
        "scan.csv": _csv(points, front),
        "scan.json": json.dumps(_document(settings, points, front), indent=2) + "\n",
        "pareto.svg": svg + "\n",
        "scan.html": page(title, _parts(title, settings, points, front, svg)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in content)


def _document(settings: Mapping[str, Any], points: Sequence[Point], front: Sequence[Point]) -> dict[str, Any]:
    return {**settings, "points": [{**record(point), "pareto": point in front} for point in points]}


def _csv(points: Sequence[Point], front: Sequence[Point]) -> str:
    text = io.StringIO()
    rows = [_flat({**record(point), "pareto": point in front}) for point in points]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        flat |= {f"{key}_{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _parts(
    title: str, settings: Mapping[str, Any], points: Sequence[Point], front: Sequence[Point], svg: str
) -> Iterator[str]:
    yield heading(title, 1)
    yield table(["setting", ""], ((_named(key), _text(value)) for key, value in settings.items()), n_text=2)
    yield paragraph(_ESTIMATED, "note")
    allowed = settings["background_crossings"] * settings["rate_hz"] / settings["collisions_hz"]
    if allowed < _FEW:
        few = f"At {settings['rate_hz']:g} Hz only {allowed:.1f} crossings of this background are selected: take more."
        yield paragraph(few, "warning")
    yield figure(svg, "Each design; lines join those that no other one surpasses, one line for each latency.")
    yield heading("Best designs")
    yield _table(front)
    yield heading("All designs")
    yield _table(points)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(one)}" for name, one in value.items())
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _named(key: str) -> str:
    """A setting, its unit in brackets."""
    for suffix, unit in (("_ns", "ns"), ("_hz", "Hz")):
        if key.endswith(suffix):
            return f"{key.removesuffix(suffix).replace('_', ' ')} [{unit}]"
    return key.replace("_", " ")


def _table(points: Sequence[Point]) -> str:
    signals = list(points[0].selection.areas)
    header = ["design", "strategy", "reuse", "LUT", "ns", "EBOPs", "rate [Hz]"]
    header += [f"{name}: {what}" for name in signals for what in ("efficiency", "AUC")]
    return table(header, (_cells(point, signals) for point in points), n_text=2)


def _cells(point: Point, signals: Sequence[str]) -> list[str]:
    chosen = point.selection
    cells = [label(point), point.hardware.strategy.replace("_", " "), str(point.hardware.reuse)]
    cells += [f"{point.luts:,.0f}", f"{point.latency_ns:g}", f"{point.bit_operations:,}"]
    cells.append(_with_error(f"{chosen.rate_hz:,.0f}", f"{chosen.rate_error_hz:,.0f}"))
    for name in signals:
        part, area = chosen.efficiencies[name], chosen.areas[name]
        cells.append(_with_error(f"{part.fraction:.4f}", f"{part.error:.4f}"))
        cells.append(_with_error(f"{area.auc:.4f}", f"{area.error:.4f}"))
    return cells


def _with_error(value: str, error: str) -> str:
    return f"{value}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{error}"
