"""A float ONNX graph with a manifest becomes a version; its tolerance decides what counts as different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from models.backends import open_backend
from models.comparison import compare
from models.errors import NetworkUnreadable
from models.float_importing import import_onnx
from models.importing import NewVersion
from models.inputs import hardware_inputs
from models.onnx_writer import OnnxGraph
from models.repository import Repository
from models.scaling import FloatScaling
from models.scores import Score
from triggers.errors import BadValue, FileMissing, FileUnreadable, UnknownName

WEIGHTS = np.random.default_rng(1).normal(size=(57, 3)).astype(np.float32)
STATED: dict[str, Any] = {
    "inputs": {"layout": "axol1tl-57", "float_scaling": {"offset": [3.0], "factor": [0.01]}},
    "score": {"kind": "sum_of_squares", "integer_scale": 16, "bits": 18},
}


def graph(n_inputs: int = 57, n_outputs: int = 3) -> bytes:
    onnx = OnnxGraph("float", "x", np.dtype(np.float32), n_inputs)
    product = onnx.node("MatMul", "x", onnx.constant(WEIGHTS[:n_inputs, :n_outputs], np.float32))
    return onnx.finished(onnx.node("Tanh", product), np.dtype(np.float32), n_outputs)


def files(folder: Path, content: bytes, stated: dict[str, Any]) -> tuple[Path, Path]:
    model, manifest = folder / "model.onnx", folder / "model.yaml"
    model.write_bytes(content)
    manifest.write_text(yaml.safe_dump(stated))
    return model, manifest


@pytest.fixture
def new(tmp_path: Path) -> NewVersion:
    return NewVersion(Repository(tmp_path / "models", must_exist=False), "own", "v1")


def test_a_graph_is_scored_from_arrays_and_from_packed_words(tmp_path, new, random_columns) -> None:
    model, manifest = files(tmp_path, graph(), STATED)
    made = import_onnx(model, new, manifest)
    assert (made.manifest.backend, made.manifest.tolerance) == ("onnxruntime", 1)
    assert "float" in made.manifest.precision
    version = new.repository.load("own", "v1")
    backend = open_backend("onnxruntime", version)
    inputs = np.random.default_rng(2).integers(-200, 200, (100, 57))
    outputs = np.tanh((((inputs - 3.0) * 0.01).astype(np.float32)).astype(np.float64) @ WEIGHTS)
    expected = np.floor(16 * (outputs**2).sum(axis=1)).astype(int)
    assert np.abs(backend.score_inputs(inputs) - expected).max() <= 1
    columns = random_columns(200, 3)
    given = hardware_inputs(version.layout, columns)
    assert np.array_equal(backend.score(columns), backend.score_inputs(given))


def test_inputs_can_be_stated_one_by_one(tmp_path, new) -> None:
    elements = [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i in range(3)]
    stated = {
        "inputs": {"elements": elements, "float_scaling": {"factor": [1.0, 0.5, 0.25]}},
        "score": {"kind": "output", "integer_scale": 256, "bits": 8},
    }
    import_onnx(*_first(tmp_path, graph(3, 1), stated, new))
    version = new.repository.load("own", "v1")
    assert version.layout.columns == ("jet",)
    scores = open_backend("onnxruntime", version).score_inputs(np.array([[0, 0, 0], [1, 2, 4], [-9, -9, -9]]))
    assert scores[0] == 0
    assert ((scores >= 0) & (scores <= 255)).all()


def _first(folder: Path, content: bytes, stated: dict[str, Any], new: NewVersion) -> tuple[Path, NewVersion, Path]:
    model, manifest = files(folder, content, stated)
    return model, new, manifest


def test_scores_within_the_tolerance_do_not_differ(tmp_path, new) -> None:
    import_onnx(*_first(tmp_path, graph(), STATED | {"tolerance": 2}, new))
    version = new.repository.load("own", "v1")
    inputs, scores = version.reference()
    for shift, differing in ((0, 0), (2, 0), (3, len(scores))):
        (outcome,) = compare(version, inputs, scores + shift, ["onnxruntime"])
        assert outcome.differing == differing


@pytest.mark.parametrize(
    ("changed", "error", "why"),
    [
        ({"inputs": {"layout": "axol1tl-57"}}, BadValue, "either 'scaling' or 'float_scaling'"),
        ({"inputs": {"float_scaling": {}}}, BadValue, "either 'layout' or 'elements'"),
        ({"inputs": {"layout": "axol1tl-57", "float_scaling": {"offset": [1.0, 2.0]}}}, BadValue, "of 2 inputs"),
        ({"inputs": {"layout": "cicada-252", "float_scaling": {}}}, NetworkUnreadable, "252"),
        ({"scores": {}}, UnknownName, "unknown key 'scores'"),
        ({"score": {"kind": "entropy", "integer_scale": 1, "bits": 8}}, BadValue, "output"),
    ],
)
def test_a_manifest_that_contradicts_itself_or_the_graph_is_refused(tmp_path, new, changed, error, why: str) -> None:
    with pytest.raises(error, match=why):
        import_onnx(*_first(tmp_path, graph(), STATED | changed, new))
    assert not new.repository.folder.exists()


def test_a_graph_needs_a_manifest_and_must_be_one(tmp_path, new) -> None:
    model, manifest = files(tmp_path, graph(), STATED)
    with pytest.raises(BadValue, match="--manifest"):
        import_onnx(model, new, None)
    with pytest.raises(FileMissing):
        import_onnx(model, new, tmp_path / "none.yaml")
    with pytest.raises(FileMissing):
        import_onnx(tmp_path / "none.onnx", new, manifest)
    for content in (b"", b"no graph", graph()[:100]):
        model.write_bytes(content)
        with pytest.raises((NetworkUnreadable, FileUnreadable)):
            import_onnx(model, new, manifest)
    assert not new.repository.folder.exists()


def test_one_output_is_a_score_between_0_and_its_end() -> None:
    score = Score.model_validate({"kind": "output", "integer_scale": 4, "bits": 4})
    outputs = np.array([[-1.0], [0.24], [0.25], [1.3], [99.0], [np.nan]], np.float32)
    assert score.integers(outputs).tolist() == [0, 0, 1, 5, 15, 15]


def test_float_scaling_is_the_same_for_one_number_and_for_many() -> None:
    values = np.arange(6).reshape(2, 3)
    one = FloatScaling(offset=(1.0,), factor=(2.0,))
    assert np.array_equal(one.apply(values), FloatScaling(offset=(1.0,) * 3, factor=(2.0,) * 3).apply(values))
    assert one.apply(values).dtype == np.float32
