"""The training script makes a version that the repository loads and that scores as its layers do."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.backends.fixed import FixedBackend
from models.repository import Repository

TINY = ["--training-crossings", "20000", "--calibration-crossings", "200000", "--epochs", "1"]


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "models.training.synthetic_encoder", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.train
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the [train] extra")
def test_the_script_makes_a_version(tmp_path: Path) -> None:
    out = tmp_path / "axol1tl" / "tiny"
    run = run_script("--out", str(out), *TINY)
    assert run.returncode == 0, run.stderr
    version = Repository(tmp_path).load("axol1tl", "production")
    assert version.label == "axol1tl/tiny"
    assert version.manifest.training.settings["training_crossings"] == 20_000
    assert list(version.manifest.working_points) == ["vloose", "loose", "nominal", "tight", "vtight"]
    inputs, scores = version.reference()
    assert np.array_equal(FixedBackend(version).score_inputs(inputs), scores)
    assert len(np.unique(scores)) > 100

    again = run_script("--out", str(out), *TINY)
    assert again.returncode == 1
    assert "exists already" in again.stderr
