"""A chain with a stage after the L1 accept (docs/hlt.md)."""

from __future__ import annotations

import json
import os
import signal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.run.report_hlt import hlt_section, hlt_sentence
from stream.run.supervisor import Supervisor
from stream.run.watch import AcceptedLine, HltMark, follow
from tests.stream.run.running import CONFIG, running, settings, tables
from triggers.errors import BadValue, L1ChainError

STAGE = "hlt: {version: sim-1, threshold: 4000, rate_hz: 1000}\n"


def config_with(folder: Path, stage: str = STAGE) -> Path:
    path = folder / "chain.yaml"
    path.write_text(CONFIG.format(out=folder / "runs") + stage)
    return path


def run_of(config: Path, *overrides: str) -> dict[str, Any]:
    return Supervisor(Assembly(load_config(config, ("run.lumi_sections=3", *overrides)))).run()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_of(config_with(tmp_path_factory.mktemp("hlt")))


def test_every_accepted_crossing_has_score_and_decision(record: dict[str, Any]) -> None:
    accepted = pq.read_table(Path(record["run_dir"]) / "accepted.parquet")
    counts = record["hlt"]
    assert counts["scored"] == len(accepted) == record["accepted"] > counts["passed"] > counts["accepted"] > 0
    scores, passed, kept = (accepted[name].to_numpy() for name in ("hlt_score", "hlt_passed", "hlt_accepted"))
    assert ((scores >= 4000) == passed).all()
    assert passed[kept].all()
    assert int(scores.sum()) == counts["score_sum"]
    assert counts["accepted"] <= 1000 * record["simulated_seconds"]
    assert record["hlt_stage"]["threshold"] == 4000


def test_lumi_sections_tell_of_it(record: dict[str, Any]) -> None:
    for key in ("scored", "passed", "accepted", "score_sum"):
        assert sum(row["hlt"][key] for row in record["lumi_sections"]) == record["hlt"][key]


def test_how_crossings_are_batched_changes_nothing(record: dict[str, Any], tmp_path: Path) -> None:
    other = run_of(config_with(tmp_path), "batch.crossings=8192", "delivery.checkpoint_batches=1")
    assert tables(other) == tables(record)


def test_l1_accepts_are_those_of_a_chain_without_it(record: dict[str, Any], tmp_path: Path) -> None:
    alone = run_of(config_with(tmp_path, ""))
    accepted, rates, _ = tables(alone)
    with_stage = tables(record)
    assert with_stage[0].select(accepted.column_names) == accepted
    assert with_stage[1] == rates
    assert alone["hlt"] is alone["hlt_stage"] is None


def test_offline_it_decides_the_same(record: dict[str, Any]) -> None:
    done = CliRunner().invoke(app, ["runs", "hlt", record["run_dir"], "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["differing"] == 0
    assert {key: told[key] for key in record["hlt"]} == record["hlt"]


def test_a_threshold_for_a_rate_is_found(record: dict[str, Any]) -> None:
    arguments = ["runs", "hlt", record["run_dir"], "--find-threshold", "--rate-hz", "2000", "--burst", "1e6", "--json"]
    told = json.loads(CliRunner().invoke(app, arguments).stdout)
    most = int(2000 * record["simulated_seconds"])
    assert 0 < told["passed"] <= most
    scores = pq.read_table(Path(record["run_dir"]) / "accepted.parquet")["hlt_score"].to_numpy()
    assert int((scores >= told["threshold"] - 1).sum()) > most


def test_reports_tell_of_it(record: dict[str, Any]) -> None:
    sentence = hlt_sentence(record)
    assert sentence is not None
    assert f"gelato_hlt/sim-1 scored {record['accepted']:,} crossings" in sentence
    assert sentence in "".join(hlt_section(record))
    assert list(hlt_section({})) == []


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("hlt: {version: sim-1}\n", "either threshold or working_point"),
        ("hlt: {version: sim-1, threshold: 1, working_point: nominal}\n", "either threshold or working_point"),
        ("hlt: {version: sim-1, working_point: tight}\n", "working point of gelato_hlt/sim-1 'tight'"),
        ("hlt: {version: v9, threshold: 1}\n", "v9"),
        ("hlt: {name: cicada, version: sim-1, threshold: 1}\n", "reads regions"),
        ("hlt: {version: sim-1, threshold: 1, rate_hz: .nan}\n", "rate_hz"),
    ],
)
def test_what_cannot_be_is_told_before_the_run(tmp_path: Path, stage: str, words: str) -> None:
    with pytest.raises(L1ChainError, match=words):
        Assembly(load_config(config_with(tmp_path, stage), ("run.lumi_sections=3",))).check()


def test_a_run_too_short_for_a_rate_finds_no_threshold(record: dict[str, Any]) -> None:
    done = CliRunner().invoke(app, ["runs", "hlt", record["run_dir"], "--find-threshold", "--rate-hz", "10"])
    assert isinstance(done.exception, BadValue)
    assert "hold no crossing at 10 Hz" in str(done.exception)


@pytest.mark.heavy
def test_watchers_are_told_what_it_made_of_each_crossing(tmp_path: Path) -> None:
    with running(str(config_with(tmp_path)), *settings("run.lumi_sections=1000000"), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        seen = [line for line in islice(follow(run.folder, with_accepted=True), 500) if isinstance(line, AcceptedLine)]
        run.ask("stop")
        result = run.end()
    rows = pq.read_table(Path(result["run_dir"]) / "accepted.parquet").to_pylist()
    written = {
        (row["run_lumi_section"], row["crossing"]): HltMark(row["hlt_score"], row["hlt_passed"], row["hlt_accepted"])
        for row in rows
    }
    assert seen
    for line in seen:
        assert line.hlt == written[line.lumi_section, line.crossing]
        assert f"HLT score {line.hlt.hlt_score:,}, " in str(line)
        assert line.as_json()["accepted"]["hlt_accepted"] == line.hlt.hlt_accepted


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["producer", "combiner", "seeds.0"])
def test_a_killed_service_costs_no_crossing_and_doubles_none(tmp_path: Path, name: str) -> None:
    config = config_with(tmp_path)
    overrides = settings("transport=ipc", "run.lumi_sections=1000000")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        for _ in range(2):
            before = run.wait_until_committing()["services"][name]
            os.kill(before["pid"], signal.SIGKILL)
            run.wait_for(lambda status: status["services"][name]["incarnation"] > before["incarnation"])  # noqa: B023
        told = run.wait_until_committing()
        assert told["hlt"]["scored"] > 0
        run.ask("stop", at="next")
        result = run.end()
    expected = run_of(config, f"run.lumi_sections={len(result['lumi_sections'])}", "batch.crossings=8192")
    assert tables(result) == tables(expected)
    assert result["hlt"] == expected["hlt"]


@pytest.mark.heavy
def test_a_resumed_run_goes_on_with_the_tokens_that_it_had(tmp_path: Path) -> None:
    config, sections = config_with(tmp_path), 40
    paced = ("transport=ipc", f"run.lumi_sections={sections}", "run.pace=0.02", "run.buffer_s=1000")
    with running(str(config), *settings(*paced), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        folder = run.folder
        run.process.kill()
    with running("--resume", str(folder), out=tmp_path / "runs") as run:
        result = run.end()
    expected = run_of(config, f"run.lumi_sections={sections}")
    assert tables(result) == tables(expected)
    assert result["hlt"] == expected["hlt"]
