"""Object multiplicities and spectra of two sources side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.events import packing, scales
from triggers.events.crossings import column_view
from triggers.events.source import Source
from triggers.events.summary import decided_rows

_ROWS: Final = 16_384
OBJECTS: Final = ("muon", "eg", "tau", "jet")
SUMS: Final = ("ett", "ettem", "htt", "towercount", "etm", "etmhf", "htm")
BINS: Final = 4096
"""Of a quantity in hardware units; what is beyond counts in the last."""
ETA_BINS: Final = 460
QUANTILES: Final = (0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True, eq=False)
class Spectra:
    """Weighted histograms over hardware units, of one source.

    Attributes:
        crossings: sum of weights.
        multiplicity: by object type, of the number of objects, `(13,) float64`.
        leading: of the greatest energy in a crossing, `(BINS,) float64`.
        energy: of all objects.
        abs_eta: of all objects, `(ETA_BINS,) float64`.
        sums: of the energy sums.
    """

    crossings: float
    multiplicity: dict[str, NDArray[np.float64]]
    leading: dict[str, NDArray[np.float64]]
    energy: dict[str, NDArray[np.float64]]
    abs_eta: dict[str, NDArray[np.float64]]
    sums: dict[str, NDArray[np.float64]]


def spectra_of(source: Source, advance: Callable[[int], None] = lambda _: None) -> Spectra:
    """The spectra of one pass through a source.

    Raises:
        L1ChainError: the source is damaged.
    """
    found = Spectra(
        0.0,
        {name: np.zeros(13) for name in OBJECTS},
        {name: np.zeros(BINS) for name in OBJECTS},
        {name: np.zeros(BINS) for name in OBJECTS},
        {name: np.zeros(ETA_BINS) for name in OBJECTS},
        {name: np.zeros(BINS) for name in SUMS},
    )
    total = 0.0
    for batch in source.batches(_ROWS):
        decided = decided_rows(batch)
        weight = np.ones(batch.num_rows)
        if "weight" in batch.schema.names:
            weight = column_view(batch.column("weight")).astype(np.float64)
        weight = np.where(decided, weight, 0.0)
        total += float(weight.sum())
        for name in OBJECTS:
            _add_objects(found, name, column_view(batch.column(name)), weight)
        sums = column_view(batch.column("sums"))
        for name in SUMS:
            found.sums[name][:] += _histogram(packing.sum_values(sums, name), weight, BINS)
        advance(batch.num_rows)
    return Spectra(total, found.multiplicity, found.leading, found.energy, found.abs_eta, found.sums)


def _add_objects(found: Spectra, name: str, words: NDArray[np.unsignedinteger], weight: NDArray[np.float64]) -> None:
    there = words != 0
    energy = packing.OBJECTS[name]["pt" if name == "muon" else "et"].get(words)
    eta = np.abs(packing.OBJECTS[name]["eta"].get(words))
    spread = np.broadcast_to(weight[:, None], words.shape)
    found.multiplicity[name][:] += _histogram(there.sum(axis=1), weight, 13)
    found.leading[name][:] += _histogram(np.where(there, energy, 0).max(axis=1), weight, BINS)
    found.energy[name][:] += _histogram(energy[there], spread[there], BINS)
    found.abs_eta[name][:] += _histogram(eta[there], spread[there], ETA_BINS)


def _histogram(values: NDArray[np.int64], weight: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(np.minimum(values, bins - 1), weights=weight, minlength=bins), np.float64)


def quantiles(histogram: NDArray[np.float64], step: float) -> tuple[float, ...]:
    """The quantiles `QUANTILES` of a histogram over hardware units, in units of `step`; zeros if it is empty."""
    total = np.cumsum(histogram)
    if total[-1] <= 0:
        return (0.0,) * len(QUANTILES)
    return tuple(float(np.searchsorted(total, q * total[-1])) * step for q in QUANTILES)


def spectra_rows(first: Spectra, second: Spectra) -> list[dict[str, object]]:
    """Quantities of two sources side by side: means and quantiles, energies in GeV."""
    rows: list[dict[str, object]] = []
    for name in OBJECTS:
        pairs = {
            f"{name} multiplicity": (first.multiplicity, second.multiplicity, 1.0),
            f"{name} leading energy": (first.leading, second.leading, scales.JET_ET.step),
            f"{name} energy": (first.energy, second.energy, scales.JET_ET.step),
            f"{name} |eta|": (first.abs_eta, second.abs_eta, _eta_step(name)),
        }
        rows += [_row(title, a[name], b[name], step) for title, (a, b, step) in pairs.items()]
    for name in SUMS:
        step = 1.0 if name == "towercount" else scales.SUM_ET.step
        rows.append(_row(name, first.sums[name], second.sums[name], step))
    return rows


def _eta_step(name: str) -> float:
    return scales.MUON_ETA.step if name == "muon" else scales.CALO_ETA.step


def _row(title: str, a: NDArray[np.float64], b: NDArray[np.float64], step: float) -> dict[str, object]:
    values = np.arange(len(a))
    means = [float((h * values).sum() / h.sum()) * step if h.sum() > 0 else 0.0 for h in (a, b)]
    names = [f"q{100 * q:g}" for q in QUANTILES]
    return {
        "quantity": title,
        "mean": means[0],
        "reference_mean": means[1],
        **dict(zip(names, quantiles(a, step), strict=True)),
        **{f"reference_{n}": value for n, value in zip(names, quantiles(b, step), strict=True)},
    }
