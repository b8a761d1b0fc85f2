"""Whole runs: nothing lost, the same decisions on every transport, clean ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.importing import import_network
from models.repository import SHIPPED_VERSIONS, open_repository
from stream.run.assembly import Assembly
from stream.run.config import load_config
from tests.stream.run.conftest import CROSSINGS, Ended, l1chain
from triggers.decision.decide import Counts, DecisionState, decide

Chain = Callable[..., Ended]


def test_a_run_decides_every_crossing_and_writes_its_tables(chain: Chain) -> None:
    ended = chain()
    assert ended.code == 0, ended.err
    result = ended.result
    assert result["produced"] == result["decided"] == CROSSINGS
    assert [row["produced"] for row in result["lumi_sections"]] == [7000, 7000, 7000, 7000, 2000]
    assert sum(row["accepted"] for row in result["lumi_sections"]) == result["accepted"] == ended.accepted.num_rows
    assert set(result["cpu_ns_per_crossing"]) == {"producer", "combiner", "seeds", "score:axol1tl", "total"}
    assert set(result["latency_ms"]) == {"p50", "p99", "max"}
    folder = Path(result["run_dir"])
    assert {path.name for path in folder.iterdir()} == {"accepted.parquet", "rates.csv", "rates.parquet", "run.json"}
    record = json.loads((folder / "run.json").read_text())
    assert record["models"][0]["version"] == "demo-v1"
    assert record["menu"]["digest"]
    assert record["ended"] == "end of the source"


def test_the_rate_table_agrees_with_the_accepted_crossings(chain: Chain) -> None:
    ended = chain("trigger_rules=[]")
    accepted = ended.accepted
    rates = {row["index"]: row for row in pq.read_table(Path(ended.result["run_dir"]) / "rates.parquet").to_pylist()}
    final = np.unpackbits(
        accepted["final"].combine_chunks().flatten().to_numpy().view(np.uint8).reshape(-1, 64),
        axis=1,
        bitorder="little",
    )
    for index, row in rates.items():
        assert row["final"] == row["accepted"] == final[:, index].sum()
        assert row["pure"] == (final[:, index].astype(bool) & (final.sum(axis=1) == 1)).sum()
    seconds = CROSSINGS / (1000 * 11_245.5)
    assert rates[0]["final_hz"] == pytest.approx(rates[0]["final"] / seconds)


def test_trigger_rules_cost_dead_time_that_the_run_tells(chain: Chain) -> None:
    free, ruled = chain("trigger_rules=[]").result, chain().result
    assert free["accepted"] == free["final_or"] == ruled["final_or"]
    assert free["dead_time"] == 0
    assert sum(ruled["blocked"].values()) == ruled["final_or"] - ruled["accepted"] > 0
    assert list(ruled["blocked"]) == ["1 in 3", "2 in 25", "3 in 100", "4 in 240"]
    assert ruled["dead_time"] == pytest.approx(1 - ruled["accepted"] / ruled["final_or"])


def test_prescale_columns_change_at_the_lumi_sections_of_the_schedule(chain: Chain) -> None:
    schedule = "schedule: [{from_lumi_section: 3, column: emergency}]"
    table = f"prescales={{path: shipped:prescales/demo.csv, column: unprescaled, {schedule}}}"
    result = chain(table, "trigger_rules=[]").result
    columns = [row["prescale_column"] for row in result["lumi_sections"]]
    assert columns == ["unprescaled", "unprescaled", "emergency", "emergency", "emergency"]
    accepted = [row["accepted"] for row in result["lumi_sections"]]
    assert min(accepted[:2]) > 5000
    assert max(accepted[2:]) < 10


def test_the_chain_decides_what_the_pure_core_decides(chain: Chain, tmp_path: Path) -> None:
    accepted = chain("menu.masked=[L1_ZeroBias]").accepted
    assembly = Assembly(load_config(tmp_path / "chain.yaml", ("menu.masked=[L1_ZeroBias]",)))
    stage = assembly.score_stages[0]
    from models.backends.registry import open_backend

    backend = open_backend(stage.section.backend, stage.version)
    state, counts = DecisionState(1), Counts(1)
    crossing, final = [], []
    for number, begin in enumerate(range(0, CROSSINGS, 7000)):
        (batch,) = (
            pa.Table.from_batches(assembly.source.batches(CROSSINGS)).slice(begin, 7000).combine_chunks().to_batches()
        )
        columns = {
            name: batch.column(name).flatten().to_numpy().reshape(len(batch), -1) for name in backend.needed_columns
        }
        scores = backend.score(columns)
        bits = assembly.evaluator.evaluate(batch, dict.fromkeys(stage.names, scores), assembly.thresholds)
        state.start_lumi_section(assembly.decision)
        decision = decide(assembly.decision, state, counts, bits, bits.rows.astype(np.int64))
        crossing += [(number + 1, int(row)) for row in decision.rows]
        final += decision.words.tolist()
    found = list(zip(accepted["run_lumi_section"].to_pylist(), accepted["crossing"].to_pylist(), strict=True))
    assert found == crossing
    assert accepted["final"].to_pylist() == final
    assert 0 < len(crossing) < CROSSINGS


@pytest.mark.parametrize("transport", ["inproc", "ipc", "tcp"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_every_transport_and_number_of_replicas_accepts_identical_crossings(
    chain: Chain, transport: str, replicas: int
) -> None:
    settings = ("menu.masked=[zero_bias]", "batch.crossings=999")
    there = chain(f"transport={transport}", f"seeds.replicas={replicas}", f"scores.0.replicas={replicas}", *settings)
    assert there.code == 0, there.err
    assert there.result["produced"] == there.result["decided"] == CROSSINGS
    assert there.accepted.equals(chain(*settings).accepted)
    assert there.accepted.num_rows > 0


def test_prepared_and_repeated_sources_decide_as_read_ones(chain: Chain) -> None:
    read = chain("source.repeat=2", "batch.crossings=1000")
    prepared = chain("source.repeat=2", "source.prepare=true", "batch.crossings=777")
    assert read.result["decided"] == 2 * CROSSINGS
    assert prepared.accepted.equals(read.accepted)


def test_a_run_ends_after_its_lumi_sections(chain: Chain) -> None:
    result = chain("run.lumi_sections=6", "source.repeat=forever").result
    assert result["decided"] == 6 * 7000
    assert result["ended"] == "all lumi sections"


def test_the_budget_holds_the_group_to_its_rate(chain: Chain) -> None:
    settings = ("run.lumi_sections=40", "source.repeat=forever")
    result = chain("budgets.0.rate_hz=0", *settings).result
    assert result["suppressed"]["anomaly"] > 0
    rates = pq.read_table(Path(result["run_dir"]) / "rates.parquet").to_pylist()
    assert sum(row["final"] for row in rates if row["algorithm"].startswith("L1_AXO")) == 0


def test_ctrl_c_ends_a_run_cleanly_with_its_tables_written(chain: Chain, tmp_path: Path) -> None:
    chain()
    command = [sys.executable, "-m", "stream.cli", "run", str(tmp_path / "chain.yaml"), "--json"]
    command += [
        "--set",
        "source.repeat=forever",
        "--set",
        "run.lumi_sections=1000000",
        "--set",
        "menu.masked=[zero_bias]",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    parts = tmp_path / "runs"
    deadline = time.monotonic() + 60
    while not any(parts.glob("*/checkpoint/state-*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["ended"] == "interrupted"
    assert result["produced"] == result["decided"] > 0
    assert pq.read_table(Path(result["run_dir"]) / "accepted.parquet").num_rows == result["accepted"]


def test_metrics_are_served_while_the_run_lasts(chain: Chain, tmp_path: Path) -> None:
    chain()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "stream.cli", "run", str(tmp_path / "chain.yaml"), "--json"]
    every_part = "hlt={name: gelato_hlt, threshold: 1000}"
    for override in (f"metrics.address={address}", "source.repeat=forever", "run.lumi_sections=1000000", every_part):
        command += ["--set", override]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        families = wait_for_decisions(address)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    documented = set()
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    for line in page.read_text().splitlines():
        if line.startswith("| `l1chain_"):
            documented.add(line.split("`")[1])
    assert {name for name in families if name.startswith("l1chain_")} == documented
    decided = families["l1chain_crossings_decided"].samples[0].value
    seconds = families["l1chain_simulated_seconds"].samples[0].value
    assert seconds == pytest.approx(decided / (1000 * 11_245.5))


def wait_for_decisions(address: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as page:
                families = {f.name: f for f in text_string_to_metric_families(page.read().decode())}
        except OSError:
            families = {}
        decided = families.get("l1chain_crossings_decided")
        if decided and decided.samples[0].value > 0 and {"l1chain_score", "l1chain_queue_batches"} <= families.keys():
            return families
        time.sleep(0.2)
    raise AssertionError("no metrics within a minute")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.paths=[{folder}/none.parquet]", "none.parquet: no such source file"),
        ("source.paths=[{folder}/cut.parquet]", "cut.parquet"),
        ("source.paths=[{folder}/words.txt]", "words.txt, line 1: 3 columns"),
        ("source.paths=[{folder}/hex.txt]", "hex.txt, line 2, column 3: 'zz"),
        ("menu.path={folder}/words.txt", "words.txt"),
        ("menu.path={folder}/other.xml", "other.xml"),
        ("menu.path={folder}/object.yaml", "unknown object 'MUX'"),
        ("menu.path={folder}/unknown.yaml", "unknown cut 'MU-QLTY_NONE'"),
        ("scores.0.name=axol2tl", "axol2tl"),
        ("scores.0.version=v99", "v99"),
        ("scores.0.backend=abacus", "abacus"),
        ("models.repository={folder}/models", "axol1tl"),
        ("prescales={{path: {folder}/words.txt, column: a}}", "words.txt: has no header"),
        ("budgets.0.algorithms=[L1_None]", "unknown algorithm or group 'L1_None'"),
        ("metrics.address=127.0.0.1:{port}", "cannot listen on 127.0.0.1:"),
        ("run.out={folder}/words.txt", "cannot make a folder in it"),
        ("seeds.replcas=2", "unknown key 'replcas'; use one of: replicas"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    chain: Chain, tmp_path: Path, crossings: Path, override: str, message: str
) -> None:
    (tmp_path / "cut.parquet").write_bytes(crossings.read_bytes()[:5000])
    (tmp_path / "words.txt").write_text("0000 12 34\n")
    (tmp_path / "unknown.yaml").write_text(
        "name: m\nalgorithms:\n  - {name: L1_A, index: 0, expression: 'MU3[MU-QLTY_NONE]'}\n"
    )
    (tmp_path / "object.yaml").write_text("name: m\nalgorithms:\n  - {name: L1_A, index: 0, expression: MUX3}\n")
    (tmp_path / "other.xml").write_text("<other><name>L1_A</name></other>")
    good = " ".join(["0000", *["0" * 16] * 8, *["0" * 8] * 48, "0" * 64, "0" * 128, "0"])
    (tmp_path / "hex.txt").write_text(f"{good}\n0001{good[4:22]}zz{good[24:]}\n")
    altered_model(tmp_path / "models")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = chain(override.format(folder=tmp_path, port=taken.getsockname()[1]), json_=False)
    assert ended.code == 2, ended.err
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("runs/*"))


def altered_model(folder: Path) -> None:
    """A copy of the shipped model whose network has one other byte."""
    for file in SHIPPED_VERSIONS.glob("axol1tl/**/*"):
        if file.is_file():
            copy = folder / file.relative_to(SHIPPED_VERSIONS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = bytearray(file.read_bytes())
            if copy.name == "network.json":
                content[-1] ^= 1
            copy.write_bytes(bytes(content))


def test_damage_found_on_the_way_ends_the_run_with_what_was_good(chain: Chain, tmp_path: Path, crossings: Path) -> None:
    table = pq.read_table(crossings)
    damaged = tmp_path / "damaged.parquet"
    pq.write_table(table, damaged, row_group_size=5000, use_dictionary=False, compression="none")
    content = bytearray(damaged.read_bytes())
    group = pq.ParquetFile(damaged).metadata.row_group(3)
    for k in range(group.num_columns):
        start = group.column(k).data_page_offset
        content[start : start + 40] = b"\xff" * 40
    damaged.write_bytes(bytes(content))
    ended = chain(f"source.paths=[{damaged}]", json_=False)
    assert ended.code == 2, ended.err
    assert "damaged.parquet" in ended.err.splitlines()[-1]
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/run.json"))
    assert 15_000 - 1024 < record["produced"] == record["decided"] <= 15_000
    assert record["failure"].startswith(str(damaged))


def test_the_running_chain_imports_no_training_or_firmware_libraries(chain: Chain, tmp_path: Path) -> None:
    chain()
    code = (
        "import sys; from stream.run.assembly import Assembly; from stream.run.config import load_config; "
        "from stream.run.supervisor import Supervisor; "
        f"Supervisor(Assembly(load_config({str(tmp_path / 'chain.yaml')!r}))).run(); "
        "print(sorted({'tensorflow', 'keras', 'hls4ml', 'mlflow', 'onnx'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=os.environ)
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


def test_help_answers_within_half_a_second() -> None:
    best = min(timed_help() for _ in range(5))
    assert best < 0.5


def timed_help() -> float:
    """Processor time in s: what a person waits on a machine that has nothing else to do."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert l1chain("--help").code == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.conformance
