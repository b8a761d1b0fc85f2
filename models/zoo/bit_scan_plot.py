"""The plot of a scan of bits (`docs/adc2021.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from models.zoo.bit_scan import ScanPoint

_INCHES: Final = 3.2


def write_plot(points: Sequence[ScanPoint], title: str, path: Path) -> None:
    """AUC and true positive rates relative to float against bits: a column a score, a line a signal."""
    from matplotlib.figure import Figure

    names, parts = list(dict.fromkeys(point.score for point in points)), list(points[0].tpr)
    figure = Figure(figsize=(_INCHES * len(names), _INCHES * (1 + len(parts))), layout="constrained")
    panels = figure.subplots(1 + len(parts), len(names), squeeze=False, sharex=True)
    for column, name in enumerate(names):
        mine = [point for point in points if point.score == name and point.bits is not None]
        for signal in dict.fromkeys(point.signal for point in mine):
            own = [point for point in mine if point.signal == signal]
            bits = [point.bits for point in own]
            panels[0][column].plot(bits, [point.auc_ratio for point in own], marker=".", label=signal)
            for row, part in enumerate(parts, 1):
                panels[row][column].plot(bits, [(point.tpr_ratio or {}).get(part) for point in own], marker=".")
        panels[0][column].set(title=name)
        panels[-1][column].set(xlabel="bits")
    panels[0][0].set(ylabel="AUC / float")
    panels[0][0].legend(frameon=False)
    for row, part in enumerate(parts, 1):
        panels[row][0].set(ylabel=f"TPR at FPR {part:g} / float")
    figure.suptitle(title)
    figure.savefig(path)
