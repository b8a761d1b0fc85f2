"""What ships for Prometheus and Grafana, read for tests."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS = REPOSITORY / "docker" / "prometheus"
GRAFANA = REPOSITORY / "docker" / "grafana"
METRICS_PAGE = REPOSITORY / "docs" / "metrics.md"
RUNBOOK = REPOSITORY / "docs" / "runbook.md"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
_SUFFIXES = r"(_total|_bucket|_count|_sum)?$"


def program(name: str) -> str:
    """The path of one of Prometheus' programs; skips, visibly, where it is absent."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}; on Debian: apt-get install prometheus")
    return found


def documented(pattern: str) -> set[str]:
    """The names in the first column of the tables of docs/metrics.md."""
    return set(re.findall(rf"^\| `({pattern})` \|", METRICS_PAGE.read_text(), re.MULTILINE))


def rules(kind: str) -> list[dict[str, Any]]:
    """All recording rules (`record`) or alerts (`alert`)."""
    files = sorted((PROMETHEUS / {"record": "rules", "alert": "alerts"}[kind]).glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def metrics_in(expression: str) -> set[str]:
    """The metrics of a run that an expression names."""
    return {re.sub(_SUFFIXES, "", name) for name in re.findall(r"\bl1chain_\w+", expression)}


def records_in(expression: str) -> set[str]:
    """The recorded rates that an expression names."""
    return set(re.findall(r"\b\w+:\w+:\w+", expression))


def dashboard(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def queries() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel and expression of every query."""
    for path in DASHBOARDS:
        for panel in dashboard(path)["panels"]:
            for target in panel["targets"]:
                yield path.stem, panel["title"], target["expr"]
