"""`l1chain models evaluate|calibrate|retrain|tune|compare-published`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from models.errors import VersionExists
from models.repository import Repository
from stream.cli import models_retrain
from stream.cli.models import app
from tests.models.evaluation_samples import background, signal
from triggers.errors import BadValue, FileExists, L1ChainError, UnknownName
from triggers.events.source import Source
from triggers.events.writers import event_writer

third_party = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
"""MLflow uses what SQLAlchemy is about to drop."""
needs_training = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the [train] extra")


def written(source: Source, path: Path) -> str:
    with event_writer(path, source.info.optional_columns) as writer:
        for batch in source.batches(4096):
            writer.write(batch)
    return str(path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("samples")
    return {
        "zb": written(background(30_000), folder / "zb.parquet"),
        "hard": written(signal(2000), folder / "hard.parquet"),
    }


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if isinstance(result.exception, L1ChainError):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_evaluate_writes_tables_and_a_report(samples: dict[str, str], tmp_path: Path) -> None:
    found = run(
        *("evaluate", "axol1tl/demo-v1", "--background", samples["zb"], "--signals", f"tt={samples['hard']}"),
        *("--menu", "shipped:menus/demo.yaml", "--prescales", "shipped:prescales/demo.csv", "--column", "physics"),
        *("--arithmetic", "fixed,float", "--rates-hz", "100000,1000000", "--out", str(tmp_path / "out")),
    )
    assert found["columns"] == ["axol1tl/demo-v1", "axol1tl/demo-v1 (float)"]
    assert {row["kind"] for row in found["rates"]} == {"total", "pure"}
    assert all(row["rate_hz"] <= row["target_hz"] for row in found["rates"])
    assert found["signals"]["tt"]["crossings"] == 2000
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "evaluation.json", "efficiencies.csv", "rates.csv", "curves.csv"} <= files


def test_evaluate_prints_tables_for_people(samples: dict[str, str], tmp_path: Path) -> None:
    options = ["--arithmetic", "fixed", "--rates-hz", "1000000", "--out", str(tmp_path / "out")]
    arguments = ["evaluate", "axol1tl/demo-v1", "--background", samples["zb"], "--signals", samples["hard"]]
    result = CliRunner().invoke(app, [*arguments, *options], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    assert "hard" in result.stdout  # a signal without a name has that of its file
    assert "report.html" in result.stdout


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--rates-hz", "0"], BadValue, "'0' is no list of rates"),
        (["--rates-hz", "fast"], BadValue, "'fast' is no list of rates"),
        (["--arithmetic", "exact"], UnknownName, "unknown arithmetic 'exact'"),
        (["--signals", "=x"], BadValue, "'=x' is no signal"),
        (["--prescales", "shipped:prescales/demo.csv"], BadValue, "is without a menu"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    samples: dict[str, str], tmp_path: Path, options: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run("evaluate", "axol1tl/demo-v1", "--background", samples["zb"], "--out", str(tmp_path / "o"), *options)
    assert not (tmp_path / "o").exists()


def test_evaluate_overwrites_nothing(samples: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine").touch()
    with pytest.raises(FileExists):
        run("evaluate", "axol1tl/demo-v1", "--background", samples["zb"], "--out", str(tmp_path / "o"))


def test_calibrate_makes_a_new_version(
    samples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path))
    asked = ["calibrate", "axol1tl/demo-v1", "--background", samples["zb"], "--version", "v2"]
    found = run(*asked, "--target-rates-hz", "nominal=100000,1000000")
    assert [point["working_point"] for point in found["working_points"]] == ["nominal", "1000000hz"]
    points = Repository(tmp_path).load("axol1tl", "v2").manifest.working_points
    assert points["nominal"].rate_hz <= 100_000
    assert points["nominal"].threshold > points["1000000hz"].threshold
    with pytest.raises(VersionExists):
        run(*asked, "--target-rates-hz", "1000")


def test_a_rate_of_half_a_beam_is_half_of_that_of_a_full_one(
    samples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path))
    asked = ["calibrate", "axol1tl/demo-v1", "--background", samples["zb"], "--version", "v2"]
    run(*asked, "--target-rates-hz", "nominal=100000", "--colliding-bunches", "1272")
    point = Repository(tmp_path).load("axol1tl", "v2").manifest.working_points["nominal"]
    assert point.rate_hz <= 100_000
    assert point.full_beam_hz == pytest.approx(2 * point.rate_hz)


def test_calibrate_to_pure_rates_needs_a_menu(
    samples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path))
    asked = ["calibrate", "axol1tl/demo-v1", "--background", samples["zb"], "--target-rates-hz", "a=100000"]
    with pytest.raises(BadValue, match="is without a menu"):
        run(*asked, "--pure", "--version", "v3")
    menu = ["--menu", "shipped:menus/demo.yaml", "--prescales", "shipped:prescales/demo.csv", "--column", "physics"]
    pure = run(*asked, "--pure", "--version", "v4", *menu)["working_points"][0]
    total = run(*asked, "--version", "v5")["working_points"][0]
    assert pure["threshold"] < total["threshold"]
    point = Repository(tmp_path).load("axol1tl", "v4").manifest.working_points["a"]
    assert "pure beside" in point.calibrated_on
    assert point.full_beam_hz is None  # what the score alone gives is not known


@pytest.mark.parametrize("rates", ["a=1000,a=2000", "1000,b=1000", "a b=1000"])
def test_working_points_have_a_name_and_a_rate_each(samples: dict[str, str], rates: str) -> None:
    with pytest.raises(BadValue):
        run("calibrate", "axol1tl/demo-v1", "--background", samples["zb"], "--version", "x", "--target-rates-hz", rates)


def test_a_shadow_that_cannot_start_is_said(tmp_path: Path) -> None:
    assert models_retrain.start_shadow("axol1tl/v9", tmp_path / "no-run", 0.1).startswith("not started: ")


@pytest.mark.train
@pytest.mark.heavy
@third_party
@needs_training
def test_retrain_ends_with_a_candidate(
    samples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = tmp_path / "gates.yaml"
    limits = {"backends": ["fixed", "native"], "rate_hz": 1e6, "largest_efficiency_loss": 1.0}
    gates.write_text(json.dumps(limits | {"largest_rate_spread": 1.0, "least_effective_crossings": 10}))
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path / "mine"))
    asked = ["retrain", "axol1tl_v4", "--data", samples["zb"], "--signals", f"tt={samples['hard']}", "--epochs", "1"]
    found = run(*asked, "--gates", str(gates), "--version", "r1", "--out", str(tmp_path / "r1"))
    assert found["registered"]
    assert found["production"] == "axol1tl/" + Repository().resolve("axol1tl", "production")
    assert {"read", "train", "export and compare backends", "evaluate", "register"} <= set(found["seconds"])
    assert sum(found["seconds"].values()) == pytest.approx(found["total_seconds"], abs=0.1)
    version = Repository(tmp_path / "mine").load("axol1tl", "candidate")
    assert version.label == "axol1tl/r1"
    assert list(version.manifest.working_points) == ["vtight", "tight", "nominal", "loose", "vloose"]
    assert version.manifest.compared["hls4ml"].differing == 0
    assert json.loads((tmp_path / "r1" / "summary.json").read_text())["model"] == "axol1tl/r1"

    gates.write_text(json.dumps(limits | {"largest_rate_spread": 1.0, "least_effective_crossings": 1e9}))
    stopped = run(*asked, "--gates", str(gates), "--version", "r2", "--out", str(tmp_path / "r2"), "--shadow", code=1)
    assert not stopped["registered"]
    assert stopped["shadow"] == "not started: a gate stopped it"
    assert Repository(tmp_path / "mine").versions("axol1tl") == ("r1",)
    assert Repository(tmp_path / "r2" / "staging").versions("axol1tl") == ("r2",)


@pytest.mark.train
@pytest.mark.heavy
@third_party
@needs_training
def test_tune_goes_on_where_it_was(samples: dict[str, str], tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("recipe: {latent: {low: 4, high: 8, kind: int}, hidden: {choices: [[8], [12, 8]]}}\n")
    asked = ["tune", "axol1tl_v4", "--background", samples["zb"], "--signals", f"tt={samples['hard']}"]
    options = ["--space", str(space), "--epochs", "1", "--crossings", "5000", "--rate-hz", "1e6"]
    first = run(*asked, *options, "--trials", "2", "--out", str(tmp_path / "t"))
    again = run(*asked, *options, "--trials", "3", "--out", str(tmp_path / "t"))
    assert again["trials"][0] == {**first["trials"][0], "best": again["trials"][0]["best"]}
    assert len(again["trials"]) == 3
    assert any(trial["best"] for trial in again["trials"])
    assert all(trial["effective_bit_operations"] > 1000 and trial["run_id"] for trial in again["trials"])
    with pytest.raises(BadValue, match="has trials of another rate_hz"):
        run(*asked, *options[:-1], "2e6", "--out", str(tmp_path / "t"))


@pytest.mark.train
@pytest.mark.heavy
@third_party
@needs_training
def test_the_published_comparison_is_registered_first(samples: dict[str, str], tmp_path: Path) -> None:
    protocol = tmp_path / "protocol.yaml"
    stated = {"source": "x", "rate_hz": 1e6, "systems": ["axol1tl_v4", "axol1tl_v5"], "seeds": [1, 2]}
    stated |= {"training_crossings": 5000, "significance": 2.0, "aim": 1, "least_effective_crossings": 100}
    stated |= {"replicas": 10, "replica_seed": 1, "signals": {"tt": [1.0, 2.0], "other": [1.0, 2.0]}}
    protocol.write_text(json.dumps(stated))
    configs = []
    for system in stated["systems"]:
        path = tmp_path / f"{system}.yaml"
        path.write_text(json.dumps({"system": system, "settings": {"epochs": 1}}))
        configs += ["--config", str(path)]
    asked = ["compare-published", "--data", samples["zb"], "--background", samples["zb"], *configs]
    asked += ["--signals", f"tt={samples['hard']}", "--out", str(tmp_path / "p")]
    found = run(*asked, "--protocol", str(protocol))
    assert found["missing"] == ["other"]
    assert len(found["thresholds"]) == 4
    assert found["reproduced"] + found["inverted"] + found["undecided"] == 1
    assert run(*asked, "--protocol", str(protocol)) == found  # the networks are there, and the test has a seed
    protocol.write_text(json.dumps(stated | {"significance": 1.0}))
    with pytest.raises(BadValue, match="states another protocol"):
        run(*asked, "--protocol", str(protocol))
