"""The plots of an evaluation as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from triggers.studies.plots import svg_axes

COLOURS: Final = ("#3f90da", "#e76300", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#ffa90e", "#717581", "#92dadd")
"""The palette that CMS recommends, begun again after nine."""
_STYLES: Final = ("-", "--", ":", "-.")

Series = Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float] | None]]


def lines(
    series: Series,
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    marks: Sequence[float] = (),
    steps: bool = False,
) -> str:
    """Lines with errors by name: x, y, error; `marks` are vertical lines.

    Args:
        series: by name.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
        marks: vertical lines.
        steps: draw bins instead of points.
    """
    with svg_axes(8, 4.4) as (axes, svg):
        for k, (label, (x, y, error)) in enumerate(series.items()):
            colour, style = COLOURS[k % len(COLOURS)], _STYLES[k // len(COLOURS) % len(_STYLES)]
            if steps:
                axes.step(x, y, where="post", color=colour, ls=style, label=label)
            else:
                settings: dict[str, Any] = {"ms": 3, "lw": 1.2, "elinewidth": 1}
                axes.errorbar(x, y, error, fmt="o", color=colour, ls=style, label=label, **settings)
        for mark in marks:
            axes.axvline(mark, color="#717581", ls="--", lw=1)
        # Of few crossings nothing may be left to draw, and a logarithmic axis needs a number above 0.
        drawn = list(series.values())
        if log_x and any(value > 0 for x, _, _ in drawn for value in x):
            axes.set_xscale("log")
        if log_y and any(value > 0 for _, y, _ in drawn for value in y):
            axes.set_yscale("log", nonpositive="clip")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return svg[0]
