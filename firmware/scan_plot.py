"""The plot of a scan: what designs select against their look-up tables (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware.scans import Point, quality
from triggers.studies.plots import svg_axes

METRICS: Final = {"efficiency": "mean efficiency", "auc": "mean AUC"}
_COLOURS: Final = ("#3f90da", "#bd1f01", "#94a4a2")
_LINE: Final = "#717581"
_LABEL_OFFSET: Final = (6, -10)
_NS_OFFSET: Final = (-4, 7)
_LABEL_PIXELS: Final = (70.0, 14.0)


def label(point: Point) -> str:
    """Width and pruning."""
    width = "as is" if point.variant.bits is None else f"{point.variant.bits} bits"
    return width + (f", {point.variant.pruned:.0%} pruned" if point.variant.pruned else "")


def pareto_plot(points: Sequence[Point], front: Sequence[Point], metric: str) -> str:
    """All designs by strategy, those of the front ringed, with labels, joined by a line for each latency, as SVG."""
    strategies = list(dict.fromkeys(point.hardware.strategy for point in points))
    best = set(front)
    with svg_axes(8, 5) as (axes, svg):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.margins(0.08, 0.1)
        for strategy, colour in zip(strategies, _COLOURS, strict=False):
            shown = strategy.replace("_", " ")
            others = [point for point in points if point.hardware.strategy is strategy and point not in best]
            axes.plot(*_places(others, metric), "o", color=colour, alpha=0.35, mec="none")
            chosen = [point for point in front if point.hardware.strategy is strategy]
            axes.plot(*_places(chosen, metric), "o", color=colour, mec="black", mew=0.8, ms=6, label=shown)
        for latency_ns in dict.fromkeys(point.latency_ns for point in front):
            luts, qualities = _places([point for point in front if point.latency_ns == latency_ns], metric)
            axes.plot(luts, qualities, color=_LINE, lw=1, drawstyle="steps-post", zorder=0)
            at = luts[-1], qualities[-1]
            axes.annotate(f"{latency_ns:g} ns", at, _NS_OFFSET, textcoords="offset points", fontsize=8)
        axes.autoscale_view()
        for text, at in _apart(front, metric, axes.transData.transform):
            axes.annotate(text, at, _LABEL_OFFSET, textcoords="offset points", fontsize=7)
        axes.set_xlabel("look-up tables")
        axes.set_ylabel(METRICS[metric])
        axes.legend(loc="upper left", title="ringed: not surpassed", title_fontsize=8)
    return svg[0]


def _places(points: Sequence[Point], metric: str) -> tuple[list[float], list[float]]:
    return [point.luts for point in points], [quality(point, metric) for point in points]


def _apart(
    front: Sequence[Point], metric: str, pixels: Callable[[tuple[float, float]], NDArray[np.float64]]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Labels with their places, without those that would cover one that stands there."""
    taken: list[NDArray[np.float64]] = []
    for point in front:
        at = point.luts, quality(point, metric)
        place = pixels(at)
        if not any((np.abs(place - other) < _LABEL_PIXELS).all() for other in taken):
            taken.append(place)
            yield label(point), at
