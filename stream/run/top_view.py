"""`l1chain top` as text: the picture of `stream.run.top` drawn with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.services.budget_kinds import ControlState
from triggers.errors import L1ChainError

_ABOVE: Final = "bold red"
_NEAR: Final = "yellow"
_GOOD: Final = "green"
_NEAR_THE_LIMIT: Final = 0.9
_OFF_ITS_POINT: Final = 1.5
_MOST_MASKED: Final = 3
"""A rate that is off its working point by this factor is an alarm (docs/runbook.md)."""
_MB: Final = 1e6
_STATES: Final = {
    ControlState.ACTING: _GOOD,
    ControlState.HELD: _NEAR,
    ControlState.MASKED: _NEAR,
    ControlState.OFF: _ABOVE,
}

Json = Mapping[str, Any]


def drawn(picture: Json) -> RenderableType:
    """The picture of a run."""
    tables = [_rates(picture), _services(picture)]
    if picture["acting_budgets"]:
        tables.insert(1, _acting(picture))
    if picture["algorithms_on_scores"]:
        tables.insert(-1, _on_scores(picture))
    spaced = [part for table in tables for part in (Text(), table)]
    return Group(_head(picture), *spaced, _foot(picture))


def gone(picture: RenderableType, folder: Path, error: L1ChainError | None) -> RenderableType:
    """The last picture of a run that has ended, or does not answer any more."""
    told = f"the run has ended: l1chain report {folder}" if error is None else f"the run does not answer: {error}"
    return Group(picture, Text(f"\n{told}", style=_NEAR))


def _head(picture: Json) -> Text:
    text = Text()
    text.append(f"{picture['state']}", style=_GOOD if picture["state"] == "running" else _NEAR)
    text.append(f", lumi section {picture['lumi_section']:,}: {picture['decided']:,} crossings decided,")
    text.append(f" {picture['accepted']:,} accepted\n")
    if picture["problem"]:
        text.append(f"it waits: {picture['problem']}\n", style=_ABOVE)
    column = picture["prescale_column"]
    text.append(f"menu {picture['menu']}, prescale column {column}" if column else f"menu {picture['menu']}")
    for model in picture["models"]:
        role = "" if model["role"] == "production" else f" ({model['role']})"
        text.append(f"; {model['model']}/{model['version']}{role}")
    if masked := picture["masked"]:
        more = f" and {len(masked) - _MOST_MASKED} more" if len(masked) > _MOST_MASKED else ""
        text.append(f"\nmasked: {', '.join(masked[:_MOST_MASKED])}{more}", style=_NEAR)
    return text


def _rates(picture: Json) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Hz, simulated", no_wrap=True)
    for name in ("rate", "±", "pure", "limit", "suppressed"):
        table.add_column(name, justify="right", no_wrap=True)
    l1, ad = picture["l1"], picture["anomaly_detection"]
    table.add_row("L1 accepts", *_rate(l1), "", _limited(l1["hz"], l1["limit_hz"]))
    table.add_row("final OR", *_rate(picture["final_or"]))
    table.add_row("anomaly detection", *_rate(ad["final"]), _hz(ad["pure"]["hz"]))
    for budget in picture["budgets"]:
        limit = _limited(budget["hz"], budget["limit_hz"])
        table.add_row(f"budget {budget['budget']}", *_rate(budget), "", limit, _hz(budget["suppressed_hz"]))
    if hlt := picture["hlt"]:
        table.add_row(f"after L1: {hlt['model']}", *_rate(hlt), "", _limited(hlt["hz"], hlt["limit_hz"]))
    return table


def _acting(picture: Json) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("budget that acts", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("rate", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("set now", no_wrap=True)
    table.add_column("last action")
    for row in picture["acting_budgets"]:
        table.add_row(
            Text(row["budget"]),
            Text(row["state"], style=_STATES[row["state"]]),
            _hz(row["rate_hz"]),
            _hz(row["target_hz"]),
            Text(_setting(row["setting"])),
            Text(_action(row["last_actions"])),
        )
    return table


def _setting(setting: str | int | None) -> str:
    return f"{setting:,}" if isinstance(setting, int) else setting or "–"


def _action(actions: Sequence[Json]) -> str:
    if not actions:
        return "–"
    last = actions[-1]
    return f"{last['action']} from {last['lumi_section']:,}, at {_hz(last['rate_hz'])} Hz"


def _on_scores(picture: Json) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("algorithm on a score", no_wrap=True)
    table.add_column("working point", no_wrap=True)
    for name in ("kept", "pure", "fired", "calibrated"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in picture["algorithms_on_scores"]:
        point = f"{row['model']}:{row['working_point']}"
        rates = (_hz(row["final_hz"]), _hz(row["pure_hz"]), _fired(row), _hz(row["calibrated_hz"]))
        table.add_row(Text(row["algorithm"]), Text(point), *rates)
    return table


def _services(picture: Json) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("cores", "CPU ns", "MB", "queue", "p50 ms", "p99 ms", "restarts"):
        table.add_column(name, justify="right", no_wrap=True)
    latency = {row["stage"]: row for row in picture["latency"]}
    for row in picture["services"]:
        stage = row["service"].rpartition(".")[0] or row["service"]
        at = latency.get("decision" if stage == "combiner" else stage, {})
        table.add_row(
            Text(row["service"]),
            Text("runs", style=_GOOD) if row["ready"] else Text("starts", style=_NEAR),
            _number(row["cores"], ".2f"),
            _number(row["cpu_ns_per_crossing"], ".0f"),
            _number(row["memory_bytes"] and row["memory_bytes"] / _MB, ",.0f"),
            _number(picture["queues"].get("window" if stage == "producer" else stage), ".0f"),
            _number(at.get("p50_ms"), ".1f"),
            _number(at.get("p99_ms"), ".1f"),
            _number(row["restarts"], ".0f"),
        )
    return table


def _foot(picture: Json) -> Text:
    text = Text("\n")
    if picture["speed"]:
        text.append(f"{picture['speed']['crossings_per_s']:,.0f} crossings/s, ")
        text.append(f"{picture['speed']['real_time']:.3g} of real time; ")
    dead = picture["dead_time"]
    causes = ", ".join(f"{cause} {fraction:.2%}" for cause, fraction in dead["causes"].items())
    text.append(f"dead time {dead['fraction']:.2%}", style=_ABOVE if dead["fraction"] > 0 else "")
    text.append(f" ({causes})" if causes else "")
    text.append(f"; trigger rules block {dead['trigger_rules']:.2%} of the final OR")
    for change in picture["changes"]:
        values = change["arguments"].values()
        told = ", ".join(str(value["version"] if isinstance(value, dict) else value) for value in values)
        text.append(f"\n{change['kind']} {told} from lumi section {change['lumi_section']}")
    return text


def _rate(rate: Json) -> tuple[str, str]:
    return _hz(rate["hz"]), _hz(rate["error_hz"])


def _hz(rate_hz: float | None) -> str:
    return _number(rate_hz, ",.0f")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _limited(rate_hz: float | None, limit_hz: float) -> Text:
    style = ""
    if rate_hz is not None:
        style = _ABOVE if rate_hz > limit_hz else _NEAR if rate_hz > _NEAR_THE_LIMIT * limit_hz else _GOOD
    return Text(_hz(limit_hz), style=style)


def _fired(row: Json) -> Text:
    """The rate before crossing masks and prescale, which is what a working point is calibrated to."""
    fired_hz, calibrated_hz = row["fired_hz"], row["calibrated_hz"]
    is_off = False
    if fired_hz is not None and calibrated_hz:
        is_off = not 1 / _OFF_ITS_POINT <= fired_hz / calibrated_hz <= _OFF_ITS_POINT
    return Text(_hz(fired_hz), style=_NEAR if is_off else "")
