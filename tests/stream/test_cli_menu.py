"""`l1chain menu`: evaluate, verify, explain, show, check, diff, convert."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from models.repository import SHIPPED_VERSIONS, Repository
from stream.cli.app import app
from stream.run.offline import MuonPhi, OfflineMenu, OfflineScores, crossing_with_neighbours, with_raw_phi
from triggers.errors import BadValue, FileExists, FileMissing, L1ChainError, UnknownName
from triggers.events import packing
from triggers.events.crossings import batch_of, column_view
from triggers.events.open import open_source
from triggers.events.synthetic import SyntheticSource
from triggers.events.writers import event_writer
from triggers.menu.load import load_menu

N = 6
MENU = """
name: small
cuts: {MU-SQ: {quality: [12, 13, 14, 15]}, AXO-M: {model: v3}, AXO-S: {score: 10}}
externals: {EXT_a: 70}
algorithms:
  - {index: 0, name: L1_Jet, expression: JET30}
  - {index: 64, name: L1_Mu_before, expression: "MU3-1[MU-SQ]"}
  - {index: 511, name: L1_Signal, expression: EXT_a, comment: a signal}
  - {index: 7, name: L1_AXO_v3, expression: "AXO[AXO-M, AXO-S]"}
  - {index: 8, name: L1_AXO, expression: "axol1tl@production:nominal"}
groups: {hadronic: [L1_Jet]}
"""
PRODUCTION = Repository().resolve("axol1tl", "production")
JETS, MUONS, SIGNALS = {1, 3}, {2}, {0, 5}


def rows() -> dict[str, Any]:
    """Six consecutive crossings: jets in 1 and 3, a muon in 2, the signal in 0 and 5."""
    jet, muon, external = np.zeros((N, 12), np.uint32), np.zeros((N, 8), np.uint64), np.zeros((N, 4), np.uint64)
    jet[list(JETS), 4] = packing.pack("jet", et=60)
    muon[list(MUONS), 0] = packing.pack("muon", pt=11, quality=12)
    external[list(SIGNALS), 1] = 1 << 6
    times = {"run": np.full(N, 9, np.uint32), "lumi_section": np.full(N, 3, np.uint32)}
    times |= {"orbit": np.full(N, 4, np.uint32), "bx": np.arange(10, 10 + N, dtype=np.uint16)}
    return {**times, "event": np.arange(100, 100 + N, dtype=np.uint64), "jet": jet, "muon": muon, "external": external}


def expected_bits() -> np.ndarray:
    bits = np.zeros((N, 8), np.uint64)
    bits[list(JETS), 0] |= np.uint64(1)
    bits[3, 1] |= np.uint64(1)  # the muon of crossing 2, one crossing later
    bits[list(SIGNALS), 7] |= np.uint64(1 << 63)
    return bits


@pytest.fixture(autouse=True)
def only_shipped_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer has imported is not there."""
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path / "no_models"))


@pytest.fixture
def menu(tmp_path: Path) -> Path:
    path = tmp_path / "menu.yaml"
    path.write_text(MENU)
    return path


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The crossings, with the bits that they should have; the score's algorithms are not known."""
    known = np.zeros((N, 8), np.uint64)
    known[:, :] = np.uint64(2**64 - 1)
    known[:, 0] &= ~np.uint64(1 << 7 | 1 << 8)
    with event_writer(tmp_path / "zb.parquet", ("expected", "expected_known")) as writer:
        writer.write(batch_of({**rows(), "expected": expected_bits(), "expected_known": known}))
    return tmp_path / "zb.parquet"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["menu", *map(str, arguments)], catch_exceptions=False)


def run(*arguments: str | Path, code: int = 0) -> str:
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def run_json(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*arguments, "--json", code=code))
    return answer


def words_of(file: Path) -> np.ndarray:
    column = pq.read_table(file)["algorithms"].combine_chunks()
    return column.flatten().to_numpy().reshape(-1, 8)


def test_evaluate_writes_time_and_bits_of_every_crossing(menu, sample, tmp_path):
    out = tmp_path / "bits.parquet"
    result = invoke("evaluate", menu, sample, "--out", out)
    assert result.exit_code == 0
    table = pq.read_table(out)
    assert table.column_names == ["run", "lumi_section", "orbit", "bx", "event", "algorithms"]
    word = pa.list_(pa.field("item", pa.uint64(), nullable=False), 8)
    assert table.schema.field("algorithms").type == word
    assert table["event"].to_pylist() == list(range(100, 100 + N))
    assert table["bx"].to_pylist() == list(range(10, 10 + N))
    known = words_of(out) & ~np.array([1 << 8, 0, 0, 0, 0, 0, 0, 0], np.uint64)
    assert (known == expected_bits()).all()


