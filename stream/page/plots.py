"""The plots of the page as Bokeh figures without data; `assets/page.js` fills their sources by name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import pi
from typing import Any, Final

from bokeh.embed import json_item
from bokeh.models import (
    BasicTickFormatter,
    ColumnDataSource,
    DataRange1d,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    SingleIntervalTicker,
)
from bokeh.plotting import figure
from bokeh.themes import Theme

_HEIGHT: Final = 250
_ETA_LIMIT: Final = 5.7
"""The calorimeters end at |eta| = 5; large markers need some room beside that."""
_MINUTE_MS: Final = 60_000
_POWERS: Final = 32
_DECADES: Final = 12
_SUPERSCRIPT: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Look(StrEnum):
    """Colours of the page."""

    LIGHT = "light"
    DARK = "dark"


_COLOURS: Final = {Look.LIGHT: ("#1b2733", "#dde3e9", "#ffffff"), Look.DARK: ("#d7dfe7", "#323d49", "#182129")}
"""Of text, of grid lines, and of what is behind them, as in `assets/page.css`."""


def plots(look: Look) -> dict[str, Any]:
    """Every plot by name, as BokehJS embeds it."""
    theme = _theme(look)
    return {name: json_item(made, theme=theme) for name, made in _figures().items()}


def _figures() -> Mapping[str, Any]:
    return {
        "total": _rates("total", "kHz"),
        "ad": _rates("ad", "Hz"),
        "groups": _rates("groups", "kHz"),
        "acting": _lines_by_lumi_section("acting", "rate over target"),
        "scores": _scores(),
        "latency": _latency(),
        "event": _event(),
    }


def _plain(x_label: str, y_label: str, **options: Any) -> Any:
    made = figure(
        height=_HEIGHT,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        x_axis_label=x_label,
        y_axis_label=y_label,
        **options,
    )
    made.min_border_right = 12
    return made


def _rates(name: str, unit: str) -> Any:
    """Rates by lumi section."""
    return _lines_by_lumi_section(name, f"rate [{unit}]")


def _lines_by_lumi_section(name: str, y_label: str) -> Any:
    made = _plain(
        "lumi section",
        y_label,
        x_range=DataRange1d(range_padding=0.03, min_interval=1),
        y_range=DataRange1d(start=0, range_padding=0.08, min_interval=1e-3),
    )
    _add_series(made, name, "lumi section @x: @text")
    made.xaxis.ticker.min_interval = 1
    made.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    return made


def _add_series(made: Any, name: str, tooltip: str) -> None:
    """Lines, and markers on them: more than colour tells series apart."""
    lines = ColumnDataSource({column: [] for column in ("xs", "ys", "colour", "dash")}, name=f"{name}-lines")
    columns = ("x", "y", "colour", "marker", "size", "label", "text")
    points = ColumnDataSource({column: [] for column in columns}, name=f"{name}-points")
    made.multi_line("xs", "ys", source=lines, line_color="colour", line_dash="dash", line_width=2)
    dots = made.scatter(
        "x", "y", source=points, marker="marker", size="size", line_color="colour", fill_color="colour", fill_alpha=0.5
    )
    made.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@label"), ("", tooltip)]))


def _scores() -> Any:
    """Steps over bins that are powers of two wide; the axis counts the powers."""
    made = _plain("score", "fraction of crossings", y_axis_type="log")
    _add_series(made, "scores", "@text")
    made.yaxis.ticker = FixedTicker(ticks=[10.0**-k for k in range(_DECADES)])
    made.yaxis.formatter = BasicTickFormatter()
    made.yaxis.major_label_overrides = {10.0**-k: f"10⁻{_raised(k)}" if k else "1" for k in range(_DECADES)}
    made.xaxis.ticker = SingleIntervalTicker(interval=2, num_minor_ticks=0)
    made.xaxis.major_label_overrides = {k: f"2{_raised(k)}" for k in range(_POWERS)}
    return made


def _raised(power: int) -> str:
    return str(power).translate(_SUPERSCRIPT)


def _latency() -> Any:
    a_minute = DataRange1d(range_padding=0.03, min_interval=_MINUTE_MS)
    made = _plain("time (UTC)", "latency [ms]", x_axis_type="datetime", y_axis_type="log", x_range=a_minute)
    _add_series(made, "latency", "@text")
    made.xaxis.ticker.desired_num_ticks = 4
    made.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    return made


def _event() -> Any:
    """L1 objects where they are; their size is their pT."""
    made = _plain(
        "η",
        "φ [rad]",
        x_range=Range1d(start=-_ETA_LIMIT, end=_ETA_LIMIT),
        y_range=Range1d(start=-0.4, end=2 * pi + 0.4),
    )
    made.height = 380
    made.yaxis.ticker = FixedTicker(ticks=[k * pi / 2 for k in range(5)])
    made.yaxis.major_label_overrides = {0: "0", pi / 2: "π/2", pi: "π", 3 * pi / 2: "3π/2", 2 * pi: "2π"}
    met = ColumnDataSource({"xs": [], "ys": [], "colour": []}, name="event-met")
    made.multi_line("xs", "ys", source=met, line_color="colour", line_dash="dashed", line_width=2)
    columns = ("x", "y", "size", "colour", "marker", "label", "text", "shown", "aside")
    objects = ColumnDataSource({column: [] for column in columns}, name="event-objects")
    dots = made.scatter(
        "x",
        "y",
        source=objects,
        size="size",
        marker="marker",
        line_color="colour",
        fill_color="colour",
        fill_alpha=0.35,
        line_width=1.5,
    )
    made.text(
        "x", "y", "shown", source=objects, x_offset="aside", y_offset=-5, text_font_size="11px", text_color="colour"
    )
    made.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@label"), ("", "@text")]))
    return made


def _theme(look: Look) -> Theme:
    ink, grid, behind = _COLOURS[look]
    text = {f"{part}_text_color": ink for part in ("axis_label", "major_label")}
    sizes = {"axis_label_text_font_size": "13px", "major_label_text_font_size": "12px"}
    lines = {f"{part}_line_color": ink for part in ("axis", "major_tick", "minor_tick")}
    plain = {"axis_label_text_font_style": "normal", "minor_tick_line_color": None}
    return Theme(
        json={
            "attrs": {
                "Plot": {
                    "background_fill_color": behind,
                    "border_fill_color": behind,
                    "outline_line_color": None,
                },
                "Axis": text | sizes | lines | plain,
                "Grid": {"grid_line_color": grid},
            }
        }
    )
