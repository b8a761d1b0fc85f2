"""Model versions made for the tests: random networks in the arithmetic of the real ones."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.manifest import Inputs, Manifest, Training, WorkingPoint, render_manifest
from models.scaling import InputScaling
from models.scores import Score, ScoreKind
from models.training.dense_layer import DenseLayer
from tests.models.onnx_graphs import onnx_graph
from triggers.events import packing

NETWORK_INPUT = FixedPoint.parse("ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
ACTIVATION = FixedPoint.parse("ap_ufixed<10,6,AP_RND_CONV,AP_SAT>")
LATENT = FixedPoint.parse("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")
SIZES = (57, 28, 15, 8)

Columns = dict[str, NDArray[np.generic]]


def random_layers(seed: int, largest_code: int) -> list[DenseLayer]:
    """Layers whose weights are up to `largest_code` eighths; 31 and more reach both ends of their type."""
    random = np.random.default_rng(seed)
    outputs = (ACTIVATION, ACTIVATION, LATENT)
    return [
        DenseLayer(
            weights=np.clip(random.integers(-largest_code - 1, largest_code + 1, (n_in, n_out)), -32, 31) / 8,
            biases=np.clip(random.integers(-4 * largest_code, 4 * largest_code, n_out), -512, 511) / 8,
            output=output,
        )
        for n_in, n_out, output in zip(SIZES, SIZES[1:], outputs, strict=False)
    ]


def random_files(seed: int, largest_code: int) -> dict[str, bytes]:
    reference = io.BytesIO()
    np.savez(reference, inputs=np.zeros((2, 57), np.int16), score=np.zeros(2, np.int64))
    graph = onnx_graph(random_layers(seed, largest_code))
    return {"network.onnx": graph, "reference.npz": reference.getvalue()}


def manifest_of(name: str, version: str, files: dict[str, bytes], seed: int = 0) -> Manifest:
    random = np.random.default_rng(seed)
    scaling = InputScaling(
        unscaled_type=FixedPoint.parse("ap_fixed<18,13>"),
        network_input_type=NETWORK_INPUT,
        offset=tuple(int(n) for n in random.integers(-20, 300, 57)),
        shift=tuple(int(n) for n in random.integers(-1, 8, 57)),
    )
    described = "network.json" in files
    return Manifest(
        name=name,
        version=version,
        description="A random network.",
        inputs=None if described else Inputs(layout="axol1tl-57", scaling=scaling),
        backend="onnxruntime",
        precision="exact in float32",
        score=None if described else Score(kind=ScoreKind.SUM_OF_SQUARES, integer_scale=64, bits=24),
        working_points={
            "nominal": WorkingPoint(threshold=700, rate_hz=500.0, rate_error_hz=10.0, calibrated_on="nothing")
        },
        training=Training(script="tests", sample="none", settings={}, seed=seed, libraries={}),
        files={file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    )


def write_version(repository: Path, name: str, version: str, files: dict[str, bytes], seed: int = 0) -> Path:
    folder = repository / name / version
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (folder / "manifest.yaml").write_text(render_manifest(manifest_of(name, version, files, seed)), encoding="utf-8")
    return folder


@pytest.fixture
def make_version(tmp_path: Path) -> Callable[..., Path]:
    """Writes `axol1tl/VERSION` to the repository `tmp_path`, by default with a random network; returns its folder."""

    def make(version: str = "v1", seed: int = 0, largest_code: int = 4, files: dict[str, bytes] | None = None) -> Path:
        return write_version(tmp_path, "axol1tl", version, files or random_files(seed, largest_code), seed)

    return make


@pytest.fixture
def random_columns() -> Callable[[int, int], Columns]:
    """Packed words of all bit patterns, a part of the objects missing."""

    def make(n: int, seed: int) -> Columns:
        random = np.random.default_rng(seed)

        def words(width: int, dtype: type) -> NDArray[np.generic]:
            bits = random.integers(0, np.iinfo(dtype).max, (n, width), dtype, endpoint=True)
            return np.where(random.random((n, width)) < 0.3, dtype(0), bits)

        return {
            "muon": words(8, np.uint64),
            "eg": words(12, np.uint32),
            "jet": words(12, np.uint32),
            "sums": words(12, np.uint32),
            "tau": words(12, np.uint32),
            "regions": words(252, np.uint16),
        }

    return make


@pytest.fixture
def slow_inputs() -> Callable[[Columns], NDArray[np.int64]]:
    """The 57 inputs as the documentation says them, object by object."""

    def make(columns: Columns) -> NDArray[np.int64]:
        energy, phi = (packing.sum_values(columns["sums"], quantity) for quantity in ("etm", "etm_phi"))
        inputs = [energy >> 1, 0 * energy, phi]
        for column, momentum, n in (("eg", "et", 4), ("muon", "pt", 4), ("jet", "et", 10)):
            fields = packing.unpack(column, columns[column])
            for k in range(n):
                inputs += [fields[momentum][:, k] >> 1, fields["eta"][:, k], fields["phi"][:, k]]
        return np.stack(inputs, axis=1)

    return make
