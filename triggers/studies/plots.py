"""The report's plots as inline SVG, in the style of mplhep."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = ("#3f90da", "#e76300")
"""Of menu A and menu B (from the palette that CMS recommends)."""
PALETTE: Final = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
"""Of many series (the ten colours that CMS recommends)."""
_STYLES: Final = ("-", "--", ":")
_LIGHT: Final = ("#a9cfee", "#f3b98c")
_OVERRIDES: Final = {
    "font.size": 10,
    "axes.labelsize": 11,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 10,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "xtick.major.pad": 5,
    "ytick.major.pad": 5,
    "axes.linewidth": 1,
    "lines.markersize": 4,
    "lines.linewidth": 1.5,
    "figure.dpi": 100,
    "savefig.transparent": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "l1chain",
}


@contextmanager
def svg_axes(width: float, height: float) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw in; afterwards the list holds the SVG."""
    import matplotlib as mpl
    import mplhep
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    svg: list[str] = []
    settings: dict[Any, Any] = {**mplhep.style.CMS, **_OVERRIDES}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot(), svg
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    svg.append(re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font: \1 sans-serif", text[text.index("<svg") :]))


def horizontal_bars(names: Sequence[str], series: Mapping[str, tuple[Any, Any, Any]], x_label: str) -> str:
    """Bars by name, for each menu its total with error, and its pure part darker.

    Args:
        names: from the top.
        series: by menu label: total, its error, pure, each `(n,)`, in kHz.
        x_label: of the axis.
    """
    n = len(series)
    with svg_axes(9, 1.2 + 0.26 * len(names) * (1 + 0.4 * (n - 1))) as (axes, svg):
        height = 0.8 / n
        places = np.arange(len(names))
        for k, (label, (total, error, pure)) in enumerate(series.items()):
            at = places + (k - (n - 1) / 2) * height
            axes.barh(at, total, height, xerr=error, color=_LIGHT[k], label=f"{label}: total", error_kw={"lw": 1})
            axes.barh(at, pure, height * 0.6, color=COLOURS[k], label=f"{label}: pure")
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", which="both", length=0)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel(x_label)
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2 * n
        )  # above the bars, of which there may be few
    return svg[0]


def curves(
    series: Mapping[str, tuple[Any, Any, Any]],
    x_label: str,
    y_label: str,
    log: bool = False,
    marks: Sequence[float] = (),
) -> str:
    """Points with errors by name: x, y, error, `(n,)` each; `marks` are vertical lines."""
    with svg_axes(8, 4.2) as (axes, svg):
        for k, (label, (x, y, error)) in enumerate(series.items()):
            shade, hollow = COLOURS[k % 2], k >= len(COLOURS)
            face = "white" if hollow else shade
            axes.errorbar(x, y, error, fmt="o-", color=shade, mfc=face, lw=1, elinewidth=1, label=label)
        for mark in sorted(set(marks)):
            axes.axvline(mark, color="#717581", ls="--", lw=1)
        if log:
            axes.set_yscale("log", nonpositive="clip")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend()
    return svg[0]


def lines(
    series: Mapping[str, tuple[Any, Any]], x_label: str, y_label: str, limits: Mapping[str, float] | None = None
) -> str:
    """Lines by name: x and y, `(n,)` each; `limits` are horizontal lines with their names."""
    with svg_axes(9, 4.2) as (axes, svg):
        for k, (label, (x, y)) in enumerate(series.items()):
            style = _STYLES[k // len(PALETTE) % len(_STYLES)]
            axes.plot(
                x,
                y,
                style,
                color=PALETTE[k % len(PALETTE)],
                drawstyle="steps-mid",
                marker="o" if len(x) < 2 else "",
                label=label,
            )
        for label, limit in (limits or {}).items():
            axes.axhline(limit, color="#717581", ls="--", lw=1, label=label)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg[0]


def steps(series: Mapping[str, tuple[Any, Any]], x_label: str, y_label: str) -> str:
    """Histograms by name on a logarithmic scale: the n + 1 edges and the n numbers between them."""
    with svg_axes(8, 4.2) as (axes, svg):
        for k, (label, (edges, counts)) in enumerate(series.items()):
            axes.stairs(counts, edges, color=PALETTE[k % len(PALETTE)], label=label, lw=1.5)
        axes.set_yscale("log", nonpositive="clip")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend()
    return svg[0]


def overlap_map(names: Sequence[str], fractions: NDArray[np.float64]) -> str:
    """The overlap matrix `(n, n)`: of each row's rate, the percentage that the column keeps too."""
    side = 2.5 + 0.3 * len(names)
    with svg_axes(side + 1.5, side) as (axes, svg):
        image = axes.imshow(fractions * 100, cmap="Blues", vmin=0, vmax=100)
        for i in range(len(names)):
            for j in range(len(names)):
                value = fractions[i, j] * 100
                if value >= 1:
                    colour = "white" if value > 60 else "#333333"
                    axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        axes.figure.colorbar(image, ax=axes, label="also kept by the column [% of the row's rate]", shrink=0.7)
    return svg[0]
