"""The plot of a scan: what designs select against their look-up tables (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from firmware.scans import Point, quality
from triggers.studies.plots import svg_axes

METRICS: Final = {"efficiency": "mean efficiency", "auc": "mean AUC"}
_COLOURS: Final = ("#3f90da", "#bd1f01", "#94a4a2")
_LINE: Final = "#717581"
_LABEL_OFFSET: Final = (4, -9)
_NS_OFFSET: Final = (-4, 6)


def label(point: Point) -> str:
    """Width and pruning."""
    width = "as is" if point.variant.bits is None else f"{point.variant.bits} bits"
    return width + (f", {point.variant.pruned:.0%} pruned" if point.variant.pruned else "")


def pareto_plot(points: Sequence[Point], front: Sequence[Point], metric: str) -> str:
    """All designs by strategy, those of the front with labels, joined by a line for each latency, as SVG."""
    with svg_axes(8, 5) as (axes, svg):
        for latency_ns in dict.fromkeys(point.latency_ns for point in front):
            chosen = [point for point in front if point.latency_ns == latency_ns]
            luts, qualities = [point.luts for point in chosen], [quality(point, metric) for point in chosen]
            axes.plot(luts, qualities, color=_LINE, lw=1, drawstyle="steps-post", zorder=0)
            axes.annotate(
                f"{latency_ns:g} ns", (luts[-1], qualities[-1]), _NS_OFFSET, textcoords="offset points", fontsize=8
            )
        for k, strategy in enumerate(dict.fromkeys(point.hardware.strategy for point in points)):
            chosen = [point for point in points if point.hardware.strategy is strategy]
            colour = _COLOURS[k % len(_COLOURS)]
            x, y = [point.luts for point in chosen], [quality(point, metric) for point in chosen]
            axes.plot(x, y, "o", color=colour, alpha=0.8, label=strategy.replace("_", " "))
        for point in front:
            at = point.luts, quality(point, metric)
            axes.annotate(label(point), at, _LABEL_OFFSET, textcoords="offset points", fontsize=7)
        axes.set_xscale("log")
        axes.set_xlabel("look-up tables")
        axes.set_ylabel(METRICS[metric])
        axes.legend()
    return svg[0]