def test_real_vectors_through_the_running_chain(conformance: Path, tmp_path: Path) -> None:
    menus = ("2024_v1_1_0", "2024_v1_2_0", "2025_v1_0_0")
    chosen = [pair for pair in pairs_of(conformance) if any(menu in pair["menu"] for menu in menus)]
    assert len(chosen) == 5
    repository = deployed_models(conformance, tmp_path)
    for pair in chosen:
        run_pair(conformance, pair, tmp_path, repository)


@pytest.mark.heavy
@pytest.mark.conformance
def test_every_real_vector_through_the_running_chain(conformance: Path, tmp_path: Path) -> None:
    pairs = pairs_of(conformance)
    assert pairs
    repository = deployed_models(conformance, tmp_path)
    for pair in pairs:
        run_pair(conformance, pair, tmp_path, repository)


def pairs_of(conformance: Path) -> list[dict]:
    return json.loads((conformance / "pairs.json").read_text())["pairs"]


def deployed_models(conformance: Path, tmp_path: Path) -> Path:
    """A repository with the versions of AXOL1TL that the menus name."""
    folder = tmp_path / "models"
    for version in ("v3", "v5"):
        network = conformance.parent / "reference" / "models" / f"axol1tl_{version}.json"
        import_network(network, open_repository(folder, make=True), "axol1tl", version)
    return folder


