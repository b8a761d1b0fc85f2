"""A running chain at a glance (docs/run-control.md, "At a glance")."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream.page.scrape import Scrape, parse
from stream.run.control_client import Client
from stream.run.top import Top, picture
from stream.run.top_view import drawn
from tests.ports import free_port
from tests.stream.run.conftest import l1chain
from tests.stream.run.running import PATIENCE_S, running, settings, write_config

IN_A_TERMINAL = """
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts in the background ignore it
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""
STATUS: dict[str, Any] = {
    "run": "a1",
    "state": "running",
    "problem": None,
    "pauses": [],
    "lumi_section": 4,
    "produced": 4000,
    "decided": 3900,
    "accepted": 200,
    "masked": [f"L1_A{k}" for k in range(401)],
    "changes": [{"kind": "prescale", "arguments": {"column": "emergency"}, "lumi_section": 3}],
    "budgets": [
        {
            "budget": "anomaly",
            "by": "threshold",
            "rate": "total",
            "target_hz": 8.0,
            "state": "off",
            "setting": 1234,
            "rate_hz": 90.0,
            "actions": {"off": 1},
            "last_actions": [
                {
                    "lumi_section": 4,
                    "action": "off",
                    "before": 900,
                    "after": 1234,
                    "rate_hz": 90.0,
                    "target_hz": 8.0,
                    "seconds": 2.0,
                }
            ],
        }
    ],
    "services": {
        "combiner": {"ready": True, "silent_s": 0.1, "pid": 7},
        "score:axol1tl.0": {"ready": False, "silent_s": 0.1, "pid": None},
    },
}
METRICS = """
l1chain_run_info{{menu="demo",l1chain="1.2",service="supervisor"}} 1
l1chain_prescale_column_info{{column="emergency",service="combiner"}} 1
l1chain_l1_rate_limit_hz{{service="supervisor"}} 100
l1chain_colliding_bunches{{service="supervisor"}} 1272
l1chain_simulated_seconds_total{{service="combiner"}} {seconds}
l1chain_crossings_decided_total{{service="combiner"}} {decided}
l1chain_crossings_dead_total{{cause="stages",service="producer"}} {dead}
l1chain_crossings_accepted_total{{service="combiner"}} {accepted}
l1chain_crossings_final_or_total{{service="combiner"}} {final_or}
l1chain_trigger_rule_blocked_crossings_total{{rule="1 in 3",service="combiner"}} {blocked}
l1chain_ad_accepts_total{{step="final",service="combiner"}} {ad}
l1chain_ad_accepts_total{{step="pure",service="combiner"}} 0
l1chain_budget_rate_hz{{budget="anomaly",service="combiner"}} 5
l1chain_budget_accepts_total{{budget="anomaly",service="combiner"}} {ad}
l1chain_budget_suppressed_crossings_total{{budget="anomaly",service="combiner"}} 3
l1chain_hlt_rate_limit_hz{{model="gelato_hlt",version="v1",service="combiner"}} 3
l1chain_hlt_crossings_total{{model="gelato_hlt",version="v1",step="scored",service="combiner"}} {accepted}
l1chain_hlt_crossings_total{{model="gelato_hlt",version="v1",step="accepted",service="combiner"}} {ad}
l1chain_algorithm_working_point_info{{algorithm="L1_AXO_Tight",model="axol1tl",working_point="tight",service="c"}} 1
l1chain_working_point_rate_hz{{model="axol1tl",version="v5",working_point="tight",role="production",service="s.0"}} 40
l1chain_working_point_rate_hz{{model="axol1tl",version="v5",working_point="tight",role="production",service="s.1"}} 40
l1chain_model_info{{model="axol1tl",version="v5",digest="d",role="production",service="s.0"}} 1
l1chain_model_info{{model="axol1tl",version="v5",digest="d",role="production",service="s.1"}} 1
l1chain_algorithm_accepts_total{{algorithm="L1_AXO_Tight",step="fired",service="combiner"}} {fired}
l1chain_algorithm_accepts_total{{algorithm="L1_AXO_Tight",step="final",service="combiner"}} {ad}
"""
NAMES = ("seconds", "decided", "dead", "accepted", "final_or", "blocked", "ad", "fired")


def reading(time_s: float, *values: float) -> Scrape:
    return parse(METRICS.format(**dict(zip(NAMES, values, strict=True))), time_s)


BEFORE = reading(0.0, 10.0, 1000, 0, 100, 110, 5, 10, 20)
NOW = reading(10.0, 12.0, 2000, 250, 200, 235, 15, 30, 100)


