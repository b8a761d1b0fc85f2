"""Float models of one's own: an ONNX graph with a manifest of its inputs and score (`docs/models-import.md`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.backends import open_backend
from models.fixed_point import FixedPoint
from models.importing import SEED, ImportedVersion, NewVersion, Reference, write_version
from models.manifest import ONNX_FILE, Imported, Inputs, Manifest
from models.network import LARGEST_FILE_BYTES
from models.network_document import NetworkInputs
from models.reference import inputs_to_compare
from models.repository import LoadedVersion
from models.repository_changes import check_free
from models.scores import Score
from triggers.errors import BadValue, FileMissing, FileUnreadable
from triggers.strict_yaml import StrictModel, read_yaml

ONNX_BACKEND: Final = "onnxruntime"
_GIVEN: Final = FixedPoint(20, 17)
"""Of the reference inputs: hardware integers and eighths of them."""
_LARGEST_MANIFEST: Final = 4 << 20


class FloatManifest(StrictModel):
    """What a float model does not say of itself.

    Attributes:
        inputs: what it sees.
        score: how its outputs become the menu's integer.
        tolerance: by how many integers two engines may differ; 1: a score at the edge between two integers.
    """

    inputs: Inputs
    score: Score
    tolerance: Annotated[int, Field(ge=0)] = 1


def read_float_manifest(path: Path | None, model: Path) -> FloatManifest:
    """The manifest that the user wrote.

    Raises:
        BadValue: there is none, or a value in it is not allowed.
        FileMissing, FileUnreadable, UnknownName: it cannot be read.
    """
    if path is None:
        remedy = "write inputs and score into a YAML file, and name it with --manifest"
        raise BadValue(model, "does not say what its inputs and its score are", remedy)
    return read_yaml(read_bytes(path, "manifest", _LARGEST_MANIFEST), str(path), FloatManifest)


def read_bytes(path: Path, role: str, largest: int = LARGEST_FILE_BYTES) -> bytes:
    """A file of at most so many bytes.

    Raises:
        FileMissing, FileUnreadable: there is none, it cannot be read, or it is larger.
    """
    if not path.is_file():
        raise FileMissing(path, role)
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise FileUnreadable(path, error.strerror or type(error).__name__, "check the path") from None
    if len(content) > largest:
        raise FileUnreadable(path, f"has more than {largest >> 20} MiB", "use a smaller one")
    return content


def import_onnx(path: Path, new: NewVersion, manifest: Path | None) -> ImportedVersion:
    """An ONNX graph from network inputs `(n, n_inputs)` to outputs `(n, n_outputs)`, float32, as a version.

    Args:
        path: the graph; weights in other files are not read.
        new: the version to write.
        manifest: of its inputs and score.

    Raises:
        BadValue, UnknownName, FileMissing, FileUnreadable: the manifest is missing or wrong.
        NetworkUnreadable: the graph is none, or does not fit the manifest.
        VersionExists, RepositoryReadOnly: as `write_version`.
    """
    check_free(new.repository, new.name, new.version)
    stated = read_float_manifest(manifest, path)
    content = read_bytes(path, "ONNX graph")
    given = inputs_to_compare(reference_layout(stated.inputs), len(stated.inputs.listed), SEED)
    reference = Reference(given, _scores(new, stated, content, given))
    more = float_keys(stated, path.name, content)
    keys = new.stated(f"{path.name}, a float ONNX graph", stated.score.largest_integer, **more)
    return write_version(new, keys, {ONNX_FILE: content}, reference, [ONNX_BACKEND])


def float_keys(stated: FloatManifest, file: str, content: bytes) -> dict[str, Any]:
    """The keys of a float version's manifest."""
    precision = f"float: engines may differ by {stated.tolerance} of the menu's integers"
    return {
        "inputs": stated.inputs,
        "score": stated.score,
        "tolerance": stated.tolerance,
        "precision": precision,
        "imported": Imported(file=file, sha256=hashlib.sha256(content).hexdigest(), seed=SEED),
    }


def reference_layout(inputs: Inputs) -> NetworkInputs:
    """The inputs as a network description states them, for reference inputs."""
    elements = [element.model_dump() for element in inputs.listed]
    return NetworkInputs.model_validate({"tensor": "inputs", "elements": elements, "type": str(_GIVEN)})


def _scores(new: NewVersion, stated: FloatManifest, content: bytes, given: NDArray[np.generic]) -> NDArray[np.int64]:
    """The graph's scores, one crossing at a time: what does not depend on the batch is what another engine gives."""
    keys = new.stated("", stated.score.largest_integer, **float_keys(stated, ONNX_FILE, content))
    files = {ONNX_FILE: hashlib.sha256(content).hexdigest()}
    manifest = Manifest(**keys, backend=ONNX_BACKEND, files=files)
    version = LoadedVersion(
        manifest, new.repository.folder / new.name / new.version, digest="", files={ONNX_FILE: content}
    )
    backend = open_backend(ONNX_BACKEND, version)
    rows: Sequence[NDArray[np.int64]] = [backend.score_inputs(given[i : i + 1]) for i in range(len(given))]
    return np.concatenate(rows)
