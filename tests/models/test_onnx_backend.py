"""The backend `onnxruntime` gives the scores of integer arithmetic, whatever the batch, the block and the thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.backends.onnx import OnnxBackend
from models.errors import FileNotListed, InputsInvalid, ManifestInvalid, NetworkUnreadable
from models.inputs import hardware_inputs
from models.layouts import named_layout
from models.manifest import Manifest
from models.repository import LoadedVersion, Repository
from triggers.events.crossings import batch_of, column_view

RANGES = [(0, 2047), (0, 0), (0, 255)] + 4 * [(0, 255), (-128, 127), (0, 255)] + 4 * [(0, 255), (-256, 255), (0, 1023)]
RANGES += 10 * [(0, 1023), (-128, 127), (0, 255)]
LOW, HIGH = np.array(RANGES).T
LAYOUT = named_layout("axol1tl-57")


def integer_scores(version: LoadedVersion, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The score in int64 arithmetic only: weights in 1/8, inputs in 1/4, activations in 1/16, latent means in 1/8."""

    def nearest_even(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
        quotient, rest = np.divmod(numerator, denominator)
        return quotient + ((2 * rest > denominator) | ((2 * rest == denominator) & (quotient % 2 == 1)))

    graph = onnx.load_from_string(version.files["network.onnx"]).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    # the graph's weights give sums in units of the output's last bit: 1/16, 1/16, 1/8
    weights = [(tensors[f"weights_{i}"] * unit).astype(np.int64) for i, unit in enumerate((8 / 16, 8, 8 * 16 / 8))]
    biases = [(tensors[f"biases_{i}"] * unit).astype(np.int64) for i, unit in enumerate((8 / 16, 8 / 16, 8 / 8))]

    scaling = version.manifest.inputs.scaling
    values = np.empty(inputs.shape, np.int64)
    for i, (offset, shift) in enumerate(zip(scaling.offset, scaling.shift, strict=True)):
        in_32nds = 32 * (inputs[:, i] - int(offset))
        values[:, i] = in_32nds >> shift if shift >= 0 else in_32nds << -shift
    values = np.clip(nearest_even(values, 8), -128, 127)
    values = np.clip(nearest_even(values @ weights[0] + 4 * biases[0], 2), 0, 1023)
    values = np.clip(nearest_even(values @ weights[1] + 16 * biases[1], 8), 0, 1023)
    values = np.clip(nearest_even(values @ weights[2] + 16 * biases[2], 16), -512, 511)
    score = version.manifest.score
    return np.minimum((values**2).sum(axis=1) * score.integer_scale // 64, 2**score.bits - 1)


def random_inputs(n: int, seed: int) -> NDArray[np.int64]:
    """Inputs over their whole ranges; one in ten is at an end of its range."""
    random = np.random.default_rng(seed)
    inputs = random.integers(LOW, HIGH, (n, 57), endpoint=True)
    extreme = random.random((n, 57)) < 0.1
    return np.where(extreme, np.where(random.random((n, 57)) < 0.5, LOW, HIGH), inputs)


@pytest.mark.parametrize("largest_code", [1, 4, 12, 40, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_integer_arithmetic(tmp_path: Path, make_version, seed: int, largest_code: int) -> None:
    make_version(seed=seed, largest_code=largest_code)
    version = Repository(tmp_path).load("axol1tl", "v1")
    inputs = np.concatenate([random_inputs(3000, seed), LOW[None], HIGH[None], np.zeros((1, 57), np.int64)])
    scores = OnnxBackend(version).score_inputs(inputs)
    assert scores.dtype == np.int64
    assert np.array_equal(scores, integer_scores(version, inputs))
    assert len(np.unique(scores)) > 1


@pytest.fixture
def version(tmp_path: Path, make_version) -> LoadedVersion:
    make_version()
    return Repository(tmp_path).load("axol1tl", "v1")


def test_words_and_inputs_give_the_same_score(version: LoadedVersion, random_columns) -> None:
    columns = random_columns(5000, 6)
    backend = OnnxBackend(version)
    scores = backend.score(columns)
    assert backend.needed_columns == ("muon", "eg", "jet", "sums")
    assert scores.dtype == np.int32
    assert np.array_equal(scores, backend.score_inputs(hardware_inputs(LAYOUT, columns)))
    assert np.array_equal(scores, integer_scores(version, hardware_inputs(LAYOUT, columns).astype(np.int64)))


def test_scores_do_not_depend_on_batches_and_blocks(version: LoadedVersion, random_columns) -> None:
    columns = random_columns(1000, 7)
    expected = OnnxBackend(version).score(columns)
    for block_rows in (1, 7, 999, 1000, 4096):
        assert np.array_equal(OnnxBackend(version, block_rows).score(columns), expected)
    batch = batch_of(columns)
    backend = OnnxBackend(version)
    for start, n in ((0, 1), (3, 17), (900, 100), (1000, 0)):
        views = {name: column_view(batch.slice(start, n).column(name)) for name in backend.needed_columns}
        assert np.array_equal(backend.score(views), expected[start : start + n])


def test_one_instance_a_thread_gives_the_same_scores(version: LoadedVersion, random_columns) -> None:
    columns = random_columns(3000, 8)
    expected = OnnxBackend(version).score(columns)

    def scores_in_thread(_: int) -> NDArray[np.int32]:
        backend = OnnxBackend(version, block_rows=256)
        return np.stack([backend.score(columns) for _ in range(5)])

    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(scores_in_thread, range(4)):
            assert (scores == expected).all()


def test_fractions_in_hardware_units_are_scored_as_the_hardware_type_holds_them(version: LoadedVersion) -> None:
    inputs = random_inputs(100, 9)
    backend = OnnxBackend(version)
    assert np.array_equal(
        backend.score_inputs(inputs.astype(np.float32) + np.float32(0.01)), backend.score_inputs(inputs)
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((3, 56)), r"found float64 of shape \(3, 56\), expected numbers of shape \(n, 57\)"),
        (np.zeros(57), r"shape \(57,\)"),
        (np.full((2, 57), "1"), "found <U1"),
        (np.full((2, 57), np.nan), "infinite or undefined numbers"),
    ],
)
def test_other_inputs_are_refused(version: LoadedVersion, inputs: NDArray[np.generic], message: str) -> None:
    with pytest.raises(InputsInvalid, match=message):
        OnnxBackend(version).score_inputs(inputs)


def graph_of(nodes: list[onnx.NodeProto], n_inputs: int = 57, constants: tuple[onnx.TensorProto, ...] = ()) -> bytes:
    inputs = helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["n", n_inputs])
    outputs = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["n", n_inputs])
    graph = helper.make_graph(nodes, "g", [inputs], [outputs], constants)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