def test_rates_are_those_between_two_looks_per_simulated_second() -> None:
    told = picture(STATUS, NOW, BEFORE)
    assert told["simulated_seconds"] == 2.0
    assert told["l1"] == {"hz": 50.0, "error_hz": 5.0, "limit_hz": 100.0}
    assert told["final_or"]["hz"] == 62.5
    assert told["anomaly_detection"]["final"]["hz"] == 10.0
    (budget,) = told["budgets"]
    # Two decided seconds are two and a half of beam, of which a fifth is dead time.
    assert (budget["hz"], budget["limit_hz"], budget["suppressed_hz"]) == (8.0, 5.0, 0.0)
    assert told["hlt"] == {"model": "gelato_hlt", "version": "v1", "hz": 10.0, "error_hz": 20**0.5 / 2, "limit_hz": 3.0}
    (algorithm,) = told["algorithms_on_scores"]
    assert (algorithm["fired_hz"], algorithm["final_hz"]) == (40.0, 10.0)
    assert algorithm["calibrated_hz"] == 20.0, "with half of the bunches, and not once for each replica"
    assert told["dead_time"] == {"fraction": 0.2, "causes": {"stages": 0.2}, "trigger_rules": 10 / 125}
    assert told["models"] == [{"model": "axol1tl", "version": "v5", "role": "production", "replicas": 2}]


def test_the_first_look_tells_rates_since_the_start() -> None:
    assert picture(STATUS, BEFORE, Scrape(0.0, {}))["l1"]["hz"] == 10.0


def test_a_run_that_decides_nothing_has_no_rates() -> None:
    told = picture(STATUS, NOW, NOW)
    assert told["l1"]["hz"] is None
    assert "–" in text_of(told)


def text_of(told: dict[str, Any], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(drawn(told | {"speed": {"crossings_per_s": 1e6, "real_time": 0.035}}))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_on_another_host_that_is_silent_for_once_has_not_ended(tmp_path: Path, keys: Path) -> None:
    assert Client(tmp_path, "ipc://nowhere").has_left()
    assert not Client.remote("127.0.0.1:1", keys, "watcher").has_left()


def test_eighty_columns_show_everything() -> None:
    text = text_of(picture(STATUS, NOW, BEFORE))
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    words = ("running", "lumi section 4", "column emergency", "axol1tl/v5", "L1_AXO_Tight", "1,000,000 crossings/s")
    words = (
        *words,
        "masked: L1_A0, L1_A1, L1_A2 and 398 more",
        "after L1: gelato_hlt",
        "1,234",
        "off from 4, at 90 Hz",
    )
    for word in (*words, "dead time 20.00%", "starts", "prescale emergency from lumi section 3"):
        assert word in text.replace("\n", " ")


@pytest.mark.heavy
def test_a_run_here_and_on_another_host_is_shown(tmp_path: Path, keys: Path) -> None:
    config, commands = write_config(tmp_path), f"127.0.0.1:{free_port()}"
    overrides = ("run.lumi_sections=1000000", f"security.keys={keys}", f"security.commands={commands}")
    with running(str(config), *settings("transport=ipc", *overrides), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        ended = l1chain("top", "--json", "--run", str(run.folder))
        assert ended.code == 0, ended.err
        here = ended.result
        afar = Top(Client.remote(commands, keys, "watcher"))
        afar.look()
        there = wait_for_rates(afar)
        assert leave(run.folder, b"q") == 0
        assert leave(run.folder, b"\x03") == 0
        run.ask("stop")
        result = run.end()
    rate_hz = result["accepted_hz"]
    for told in (here, there):
        assert told["l1"]["hz"] == pytest.approx(rate_hz, abs=6 * told["l1"]["error_hz"] + 0.05 * rate_hz)
        assert set(told["services"][0]) >= {"ready", "cores", "memory_bytes"}
        assert {row["service"].partition(".")[0] for row in told["services"]} >= {"producer", "combiner", "seeds"}
        assert told["speed"]["crossings_per_s"] > 0
    gone = l1chain("top", "--once", "--run", str(run.folder))
    assert gone.code == 2
    assert "no run is running there" in gone.err


def wait_for_rates(view: Top) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        told = view.look()
        if told["l1"]["hz"] and told["latency"]:
            return told
        time.sleep(0.5)
    raise AssertionError("no rates came")


def leave(folder: Path, key: bytes) -> int:
    """The exit code of `l1chain top` in a terminal, when a key is pressed after the first picture."""
    top = [sys.executable, "-m", "stream.cli", "top", "--run", str(folder), "--period", "0.5"]
    command = [sys.executable, "-c", IN_A_TERMINAL, *top]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "50"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin
        assert process.stdout
        seen, deadline = b"", time.monotonic() + PATIENCE_S
        while b"L1 accepts" not in seen and time.monotonic() < deadline:
            seen += os.read(process.stdout.fileno(), 1 << 16)
        process.stdin.write(key)
        process.stdin.flush()
        seen += process.communicate(timeout=PATIENCE_S)[0]
    assert b"L1 accepts" in seen, seen
    return process.returncode
