"""`l1chain events simulate` and `validate` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.errors import FolderUnwritable
from tests.triggers.events.simulation import pool_parts
from triggers.errors import BadValue, FileExists, L1ChainError, UnknownName

runner = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache folder with hand-made pools."""
    folder = tmp_path_factory.mktemp("home")
    pool_parts.write_cache(folder / "l1chain" / "simulation")
    return folder


@pytest.fixture(autouse=True)
def _cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


def run(*arguments: object) -> str:
    """Standard output of a command that succeeds; errors are raised."""
    result = runner.invoke(app, ["events", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def simulated(out: Path, *more: object) -> dict[str, object]:
    output = run(
        *(
            "simulate",
            "zero_bias",
            "--crossings",
            300,
            "--pileup",
            40,
            "--interactions",
            10,
            "--out",
            out,
            "--json",
            *more,
        )
    )
    return json.loads(output.splitlines()[-1])


def test_a_sample_is_written_and_is_the_same_again(tmp_path: Path):
    record = simulated(tmp_path / "a.parquet")
    simulated(tmp_path / "b.parquet", "--workers", 1)
    assert record["crossings"] == 300
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_what_a_format_does_not_hold_is_told(tmp_path: Path):
    record = simulated(tmp_path / "a.txt")
    assert any("pileup" in sentence for sentence in record["not_held"])


def test_several_samples_from_one_file(tmp_path: Path):
    config = tmp_path / "samples.yaml"
    config.write_text(
        "samples:\n"
        "  one.parquet: {crossings: 20, pileup: 5, interactions: 10}\n"
        "  two.parquet: {crossings: 30, pileup: 5, interactions: 10, seed: 2, regions: false}\n"
    )
    folder = tmp_path / "new" / "samples"
    assert "30 crossings" in run("simulate", "--samples", config, "--out", folder)
    assert {path.name for path in folder.iterdir()} == {"one.parquet", "two.parquet"}
    with pytest.raises(FileExists):
        run("simulate", "--samples", config, "--out", folder)
    with pytest.raises(FolderUnwritable):
        run("simulate", "--samples", config, "--out", config)


def test_processes_are_listed():
    processes = json.loads(run("simulate", "--list", "--json"))["processes"]
    assert "ttbar" in processes
    assert "ttbar" in run("simulate", "--list")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["zero_bias", "--crossings", 5], BadValue, "--out"),
        (["--out", "x.parquet"], BadValue, "PROCESS"),
        (["zero_bias", "--out", "x.parquet"], BadValue, "--crossings"),
        (["zero_bia", "--crossings", 5, "--out", "x.parquet"], UnknownName, "zero_bias"),
        (["zero_bias", "--crossings", 5, "--out", "x.png"], UnknownName, "suffix"),
        (["zero_bias", "--crossings", 5, "--pileup", 999, "--out", "x.parquet"], BadValue, "pileup"),
        (["ttbar", "--crossings", 5, "--weighted", "--out", "x.parquet"], BadValue, "only zero bias"),
    ],
)
def test_bad_arguments_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], error: type[L1ChainError], says: str
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        run("simulate", *arguments)
    assert not list(tmp_path.iterdir())


def test_validation_prints_rates_and_writes_a_report(tmp_path: Path):
    sample, rates = tmp_path / "a.parquet", tmp_path / "rates.csv"
    simulated(sample, "--weighted")
    rates.write_text("algorithm,pileup_mean,n_zero_bias,n_fired\nL1_HTT360er,40.0,100000,100\n")
    report = tmp_path / "report.html"
    output = run("validate", sample, "--rates", rates, "--reference", sample, "--out", report, "--json")
    record = json.loads(output.splitlines()[-1])
    assert [row["algorithm"] for row in record["rows"]] == ["L1_HTT360er"]
    assert record["spectra"]
    assert "L1_HTT360er" in report.read_text()
    assert "L1_HTT360er" in run("validate", sample, "--rates", rates)
