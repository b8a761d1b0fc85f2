"""Keras models become float versions, HGQ2 models exact ones, and nothing that is code is read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from models.backends import open_backend
from models.importing import NewVersion
from models.repository import Repository
from triggers.errors import BadValue, FileUnreadable

keras = pytest.importorskip("keras", reason="needs the extra [train]")
pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
ENCODER: dict[str, Any] = {
    "inputs": {"layout": "axol1tl-57", "float_scaling": {"factor": [0.01]}},
    "score": {"kind": "sum_of_squares", "integer_scale": 16, "bits": 18},
    "tolerance": 1,
}


@pytest.fixture
def new(tmp_path: Path) -> NewVersion:
    return NewVersion(Repository(tmp_path / "models", must_exist=False), "own", "v1")


def manifest(folder: Path, stated: dict[str, Any]) -> Path:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(stated))
    return path


def imported(path: Path, new: NewVersion, stated: Path | None) -> Any:
    from models.training.keras_importing import import_keras

    return import_keras(path, new, stated)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_float_model_gives_what_keras_gives(tmp_path, new, suffix: str) -> None:
    keras.utils.set_random_seed(1)
    given = keras.Input((57,))
    hidden = keras.layers.Dense(12, activation="relu")(given)
    hidden = keras.layers.BatchNormalization()(hidden)
    other = keras.layers.Dense(12, activation="tanh")(given)
    joined = keras.layers.Concatenate()([hidden, keras.layers.Add()([hidden, other])])
    model = keras.Model(given, keras.layers.Dense(4)(keras.layers.Dropout(0.3)(joined)))
    model.save(tmp_path / f"m{suffix}")
    made = imported(tmp_path / f"m{suffix}", new, manifest(tmp_path, ENCODER))
    assert made.manifest.compared["onnxruntime"].differing == 0
    inputs = np.random.default_rng(1).integers(-300, 300, (200, 57))
    outputs = model.predict((inputs * 0.01).astype(np.float32), verbose=0)
    expected = np.floor(16 * (outputs.astype(np.float64) ** 2).sum(axis=1))
    found = open_backend("onnxruntime", new.repository.load("own", "v1")).score_inputs(inputs)
    assert len(np.unique(found)) > 20
    assert np.abs(found - expected).max() <= 1


def test_a_float_model_of_an_image(tmp_path, new) -> None:
    given = keras.Input((18, 14, 1))
    hidden = keras.layers.Conv2D(3, 2, strides=2, activation="relu")(given)
    hidden = keras.layers.Flatten()(keras.layers.AveragePooling2D(3)(hidden))
    keras.Model(given, keras.layers.Dense(1)(hidden)).save(tmp_path / "m.keras")
    stated = {
        "inputs": {"layout": "cicada-252", "float_scaling": {"factor": [0.1]}},
        "score": {"kind": "output", "integer_scale": 256, "bits": 16},
    }
    assert imported(tmp_path / "m.keras", new, manifest(tmp_path, stated)).manifest.backend == "onnxruntime"


def quantised_model() -> Any:
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QDense

    keras.utils.set_random_seed(2)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        given = keras.Input((57,))
        hidden = QDense(6, activation="relu")(given)
        model = keras.Model(given, QDense(1)(hidden))
    for layer in model.layers[1:]:  # as training does: other bits for each element
        for quantiser in (layer.iq.quantizer, layer.kq.quantizer):
            bits = quantiser._f if hasattr(quantiser, "_f") else quantiser._b
            random = np.random.default_rng(3)
            bits.assign(np.clip(np.asarray(bits) + random.integers(-5, 2, bits.shape), 0, 8))
    return model


def test_an_hgq2_model_is_exact(tmp_path, new) -> None:
    pytest.importorskip("hgq", reason="needs the extra [train]")
    model = quantised_model()
    model.save(tmp_path / "m.keras")
    made = imported(tmp_path / "m.keras", new, None)
    assert {"fixed", "onnxruntime"} <= set(made.manifest.compared)
    assert not any(found.differing for found in made.manifest.compared.values())
    version = new.repository.load("own", "v1")
    types = version.network.tensors["q_dense/iq"].types
    assert len(set(types)) > 3
    inputs = np.random.default_rng(4).integers(-60, 60, (200, 57))
    outputs = np.asarray(model(inputs.astype(np.float32)))[:, 0]
    codes = open_backend("fixed", version).score_inputs(inputs)
    assert np.array_equal(codes * 2.0**-version.network.score_type.fraction_bits, outputs)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_is_refused_before_keras_reads_it(tmp_path, new, suffix: str) -> None:
    given = keras.Input((57,))
    keras.Model(given, keras.layers.Lambda(lambda x: x * 2)(given)).save(tmp_path / f"m{suffix}")
    with pytest.raises(BadValue, match="Lambda.*may be code"):
        imported(tmp_path / f"m{suffix}", new, manifest(tmp_path, ENCODER))
    assert not new.repository.folder.exists()


def test_objects_of_other_modules_are_refused(tmp_path, new) -> None:
    given = keras.Input((57,))
    keras.Model(given, keras.layers.Dense(1)(given)).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1]["config"]["activation"] = {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "system",
    }
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(BadValue, match="'os.function'"):
        imported(tmp_path / "evil.keras", new, manifest(tmp_path, ENCODER))


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 truncated", b"\x89HDF\r\n\x1a\n truncated"])
def test_damaged_files_are_refused(tmp_path, new, content: bytes) -> None:
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(FileUnreadable):
        imported(tmp_path / "m.keras", new, manifest(tmp_path, ENCODER))


def test_a_model_without_a_statement_of_its_score_is_refused(tmp_path, new) -> None:
    given = keras.Input((57,))
    keras.Model(given, keras.layers.Dense(1)(given)).save(tmp_path / "m.keras")
    with pytest.raises(BadValue, match="--manifest"):
        imported(tmp_path / "m.keras", new, None)
    stated = manifest(tmp_path, ENCODER | {"inputs": {"layout": "cicada-252", "float_scaling": {}}})
    with pytest.raises(BadValue, match="57 inputs, and 252 are stated"):
        imported(tmp_path / "m.keras", new, stated)
