"""`l1chain replay` as a user runs it (docs/replay.md)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.repository import Repository
from stream.run.executors import ThreadExecutor
from stream.run.replay import RateOptions, Replay
from stream.run.replay_files import ExclusiveWriter, summary_of
from stream.run.replay_menus import DecisionOptions, replay_menus
from stream.run.replay_source import Samples
from tests.stream.run.conftest import Ended, l1chain
from triggers.events.synthetic import SyntheticSource
from triggers.shipped import find_file
from triggers.studies.changes import changes_table
from triggers.studies.selection import Selection
from triggers.studies.tables import overlap_table, pileup_table, rates_table

N = 60_000
TABLE = ("--prescales", "shipped:prescales/demo.csv", "--column", "physics")
Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic crossings in two lumi sections, weighted, of two processes."""
    table = pa.Table.from_batches(SyntheticSource(N, seed=9, pileup=60).batches(20_000))
    k = np.arange(N)
    table = table.set_column(1, table.schema.field("lumi_section"), pa.array((1 + k // 40_000).astype(np.uint32)))
    table = table.append_column("weight", pa.array((0.5 + k % 3 / 7).astype(np.float32)))
    table = table.append_column("process", pa.array(np.where(k % 4 == 0, "signal", "zero bias")).dictionary_encode())
    path = tmp_path_factory.mktemp("replay") / "sample.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def menu_b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's menu with a lower threshold, without one seed, and with a new one."""
    text = find_file("shipped:menus/demo.yaml").read_text()
    text = text.replace('SingleMu22, expression: "MU22[', 'SingleMu22, expression: "MU8[')
    text = re.sub(r"\n *- \{index: \d+, name: L1_SingleJet180,[^\n]*", "", text)
    new = '\nalgorithms:\n  - {index: 400, name: L1_NewJet, expression: "JET60"}\n'
    path = tmp_path_factory.mktemp("menus") / "b.yaml"
    path.write_text(text.replace("\nalgorithms:\n", new))
    return path


@pytest.fixture(scope="module")
def compared(sample: Path, menu_b: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    out = tmp_path_factory.mktemp("out") / "replay"
    arguments = ["--menu", "shipped:menus/demo.yaml", "--menu", str(menu_b), *TABLE, "--curve", "L1_SingleMu22"]
    return l1chain("replay", str(sample), *arguments, "--out", str(out), "--json"), out


def rates_of(folder: Path) -> Rows:
    return {(row["menu"], row["name"]): row for row in pq.read_table(folder / "rates.parquet").to_pylist()}


def test_a_replay_of_two_menus_writes_tables_crossings_and_a_report(compared: tuple[Ended, Path]) -> None:
    ended, out = compared
    assert ended.code == 0, ended.err
    both = {
        f"{n}.{end}"
        for n in ("rates", "overlap", "by-lumi-section", "by-pileup", "curve")
        for end in ("parquet", "csv")
    }
    both |= {f"{n}.{end}" for n in ("changes", "processes") for end in ("parquet", "csv")}
    single = {"l1menutools-a.csv", "l1menutools-b.csv", "only-b.parquet", "replay.json", "report.html"}
    assert both | single <= {path.name for path in out.iterdir()} <= both | single | {"only-a.parquet"}
    assert ended.result["crossings"] == N
    assert ended.result["lumi_sections"] == 2
    assert "2544 colliding bunches" in ended.result["normalisation"][0]
    assert [menu["not_evaluated"] for menu in ended.result["menus"]] == [{}, {}]


def test_the_answer_says_what_changed_and_what_it_costs(compared: tuple[Ended, Path]) -> None:
    ended, out = compared
    changed = ended.result["changed_algorithms"]
    assert changed == {"L1_SingleMu22": "changed", "L1_SingleJet180": "removed", "L1_NewJet": "added"}
    assert ended.result["menus"][1]["without_prescale"] == ["L1_NewJet"]
    a, b = (menu["total_hz"] for menu in ended.result["menus"])
    difference = ended.result["difference"]
    assert difference["change_hz"] == pytest.approx(b - a)
    assert difference["change_hz"] == pytest.approx(difference["only_b_hz"] - difference["only_a_hz"])
    assert difference["only_b_hz"] > 10 * difference["change_error_hz"]
    rows = {row["name"]: row for row in pq.read_table(out / "changes.parquet").to_pylist()}
    assert rows["L1_NewJet"]["gained_hz"] > 0.5 * difference["only_b_hz"]
    mu = rows["L1_SingleMu22"]
    assert mu["fired_only_a_hz"] == 0
    assert mu["fired_only_b_hz"] == pytest.approx(mu["fired_b_hz"] - mu["fired_a_hz"])


def test_crossings_that_only_one_keeps_are_written_with_their_objects(compared: tuple[Ended, Path]) -> None:
    ended, out = compared
    table = pq.read_table(out / "only-b.parquet")
    kept = ended.result["kept_only"]["B"]
    assert table.num_rows == kept["written"] == min(kept["crossings"], 10_000)
    assert {"muon", "jet", "crossing", "kept_by"} <= set(table.column_names)
    assert all({"L1_NewJet", "L1_SingleMu22"} & set(names) for names in table["kept_by"].to_pylist())


def test_rates_shares_and_groups_agree_with_each_other(compared: tuple[Ended, Path]) -> None:
    rates = rates_of(compared[1])
    for menu in "AB":
        algorithms = [row for (label, _), row in rates.items() if label == menu and row["kind"] == "algorithm"]
        total = rates[menu, "final OR"]["total_hz"]
        assert sum(row["proportional_hz"] for row in algorithms) == pytest.approx(total)
        assert all(row["pure_hz"] <= row["total_hz"] <= row["fired_hz"] * (1 + 1e-12) for row in algorithms)
        assert max(row["total_hz"] for row in algorithms) <= total
    by_section = pq.read_table(compared[1] / "by-lumi-section.parquet").to_pylist()
    of_or = [row for row in by_section if row["name"] == "final OR" and row["menu"] == "A"]
    assert [row["crossings"] for row in of_or] == [40_000, 20_000]
    pileups = pq.read_table(compared[1] / "by-pileup.parquet").to_pylist()
    assert sum(row["crossings"] for row in pileups if row["name"] == "final OR" and row["menu"] == "A") == N


def test_the_tables_of_l1menutools_have_its_columns(compared: tuple[Ended, Path]) -> None:
    with (compared[1] / "l1menutools-a.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = ["L1Bit", "L1SeedName", "pre-scale0", "rate0", "error_rate0", "pure0", "propotional0"]
    assert list(rows[0]) == expected
    rates = rates_of(compared[1])
    for row in rows:
        assert float(row["rate0"]) == pytest.approx(rates["A", row["L1SeedName"]]["total_hz"])


def test_the_curve_passes_through_the_seeds_own_rate(compared: tuple[Ended, Path]) -> None:
    rows = pq.read_table(compared[1] / "curve.parquet").to_pylist()
    rates = rates_of(compared[1])
    for menu, own in (("A", 22.0), ("B", 8.0)):
        (point,) = (row for row in rows if row["menu"] == menu and row["threshold"] == own)
        assert point["total_hz"] == pytest.approx(rates[menu, "L1_SingleMu22"]["fired_hz"])
        totals = [row["total_hz"] for row in rows if row["menu"] == menu]
        assert totals == sorted(totals, reverse=True)


def test_the_report_stands_alone(compared: tuple[Ended, Path]) -> None:
    page = (compared[1] / "report.html").read_text()
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", page)
    assert not re.search(r'(?:src|href)="(?!#|data:)', outside)
    assert "url(http" not in page
    assert page.count("<svg") >= 5
    for words in ("What does the change cost?", "What does it bring?", "L1_NewJet", "Overlap", "Rate versus pile-up"):
        assert words in page


def replayed(sample: Path, menu_b: Path, folder: Path, threads: int, batch: int) -> list[Any]:
    tables = [("shipped:prescales/demo.csv", "physics")] * 2
    parts = replay_menus(["shipped:menus/demo.yaml", str(menu_b)], tables, DecisionOptions(), {}, "L1_SingleMu22")
    writers = tuple(ExclusiveWriter(folder / f"{part.label}{batch}.parquet", part.label, part.menu) for part in parts)
    replay = Replay(parts, Repository(), ThreadExecutor(threads))
    result = replay.run(Samples([str(sample)]), Selection(), RateOptions(), writers, batch_crossings=batch)
    for writer in writers:
        writer.close()
    found = [rates_table(result), overlap_table(result), changes_table(result), pileup_table(result)]
    return [*found, {**summary_of(result), "seconds": 0}]


def test_neither_batches_nor_threads_change_the_answer(sample: Path, menu_b: Path, tmp_path: Path) -> None:
    first = replayed(sample, menu_b, tmp_path, threads=2, batch=16_384)
    for threads, batch in ((1, 60_000), (3, 777)):
        other = replayed(sample, menu_b, tmp_path, threads, batch)
        assert all(one.equals(two) for one, two in zip(first[:-1], other[:-1], strict=True))
        assert first[-1] == other[-1]
    one, two = (pq.read_table(tmp_path / f"B{batch}.parquet") for batch in (777, 60_000))
    assert one.equals(two)


def test_a_replay_decides_as_a_run_does(sample: Path, tmp_path: Path) -> None:
    config = tmp_path / "chain.yaml"
    config.write_text(
        f"run: {{out: {tmp_path / 'runs'}}}\nsource: {{paths: [{sample}]}}\nmenu: {{path: shipped:menus/demo.yaml}}\n"
        "prescales: {path: shipped:prescales/demo.csv, column: physics}\nscores: [{name: axol1tl}]\n"
    )
    run = l1chain("run", str(config), "--json").result
    replay = l1chain(
        "replay", str(sample), "--menu", "shipped:menus/demo.yaml", *TABLE, "--out", str(tmp_path / "o"), "--json"
    ).result
    (menu,) = replay["menus"]
    assert (menu["final_or"], menu["accepted"], menu["blocked"]) == (run["final_or"], run["accepted"], run["blocked"])
    assert menu["accepted"] > 0


def test_selection_normalisation_and_scaling_are_stated(sample: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    run = pq.read_table(sample, columns=["run"])["run"][0].as_py()
    good.write_text(json.dumps({str(run): [[2, 2]]}))
    arguments = ("--menu", "shipped:menus/demo.yaml", *TABLE, "--good-runs", str(good), "--sample-prescale", "100")
    scaled = ("--target-luminosity", "4e34", "--luminosity", "2e34", "--pileup", "40-80")
    ended = l1chain("replay", str(sample), *arguments, *scaled, "--out", str(tmp_path / "o"), "--json")
    assert ended.code == 0, ended.err
    assert ended.result["crossings"] < 20_000
    assert ended.result["lumi_sections"] == 1
    assert ended.result["selection"] == "good lumi sections of 1 run; pile-up 40 to 80"
    first, second = ended.result["normalisation"]
    assert "100 (prescale of the sample) / (1 lumi sections" in first
    assert "Scaled linearly by 2" in second
    assert ended.result["hz_per_weight"] == pytest.approx(2 * 100 / (2**18 / 11_245.5))


def test_samples_with_times_of_their_own_are_replayed_one_after_the_other(sample: Path, tmp_path: Path) -> None:
    arguments = ("--menu", "shipped:menus/demo.yaml", *TABLE, "--no-trigger-rules", "--out", str(tmp_path / "o"))
    ended = l1chain("replay", str(sample), str(sample), *arguments)
    assert ended.code == 0, ended.err
    assert "120,000 crossings" in ended.out
    assert "69 of 69 algorithms evaluated" in ended.out


Arguments = Callable[[Path], list[str]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--menu", "none.xml"], "none.xml: no such menu"),
        (["--column", "physics"], "name the table with --prescales"),
        (["--prescales", "shipped:prescales/demo.csv"], "choose one with --column"),
        (["--prescales", "shipped:prescales/demo.csv", "--column", "x"], "unknown prescale column 'x'"),
        (["--curve", "L1_None"], "unknown algorithm 'L1_None'"),
        (["--curve", "L1_DoubleMu0er1p5_SQ_OS"], "--curve: 'L1_DoubleMu0er1p5_SQ_OS' has"),
        (["--group", "x"], "'x' is no group"),
        (["--group", "x=L1_None*"], "L1_None*"),
        (["--lumi", "5-4"], "--lumi: the range '5-4' is empty"),
        (["--lumi", "77"], "no crossing is left to replay"),
        (["--trigger-rule", "3/2"], "'3 in 2' is no rule"),
        (["--good-runs", "none.json"], "no such good-run list"),
        (["--menu", "shipped:menus/demo.yaml", "--menu", "shipped:menus/demo.yaml"], "3 menus are named"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    sample: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "o"
    menu = [] if arguments[1] == "none.xml" else ["--menu", "shipped:menus/demo.yaml"]
    ended = l1chain("replay", str(sample), *menu, *arguments, "--out", str(out))
    assert ended.code == 2, ended.err
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_kept(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = l1chain("replay", str(sample), "--menu", "shipped:menus/demo.yaml", "--out", str(tmp_path))
    assert ended.code == 2
    assert "exists already" in ended.err
    assert (tmp_path / "mine.txt").read_text() == "mine"
