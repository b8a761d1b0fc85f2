"""Every query of every dashboard, asked of a real Prometheus that watches a real run."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from models.distribution import ScoreDistribution
from models.manifest import Manifest, render_manifest
from models.repository import SHIPPED_VERSIONS
from tests.monitoring.shipped import DASHBOARDS, PROMETHEUS, dashboard, program, queries
from tests.ports import free_port
from triggers.strict_yaml import read_yaml

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(500)]
PATIENCE_S = 240.0
LEAST_COUNT = 1000
"""Rates of fewer crossings than these differ by more than 2 % between the run and its last minute by chance."""
CHAIN = """
run: {{out: {out}, orbits_per_lumi_section: 100, lumi_sections: 100000, pace: 0.005}}
source: {{format: synthetic, crossings: 65536, prepare: true, repeat: forever}}
menu: {{path: shipped:menus/demo.yaml}}
prescales: {{path: shipped:prescales/demo.csv, column: physics}}
scores: [{{name: axol1tl, version: demo-v1, aliases: [production], shadow: {{version: demo-v2, fraction: 0.5}}}}]
models: {{repository: {models}}}
budgets:
  - {{name: anomaly, algorithms: [ad], rate_hz: 1000}}
  - name: nominal
    algorithms: [L1_AXO_Nominal]
    rate_hz: 10000
    control: {{by: threshold, target_hz: 437, tolerance: 0.5}}
  - {{name: l1, algorithms: ["*"], rate_hz: 1000000, control: {{by: column, columns: [physics, emergency]}}}}
batch: {{crossings: 4096, window: 8}}
metrics: {{address: "127.0.0.1:{port}", highest: 100}}
"""


def two_versions(folder: Path) -> Path:
    """A repository with the demo's model, its reference distribution, and a candidate with lower thresholds."""
    source = SHIPPED_VERSIONS / "axol1tl"
    manifest = read_yaml((source / "demo-v1" / "manifest.yaml").read_bytes(), "manifest", Manifest)
    reference = ScoreDistribution(edges=(1000, 10_000), parts=(0.2, 0.7, 0.1), sample="a guess")
    for version, factor in (("demo-v1", 1.0), ("demo-v2", 0.9)):
        points = {
            name: point.model_copy(update={"threshold": int(point.threshold * factor)})
            for name, point in manifest.working_points.items()
        }
        changes = {"version": version, "working_points": points, "histogram": reference}
        copied = folder / "axol1tl" / version
        shutil.copytree(source / "demo-v1", copied)
        (copied / "manifest.yaml").write_text(render_manifest(manifest.model_copy(update=changes)))
    return folder


