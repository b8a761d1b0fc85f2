"""Stages on other hosts: replicas come, go and are lost; nothing else is (docs/protocol.md, "Joining")."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from stream.run.config import load_config
from tests.ports import free_ports
from tests.stream.run.conftest import Ended, l1chain
from tests.stream.run.faulty_proxy import FaultyProxy, proxying
from tests.stream.run.hosts import hosts, lacking
from tests.stream.run.running import PATIENCE_S, Running, tables
from triggers.errors import L1ChainError

CONFIG: Final = """
run: {{out: {out}, colliding_bunches: 1000, orbits_per_lumi_section: 20, lumi_sections: 6}}
source: {{format: synthetic, seed: 3}}
menu: {{path: shipped:menus/demo.yaml}}
prescales: {{path: shipped:prescales/demo.csv, column: physics}}
seeds: {{replicas: {own}, external: {external}}}
scores: [{{name: axol1tl, replicas: {own}, external: {external}}}]
budgets: [{{name: anomaly, algorithms: [ad], rate_hz: 2000}}]
batch: {{crossings: 512, window: 8}}
delivery: {{lost_after_s: 5}}
metrics: {{address: null}}
"""
SEEDS, SCORE = "seeds", "score:axol1tl"
COMMAND: Final = (sys.executable, "-m", "stream.cli")


def write_config(folder: Path, external: bool, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "chain.yaml"
    own, flag = ("0", "true") if external else ("1", "false")
    path.write_text(CONFIG.format(out=folder / "runs", own=own, external=flag) + more)
    return path


@contextmanager
def started(command: list[str], out: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command; killed at the end if it still runs."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def replicas(status: dict[str, Any]) -> int:
    """Replicas on other hosts that work."""
    return sum(service["ready"] for service in status["services"].values() if service["pid"] is None)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same run in one process."""
    path = write_config(tmp_path_factory.mktemp("undisturbed"), external=False)
    ended = l1chain("run", str(path), "--json")
    assert ended.code == 0, ended.err
    return ended.result


def check_same(undisturbed: dict[str, Any], result: dict[str, Any]) -> None:
    assert result["produced"] == result["decided"] == 120_000
    for one, two in zip(tables(undisturbed), tables(result), strict=True):
        assert one == two
    assert result["accepted"] > 0


@pytest.mark.heavy
@pytest.mark.skipif((why := lacking()) is not None, reason=str(why))
def test_hosts_come_go_and_are_lost_in_the_course_of_a_run(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Four hosts do a stage each way; two stop, one is unplugged, one goes on alone."""
    keys = tmp_path / "keys"
    assert l1chain("keys", "make", str(keys)).code == 0
    with hosts(5) as net, ExitStack() as stack:
        more = (
            f"transport: tcp\nsecurity: {{address: {net.address(1)}, keys: {keys}}}\n"
            "network: {control_port: 5570, data_port: 5571, results_port: 5572}\n"
        )
        config = write_config(tmp_path, external=True, more=more)
        process = stack.enter_context(started(net.command(1, *COMMAND, "run", str(config), "--json")))
        run = Running(process, tmp_path / "runs")

        def join(k: int, stage: str) -> subprocess.Popen[str]:
            place = ("--connect", f"{net.address(1)}:5570", "--stage", stage, "--keys", str(keys))
            return stack.enter_context(started(net.command(k, *COMMAND, "join", *place, "--patience-s", "90")))

        first = [join(2, SEEDS), join(2, SCORE)]
        run.wait_for(lambda status: status["state"] == "running")
        run.ask("pause", at=3)
        run.wait_for(lambda status: status["decided"] == 40_000)
        others = [join(k, stage) for k in (3, 4, 5) for stage in (SEEDS, SCORE)]
        run.wait_for(lambda status: replicas(status) == 8)
        run.ask("resume")
        run.ask("pause", at=5)
        for leaving in others[:2]:
            leaving.send_signal(signal.SIGTERM)
        for killed in others[2:4]:
            killed.kill()
        net.unplug(5)
        status = run.wait_for(lambda status: status["decided"] == 80_000 and replicas(status) == 2)
        assert {name for name in status["services"] if ":" in name or "seeds" in name} >= {"seeds.0", f"{SCORE}.0"}
        run.ask("resume")
        check_same(undisturbed, run.end())
        assert all(process.wait(PATIENCE_S) == 0 for process in others[:2])
        for process in first:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


@pytest.mark.heavy
def test_a_bad_network_between_hosts_costs_only_time(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """50 ± 20 ms, stalls of a second, resets and 20 MB/s on every connection of the run."""
    control, data, results = ports = free_ports(3)
    more = (
        "transport: tcp\n"
        f"network: {{control_port: {control}, data_port: {data}, results_port: {results}, advertise: 127.0.0.2}}\n"
    )
    config = write_config(tmp_path, external=True, more=more)
    proxy = FaultyProxy("127.0.0.2", "127.0.0.1", tuple(ports))
    with proxying(proxy), ExitStack() as stack:
        process = stack.enter_context(started([*COMMAND, "run", str(config), "--json"]))
        for stage in (SEEDS, SEEDS, SCORE, SCORE):
            place = ("--connect", f"127.0.0.2:{control}", "--stage", stage)
            stack.enter_context(started([*COMMAND, "join", *place, "--patience-s", "90"]))
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, err
        check_same(undisturbed, Ended(0, out, err).result)
    assert proxy.resets > 0
    assert proxy.stalls > 0
    assert proxy.passed > 120_000 * 100


def test_a_stage_that_no_replica_may_join_needs_its_own(tmp_path: Path) -> None:
    config = write_config(tmp_path, external=False)
    with pytest.raises(L1ChainError, match=re.escape("no replicas, and none may join")):
        load_config(config, ("seeds.replicas=0",))
    with pytest.raises(L1ChainError, match="external stages are reached by tcp"):
        load_config(config, ("seeds.external=true",))
    with pytest.raises(L1ChainError, match="two sockets have one port"):
        load_config(config, ("network.control_port=5000", "network.data_port=5000"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--connect", "here", "--stage", SEEDS], "--connect: 'here' is no address; write HOST:PORT"),
        (["--connect", "10.77.0.1:5570", "--stage", SEEDS], "10.77.0.1:5570 is reached from other hosts"),
        (["--connect", "127.0.0.1:1", "--stage", SEEDS, "--patience-s", "1"], "no run answers within 1 s"),
        (["--connect", "127.0.0.1:1", "--stage", SEEDS, "--keys", "none"], "none"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    ended = l1chain("join", *arguments, cwd=tmp_path)
    assert ended.code == 2, ended.err
    assert message in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
