"""A network description becomes a version, from which every backend gets the reference's scores."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import importing
from models.backends import fixed, open_backend, quick_backend_names
from models.comparison import compare
from models.errors import BackendLimit, BackendMissing, ManifestInvalid, ModelError, NetworkInvalid, VersionExists
from models.importing import import_network
from models.inputs import hardware_inputs
from models.layouts import named_elements
from models.manifest import WorkingPoint
from models.network import read_network
from models.reference import reference_inputs
from models.repository import Repository, open_repository
from tests.models.encoder_networks import encoder_document, region_document
from tests.models.network_data import document, network
from tests.models.random_networks import random_document, random_inputs
from triggers.errors import BadValue, FileMissing, FileUnreadable, L1ChainError


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return open_repository(tmp_path / "models", make=True)


def file_of(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "net.json"
    path.write_text(json.dumps(content))
    return path


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_all_backends_agree_on_random_networks(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("import")
    content = random_document(seed)
    made = import_network(file_of(folder, content), Repository(folder), "random", "v1")
    assert {outcome.backend for outcome in made.outcomes} == set(quick_backend_names())
    assert not any(outcome.differing for outcome in made.outcomes)
    version = Repository(folder).load("random", "v1")
    inputs = random_inputs(version.network, 50, seed)
    expected = fixed.score(version.network, inputs)
    assert np.array_equal(expected, fixed.score(read_network(json.dumps(content).encode(), "direct"), inputs))
    for name in made.manifest.compared:
        assert np.array_equal(open_backend(name, version).score_inputs(inputs), expected)


@pytest.mark.parametrize("content", [encoder_document(1), region_document(1)], ids=["encoder", "regions"])
def test_backends_agree_from_packed_words(tmp_path, repository, random_columns, content: dict[str, Any]) -> None:
    import_network(file_of(tmp_path, content), repository, "model", "v1")
    version, columns = repository.load("model", "v1"), random_columns(2000, 3)
    expected = fixed.score(version.network, hardware_inputs(version.layout, columns))
    assert len(np.unique(expected)) > 100
    for name in ("fixed", "native", "onnxruntime"):
        backend = open_backend(name, version)
        assert set(backend.needed_columns) <= set(columns)
        assert np.array_equal(backend.score(columns), expected)


def test_raw_phi_is_a_quantity_of_the_description(tmp_path, repository, random_columns) -> None:
    content = encoder_document(1)
    import_network(file_of(tmp_path, content), repository, "model", "vertex")
    content["inputs"]["elements"] = [e.model_dump(mode="json") for e in named_elements("axol1tl-57-raw-phi")]
    import_network(file_of(tmp_path, content), repository, "model", "raw")
    columns = random_columns(500, 4)
    for name in ("fixed", "native", "onnxruntime"):
        vertex, raw = (open_backend(name, repository.load("model", v)).score(columns) for v in ("vertex", "raw"))
        assert (vertex != raw).any()
        without = columns | {"muon": np.zeros_like(columns["muon"])}
        vertex, raw = (open_backend(name, repository.load("model", v)).score(without) for v in ("vertex", "raw"))
        assert np.array_equal(vertex, raw)


def test_the_manifest_says_where_the_version_comes_from(tmp_path: Path, repository: Repository) -> None:
    path = file_of(tmp_path, encoder_document(2))
    points = {"nominal": WorkingPoint(threshold=700, rate_hz=500.0, calibrated_on="a sample")}
    made = import_network(path, repository, "axol1tl", "v4", "An encoder.", points)
    manifest = repository.show("axol1tl", "v4")
    assert manifest == made.manifest
    assert manifest.imported is not None
    assert manifest.imported.file == "net.json"
    assert manifest.imported.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.description == "An encoder."
    assert manifest.working_points == points
    assert manifest.backend == "onnxruntime"
    compared = {name: found.differing for name, found in manifest.compared.items()}
    assert compared == dict.fromkeys(quick_backend_names(), 0)
    version = repository.load("axol1tl", "v4")
    assert version.file("network.json", "a test") == read_network(path.read_bytes(), path).to_json()
    inputs, scores = version.reference()
    assert np.array_equal(scores, fixed.score(version.network, inputs))
    assert len(np.unique(scores)) > 100


def test_an_import_is_reproducible(tmp_path: Path, repository: Repository) -> None:
    path = file_of(tmp_path, encoder_document(3))
    first, second = (import_network(path, repository, "a", version).manifest for version in ("v1", "v2"))
    assert first.files == second.files


def test_nothing_is_written_when_the_network_is_refused(tmp_path: Path, repository: Repository) -> None:
    path = tmp_path / "net.json"
    whole = json.dumps(encoder_document(4)).encode()
    attempts: list[tuple[bytes, type[L1ChainError], str]] = [
        (whole[:-200], NetworkInvalid, "no valid JSON"),
        (whole.replace(b"ap_ufixed<18,14>", b"ap_ufixed<40,14>"), NetworkInvalid, "score"),
        (b"\x00\x01", NetworkInvalid, "no valid JSON"),
        (b"[]", NetworkInvalid, "is no JSON object"),
        (whole.replace(b'"offset": [', b'"offset": [NaN, '), NetworkInvalid, "NaN is no number"),
    ]
    for content, error, message in attempts:
        path.write_bytes(content)
        with pytest.raises(error, match=message):
            import_network(path, repository, "a", "v1")
    with pytest.raises(FileMissing, match="no such network description"):
        import_network(tmp_path / "nowhere.json", repository, "a", "v1")
    with pytest.raises(FileUnreadable, match="Is a directory"):
        import_network(tmp_path, repository, "a", "v1")
    assert not repository.folder.exists()


def test_a_threshold_beyond_the_score_is_refused(tmp_path: Path, repository: Repository) -> None:
    path = file_of(tmp_path, encoder_document(5))
    points = {"high": WorkingPoint(threshold=1 << 18, rate_hz=1.0, calibrated_on="nothing")}
    with pytest.raises(BadValue, match="threshold 262144 of 'high' is beyond the score's end, 262143"):
        import_network(path, repository, "a", "v1", working_points=points)


def test_a_threshold_beyond_the_score_is_refused_when_loaded_too(make_version, tmp_path: Path) -> None:
    content = document([], inputs={"tensor": "x", "elements": _jets(1), "type": "ap_int<4>"})
    content["score"]["type"] = "ap_ufixed<8,8>"
    make_version(files={"network.json": json.dumps(content).encode()})
    with pytest.raises(ManifestInvalid, match="threshold 700 of 'nominal' is beyond the score's end, 255"):
        _ = Repository(tmp_path).load("axol1tl", "v1").network


def test_the_same_version_is_not_imported_twice(tmp_path: Path, repository: Repository) -> None:
    path = file_of(tmp_path, encoder_document(6))
    import_network(path, repository, "a", "v1")
    with pytest.raises(VersionExists):
        import_network(path, repository, "a", "v1")


def test_a_backend_that_does_not_agree_is_counted_and_not_chosen(tmp_path, repository, monkeypatch) -> None:
    class Wrong:
        def score_inputs(self, inputs):
            return np.full(len(inputs), -1)

    class Unable:
        def score_inputs(self, inputs):
            raise BackendLimit("native", "this network is", "fixed")

    engines = {"onnxruntime": Wrong(), "native": Unable()}

    def opened(name, version):
        return engines.get(name) or fixed.FixedBackend(version)

    monkeypatch.setattr("models.comparison.open_backend", opened)
    monkeypatch.setattr(importing, "quick_backend_names", lambda: ("fixed", "native", "onnxruntime"))
    made = import_network(file_of(tmp_path, encoder_document(7)), repository, "a", "v1")
    assert made.manifest.backend == "fixed"
    assert made.manifest.compared["onnxruntime"].differing == made.manifest.compared["onnxruntime"].crossings > 0
    assert "native" not in made.manifest.compared
    assert [o.why_not for o in made.outcomes if o.backend == "native"] == [
        "backend native: this network is not supported; use backend fixed"
    ]


def test_an_unknown_backend_is_not_compared(make_version, tmp_path: Path) -> None:
    make_version()
    version = Repository(tmp_path).load("axol1tl", "v1")
    with pytest.raises(BackendMissing, match="no backend 'onyx'"):
        list(compare(version, *version.reference(), ["onyx"]))


@pytest.mark.parametrize("kind", ["ap_int<1>", "ap_uint<0>", "ap_fixed<100,60>", "ap_fixed<8,90>", "ap_ufixed<90,10>"])
def test_reference_inputs_of_any_type_are_numbers_that_backends_take(kind: str) -> None:
    made = network({"op": "linear", "input": "x", "output": "y", "output_type": "ap_int<8>"}, kind=kind)
    inputs = reference_inputs(made, seed=1)
    assert inputs.shape[1] == made.n_inputs
    assert np.isfinite(inputs).all()
    assert np.array_equal(inputs, reference_inputs(made, seed=1))
    fixed.score(made, inputs)


def test_reference_inputs_have_halves_and_ends() -> None:
    made = network(kind="ap_fixed<18,13>")
    inputs = reference_inputs(made, seed=1)
    assert {-4096.0, 4096 - 1 / 32, 0.0, 2047.0} <= set(inputs.ravel().tolist())
    assert (inputs % 1 != 0).any()


def test_every_error_of_a_version_is_a_model_error(make_version, tmp_path: Path) -> None:
    make_version(files={"network.json": b"{}", "reference.npz": b""})
    version = Repository(tmp_path).load("axol1tl", "v1")
    for name in quick_backend_names():
        with pytest.raises(L1ChainError):
            open_backend(name, version)
    with pytest.raises(ModelError):
        version.reference()


def _jets(n: int) -> list[dict[str, Any]]:
    return [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i in range(n)]