@contextmanager
def process(*command: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that is ended, if it has not ended itself."""
    with log.open("w") as errors:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ)
        try:
            yield started
        finally:
            if started.poll() is None:
                started.terminate()
            started.communicate(timeout=60)


class Prometheus:
    """Asks a Prometheus server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def values(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and numbers of an instant query; refused queries are errors."""
        chosen = expression.replace("$instance", ".*").replace("$model", "axol1tl")
        asked = urllib.parse.urlencode({"query": chosen})
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/query?{asked}", timeout=10) as answer:
            content: dict[str, Any] = json.load(answer)
        found = ((sample["metric"], float(sample["value"][1])) for sample in content["data"]["result"])
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    def by(self, label: str, expression: str) -> dict[str, float]:
        """Numbers by one label."""
        return {labels[label]: value for labels, value in self.values(expression)}

    def one(self, expression: str) -> float:
        """The only number of a query."""
        ((_, value),) = self.values(expression)
        return value


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[Prometheus]:
    """A server with the shipped rules, which looks at a port every second."""
    port, config = free_port(), folder / "prometheus.yml"
    files = [str(PROMETHEUS / kind / "*.yml") for kind in ("rules", "alerts")]
    scrape = {"job_name": "l1chain", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    times = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config.write_text(json.dumps({"global": times, "rule_files": files, "scrape_configs": [scrape]}))
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    options += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with process(program("prometheus"), *options, log=folder / "prometheus.log"):
        yield Prometheus(port)


def unanswered(server: Prometheus) -> list[str]:
    """The panels of which a query has no data."""
    return [f"{board}: {panel}: {expr}" for board, panel, expr in queries() if not server.values(expr)]


def answers(server: Prometheus) -> dict[str, Any]:
    """The rates that are compared with the run's own."""
    by_step = {
        step: server.by("algorithm", f'algorithm:accepts:hz{{step="{step}"}}')
        for step in ("before_prescale", "final", "pure")
    }
    for path in DASHBOARDS:
        for annotation in dashboard(path)["annotations"]["list"]:
            server.values(annotation["expr"])  # refused if it is no expression; a run without changes has none
    return by_step | {
        "l1": server.one("run:l1_accepts:hz"),
        "budgets": server.by("budget", "budget:accepts:hz"),
        "controlled": server.by("budget", "budget:controlled:hz"),
        "targets": server.by("budget", "budget:target:hz"),
        "final_or": server.one("run:final_or:hz"),
        "groups": server.by("group", 'group:accepts:hz{step="final"}'),
        "pure_groups": server.by("group", 'group:accepts:hz{step="pure"}'),
        "unaccounted": server.one("run:crossings_unaccounted:sum"),
        "firing": server.by("alertname", 'ALERTS{alertstate="firing"}'),
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """Panels without data, what Prometheus says in the end, and the run's own result."""
    folder = tmp_path_factory.mktemp("panels")
    port, config = free_port(), folder / "chain.yaml"
    config.write_text(CHAIN.format(out=folder / "runs", port=port, models=two_versions(folder / "models")))
    chain = [sys.executable, "-m", "stream.cli", "run", str(config), "--json"]
    with prometheus(folder, port) as server, process(*chain, log=folder / "chain.log") as run:
        deadline = time.monotonic() + PATIENCE_S
        missing = ["everything"]
        while missing and time.monotonic() < deadline:
            time.sleep(2)
            assert run.poll() is None, (folder / "chain.log").read_text()
            try:
                missing = unanswered(server)
            except OSError as error:
                missing = [str(error)]
        rates = {} if missing else answers(server)
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=60)
    return missing, rates, json.loads(out.splitlines()[-1])


Seen = tuple[list[str], dict[str, Any], dict[str, Any]]


def test_every_query_of_every_panel_returns_data(seen: Seen) -> None:
    assert seen[0] == []


def test_totals_and_groups_agree_with_the_run(seen: Seen) -> None:
    missing, rates, result = seen
    assert missing == []
    seconds = result["simulated_seconds"]
    assert rates["l1"] == pytest.approx(result["accepted_hz"], rel=0.02)
    assert rates["final_or"] == pytest.approx(result["final_or"] / seconds, rel=0.02)
    assert rates["groups"].keys() == result["groups"].keys()
    compared = 0
    for name, counts in result["groups"].items():
        for step, found in (("final", rates["groups"]), ("pure", rates["pure_groups"])):
            if counts[step] >= LEAST_COUNT:
                compared += 1
                assert found[name] == pytest.approx(counts[step] / seconds, rel=0.02), (name, step)
    assert compared >= 5


def test_budgets_agree_with_the_run_and_controllers_with_its_rows(seen: Seen) -> None:
    missing, rates, result = seen
    assert missing == []
    beam_s = result["simulated_seconds"] * result["produced"] / result["decided"]
    for name in ("anomaly", "l1"):
        assert rates["budgets"][name] == pytest.approx(result["budgets"][name]["final"] / beam_s, rel=0.02), name
    assert rates["targets"] == {"nominal": 437, "l1": 1_000_000}
    for name, rate_hz in rates["controlled"].items():
        told = [row["budget_control"][name]["rate_hz"] for row in result["lumi_sections"]]
        assert any(rate_hz == pytest.approx(row_hz) for row_hz in told), name


def test_algorithms_agree_with_the_rate_table(seen: Seen) -> None:
    missing, rates, result = seen
    assert missing == []
    table = pq.read_table(Path(result["run_dir"]) / "rates.parquet").to_pylist()
    compared = 0
    for row in table:
        for step in ("before_prescale", "final", "pure"):
            if row["algorithm"] in rates[step] and row[step] >= LEAST_COUNT:
                compared += 1
                assert rates[step][row["algorithm"]] == pytest.approx(row[f"{step}_hz"], rel=0.02), (row, step)
    assert compared >= 20


def test_a_run_that_is_well_is_accounted_for_and_no_alert_of_loss_fires(seen: Seen) -> None:
    missing, rates, result = seen
    assert missing == []
    assert result["produced"] == result["decided"] + sum(result["dead"].values())
    assert rates["unaccounted"] == 0
    assert not rates["firing"].keys() & {"CrossingsUnaccounted", "ServiceDead", "ModelVersionMismatch"}