def run_pair(conformance: Path, pair: dict, tmp_path: Path, repository: Path) -> None:
    """Run a menu on its vector; every algorithm evaluated has the expected bit in every crossing.

    One stage is configured for v3; it runs v5 beside it where the menu names that.
    """
    has_scores = "axol1tl_muon_phi" in pair
    stage = f"models: {{repository: {repository}}}\nscores: [{{name: axol1tl, version: v3}}]\n" if has_scores else ""
    config = tmp_path / "chain.yaml"
    config.write_text(
        f"run: {{out: {tmp_path / 'runs'}}}\nsource: {{paths: [{conformance / pair['vector']}]}}\n"
        f"menu: {{path: {conformance / pair['menu']}}}\nbatch: {{crossings: 500}}\n{stage}"
    )
    ended = l1chain("run", str(config), "--json")
    assert ended.code == 0, ended.err
    check, menu = ended.result["expected"], ended.result["menu"]
    assert not set(check["differing_bits"]) - set(pair["exclude_seeds"])
    assert check["crossings"] == ended.result["decided"] == pair["n_crossings"]
    assert check["algorithms"] == menu["evaluated"]
    evaluated = set(menu["on_scores"]) - set(menu["not_evaluated"])
    assert evaluated == (set(menu["on_scores"]) if has_scores else set())
    assert evaluated or not has_scores
    assert menu["evaluated"] + len(menu["not_evaluated"]) == menu["algorithms"] == pair["n_algorithms"]
