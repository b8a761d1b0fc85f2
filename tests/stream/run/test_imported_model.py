"""A chain with a network that a user imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.importing import import_network
from models.manifest import WorkingPoint
from models.repository import open_repository
from models.repository_changes import set_alias
from tests.stream.run.conftest import CROSSINGS, Ended
from triggers.events import packing
from triggers.events.crossings import column_view

Chain = Callable[..., Ended]


def hardest_jet(folder: Path, unit: str) -> Path:
    """A network whose score is the transverse energy of the leading jet."""
    number = "ap_uint<12>"
    path = folder / "jet.json"
    document = {
        "schema": "l1chain-network/1",
        "name": "leading jet",
        "inputs": {"tensor": "x", "elements": [{"object": "jet", "quantity": "pt", "unit": unit}], "type": number},
        "layers": [{"op": "linear", "input": "x", "output": "y", "output_type": number}],
        "score": {"kind": "network_output", "of": "y", "type": number},
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With `axol1tl/jet`, which is also `production`, and `axol1tl/gev`, which packed words cannot make."""
    folder = tmp_path / "models"
    opened = open_repository(folder, make=True)
    points = {
        name: WorkingPoint(threshold=threshold, rate_hz=1.0, calibrated_on="nothing")
        for name, threshold in (("vloose", 0), ("loose", 60), ("nominal", 100), ("tight", 200), ("vtight", 2048))
    }
    import_network(hardest_jet(tmp_path, "hw"), opened, "axol1tl", "jet", working_points=points)
    import_network(hardest_jet(tmp_path, "GeV"), opened, "axol1tl", "gev", working_points=points)
    set_alias(opened, "axol1tl", "production", "jet")
    return folder


@pytest.mark.parametrize("backend", ["fixed", "onnxruntime", "native"])
def test_an_imported_network_decides(chain: Chain, repository: Path, backend: str) -> None:
    ended = chain(
        f"models.repository={repository}",
        f"scores=[{{name: axol1tl, version: production, backend: {backend}}}]",
        "menu.masked=[L1_ZeroBias]",
    )
    assert ended.code == 0, ended.err
    assert ended.result["produced"] == ended.result["decided"] == CROSSINGS
    record = json.loads((Path(ended.result["run_dir"]) / "run.json").read_text())
    assert [(m["name"], m["version"], m["backend"]) for m in record["models"]] == [("axol1tl", "jet", backend)]
    accepted = ended.accepted
    jets = column_view(accepted["jet"].combine_chunks())
    assert 0 < len(accepted) < CROSSINGS
    assert np.array_equal(accepted["score_axol1tl"].to_numpy(), packing.unpack("jet", jets)["et"][:, 0])


def test_a_network_that_words_cannot_feed_is_refused_before_the_run(chain: Chain, repository: Path) -> None:
    ended = chain(f"models.repository={repository}", "scores=[{name: axol1tl, version: gev, backend: fixed}]")
    assert ended.code == 2
    assert "axol1tl/gev, input 0: found pt of jet 0 in unit 'GeV', expected a hardware integer" in ended.err
