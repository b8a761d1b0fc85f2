"""An evaluation as rows: CSV tables, curves, one JSON object (`docs/evaluation.md`, "Tables")."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation_result import Evaluation
from models.evaluation_sample import ScoredSample

_CURVE_POINTS: Final = 60
_CURVE_ENDS_HZ: Final = (10.0, 1e6)
_DISTRIBUTION_BINS: Final = 60

Rows = list[dict[str, Any]]


def tables(evaluation: Evaluation) -> dict[str, Rows]:
    """The tables of results by name; a row has the same keys throughout a table."""
    return {
        "efficiencies": [{**asdict(row), "error": row.error} for row in evaluation.efficiencies],
        "rates": [{**asdict(row), "uncertain": row.uncertain} for row in evaluation.rates],
        "separation": [asdict(row) for row in evaluation.separations],
        "arithmetic": [asdict(row) for row in evaluation.differences],
        "profiles": [asdict(row) for row in evaluation.profiles],
        "stability": [asdict(row) for row in evaluation.stabilities],
    }


def plotted_tables(evaluation: Evaluation) -> dict[str, Rows]:
    """Curves and distributions, which go through all crossings again, by name."""
    return {"curves": list(_curves(evaluation)), "distributions": list(_distributions(evaluation))}


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The result as one JSON object: everything but curves, distributions and profiles."""
    options, found = evaluation.options, tables(evaluation)
    return {
        "collisions_hz": options.collisions_hz,
        "colliding_bunches": options.colliding_bunches,
        "menu": None if options.menu is None else options.menu.description,
        "background": _sample(evaluation.background),
        "signals": {name: _sample(sample) for name, sample in evaluation.signals.items()},
        "columns": [scorer.name for scorer in evaluation.scorers],
        "left_out": [asdict(column) for column in evaluation.left_out],
        "warnings": list(evaluation.warnings),
        **{name: found[name] for name in ("rates", "efficiencies", "separation", "arithmetic", "stability")},
    }


def write_tables(evaluation: Evaluation, plotted: Mapping[str, Rows], folder: Path) -> None:
    """Write a CSV file for each table that has rows, and `evaluation.json`; `plotted` is from `plotted_tables`."""
    for name, rows in {**tables(evaluation), **plotted}.items():
        if rows:
            write_csv(rows, folder / f"{name}.csv")
    text = json.dumps(finite(summary(evaluation)), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of one set of keys."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sample(sample: ScoredSample) -> dict[str, Any]:
    return {
        "source": sample.name,
        "crossings": sample.n_crossings,
        "effective_crossings": sample.effective,
        "lumi_sections": len(sample.lumi_sections),
    }


def _curves(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Thresholds at which the rate passes evenly spaced rates, in logarithms; each threshold once."""
    collisions_hz = evaluation.options.collisions_hz
    wanted = np.geomspace(*_CURVE_ENDS_HZ, _CURVE_POINTS) / collisions_hz
    for scorer in evaluation.scorers:
        background = evaluation.background.curve(scorer.name)
        pure = evaluation.background.pure_curve(scorer.name)
        signals = {name: sample.curve(scorer.name) for name, sample in evaluation.signals.items()}
        for threshold in dict.fromkeys(background.threshold(fraction) for fraction in wanted.tolist()):
            part = background.at(threshold)
            row = {
                "scorer": scorer.name,
                "threshold": threshold,
                "rate_hz": part.fraction * collisions_hz,
                "rate_error_hz": part.error * collisions_hz,
                "effective": part.effective,
                "pure_rate_hz": None if pure is None else pure.at(threshold).fraction * collisions_hz,
            }
            yield row | {f"efficiency_{name}": curve.at(threshold).fraction for name, curve in signals.items()}


def _distributions(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Fractions of each sample in bins that are even in log(1 + score)."""
    samples = {"background": evaluation.background, **evaluation.signals}
    for scorer in evaluation.scorers:
        logs = {name: _log_scores(sample, scorer.name) for name, sample in samples.items()}
        greatest = max(float(values.max()) for values in logs.values())
        edges = np.linspace(0.0, max(greatest, 1.0), _DISTRIBUTION_BINS + 1)
        for name, sample in samples.items():
            counts, _ = np.histogram(logs[name], edges, weights=sample.weights)
            fractions = counts / sample.weights.sum()
            for low, high, fraction in zip(edges, edges[1:], fractions.tolist(), strict=False):
                ends = {"low": float(np.expm1(low)), "high": float(np.expm1(high))}
                yield {"scorer": scorer.name, "sample": name, **ends, "fraction": fraction}


def _log_scores(sample: ScoredSample, scorer: str) -> NDArray[np.float64]:
    return np.log1p(np.maximum(sample.scores[scorer].astype(np.float64), 0.0))
