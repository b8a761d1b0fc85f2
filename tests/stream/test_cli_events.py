"""`l1chain events`: info, show, convert."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from triggers.errors import L1ChainError
from triggers.events import packing
from triggers.events.crossings import batch_of
from triggers.events.open import open_source
from triggers.events.writers import event_writer

REPOSITORY = Path(__file__).resolve().parents[2]
N_CROSSINGS = 5


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Five consecutive crossings, the third of which holds a muon, a saturated jet, sums and bits."""
    muon, jet = np.zeros((N_CROSSINGS, 8), np.uint64), np.zeros((N_CROSSINGS, 12), np.uint32)
    muon[2, 0] = packing.pack("muon", pt=10, eta=159, phi=399, quality=14, charge_valid=1, charge_negative=1)
    muon[2, 2] = packing.pack("muon", shower=1)
    jet[2, 1] = packing.pack("jet", et=2047, eta=-9, phi=37, displaced=1)
    sums = np.repeat(packing.pack_sums(etm=72, etm_phi=82, htt=100, **packing.cicada_nibbles(0x0180)), N_CROSSINGS, 0)
    external, expected = np.zeros((N_CROSSINGS, 4), np.uint64), np.zeros((N_CROSSINGS, 8), np.uint64)
    external[2] = [1 << 5, 1 << 1, 0, 0]
    expected[2] = [1 << 3, 0, 0, 0, 0, 0, 0, 1 << 63]
    columns = {"muon": muon, "jet": jet, "sums": sums, "external": external, "expected": expected}
    times = {"run": np.full(N_CROSSINGS, 7, np.uint32), "lumi_section": np.ones(N_CROSSINGS, np.uint32)}
    times |= {"orbit": np.full(N_CROSSINGS, 4, np.uint32), "bx": np.arange(10, 15, dtype=np.uint16)}
    known = {"expected_known": np.full((N_CROSSINGS, 8), 2**64 - 1, np.uint64)}
    with event_writer(tmp_path / "zb.parquet", ("expected", "expected_known")) as writer:
        writer.write(batch_of({**columns, **times, **known}))
    return tmp_path / "zb.parquet"


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["events", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return answer


def failure(*arguments: str | Path) -> str:
    with pytest.raises(L1ChainError) as caught:
        CliRunner().invoke(app, ["events", *map(str, arguments)], catch_exceptions=False)
    return str(caught.value)


def test_info_counts(sample: Path) -> None:
    answer = run_json("info", sample)
    assert answer["n_crossings"] == N_CROSSINGS
    assert answer["n_with_neighbours"] == 3
    assert answer["runs"] == [7]
    assert answer["multiplicities"]["muon"] == {"mean": 0.4, "greatest": 2}
    assert answer["n_algorithms_known"] == 512
    assert answer["n_algorithms_set"] == 2
    assert answer["n_expected_or"] == 1
    assert answer["columns"][-2:] == ["expected", "expected_known"]


def test_info_says_what_is_not_known(sample: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.arrow"
    run("convert", sample, "--out", plain, "--without", "expected", "--without", "expected_known")
    assert "expected bits      not known" in run("info", plain)
    text = tmp_path / "zb.txt"
    run("convert", sample, "--out", text)
    assert "the text has only the BX number" in run("info", text)


def test_show_gives_units(sample: Path) -> None:
    text = run("show", sample, "--crossing", 2)
    assert "crossing 2: run 7, lumi section 1, orbit 4, BX 12" in text
    (muon,) = (line for line in text.splitlines() if "MU         0" in line)
    assert muon.split()[2:5] == ["4.5", "+1.729", "4.358"]
    assert "charge −, quality 14" in muon
    (jet,) = (line for line in text.splitlines() if line.split()[:1] == ["JET"])
    assert jet.split()[1:6] == ["1", "≥", "1023.5", "-0.370", "1.636"]
    assert "ETM 36.0 GeV at phi 3.600" in text
    assert "HTM 0.0 GeV   ETMHF 0.0 GeV   HTMHF 0.0 GeV" in text
    assert "CICADA 1.5000" in text
    assert "muon showers:\n    MUS1" in text
    assert "external channels:\n    5 65" in text
    assert "expected algorithms (512 known):\n    3 511" in text


def test_show_as_json_has_the_hardware_integers(sample: Path) -> None:
    answer = run_json("show", sample, "--crossing", 1, "--first", 2)
    assert [entry["number"] for entry in answer["crossings"]] == [1, 2]
    muon, shower, jet = answer["crossings"][1]["objects"]
    assert (muon["object"], muon["slot"], muon["pt_gev"], muon["charge"]) == ("MU", 0, 4.5, -1)
    assert muon["hardware"]["eta"] == 159
    assert shower["pt_gev"] is None
    assert jet["overflow"]
    assert answer["crossings"][1]["expected"] == [3, 511]


def test_show_counts_crossings_and_skips_context_rows(sample: Path, tmp_path: Path) -> None:
    run("convert", sample, "--out", tmp_path / "zb.txt")
    (crossing,) = run_json("show", tmp_path / "zb.txt", "--crossing", 2)["crossings"]
    assert (crossing["bx"], crossing["expected"]) == (12, [3, 511])


def test_show_of_a_crossing_that_is_not_there(sample: Path) -> None:
    assert "there is no crossing 5; choose one from 0 to 4" in failure("show", sample, "--crossing", 5)


def test_convert_says_what_is_lost(sample: Path, tmp_path: Path) -> None:
    answer = run_json("convert", sample, "--out", tmp_path / "zb.txt.xz")
    assert answer["crossings"] == N_CROSSINGS
    assert any("orbit" in sentence for sentence in answer["not_held"])
    assert "not held" in run("convert", sample, "--out", tmp_path / "again.txt")


def test_convert_through_all_formats_keeps_the_objects(sample: Path, tmp_path: Path) -> None:
    previous = sample
    for name in ("a.arrow", "b.txt.gz", "c.parquet", "d.txt"):
        run("convert", previous, "--out", tmp_path / name)
        previous = tmp_path / name
    first = pa.Table.from_batches(open_source([sample]).batches(100))
    last = pa.Table.from_batches(open_source([previous]).batches(100)).slice(2, N_CROSSINGS)
    for column in ("bx", "muon", "eg", "tau", "jet", "sums", "external", "expected"):
        assert first[column].to_pylist() == last[column].to_pylist()


def test_context_rows_do_not_become_crossings(sample: Path, tmp_path: Path) -> None:
    run("convert", sample, "--out", tmp_path / "zb.txt")
    run("convert", tmp_path / "zb.txt", "--out", tmp_path / "plain.parquet", "--without", "context")
    assert run_json("info", tmp_path / "plain.parquet")["n_crossings"] == N_CROSSINGS


def test_synthetic_crossings_stand_in_for_files(tmp_path: Path) -> None:
    arguments = ("--synthetic", 50, "--seed", 3, "--pileup", 40)
    run("convert", *arguments, "--out", tmp_path / "one.parquet")
    run("convert", *arguments, "--out", tmp_path / "two.parquet")
    one, two = (pa.Table.from_batches(open_source([tmp_path / n]).batches(100)) for n in ("one.parquet", "two.parquet"))
    assert one.equals(two)
    assert run_json("info", *arguments)["n_crossings"] == 50
    assert run_json("show", *arguments)["crossings"][0]["number"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("info",), "SOURCE: no event file is named; name files, or generate"),
        (("info", "absent.parquet"), "absent.parquet: no such event file"),
        (("info", "SAMPLE", "--synthetic", "5"), "--synthetic: does not go with files"),
        (("info", "SAMPLE", "--format", "root"), "unknown format 'root'; use one of"),
        (("info", "SAMPLE", "--format", "test_vector"), "is not text"),
        (("convert", "SAMPLE", "--out", "SAMPLE"), "exists already"),
        (("convert", "SAMPLE", "--out", "zb.csv"), "unknown file suffix '.csv'"),
        (("convert", "SAMPLE", "--out", "x.arrow", "--without", "pileup"), "unknown optional column 'pileup'"),
    ],
)
def test_bad_input_is_one_sentence(sample: Path, arguments: tuple[str, ...], sentence: str) -> None:
    message = failure(*(str(sample) if argument == "SAMPLE" else argument for argument in arguments))
    assert sentence in message
    assert "\n" not in message


def test_the_script_ends_with_two_and_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from stream.cli.app import main; main()", "events", "info", "absent.parquet"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == ["error: absent.parquet: no such event file; check the path"]


def test_asking_for_help_does_not_load_arrow() -> None:
    code = "import sys, stream.cli.events; sys.exit(any(m in sys.modules for m in ('numpy', 'pyarrow', 'rich.table')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
