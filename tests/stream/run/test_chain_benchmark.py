"""`l1chain bench chain` and `compare`: what they report, from small runs and from records made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.cli.bench_chain import chain_settings
from stream.run.chain_benchmark import LHC_COLLISIONS_PER_S, ChainBenchmark, bytes_copied, measure_chain
from stream.run.comparison import Measured, prescaled
from stream.run.config import ChainConfig, load_config
from stream.wire.transport import Transport
from triggers.decision.counts import Counts
from triggers.decision.decide import DecisionState, decide
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue
from triggers.menu.evaluate import SparseBits

SMALL = ("source.crossings=4096", "run.orbits_per_lumi_section=4", "batch.crossings=1024", "metrics.address=null")
FIGURES = ("crossings_per_s", "cpu_ns_per_crossing", "latency_ms", "bytes_copied_per_crossing", "lhc_fraction")


class Runs:
    """Stands for runs: notes their configurations, and gives a record whose speed is known."""

    def __init__(self) -> None:
        self.configs: list[ChainConfig] = []

    def __call__(self, config: ChainConfig) -> dict[str, Any]:
        self.configs.append(config)
        paced = config.run.pace is not None
        return {
            "crossings_per_s": 2e6 if not paced else 1.6e6,
            "cpu_ns_per_crossing": {"seeds": 200.0 / config.seeds.replicas, "total": 300.0},
            "latency_ms": {"p50": 1.0 if paced else 9.0, "p99": 2.0, "max": 3.0},
            "received_bytes_per_crossing": {"seeds": 300.0, "combiner": 70.0, "producer": 0.5},
            "source_ns_per_crossing": 12.0,
            "memory": {},
            "menu": {"name": "m", "algorithms": 1, "evaluated": 1, "not_evaluated": {}},
            "models": [],
            "dead": {},
            "restarts": {},
        } | dict.fromkeys(("produced", "decided", "accepted", "seconds"), 1)


def test_the_latency_is_that_of_the_paced_run() -> None:
    runs = Runs()
    result = measure_chain(ChainBenchmark(load_config("shipped:chains/bench.yaml"), load=0.8), runs)
    assert tuple(result)[: len(FIGURES)] == FIGURES
    full, paced = runs.configs
    assert full.run.pace is None
    assert paced.run.pace == pytest.approx(0.8 * 2e6 / LHC_COLLISIONS_PER_S)
    assert result["latency_ms"]["p50"] == 1.0
    assert result["saturated_latency_ms"]["p50"] == 9.0
    assert result["lhc_fraction"] == pytest.approx(2e6 / 28.6e6, rel=1e-3)
    assert all(config.source.prepare for config in runs.configs)


def test_replicas_are_measured_one_after_another() -> None:
    runs = Runs()
    result = measure_chain(ChainBenchmark(load_config("shipped:chains/bench.yaml"), replicas=(1, 4)), runs)
    assert [(c.seeds.replicas, c.scores[0].replicas) for c in runs.configs] == [(1, 1), (1, 1), (4, 4)]
    assert [s["cpu_ns_per_crossing"]["seeds"] for s in result["scaling"]] == [200.0, 50.0]


def test_between_processes_every_byte_is_copied_into_the_kernel_and_out_of_it() -> None:
    received = {"seeds": 300.0, "score:axol1tl": 200.0, "combiner": 70.0, "producer": 1.0}
    assert bytes_copied(received, Transport.INPROC) == 71.0
    assert bytes_copied(received, Transport.IPC) == 71.0 + 2 * 571.0


def test_the_command_runs_the_chain() -> None:
    arguments = [word for setting in SMALL for word in ("--set", setting)]
    shown = CliRunner().invoke(app, ["bench", "chain", *arguments, "--json"], catch_exceptions=False)
    result = json.loads(shown.stdout.splitlines()[-1])
    assert tuple(result)[: len(FIGURES)] == FIGURES
    assert result["decided"] == result["produced"] == 2 * 4 * 2544
    assert {"producer", "combiner", "seeds", "score:axol1tl", "total"} == set(result["cpu_ns_per_crossing"])
    muons_to_external = 8 * 8 + 3 * 12 * 4 + 12 * 4 + 4 * 8
    assert result["received_bytes_per_crossing"]["seeds"] == pytest.approx(muons_to_external, rel=0.2)
    assert result["bytes_copied_per_crossing"] > 4  # a score, at least
    assert result["memory"]["supervisor"]["max_bytes"] > 50_000_000


def test_options_stand_for_settings(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    settings = list(chain_settings("shipped:menus/demo.yaml", ["axol1tl/demo-v1"], "native", None, table, "physics"))
    assert settings[0] == 'menu={"path": "shipped:menus/demo.yaml"}'
    assert f'prescales={{"path": "{table}", "column": "physics"}}' in settings
    assert 'scores=[{"name": "axol1tl", "version": "demo-v1", "backend": "native"}]' in settings
    with pytest.raises(BadValue, match="--prescales"):
        list(chain_settings(None, None, "native", None, table, None))


def test_the_script_prescales_as_the_chain_does() -> None:
    random = np.random.default_rng(3)
    factors = np.zeros(512, np.int64)
    factors[[0, 1, 2, 100]] = [100, 250, 1700, 300]
    settings, counters = DecisionSettings(factors, 2544), np.zeros(512, np.int64)
    state, counts = DecisionState(0), Counts(0)
    for first in (0, 500):
        bits = random.random((500, 512)) < 0.3
        words = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
        crossings = np.arange(first, first + 500, dtype=np.int64)
        decision = decide(settings, state, counts, SparseBits(np.arange(500, dtype=np.uint32), words), crossings)
        found = np.flatnonzero(prescaled(bits, settings, counters).any(axis=1))
        np.testing.assert_array_equal(found, decision.final_rows)


def test_ratios_say_how_many_times_as_fast_the_chain_is() -> None:
    told = Measured(1000, seconds=0.5, cpu_ns=400_000_000).report(chain_per_s=1e6, chain_cpu_ns=200.0)
    assert told["crossings_per_s"] == 2000
    assert (told["throughput_ratio"], told["cpu_ratio"]) == (500, 2000)