def test_evaluate_lists_what_is_not_evaluated_on_standard_error(menu, sample, tmp_path):
    result = invoke("evaluate", menu, sample, "--out", tmp_path / "bits.parquet")
    assert "not evaluated: 1 algorithms, whose bits are 0" in result.stderr
    assert "L1_AXO_v3: needs the score axol1tl/v3" in result.stderr
    answer = run_json("evaluate", menu, sample, "--out", tmp_path / "again.parquet")
    assert list(answer["not_evaluated"]) == ["L1_AXO_v3"]
    assert answer["scores"] == {"axol1tl@production": f"axol1tl/{PRODUCTION}"}
    assert (answer["crossings"], answer["evaluated"], answer["fired"]["L1_Jet"]) == (N, 4, len(JETS))


def test_context_rows_are_neighbours_and_not_written(menu, tmp_path):
    vector = tmp_path / "cyclic.txt"
    with event_writer(vector) as writer:
        writer.write(batch_of(rows()))
    run("evaluate", menu, vector, "--out", tmp_path / "bits.parquet")
    assert len(words_of(tmp_path / "bits.parquet")) == N


def test_the_result_does_not_depend_on_how_the_input_is_cut(menu, sample):
    offline, source = OfflineMenu(load_menu(menu), Repository()), open_source([sample])
    for size in (1, 2, 4, 100):
        blocks = list(offline.blocks(source, size))
        assert sum(part.block.crossings for part in blocks) == N
        assert [part.first_crossing for part in blocks] == list(range(0, N, size))
        found: set[tuple[int, int]] = set()
        for part in blocks:
            decided = np.flatnonzero(~part.block.context) if part.block.context is not None else np.arange(N)
            number = {int(row): part.first_crossing + i for i, row in enumerate(decided)}
            dense = part.bits.dense(len(part.block.rows))
            found |= {(number[int(row)], int(bit)) for row, bit in np.argwhere(dense)}
        bits = np.unpackbits(expected_bits().astype("<u8").view(np.uint8), axis=1, bitorder="little")
        assert {(row, bit) for row, bit in found if bit != 8} == {(int(r), int(b)) for r, b in np.argwhere(bits)}


def test_scores_are_those_of_the_version_and_its_working_point(tmp_path):
    """The shipped version as `axol1tl/v3`, too: the same network fires at the same thresholds."""
    repository = tmp_path / "models"
    shutil.copytree(SHIPPED_VERSIONS / "axol1tl" / "demo-v1", repository / "axol1tl" / "v3")
    manifest = repository / "axol1tl" / "v3" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("version: demo-v1", "version: v3"))
    threshold = Repository().show("axol1tl", "demo-v1").working_points["vloose"].threshold
    menu = tmp_path / "axo.yaml"
    menu.write_text(
        f"name: m\ncuts: {{AXO-M: {{model: v3}}, AXO-S: {{score: {threshold}}}, ADT-S: {{adt_score: {threshold}}}}}\n"
        "algorithms:\n"
        "  - {index: 0, name: A, expression: 'AXO[AXO-M, AXO-S]'}\n"
        "  - {index: 1, name: B, expression: 'ADT[ADT-S]'}\n"
        "  - {index: 2, name: C, expression: 'axol1tl@v3:vloose'}\n"
    )
    offline = OfflineMenu(load_menu(menu), Repository(repository))
    assert set(offline.scores.versions.values()) == {"axol1tl/v3"}
    (part,) = offline.blocks(SyntheticSource(16_000, seed=3))
    scores = offline.scores.of_rows(part.block.rows)["axol1tl/v3"]
    passing = np.flatnonzero(scores >= threshold)
    assert 0 < len(passing) < 16_000
    assert part.bits.rows.tolist() == passing.tolist()
    assert (part.bits.words[:, 0] == 0b111).all()


def test_a_working_point_that_a_version_has_not_is_an_error(menu):
    menu.write_text(MENU.replace(":nominal", ":nominall"))
    with pytest.raises(UnknownName, match=f"working point of axol1tl/{PRODUCTION} 'nominall'"):
        OfflineMenu(load_menu(menu), Repository())


def test_raw_phi_takes_the_place_of_the_phi_at_the_vertex():
    muon = packing.pack("muon", pt=9, phi=[3, 575, 0], phi_raw=[7, 0, 575], eta=-4, quality=12)
    raw = packing.unpack("muon", with_raw_phi(muon))
    assert raw["phi"].tolist() == [7, 0, 575]
    assert {name: v.tolist() for name, v in raw.items() if name != "phi"} == {
        name: v.tolist() for name, v in packing.unpack("muon", muon).items() if name != "phi"
    }


