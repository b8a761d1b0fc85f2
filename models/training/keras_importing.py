"""Keras and HGQ2 models → versions (`docs/models-import.md`); the only place of imports that needs TensorFlow."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backends import backend_names, fixed, quick_backend_names
from models.float_importing import (
    ONNX_BACKEND,
    FloatManifest,
    float_keys,
    read_bytes,
    read_float_manifest,
    reference_layout,
)
from models.importing import SEED, ImportedVersion, NewVersion, Reference, network_files, write_version
from models.layouts import LayoutName, network_inputs
from models.manifest import ONNX_FILE, Imported
from models.network import Network
from models.network_document import NetworkInputs
from models.reference import inputs_to_compare
from models.repository_changes import check_free
from models.training.hgq_network import given_type, is_hgq, network_of_hgq
from models.training.keras_graph import KerasGraph, keras_graph
from models.training.keras_model import load_keras
from models.training.keras_onnx import onnx_of_keras
from triggers.errors import BadValue

_LARGEST_MODEL: Final = 256 << 20
_LAYOUTS: Final[dict[int, LayoutName]] = {57: "axol1tl-57", 252: "cicada-252"}
_BATCH: Final = 512


def import_keras(path: Path, new: NewVersion, manifest: Path | None, *, all_backends: bool = False) -> ImportedVersion:
    """A Keras model as a float version, or an HGQ2 model as one in exact fixed point.

    Args:
        path: `.keras` or `.h5`.
        new: the version to write.
        manifest: of inputs and score; an HGQ2 model of one output needs none.
        all_backends: compare those too that take seconds to open.

    Raises:
        FileMissing, FileUnreadable: the file is missing or damaged.
        BadValue: it brings code, has layers that are not known, or its manifest is missing or wrong.
        VersionExists, RepositoryReadOnly: as `write_version`.
    """
    check_free(new.repository, new.name, new.version)
    content = read_bytes(path, "Keras model", _LARGEST_MODEL)
    model = load_keras(path)
    graph = keras_graph(model, path.name)
    if is_hgq(graph):
        stated = read_float_manifest(manifest, path) if manifest is not None else None
        return _import_hgq(path, content, model, graph, new, stated, all_backends)
    return _import_float(path, content, model, graph, new, read_float_manifest(manifest, path))


def _import_float(
    path: Path, content: bytes, model: Any, graph: KerasGraph, new: NewVersion, stated: FloatManifest
) -> ImportedVersion:
    _check_inputs(path, graph, len(stated.inputs.listed))
    onnx = onnx_of_keras(graph, path.name)
    given = inputs_to_compare(reference_layout(stated.inputs), graph.n_inputs, SEED)
    scores = stated.score.integers(_predicted(model, graph, stated.inputs.rule.apply(given))).astype(np.int64)
    keys = new.stated(
        f"{path.name}, a float Keras model", stated.score.largest_integer, **float_keys(stated, path.name, content)
    )
    return write_version(new, keys, {ONNX_FILE: onnx}, Reference(given, scores), [ONNX_BACKEND])


def _import_hgq(
    path: Path,
    content: bytes,
    model: Any,
    graph: KerasGraph,
    new: NewVersion,
    stated: FloatManifest | None,
    all_backends: bool,
) -> ImportedVersion:
    scaling = stated.inputs.scaling if stated else None
    inputs = _inputs_of_hgq(path, graph, stated)
    score = stated.score if stated else None
    network = network_of_hgq(graph, path.stem[:200], inputs, scaling, score, path.name)
    given = inputs_to_compare(inputs, graph.n_inputs, SEED)
    _check_outputs(path, model, graph, network, given)
    keys = new.stated(
        f"{path.name}, an HGQ2 model in fixed point",
        network.score_type.code_range[1],
        imported=Imported(file=path.name, sha256=hashlib.sha256(content).hexdigest(), seed=SEED),
    )
    backends = backend_names() if all_backends else quick_backend_names()
    reference = Reference(given, fixed.score(network, given))
    return write_version(new, keys, network_files(network), reference, backends)


def _inputs_of_hgq(path: Path, graph: KerasGraph, stated: FloatManifest | None) -> NetworkInputs:
    kind = given_type(stated.inputs.scaling if stated else None)
    if stated is None:
        return network_inputs(_LAYOUTS.get(graph.n_inputs), graph.n_inputs, kind)
    float_scaling = stated.inputs.float_scaling
    if float_scaling is not None and (any(float_scaling.offset) or set(float_scaling.factor) != {1.0}):
        remedy = "state 'scaling', or scale in the model by its first quantiser"
        raise BadValue(path, "is fixed point, and 'float_scaling' is not", remedy)
    _check_inputs(path, graph, len(stated.inputs.listed))
    if stated.inputs.layout is not None:
        return network_inputs(stated.inputs.layout, graph.n_inputs, kind)
    elements = [element.model_dump() for element in stated.inputs.listed]
    return NetworkInputs.model_validate({"tensor": "inputs", "elements": elements, "type": str(kind)})


def _check_inputs(path: Path, graph: KerasGraph, n_stated: int) -> None:
    if n_stated != graph.n_inputs:
        raise BadValue(path, f"has {graph.n_inputs} inputs, and {n_stated} are stated", "correct 'inputs'")


def _check_outputs(path: Path, model: Any, graph: KerasGraph, network: Network, given: NDArray[np.generic]) -> None:
    """That the network gives what Keras gives, bit for bit."""
    codes = fixed.run(network, given)
    first = codes[network.input_tensor].reshape(len(given), -1) * 2.0 ** -network.tensors[
        network.input_tensor
    ].fraction_bits.ravel().astype(float)
    predicted = _predicted(model, graph, first.astype(np.float32))
    made = network.tensors[network.document.score.of]
    found = codes[made.name].reshape(len(given), -1) * 2.0 ** -made.fraction_bits.ravel().astype(float)
    differing = int((found != predicted).any(axis=1).sum())
    if differing:
        what = f"gives other outputs in Keras than in fixed point for {differing} of {len(given)} inputs"
        raise BadValue(path, what, "trace its ranges (hgq.utils.trace_minmax), or use fewer bits than float32 has")


def _predicted(model: Any, graph: KerasGraph, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """What Keras gives, `(n, n_outputs)`."""
    rows = [
        np.asarray(model(values[i : i + _BATCH].reshape(-1, *graph.given_shape), training=False), np.float32)
        for i in range(0, len(values), _BATCH)
    ]
    return np.concatenate(rows).reshape(len(values), -1)
