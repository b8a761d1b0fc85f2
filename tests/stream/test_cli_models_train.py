"""`l1chain models train`: a version that loads and verifies, a tracked run, and errors of one sentence."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("mlflow", reason="needs the [train] extra")
pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models.errors import VersionExists
from models.repository import Repository
from models.training.errors import TrainingDataUnfit
from models.zoo import load_config, names, recipe
from stream.cli.app import app
from triggers.errors import BadValue

pytestmark = pytest.mark.train

SHIPPED = [name for name in names() if not name.startswith("adc2021")]
TINY = ["--synthetic", "4000", "--epochs", "1"]


@pytest.fixture(autouse=True)
def own_tracking_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def train(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["models", "train", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def runs(store: Path) -> dict[str, str]:
    with sqlite3.connect(store) as database:
        found = dict(database.execute("SELECT name, status FROM runs"))
    database.close()
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_a_version_is_trained_tracked_and_written_once(tmp_path: Path) -> None:
    result = json.loads(train("gelato_l1", *TINY, "--version", "t1", "--out", tmp_path, "--json").splitlines()[-1])
    assert result["model"] == "gelato_l1/t1"
    assert result["framework_differing"] == 0
    assert result["figures"]["effective_bit_operations"] > 0
    assert all(not row["differing"] for row in result["compared"])
    version = Repository(tmp_path).load("gelato_l1", "t1")
    assert version.manifest.training is not None
    assert version.manifest.training.script == "l1chain models train gelato_l1"
    assert version.manifest.training.settings["data_sha256"] == result["data_sha256"]
    store = tmp_path / ".training" / "mlflow.db"
    assert runs(store) == {"gelato_l1/t1": "FINISHED"}
    with sqlite3.connect(store) as database:
        metrics = {name for (name,) in database.execute("SELECT key FROM metrics")}
        parameters = dict(database.execute("SELECT key, value FROM params"))
    database.close()
    assert {"autoencoder/loss", "autoencoder/divergence", "seconds/train", "agreement/differing"} <= metrics
    assert parameters["data_sha256"] == result["data_sha256"]
    artifacts = {path.name for path in (tmp_path / ".training" / "artifacts").rglob("*")}
    assert {"curves.png", "scores.png", "network.json", "manifest.yaml"} <= artifacts
    assert not (tmp_path / ".training" / "gelato_l1-t1").exists()

    with pytest.raises(VersionExists):
        train("gelato_l1", *TINY, "--version", "t1", "--out", tmp_path)
    with pytest.raises(TrainingDataUnfit, match="is empty for the inputs cicada-252|has no column 'regions'"):
        train("cicada", *TINY, "--version", "t1", "--out", tmp_path)
    assert runs(store) == {"gelato_l1/t1": "FINISHED", "cicada/t1": "FAILED"}


def test_what_is_missing_is_said() -> None:
    with pytest.raises(BadValue, match="NAME: or --config must be given, and not both; name one of axol1tl_v4"):
        train("--version", "v1", *TINY)
    with pytest.raises(BadValue, match="--version: is missing"):
        train("axol1tl_v5", *TINY)
    with pytest.raises(BadValue, match="SOURCE: no event file is named"):
        train("axol1tl_v5", "--version", "v1")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_configuration_is_one_of_a_system(name: str) -> None:
    config = load_config(f"shipped:training/{name}.yaml")
    assert config.system == name
    assert recipe(config.system, config.recipe).model_fields_set == set(config.recipe)