def test_raw_phi_reaches_the_network_and_nothing_else(menu):
    (batch,) = SyntheticSource(2_000, seed=5).batches(2_000)
    words = column_view(batch.column("muon")).copy()
    words[:, 0] = packing.pack("muon", pt=40, phi=10, phi_raw=300, quality=12)
    rows = batch.set_column(
        batch.schema.names.index("muon"),
        batch.schema.field("muon"),
        pa.FixedSizeListArray.from_arrays(pa.array(words.reshape(-1)), type=batch.schema.field("muon").type),
    )
    menu.write_text(MENU.replace("axol1tl@production", "axol1tl@demo-v1"))  # v5 is trained to disregard rotations
    loaded = load_menu(menu)
    vertex, raw = (OfflineScores(loaded, Repository(), phi).of_rows(rows)["axol1tl@demo-v1"] for phi in MuonPhi)
    assert (vertex != raw).any()


def test_a_score_of_a_column_that_the_source_lacks_is_an_error_that_says_so(menu, tmp_path):
    menu.write_text(MENU.replace("axol1tl@production", "cicada@production"))
    vector = tmp_path / "no-regions.txt"
    with event_writer(vector) as writer:
        writer.write(batch_of(rows()))
    with pytest.raises(BadValue, match=r"cicada/\S+ reads regions, which these crossings do not have"):
        invoke("evaluate", menu, vector, "--out", tmp_path / "bits.parquet")
    assert not (tmp_path / "bits.parquet").exists()


def test_an_output_that_exists_is_kept(menu, sample, tmp_path):
    out = tmp_path / "bits.parquet"
    out.write_text("mine")
    with pytest.raises(FileExists):
        invoke("evaluate", menu, sample, "--out", out)
    assert out.read_text() == "mine"


def test_a_damaged_source_leaves_no_file(menu, tmp_path):
    vector = tmp_path / "bad.txt"
    with event_writer(vector) as writer:
        writer.write(batch_of(rows()))
    vector.write_text(vector.read_text().replace(" ", " g", 1))
    with pytest.raises(L1ChainError):
        invoke("evaluate", menu, vector, "--out", tmp_path / "bits.parquet")
    assert [path.name for path in tmp_path.iterdir() if "bits" in path.name] == []


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [("--axol1tl-muon-phi", "both", UnknownName), ("--models", "/nowhere", L1ChainError)],
)
def test_bad_options_are_one_sentence(menu, sample, tmp_path, option, value, error):
    with pytest.raises(error):
        invoke("evaluate", menu, sample, "--out", tmp_path / "b.parquet", option, value)


def test_verify_of_right_bits_succeeds(menu, sample):
    assert "compared 3 algorithms in 6 crossings: 0 bits differ" in run("verify", menu, sample)
    answer = run_json("verify", menu, sample)
    assert (answer["differing_bits"], answer["bits"], answer["mismatches"]) == (0, 3 * N, [])


@pytest.fixture
def wrong(sample: Path, tmp_path: Path) -> Path:
    """The sample with the jet's bit missing in crossing 1 and the muon's set in 4 too."""
    (batch,) = open_source([sample]).batches(N)
    bits = expected_bits()
    bits[1, 0] = 0
    bits[4, 1] = 1
    with event_writer(tmp_path / "wrong.parquet", ("expected", "expected_known")) as writer:
        writer.write(batch_of({**rows(), "expected": bits, "expected_known": batch.column("expected_known")}))
    return tmp_path / "wrong.parquet"


def test_verify_tells_which_crossings_differ_with_their_objects(menu, wrong):
    text = run("verify", menu, wrong, code=1)
    assert "compared 3 algorithms in 6 crossings: 2 bits differ" in text
    assert "L1_Jet (index 0): 1 crossings differ (0 missing, 1 too many)" in text
    assert "crossing 1 (run 9, lumi section 3, orbit 4, bx 11, event 101): expected 0, found 1" in text
    assert "JET slot 4: ET 30 GeV [60]" in text
    assert "L1_Mu_before (index 64): 1 crossings differ (1 missing, 0 too many)" in text
    answer = run_json("verify", menu, wrong, "--first", "0", code=1)
    assert [(m["name"], m["missing"], m["extra"], m["first"]) for m in answer["mismatches"]] == [
        ("L1_Jet", 0, 1, []),
        ("L1_Mu_before", 1, 0, []),
    ]


def test_verify_needs_known_bits(menu, tmp_path):
    with event_writer(tmp_path / "plain.parquet") as writer:
        writer.write(batch_of(rows()))
    with pytest.raises(BadValue, match="does not know which algorithms fire"):
        invoke("verify", menu, tmp_path / "plain.parquet")


def test_explain_says_why(menu, sample):
    text = run("explain", menu, "L1_Mu_before", sample, "--crossing", 3)
    assert "L1_Mu_before (index 64) fires in crossing 3 (run 9, lumi section 3, orbit 4, bx 13, event 103)" in text
    assert "passes: MU slot 0: pT 5 GeV [11]" in text
    text = run("explain", menu, "L1_Mu_before", sample, "--crossing", 4)
    assert "does not fire" in text
    assert "there is no such object" in text
    answer = run_json("explain", menu, "L1_Signal", sample, "--crossing", 5)
    assert (answer["fires"], answer["index"], answer["event"]) == (True, 511, 105)
    assert answer["tree"]["reasons"] == ["channel 70 is set"]


