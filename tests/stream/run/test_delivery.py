"""Every crossing is decided exactly once, whatever dies (docs/protocol.md, "Delivery")."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.run.supervisor import Supervisor
from tests.stream.flaky import FlakyContext
from tests.stream.run.running import Running, running, settings, tables, write_config

SECTIONS = 40


def undisturbed(config: Path, sections: int, *overrides: str) -> dict[str, Any]:
    """The same crossings through the embedded chain, in larger batches."""
    overrides = (f"run.lumi_sections={sections}", "batch.crossings=8192", *overrides)
    return Supervisor(Assembly(load_config(config, overrides))).run()


def strike(run: Running, name: str, number: signal.Signals) -> None:
    pid = run.wait_until_committing()["services"][name]["pid"]
    os.kill(pid, number)
    before = run.ask("status")["services"][name]["incarnation"]
    if number is signal.SIGKILL or number is signal.SIGSTOP:
        run.wait_for(lambda status: status["services"][name]["incarnation"] > before)


@pytest.mark.parametrize("name", ["producer", "combiner", "seeds.0", "score:axol1tl.0"])
def test_a_killed_service_is_replaced_and_nothing_is_lost(tmp_path: Path, name: str) -> None:
    config = write_config(tmp_path)
    overrides = settings("transport=ipc", "run.lumi_sections=1000000")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        strike(run, name, signal.SIGKILL)
        run.wait_until_committing()
        run.ask("stop", at="next")
        result = run.end()
    assert result["restarts"][name] >= 1
    assert result["produced"] == result["decided"]
    assert tables(result) == tables(undisturbed(config, len(result["lumi_sections"])))


def test_a_stopped_service_is_noticed_and_its_late_return_does_no_harm(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = settings("transport=ipc", "run.lumi_sections=1000000", "seeds.replicas=2")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        strike(run, "seeds.1", signal.SIGSTOP)
        pid = run.wait_until_committing()["services"]["combiner"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(pid, signal.SIGCONT)
        run.ask("cut", service="seeds.0", seconds=1)
        run.wait_until_committing()
        run.ask("stop", at="next")
        result = run.end()
    assert tables(result) == tables(undisturbed(config, len(result["lumi_sections"])))


def test_a_killed_supervisor_leaves_no_orphans_and_the_run_is_resumed(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = settings("transport=ipc", f"run.lumi_sections={SECTIONS}", "run.pace=0.02", "run.buffer_s=1000")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        status = run.wait_until_committing()
        changed = run.ask("mask", algorithm="L1_ZeroBias")["lumi_section"]
        folder = run.folder
        run.process.kill()
    pids = [service["pid"] for service in status["services"].values()]
    deadline = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in pids)
    assert json.loads((folder / "run.json").read_text())["state"] == "open"
    with running("--resume", str(folder), out=tmp_path / "runs") as run:
        result = run.end()
    assert result["run_dir"] == str(folder)
    assert result["produced"] == result["decided"] == SECTIONS * 20_000
    rows = result["lumi_sections"]
    assert [row["lumi_section"] for row in rows if row["masked"]] == list(range(changed, SECTIONS + 1))
    unmasked = undisturbed(config, SECTIONS)["lumi_sections"]
    assert rows[: changed - 1] == unmasked[: changed - 1]
    assert not (folder / "checkpoint").exists()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.heavy
def test_only_the_supervisor_hears_what_ends_all_processes_of_a_run(tmp_path: Path) -> None:
    """As `timeout` and service managers send it; services that died of it would all be started again to drain."""
    config = write_config(tmp_path)
    overrides = settings("transport=ipc", "run.lumi_sections=1000000")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        pids = [service["pid"] for service in run.wait_until_committing()["services"].values()]
        for pid in pids:
            assert {signal.SIGINT, signal.SIGTERM} <= ignored(pid)
        for pid in (*pids, run.process.pid):
            os.kill(pid, signal.SIGTERM)
        result = run.end()
    assert result["ended"] == "interrupted"
    assert result["produced"] == result["decided"] > 0


def ignored(pid: int) -> set[signal.Signals]:
    """The signals that a process ignores."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:"))
    mask = int(line.split()[1], 16)
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def test_a_full_disk_pauses_the_run_until_there_is_space(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = settings("transport=ipc", "run.lumi_sections=1000000")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        pid = run.wait_until_committing()["services"]["combiner"]["pid"]
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
        status = run.wait_for(lambda status: status["problem"] is not None)
        assert "File too large" in status["problem"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        run.wait_until_committing()
        run.ask("stop", at="next")
        result = run.end()
    assert result["restarts"] == {}
    assert tables(result) == tables(undisturbed(config, len(result["lumi_sections"])))


def test_messages_lost_doubled_late_and_swapped_change_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = (
        "run.lumi_sections=2",
        "seeds.replicas=2",
        "delivery.resend_after_s=0.2",
        "delivery.checkpoint_batches=4",
    )
    assembly = Assembly(load_config(config, overrides))
    result = Supervisor(assembly, context=FlakyContext).run()
    assert result["produced"] == result["decided"] == 2 * 20_000
    assert tables(result) == tables(undisturbed(config, 2))


def test_a_paced_run_counts_what_it_could_not_take(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = ("run.lumi_sections=200", "run.pace=2", "run.buffer_s=0.05")
    result = Supervisor(Assembly(load_config(config, overrides))).run()
    assert result["produced"] == 200 * 20_000 == result["decided"] + sum(result["dead"].values())
    assert set(result["dead"]) <= {"source", "stages", "decision", "output", "recovery"}
    assert sum(result["dead"].values()) > 0
    for row in result["lumi_sections"]:
        assert row["produced"] == 20_000 == row["decided"] + sum(row["dead"].values())


def test_a_slow_paced_run_loses_nothing_and_keeps_its_time(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    overrides = ("run.lumi_sections=5", "run.pace=0.01", "run.buffer_s=1000")
    begun = time.monotonic()
    result = Supervisor(Assembly(load_config(config, overrides))).run()
    assert time.monotonic() - begun > 5 * 20_000 / (0.01 * 1000 * 11_245.5)
    assert result["dead"] == {}
    assert tables(result)[0].equals(tables(undisturbed(config, 5))[0])
