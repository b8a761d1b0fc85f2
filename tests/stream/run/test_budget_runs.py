"""Budgets that act in runs: the same on every transport, whatever dies, and offline (docs/budgets.md)."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.backends.registry import open_backend
from models.manifest import WorkingPoint
from models.repository import open_repository
from models.repository_changes import add_version, set_alias
from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.run.supervisor import Supervisor
from stream.services.decision_changes import DecisionTimeline
from stream.services.fold import CombinerSettings, Fold
from stream.services.sinks.tables import RunTables
from stream.wire.messages import Header, Kind
from tests.stream.run.conftest import l1chain
from tests.stream.run.model_versions import MENU, import_version
from tests.stream.run.running import running, settings, tables
from triggers.errors import L1ChainError
from triggers.events.crossings import column_view
from triggers.events.synthetic import SyntheticSource

SECTION, SECTIONS_A_FILE, SECTIONS = 10_000, 4, 12
PILEUPS = (40.0, 75.0)
"""Of files that are read in turn: the rate steps up and down by a factor two every four lumi sections."""
TARGET_HZ = 900_000.0
CONFIG = """
run: {{out: {folder}/runs, colliding_bunches: 1000, orbits_per_lumi_section: 10, lumi_sections: {sections}}}
source: {{paths: [{folder}/40.parquet, {folder}/75.parquet], repeat: forever}}
menu: {{path: {folder}/menu.yaml}}
models: {{repository: {folder}/models}}
scores: [{{name: axol1tl, backend: native}}]
budgets:
  - name: ad
    algorithms: [L1_AD, L1_ADNoJet]
    rate_hz: 2000000
    control: {{by: threshold, target_hz: {target_hz}}}