def test_explain_of_unknown_seeds_and_crossings_is_an_error(menu, sample):
    with pytest.raises(UnknownName, match="use one of: L1_Jet"):
        invoke("explain", menu, "L1_Jets", sample, "--crossing", 0)
    with pytest.raises(BadValue, match="no crossing 6; choose one from 0 to 5"):
        invoke("explain", menu, "L1_Jet", sample, "--crossing", N)


def test_a_crossing_is_found_with_its_neighbours(sample):
    rows, row = crossing_with_neighbours(open_source([sample]), 1)
    assert (rows.num_rows, row) == (4, 1)
    rows, row = crossing_with_neighbours(open_source([sample]), 5)
    assert rows.column("bx").to_pylist()[row] == 15


def test_show_lists_algorithms_and_one_in_full(menu):
    table = run("show", menu)
    assert "small: 5 algorithms" in table
    assert "hadronic" in table
    text = run("show", menu, "L1_Mu_before")
    assert "MU pT ≥ 3 GeV [≥ 7], one crossing earlier" in text
    assert "MU-SQ: quality 12, 13, 14, 15" in text
    record = run_json("show", menu, "L1_Jet")
    (condition,) = record["conditions"]
    assert condition["objects"][0]["threshold_hw"] == 60
    assert record["groups"] == ["hadronic"]
    assert len(run_json("show", menu)["algorithms"]) == 5


def test_check_ends_with_1_only_for_errors(menu):
    assert "0 errors, 0 warnings, 2 notes" in run("check", menu)
    menu.write_text(MENU.replace("JET30", "JET2000"))
    text = run("check", menu, code=1)
    assert "error: JET2000: the ET threshold 2000 GeV [4000] is off the scale" in text
    assert "(in L1_Jet)" in text
    answer = run_json("check", menu, code=1)
    assert answer["counts"] == {"error": 2, "warning": 0, "note": 2}


def test_diff_says_what_changed(menu, tmp_path):
    new = tmp_path / "new.yaml"
    new.write_text(MENU.replace("JET30", "JET40").replace("index: 7,", "index: 9,"))
    text = run("diff", menu, new)
    assert "changed L1_Jet\n  JET: ET threshold 30 → 40 GeV [60 → 80]\n" in text
    assert "moved L1_AXO_v3: index 7 → 9" in text
    assert run_json("diff", menu, new)["counts"] == {"changed": 1, "moved": 1}
    assert "no differences" in run("diff", menu, menu)


def test_convert_and_back_is_no_difference(menu, tmp_path):
    run("convert", menu, "--out", tmp_path / "a.xml")
    text = run("convert", tmp_path / "a.xml", "--out", tmp_path / "b.yaml")
    assert "4 algorithms" in text
    assert run_json("diff", menu, tmp_path / "b.yaml")["counts"] == {"removed": 1, "group": 1}
    run("convert", menu, "--out", tmp_path / "c.yaml")
    assert run_json("diff", menu, tmp_path / "c.yaml")["changes"] == []


def test_convert_tells_what_xml_cannot_hold_and_overwrites_nothing(menu, tmp_path):
    text = run("convert", menu, "--out", tmp_path / "a.xml")
    assert "not held: L1_AXO: the working point axol1tl@production:nominal" in text
    assert "not held: the groups hadronic" in text
    with pytest.raises(FileExists):
        invoke("convert", menu, "--out", tmp_path / "a.xml")
    with pytest.raises(UnknownName):
        invoke("convert", menu, "--out", tmp_path / "a.json")
    with pytest.raises(FileMissing):
        invoke("convert", tmp_path / "none.xml", "--out", tmp_path / "d.xml")


def test_the_command_prints_one_sentence_and_ends_with_2(menu, tmp_path):
    script = "from stream.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "menu", "verify", str(menu), str(tmp_path / "none.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def pairs_of(folder: Path, numbers: list[int]) -> Iterator[dict[str, Any]]:
    pairs = json.loads((folder / "pairs.json").read_text())["pairs"]
    return (pairs[number] for number in numbers)


@pytest.mark.conformance
def test_verify_of_real_vectors(conformance):
    for pair in pairs_of(conformance, [2, 23, 33]):
        answer = invoke("verify", conformance / pair["menu"], conformance / pair["vector"], "--json")
        counts = json.loads(answer.stdout)
        assert counts["crossings"] == pair["n_crossings"]
        assert {m["name"] for m in counts["mismatches"]} <= set(pair["exclude_seeds"])
