"""Model versions change while crossings flow (docs/run-control.md, "Models")."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from stream.services.sinks.trace import TRACE_FILE
from tests.stream.run.conftest import l1chain
from tests.stream.run.model_versions import RANKS, SECTION, THRESHOLDS, jets, prepare, scores
from tests.stream.run.running import Running, running, settings
from triggers.errors import L1ChainError


def check(result: dict[str, Any], versions: list[str]) -> None:
    """Every crossing has the score and the threshold of the version of its lumi section, and of no other."""
    rows = result["lumi_sections"]
    assert result["produced"] == result["decided"] == sum(row["decided"] for row in rows)
    assert [row["model_versions"] for row in rows] == [{"axol1tl": version} for version in versions]
    expected = scores(result["decided"])
    accepted = pq.read_table(Path(result["run_dir"]) / "accepted.parquet").to_pydict()
    found = set(zip(accepted["run_lumi_section"], accepted["crossing"], strict=True))
    for row, version in zip(rows, versions, strict=True):
        begin = (row["lumi_section"] - 1) * SECTION
        found_here = expected[version][begin : begin + row["decided"]]
        assert row["score_sums"] == {"axol1tl": found_here.sum()}
        fired = np.flatnonzero(found_here >= THRESHOLDS[version])
        assert {(row["lumi_section"], crossing) for crossing in fired.tolist()} <= found
    for section, crossing, score, version in zip(
        accepted["run_lumi_section"],
        accepted["crossing"],
        accepted["score_axol1tl"],
        accepted["version_axol1tl"],
        strict=True,
    ):
        assert version == versions[section - 1]
        assert score == expected[version][(section - 1) * SECTION + crossing]


def versions_until(n: int, changes: dict[int, str]) -> list[str]:
    """The version of each of n lumi sections; it changes from the given ones on."""
    present, found = "first", []
    for number in range(1, n + 1):
        present = changes.get(number, present)
        found.append(present)
    return found


@pytest.mark.parametrize("transport", ["inproc", "ipc"])
def test_a_version_is_taken_at_one_boundary_or_not_at_all(tmp_path: Path, transport: str) -> None:
    config, replicas = prepare(tmp_path), 3 if transport == "ipc" else 1
    overrides = settings(
        f"transport={transport}", f"scores.0.replicas={replicas}", "run.trace=true", "trigger_rules=[]"
    )
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        run.wait_until_committing()
        there = run.ask("swap", name="axol1tl", version="candidate")
        refused(run)
        back = run.ask("rollback", name="axol1tl")
        run.wait_for(lambda status: status["lumi_section"] > back["lumi_section"])
        killed = kill_before_the_boundary(run) if transport == "ipc" else {}
        run.ask("stop", at="next")
        folder, result = run.folder, run.end()
    assert (there["version"], there["previous"]) == ("second", "first")
    assert (back["version"], back["previous"]) == ("first", "second")
    changes = {there["lumi_section"]: "second", back["lumi_section"]: "first"} | killed
    check(result, versions_until(len(result["lumi_sections"]), changes))
    audit = [json.loads(line)["command"] for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert audit[0] == "swap"
    lines = (folder / TRACE_FILE).read_text().splitlines()
    assert len(lines) > result["batches"]
    assert {line.rpartition(",")[2] for line in lines[1:]} == {"axol1tl/first", "axol1tl/second"}


def refused(run: Running) -> None:
    """Whatever is wrong with a version is told in a sentence, and nothing changes."""
    reasons = {
        "third": "no version or alias 'third'",
        "wrong": "reference scores differ",
        "pointless": "unknown working point of axol1tl/pointless 'nominal'",
        "second": "axol1tl/second is in production",
    }
    for version, reason in reasons.items():
        with pytest.raises(L1ChainError, match=reason):
            run.ask("swap", name="axol1tl", version=version)
    with pytest.raises(L1ChainError, match="has begun; the next is"):
        run.ask("swap", name="axol1tl", version="first", at=1)
    with pytest.raises(L1ChainError, match="unknown model 'cicada'"):
        run.ask("swap", name="cicada", version="first")
    with pytest.raises(L1ChainError, match="has no candidate"):
        run.ask("promote", name="axol1tl")
    ended = l1chain("ctl", "swap", "axol1tl", "third", "--run", str(run.folder))
    assert ended.code == 2
    assert "no version or alias 'third'" in ended.err


def kill_before_the_boundary(run: Running) -> dict[int, str]:
    """A replica dies after it prepared a change whose lumi section has not begun; the versions from there on."""
    paused = run.ask("pause")["lumi_section"]
    swapped = run.ask("swap", name="axol1tl", version="second", at=paused + 1)["lumi_section"]
    os.kill(run.ask("status")["services"]["score:axol1tl.1"]["pid"], signal.SIGKILL)
    back = run.ask("swap", name="axol1tl", version="first", at=paused + 3)["lumi_section"]
    run.ask("resume")
    run.wait_for(lambda status: status["lumi_section"] > back)
    return {swapped: "second", back: "first"}


@pytest.mark.parametrize("transport", ["inproc", pytest.param("ipc", marks=pytest.mark.heavy)])
def test_a_version_that_reads_other_columns_takes_its_turn(tmp_path: Path, transport: str) -> None:
    """They are sent from its first lumi section on, also by a new producer and to a new replica."""
    config, replicas = prepare(tmp_path), 2 if transport == "ipc" else 1
    overrides = settings(f"transport={transport}", f"scores.0.replicas={replicas}", "trigger_rules=[]")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        run.wait_until_committing()
        there = run.ask("swap", name="axol1tl", version="muons")["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > there)
        if transport == "ipc":
            for name in ("score:axol1tl.1", "producer"):
                os.kill(run.ask("status")["services"][name]["pid"], signal.SIGKILL)
        back = run.ask("swap", name="axol1tl", version="second")["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > back)
        again = run.ask("rollback", name="axol1tl")["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > again)
        run.ask("stop", at="next")
        result = run.end()
    check(result, versions_until(len(result["lumi_sections"]), {there: "muons", back: "second", again: "muons"}))


def test_a_candidate_is_counted_beside_production_and_promoted(tmp_path: Path) -> None:
    config = prepare(tmp_path)
    overrides = settings("scores.0.version=first-drift", "scores.0.aliases=[production]", "trigger_rules=[]")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        run.wait_until_committing()
        begun = run.ask("shadow_start", name="axol1tl", version="second-drift", fraction=0.25)["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > begun + 2)
        ended = run.ask("promote", name="axol1tl")["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > ended)
        shown = l1chain("ctl", "shadow", "show", "--run", str(run.folder), "--json").result
        run.ask("stop", at="next")
        result = run.end()
    assert shown["models"][0]["production"] in ("first-drift", "second-drift")
    (model,) = result["scoring"]
    (shadow,) = model["shadows"]
    assert (model["production"], model["shadow"]) == ("second-drift", None)
    energies = jets((ended - 1) * SECTION)[(begun - 1) * SECTION :]
    chosen = expected_choice(begun, ended, 0.25)
    first, second = (energies[chosen, rank] >= THRESHOLDS[name] for name, rank in RANKS.items())
    assert shadow["crossings"] == chosen.sum()
    assert 0.24 < chosen.mean() < 0.26
    assert shadow["working_points"] == {
        "nominal": {
            "production": first.sum(),
            "candidate": second.sum(),
            "both": (first & second).sum(),
            "disagree": (first ^ second).sum(),
        }
    }
    assert 0 < model["drift"]["first-drift"] < 0.05
    assert 0 < model["drift"]["second-drift"] < 0.05


def expected_choice(begin: int, end: int, fraction: float) -> np.ndarray:
    """The crossings of lumi sections that a candidate scores: the multiples of the golden ratio say which."""
    places = [np.uint64(number << 40) + np.arange(SECTION, dtype=np.uint64) for number in range(begin, end)]
    return np.concatenate(places) * np.uint64(0x9E3779B97F4A7C15) < np.uint64(fraction * 2**64)


def test_a_resumed_run_follows_the_swaps_before(tmp_path: Path) -> None:
    config = prepare(tmp_path)
    with running(str(config), *settings("trigger_rules=[]"), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        swapped = run.ask("swap", name="axol1tl", version="second")["lumi_section"]
        run.wait_for(lambda status: status["lumi_section"] > swapped)
        folder = run.folder
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
    with running("--resume", str(folder), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        run.ask("stop", at="next")
        result = run.end()
    check(result, versions_until(len(result["lumi_sections"]), {swapped: "second"}))
