"""From a network description to a version in a repository (`docs/models.md`, "Import")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.backends import backend_names
from models.backends.onnx_graph import onnx_network
from models.comparison import Outcome, compare
from models.errors import BackendLimit
from models.manifest import ONNX_FILE, REFERENCE_FILE, Comparison, Imported, Manifest, WorkingPoint
from models.network import LARGEST_FILE_BYTES, NETWORK_FILE, Network, read_network
from models.reference import reference_file, reference_inputs, reference_scores
from models.repository import LoadedVersion, Repository
from models.repository_changes import add_version, check_free
from triggers.errors import BadValue, FileMissing, FileUnreadable

SEED: Final = 1
"""Of the reference inputs."""
REFERENCE_BACKEND: Final = "fixed"
_PREFERRED: Final = ("onnxruntime", "native", REFERENCE_BACKEND)
_PRECISION: Final = "bit-exact: every backend gives the integers of network.json's arithmetic, or refuses"


@dataclass(frozen=True)
class ImportedVersion:
    """A version that was written.

    Attributes:
        manifest: what it states.
        folder: where it is.
        outcomes: how every backend compared with `fixed`.
    """

    manifest: Manifest
    folder: Path
    outcomes: tuple[Outcome, ...]


def import_network(
    path: Path,
    repository: Repository,
    name: str,
    version: str,
    description: str | None = None,
    working_points: Mapping[str, WorkingPoint] | None = None,
) -> ImportedVersion:
    """Read a network description, compare the backends on reference inputs, and write a version.

    Args:
        path: `l1chain-network/1` or the older form (`docs/networks.md`).
        repository: where to write; its folder is made if it is not there.
        name: of the model.
        version: a new one.
        description: for people; the network's own name and note if not given.
        working_points: thresholds by name.

    Raises:
        BadValue: a name is none, or a threshold is beyond the score.
        VersionExists: the version is there already.
        FileMissing, FileUnreadable: there is no such file, or it cannot be read.
        NetworkInvalid, UnknownName, BadValue: it breaks a rule of `docs/networks.md`.
        RepositoryReadOnly: the folder cannot be written.
    """
    check_free(repository, name, version)
    content = _read(path)
    network = read_network(content, path)
    inputs = reference_inputs(network, SEED)
    scores = reference_scores(network, inputs)
    files = {**network_files(network), REFERENCE_FILE: reference_file(inputs, scores)}
    manifest = Manifest(
        name=name,
        version=version,
        description=_description(network) if description is None else description,
        backend=REFERENCE_BACKEND,
        precision=_PRECISION,
        working_points=dict(working_points or {}),
        imported=Imported(file=path.name, sha256=hashlib.sha256(content).hexdigest(), seed=SEED),
        files={file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
    )
    _check_thresholds(manifest, network)
    loaded = LoadedVersion(manifest, repository.folder / name / version, digest="", files=files)
    outcomes = tuple(compare(loaded, inputs, scores, backend_names()))
    compared = {
        outcome.backend: Comparison(crossings=outcome.crossings, differing=outcome.differing)
        for outcome in outcomes
        if outcome.differing is not None
    }
    exact = [backend for backend in _PREFERRED if backend in compared and not compared[backend].differing]
    manifest = manifest.model_copy(update={"compared": compared, "backend": exact[0]})
    return ImportedVersion(manifest, add_version(repository, manifest, files), outcomes)


def network_files(network: Network) -> dict[str, bytes]:
    """The network as files of a version: its description, and the exact ONNX graph unless numbers are too wide."""
    files = {NETWORK_FILE: network.to_json()}
    try:
        files[ONNX_FILE] = onnx_network(network).content
    except BackendLimit:
        return files
    return files


def _read(path: Path) -> bytes:
    if not path.exists():
        raise FileMissing(path, "network description")
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise FileUnreadable(path, error.strerror or type(error).__name__, "check the path") from None


def _description(network: Network) -> str:
    note = network.document.note
    return f"{network.name}: {note}" if note else network.name


def _check_thresholds(manifest: Manifest, network: Network) -> None:
    try:
        manifest.check_thresholds(network.score_type.code_range[1])
    except ValueError as error:
        raise BadValue("working points", str(error), "choose a smaller threshold") from None
