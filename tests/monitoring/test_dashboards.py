"""The dashboards for Grafana: regular, and of metrics that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tests.monitoring.shipped import DASHBOARDS, GRAFANA, dashboard, documented, metrics_in, queries, records_in, rules

Text = Annotated[str, Field(min_length=1)]
UNITS = Literal["hertz", "percentunit", "none", "cps", "ns", "s", "bytes"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Source(_Strict):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class Target(_Strict):
    ref_id: Annotated[str, Field(pattern="^[A-F]$")]
    datasource: Source
    expr: Text
    legend_format: Text
    instant: Literal[True] | None = None
    format: Literal["heatmap"] | None = None


class Defaults(_Strict):
    unit: UNITS
    min: Literal[0]
    custom: dict[str, Any] | None = None


class FieldConfig(_Strict):
    defaults: Defaults
    overrides: list[Any]


class Place(_Strict):
    x: Annotated[int, Field(ge=0, le=18)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(ge=6, le=24)]
    h: Annotated[int, Field(ge=4)]


class Panel(_Strict):
    type: Literal["timeseries", "stat", "bargauge", "heatmap", "state-timeline"]
    title: Text
    description: Text
    id: int
    datasource: Source
    targets: Annotated[list[Target], Field(min_length=1)]
    field_config: FieldConfig
    grid_pos: Place
    options: dict[str, Any] | None = None

    @property
    def axis_label(self) -> str | None:
        """What the vertical axis is called."""
        if self.type == "heatmap":
            return (self.options or {})["yAxis"]["axisLabel"]
        return (self.field_config.defaults.custom or {}).get("axisLabel")


class Variable(BaseModel):
    name: Text
    type: Literal["datasource", "query"]


class Dashboard(_Strict):
    uid: Annotated[str, Field(pattern="^l1chain-[a-z]+$")]
    title: Text
    description: Text
    tags: list[Literal["l1chain"]]
    schema_version: Literal[39]
    version: int
    editable: Literal[False]
    refresh: Text
    timezone: Literal["utc"]
    time: dict[str, str]
    links: list[dict[str, Any]]
    templating: dict[Literal["list"], list[Variable]]
    annotations: dict[Literal["list"], list[dict[str, Any]]]
    panels: Annotated[list[Panel], Field(min_length=1)]


def test_there_are_the_four_dashboards() -> None:
    assert [path.stem for path in DASHBOARDS] == ["ad", "menu", "overview", "services"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_has_a_fixed_uid_a_data_source_variable_and_units_on_every_axis(path: Path) -> None:
    found = Dashboard.model_validate(dashboard(path))
    assert found.uid == f"l1chain-{path.stem}"
    assert [variable.name for variable in found.templating["list"]][:2] == ["datasource", "instance"]
    assert [panel.id for panel in found.panels] == list(range(1, len(found.panels) + 1))
    for panel in found.panels:
        has_axis = panel.type in {"timeseries", "heatmap"}
        assert bool(panel.axis_label) == has_axis, panel.title
        refs = [target.ref_id for target in panel.targets]
        assert refs == sorted(set(refs)), panel.title


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in Dashboard.model_validate(dashboard(path)).panels:
        place = panel.grid_pos
        assert place.x + place.w <= 24
        cells = {(x, y) for x in range(place.x, place.x + place.w) for y in range(place.y, place.y + place.h)}
        assert not cells & taken, panel.title
        taken |= cells


def test_queries_use_metrics_and_rates_that_there_are() -> None:
    recorded = {rule["record"] for rule in rules("record")}
    for board, panel, expression in queries():
        assert metrics_in(expression) <= documented(r"l1chain_\w+"), (board, panel)
        assert records_in(expression) <= recorded, (board, panel)
        assert 'instance=~"$instance"' in expression, (board, panel)


def test_grafana_is_provisioned_with_the_data_source_and_the_dashboards() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["uid"]) == ("prometheus", "l1chain-prometheus")
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/l1chain.yml").read_text())["providers"]
    assert provider["type"] == "file"