def weights_in_another_file(folder: Path) -> bytes:
    weights = TensorProto(name="w", dims=[57], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="weights.bin")
    (folder / "weights.bin").write_bytes(np.ones(57, np.float32).tobytes())
    return graph_of([helper.make_node("Add", ["inputs", "w"], ["outputs"])], constants=(weights,))


def test_damaged_and_unfit_graphs_are_refused(tmp_path: Path, make_version, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_version("good")
    good = Repository(tmp_path).load("axol1tl", "good").files["network.onnx"]
    relu = [helper.make_node("Relu", ["inputs"], ["outputs"])]
    unfit = {
        "truncated": (good[:-100], "no usable ONNX graph"),
        "empty": (b"", "no usable ONNX graph"),
        "text": (b"not a graph", "no usable ONNX graph"),
        "unknown": (graph_of([helper.make_node("Wizardry", ["inputs"], ["outputs"])]), "no usable ONNX graph"),
        "narrow": (graph_of(relu, n_inputs=12), r"not \(n, 57\) float to \(n, n_outputs\) float"),
        "external": (weights_in_another_file(tmp_path), "no usable ONNX graph"),
    }
    for version, (content, message) in unfit.items():
        make_version(version, files={"network.onnx": content})
        with pytest.raises(NetworkUnreadable, match=message) as caught:
            OnnxBackend(Repository(tmp_path).load("axol1tl", version))
        assert "\n" not in str(caught.value)


def test_a_version_without_a_graph_is_refused(tmp_path: Path, make_version) -> None:
    make_version(files={"other.txt": b"x"})
    with pytest.raises(FileNotListed, match=r"lists no 'network.onnx', which backend onnxruntime needs"):
        OnnxBackend(Repository(tmp_path).load("axol1tl", "v1"))


def test_a_version_with_a_network_description_is_refused(tmp_path: Path, make_version) -> None:
    make_version(files={"network.json": b"{}", "network.onnx": b""})
    with pytest.raises(ManifestInvalid, match=r"states no inputs and score of network.onnx"):
        OnnxBackend(Repository(tmp_path).load("axol1tl", "v1"))


@pytest.mark.parametrize("label", ["axol1tl/demo-v1", "axol1tl/production", "cicada/production"])
def test_shipped_working_points_are_in_order(label: str) -> None:
    manifest: Manifest = Repository().show(*label.split("/"))
    names = ["vloose", "loose", "nominal", "tight", "vtight"]
    points = [manifest.working_points[name] for name in names]
    assert sorted({point.threshold for point in points}) == [point.threshold for point in points]
    for point, target_hz in zip(points, (5000, 1000, 500, 250, 100), strict=True):
        assert point.rate_hz == pytest.approx(target_hz, rel=0.15)
        assert point.rate_error_hz < 0.12 * target_hz
