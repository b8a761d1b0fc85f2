"""The measurement of a backend adds up, and every backend of networks can be measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from models import benchmark
from models.backends.exact_onnx import ExactOnnxBackend
from models.backends.fixed import FixedBackend
from models.backends.native import NativeBackend
from stream.cli.app import app
from tests.models.encoder_networks import encoder_document, version_from
from triggers.errors import BadValue


@pytest.mark.parametrize("kind", [ExactOnnxBackend, NativeBackend])
def test_steps_end_with_the_score_and_do_not_change_it(kind, random_columns) -> None:
    backend, columns = kind(version_from(encoder_document(3))), random_columns(100, 3)
    before = backend.score(columns)
    steps = backend.steps()
    assert list(steps) == ["inputs", "layers", "score"]
    for run in steps.values():
        run(columns)
    assert np.array_equal(backend.score(columns), before)


@pytest.mark.parametrize("kind", [ExactOnnxBackend, NativeBackend])
def test_the_parts_add_up(kind, monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "open_backend", lambda *asked: kind(asked[1]))
    speed = benchmark.measure(version_from(encoder_document(0)), "any", n_crossings=4096, batch=512)
    assert (speed.n_crossings, speed.batch) == (4096, 512)
    assert speed.crossings_per_s == pytest.approx(1e9 / speed.ns)
    assert speed.inputs_ns is not None
    assert speed.layers_ns is not None
    assert speed.score_ns is not None
    assert speed.inputs_ns > 0
    assert speed.inputs_ns + speed.layers_ns + speed.score_ns >= speed.ns * 0.999


def test_a_backend_without_steps_has_a_total(monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "open_backend", lambda *asked: FixedBackend(asked[1]))
    speed = benchmark.measure(version_from(encoder_document(0)), "fixed", n_crossings=64, batch=64)
    assert speed.ns > 0
    assert speed.inputs_ns is None


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(BadValue, match="0 crossings in batches of 5"):
        benchmark.measure(version_from(encoder_document(0)), "fixed", n_crossings=0, batch=5)


def test_the_command_prints_one_object() -> None:
    result = CliRunner().invoke(app, ["bench", "models", "axol1tl/production", "--crossings", "512", "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout.splitlines()[-1])
    assert printed["backend"] == "onnxruntime"
    assert printed["crossings_per_s"] > 0