batch: {{crossings: 1024, window: 8}}
metrics: {{address: null}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of two pile-ups, and a model whose score is the transverse energy of the first jet."""
    folder = tmp_path_factory.mktemp("budgets")
    for k, pileup in enumerate(PILEUPS):
        crossings = SECTIONS_A_FILE * SECTION
        batches = list(SyntheticSource(crossings, seed=3, pileup=pileup, first=k * crossings).batches(10_000))
        pq.write_table(pa.Table.from_batches(batches), folder / f"{pileup:g}.parquet")
    repository = open_repository(folder / "models", make=True)
    import_version(repository, folder, "plain", "jet", 0, 80)
    loaded = repository.load("axol1tl", "plain")
    thresholds = {"loose": 40, "nominal": 80, "tight": 200}
    points = {
        name: WorkingPoint(threshold=value, rate_hz=1.0, calibrated_on="nothing") for name, value in thresholds.items()
    }
    manifest = loaded.manifest.model_copy(update={"version": "acting", "working_points": points})
    add_version(repository, manifest, loaded.files)
    set_alias(repository, "axol1tl", "production", "acting")
    (folder / "menu.yaml").write_text(MENU)
    path = folder / "chain.yaml"
    path.write_text(CONFIG.format(folder=folder, sections=SECTIONS, target_hz=TARGET_HZ))
    return path


def run(config: Path, *overrides: str) -> dict[str, Any]:
    return Supervisor(Assembly(load_config(config, overrides))).run()


def offline(config: Path, batch: int) -> list[dict[str, Any]]:
    """The rows of the lumi sections, without services: the two halves of the decision one after the other."""
    assembly = Assembly(load_config(config))
    made = CombinerSettings(assembly.decision, assembly.timelines, compare_expected=False, controls=assembly.controls)
    decision, evaluator = assembly.decision, assembly.evaluator
    tables_ = RunTables(assembly.menu, decision, evaluator.not_evaluated, assembly.groups)
    fold = Fold(evaluator, made, DecisionTimeline(decision, assembly.menu), tables_)
    (stage,) = assembly.score_stages
    backend = open_backend("native", stage.version)
    sequence, taken = 0, 0
    while taken < SECTIONS * SECTION:
        for rows in assembly.source.batches(batch):
            columns = {name: column_view(rows.column(name)) for name in rows.schema.names if name != "process"}
            bits = evaluator.objects({name: columns[name] for name in evaluator.needed_columns})
            scores = backend.score({name: columns[name] for name in backend.needed_columns})
            section, first = divmod(taken, SECTION)
            header = Header(Kind.BATCH, 1, sequence, first, 0, section + 1, len(rows), len(rows))
            fold.decide(header, {"seeds": [bits.rows, bits.words], stage.stage: [np.asarray(scores)]})
            sequence, taken = sequence + 1, taken + len(rows)
            if taken >= SECTIONS * SECTION:
                break
    fold.finish()
    return json.loads(json.dumps(tables_.take_rows()))


def controls(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [row["budget_control"]["ad"] for row in record["lumi_sections"]]


def test_a_run_holds_its_rate_and_acts_as_the_offline_core_does(config: Path) -> None:
    record = run(config)
    assert controls(record) == [row["budget_control"]["ad"] for row in offline(config, 2_000)]
    seen = controls(record)
    steps = range(SECTIONS_A_FILE, SECTIONS, SECTIONS_A_FILE)
    for number, control in enumerate(seen[1:], start=1):
        is_held = 0.8 * TARGET_HZ < control["rate_hz"] < 1.2 * TARGET_HZ
        assert is_held != (number in steps), f"lumi section {number + 1}: {control}"
    acted = [number for number, control in enumerate(seen) if control["action"]]
    assert acted == [0, *steps]
    (budget,) = record["budget_control"]
    assert budget["actions"] == {"loosen": 2, "tighten": 1}
    assert [action["lumi_section"] for action in budget["last_actions"]] == [number + 2 for number in acted]


def test_the_report_tells_of_every_action(config: Path) -> None:
    record = run(config)
    ended = l1chain("report", record["run_dir"])
    assert ended.code == 0, ended.err
    page = (Path(record["run_dir"]) / "report.html").read_text()
    assert "Budgets that act" in page
    for control in controls(record):
        if control["action"]:
            assert f"<td>{control['action']['after']}</td>" in page


@pytest.mark.heavy
def test_processes_act_as_threads_do_and_a_killed_combiner_repeats_its_actions(config: Path, tmp_path: Path) -> None:
    overrides = settings(
        "transport=ipc", "run.lumi_sections=1000000", "seeds.replicas=2", f"run.out={tmp_path / 'runs'}"
    )
    with running(str(config), *overrides, out=tmp_path / "runs") as disturbed:
        pid = disturbed.wait_until_committing()["services"]["combiner"]["pid"]
        os.kill(pid, signal.SIGKILL)
        disturbed.wait_for(lambda status: status["services"]["combiner"]["pid"] not in (pid, None))
        disturbed.wait_until_committing()
        held = disturbed.ask("budget-hold", budget="ad")["lumi_section"]
        status = disturbed.wait_for(lambda status: status["budgets"] and status["budgets"][0]["state"] == "held")
        assert status["budgets"][0]["target_hz"] == TARGET_HZ
        os.kill(status["services"]["combiner"]["pid"], signal.SIGKILL)
        disturbed.wait_until_committing()
        disturbed.ask("stop", at="next")
        result = disturbed.end()
    assert result["restarts"]["combiner"] >= 2
    states = [control["state"] for control in controls(result)]
    assert states == ["acting"] * (held - 1) + ["held"] * (len(states) - held + 1)
    undisturbed = run(config, f"run.lumi_sections={held - 1}", "batch.crossings=4096")
    assert tables(result)[2][: held - 1] == tables(undisturbed)[2]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("budgets.0.algorithms=[L1_AD]",), "would move the threshold of L1_ADNoJet too"),
        (("budgets.0.algorithms=[L1_Seldom]",), "its algorithms name none"),
        (("scores.0.version=plain", "scores.0.aliases=[production]"), "nothing to move between"),
        (("budgets.0.control.between=[loose, wide]",), "unknown working point 'wide'"),
        (("budgets.0.control={by: column, columns: [a, b]}",), "chooses a prescale column of no table"),
        (("budgets.0.control={by: column, columns: [a]}",), "two or more different columns"),
        (("budgets.0.control.columns=[a, b]",), "columns are for by: column"),
        (("budgets.0.control={by: cap, between: [loose, tight]}",), "between is for by: working_point"),
        (("budgets.0.control={by: cap}", "budgets.0.rate_hz=0"), "a rate of 0 Hz cannot be held"),
    ],
)
def test_what_cannot_be_moved_is_refused_before_the_run(config: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(L1ChainError, match=message):
        Assembly(load_config(config, overrides)).check()
