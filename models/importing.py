"""From a network description to a version in a repository (`docs/models.md`, "Import")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.backends import backend_names, quick_backend_names
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
NATIVE_CODE_BACKEND: Final = "hls4ml"
_PREFERRED: Final = ("onnxruntime", "native", REFERENCE_BACKEND, NATIVE_CODE_BACKEND)
PRECISION: Final = "bit-exact: every backend gives the integers of network.json's arithmetic, or refuses"


class Reference(NamedTuple):
    """Inputs `(n, n_inputs)` and the scores `(n,) int64` that every backend must give for them."""

    inputs: NDArray[np.generic]
    scores: NDArray[np.int64]


@dataclass(frozen=True)
class NewVersion:
    """What is asked for.

    Attributes:
        repository: where to write.
        name: of the model.
        version: a new one.
        description: for people, if they gave one.
        working_points: thresholds by name.
    """

    repository: Repository
    name: str
    version: str
    description: str | None = None
    working_points: Mapping[str, WorkingPoint] = field(default_factory=dict)

    def stated(self, description: str, largest: int, **more: Any) -> dict[str, Any]:
        """The keys of the manifest that are known before the files are.

        Args:
            description: if the user gave none.
            largest: the greatest score.
            more: other keys.

        Raises:
            BadValue: a working point is beyond the greatest score.
        """
        for point, stated in self.working_points.items():
            if stated.threshold > largest:
                what = f"threshold {stated.threshold} of '{point}' is beyond the score's end, {largest}"
                raise BadValue("working points", what, "choose a smaller threshold")
        keys: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "description": description if self.description is None else self.description,
            "precision": PRECISION,
            "working_points": dict(self.working_points),
        }
        return keys | more


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
    *,
    all_backends: bool = False,
) -> ImportedVersion:
    """Read a network description, compare the backends on reference inputs, and write a version.

    Args:
        path: `l1chain-network/1` or the older form (`docs/networks.md`).
        repository: where to write; its folder is made if it is not there.
        name: of the model.
        version: a new one.
        description: for people; the network's own name and note if not given.
        working_points: thresholds by name.
        all_backends: compare those too that take seconds to open, such as `hls4ml`, which compiles.

    Raises:
        BadValue: a name is none, or a threshold is beyond the score.
        VersionExists: the version is there already.
        FileMissing, FileUnreadable: there is no such file, or it cannot be read.
        NetworkInvalid, UnknownName, BadValue: it breaks a rule of `docs/networks.md`.
        RepositoryReadOnly: the folder cannot be written.
    """
    new = NewVersion(repository, name, version, description, dict(working_points or {}))
    check_free(repository, name, version)
    content = _read(path)
    network = read_network(content, path)
    inputs = reference_inputs(network, SEED)
    scores = reference_scores(network, inputs)
    stated = new.stated(
        describe_network(network),
        network.score_type.code_range[1],
        imported=Imported(file=path.name, sha256=hashlib.sha256(content).hexdigest(), seed=SEED),
    )
    backends = backend_names() if all_backends else quick_backend_names()
    return write_version(new, stated, network_files(network), Reference(inputs, scores), backends)


def write_version(
    new: NewVersion,
    stated: Mapping[str, Any],
    files: Mapping[str, bytes],
    reference: Reference,
    backends: Sequence[str],
) -> ImportedVersion:
    """Compare backends on reference inputs, and write a version that says how they compared.

    The version is run by the first of the preferred backends whose scores are within the manifest's tolerance.

    Args:
        new: where to write it.
        stated: keys of its manifest, from `NewVersion.stated`.
        files: all others than the manifest and the reference.
        reference: inputs and their scores.
        backends: those to compare.

    Raises:
        BadValue: no backend gives the reference scores.
        VersionExists, RepositoryReadOnly: as `add_version`.
    """
    content = {**files, REFERENCE_FILE: reference_file(reference.inputs, reference.scores)}
    digests = {file: hashlib.sha256(data).hexdigest() for file, data in content.items()}
    manifest = Manifest(**stated, backend=REFERENCE_BACKEND, files=digests)
    loaded = LoadedVersion(manifest, new.repository.folder / new.name / new.version, digest="", files=content)
    outcomes = tuple(compare(loaded, reference.inputs, reference.scores, backends))
    compared = {
        outcome.backend: Comparison(crossings=outcome.crossings, differing=outcome.differing)
        for outcome in outcomes
        if outcome.differing is not None
    }
    exact = [backend for backend in _PREFERRED if backend in compared and not compared[backend].differing]
    if not exact:
        said = "; ".join(o.why_not or f"{o.backend}: {o.differing} of {o.crossings} scores differ" for o in outcomes)
        raise BadValue(
            f"{new.name}/{new.version}", f"is run rightly by no backend ({said})", "correct what is imported"
        )
    manifest = manifest.model_copy(update={"compared": compared, "backend": exact[0]})
    return ImportedVersion(manifest, add_version(new.repository, manifest, content), outcomes)


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


def describe_network(network: Network) -> str:
    """Its name and note."""
    note = network.document.note
    return f"{network.name}: {note}" if note else network.name
