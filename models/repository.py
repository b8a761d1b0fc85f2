"""Model versions on disk: a folder NAME/VERSION/ each, read once and checked (`docs/models.md`, "Repository")."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import (
    DigestMismatch,
    FileNotListed,
    ManifestInvalid,
    NetworkUnreadable,
    RepositoryMissing,
    VersionFileMissing,
    VersionMissing,
)
from models.inputs import InputLayout
from models.layouts import elements_layout, layout_of
from models.manifest import MANIFEST_FILE, NAME_PATTERN, REFERENCE_FILE, Manifest
from models.network import NETWORK_FILE, Network, read_network
from triggers.errors import BadValue
from triggers.strict_yaml import parse_yaml, read_yaml

ALIASES_FILE: Final = "aliases.yaml"
SHIPPED_VERSIONS: Final = Path(__file__).resolve().parent / "versions"
"""The versions that ship with l1chain, in a checkout and in an installed wheel alike."""
_FOLDER_VARIABLE: Final = "L1CHAIN_MODELS"

log = logging.getLogger("l1chain.models")


@dataclass(frozen=True)
class LoadedVersion:
    """A version in memory: every byte that is used was read once and has the digest that the manifest lists.

    Attributes:
        manifest: what is stated about it.
        folder: where it was read; only for messages.
        digest: SHA-256 of the manifest's bytes, hex: names the version and all of its files.
        files: their bytes, by name.
    """

    manifest: Manifest
    folder: Path
    digest: str
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def label(self) -> str:
        """NAME/VERSION."""
        return f"{self.manifest.name}/{self.manifest.version}"

    def file(self, name: str, purpose: str) -> bytes:
        """The bytes of a file.

        Args:
            name: the file.
            purpose: who needs it, for the error message.

        Raises:
            FileNotListed: the manifest does not list it.
        """
        if name not in self.files:
            raise FileNotListed(self.folder / MANIFEST_FILE, name, purpose)
        return self.files[name]

    @property
    def has_network(self) -> bool:
        """Whether a network description rules inputs, scaling and score."""
        return NETWORK_FILE in self.files

    @cached_property
    def network(self) -> Network:
        """The version's network description, read once.

        Raises:
            FileNotListed: the version has none.
            NetworkInvalid, UnknownName, BadValue: it breaks a rule of `docs/networks.md`.
            ManifestInvalid: a working point is beyond the network's score.
        """
        content = self.file(NETWORK_FILE, "an exact score")
        network = read_network(content, self.folder / NETWORK_FILE)
        try:
            self.manifest.check_thresholds(network.score_type.code_range[1])
        except ValueError as error:
            raise ManifestInvalid(self.folder / MANIFEST_FILE, str(error)) from None
        return network

    @cached_property
    def layout(self) -> InputLayout:
        """Where the inputs stand in packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words.
            ModelError: the network is damaged.
        """
        if self.manifest.inputs is not None:
            return elements_layout(self.manifest.inputs.listed, self.label)
        if self.manifest.native is not None:
            return layout_of(self.manifest.native.inputs, self.label)
        return layout_of(self.network.document.inputs, self.label)

    def reference(self) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
        """Inputs `(n, n_inputs)` in hardware units and the score `(n,) int64` that every backend must give for them.

        Raises:
            FileNotListed: the version has no reference.
            NetworkUnreadable: the file is none.
        """
        content = self.file(REFERENCE_FILE, "a check against reference scores")
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return arrays["inputs"], arrays["score"]
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            raise NetworkUnreadable(self.folder / REFERENCE_FILE, "holds no arrays 'inputs' and 'score'") from None


class Repository:
    """A folder of model versions, perhaps with others beneath it that are only read.

    Example:
        >>> Repository().load("axol1tl", "production").label
        'axol1tl/sim-v5b.1'
    """

    def __init__(
        self, folder: Path = SHIPPED_VERSIONS, beneath: Sequence[Path] = (), *, must_exist: bool = True
    ) -> None:
        """Opens the folders.

        Args:
            folder: the one that changes are made in.
            beneath: what is not in `folder` is looked for in these.
            must_exist: whether `folder` must be there already.

        Raises:
            RepositoryMissing: it must, and is not.
        """
        if must_exist and not folder.is_dir():
            raise RepositoryMissing(folder)
        self.folder: Final = folder
        self._folders: Final = (folder, *beneath)

    def names(self) -> tuple[str, ...]:
        """The models, in alphabetical order."""
        return tuple(sorted({name for folder in self._folders for name in _subfolders(folder)}))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model, in alphabetical order.

        Raises:
            VersionMissing: no such model.
        """
        if name not in self.names():
            raise VersionMissing(self.folder, "model", name, self.names())
        found = {v for folder in self._folders for v in _subfolders(folder / name) if _is_version(folder / name / v)}
        return tuple(sorted(found))

    def aliases(self, name: str) -> Mapping[str, str]:
        """Which version each alias of a model means.

        Raises:
            VersionMissing: no such model, or an alias of a version that does not exist.
            ManifestInvalid: the alias file breaks its rules.
            FileUnreadable: it is no YAML, or has an alias twice.
        """
        versions, aliases = self.versions(name), {}
        for path in (folder / name / ALIASES_FILE for folder in reversed(self._folders)):
            for alias, version in read_aliases(path).items():
                if alias in versions:
                    raise ManifestInvalid(path, f"alias '{alias}' is also the name of a version", "rename the alias")
                if version not in versions:
                    raise VersionMissing(f"{path}, alias '{alias}'", "version", version, versions)
                aliases[alias] = version
        return aliases

    def resolve(self, name: str, version_or_alias: str) -> str:
        """The version that a version's name or an alias means.

        Raises:
            VersionMissing: neither exists.
            ManifestInvalid, FileUnreadable: the alias file breaks its rules.
        """
        versions, aliases = self.versions(name), self.aliases(name)
        version = aliases.get(version_or_alias, version_or_alias)
        if version not in versions:
            raise VersionMissing(self.folder / name, "version or alias", version_or_alias, [*versions, *aliases])
        return version

    def folder_of(self, name: str, version_or_alias: str) -> Path:
        """Where a version lies; the uppermost folder that has it.

        Raises:
            VersionMissing: no such model, version or alias.
        """
        version = self.resolve(name, version_or_alias)
        places = (folder / name / version for folder in self._folders)
        return next(place for place in places if _is_version(place))

    def list(self) -> tuple[Manifest, ...]:
        """The manifests of all versions, by model and version.

        Raises:
            UnknownName, BadValue, FileUnreadable: one of them breaks its rules.
        """
        return tuple(self.show(name, version) for name in self.names() for version in self.versions(name))

    def show(self, name: str, version_or_alias: str) -> Manifest:
        """The manifest of a version; its other files are not read.

        Raises:
            VersionMissing: no such model, version or alias.
            UnknownName, BadValue, FileUnreadable: the manifest breaks its rules.
        """
        return _manifest(self.folder_of(name, version_or_alias))[0]

    def load(self, name: str, version_or_alias: str) -> LoadedVersion:
        """A version with all of its files, each read once and checked on the very bytes that are then used.

        Raises:
            VersionMissing: no such model, version or alias.
            UnknownName, BadValue, FileUnreadable: the manifest breaks its rules.
            VersionFileMissing: a listed file is not there.
            DigestMismatch: a file is not the one that the manifest lists.
        """
        folder = self.folder_of(name, version_or_alias)
        manifest, digest = _manifest(folder)
        files = {file: _checked(folder / file, expected) for file, expected in manifest.files.items()}
        log.info("loaded %s/%s, manifest %s, from %s", manifest.name, manifest.version, digest[:12], folder)
        return LoadedVersion(manifest=manifest, folder=folder, digest=digest, files=files)


def open_repository(folder: Path | None, make: bool = False) -> Repository:
    """The repository that commands use.

    Args:
        folder: the folder asked for; None: the user's, with the versions that ship beneath it.
        make: the folder asked for need not be there yet.

    Raises:
        RepositoryMissing: there is no such folder, or it is a file.
    """
    if folder is None:
        return Repository(users_folder(), (SHIPPED_VERSIONS,), must_exist=False)
    return Repository(folder, must_exist=not make or folder.exists())


def users_folder() -> Path:
    """The user's own versions: `$L1CHAIN_MODELS`, or `l1chain/models` in `$XDG_DATA_HOME` (`~/.local/share`)."""
    named = os.environ.get(_FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "l1chain" / "models"


def read_aliases(path: Path) -> dict[str, str]:
    """The aliases in a file, version by alias; none if it is not there.

    Raises:
        ManifestInvalid: an alias or version is no name.
        FileUnreadable: it is no YAML, or has an alias twice.
    """
    if not path.is_file():
        return {}
    aliases = parse_yaml(_read(path), str(path))
    names = [*aliases, *aliases.values()] if isinstance(aliases, dict) else [aliases]
    for name in names:
        if not (isinstance(name, str) and re.fullmatch(NAME_PATTERN, name)):
            raise ManifestInvalid(path, f"found {name!r:.60}", "write lines such as 'production: v1'")
    return dict(aliases)


def parse_label(label: str) -> tuple[str, str]:
    """Model and version (or alias) of NAME/VERSION.

    Raises:
        BadValue: it has another form.
    """
    name, separator, version = label.partition("/")
    if not (name and separator and version) or "/" in version:
        raise BadValue(f"model version '{label}'", "is not of the form NAME/VERSION", "write e.g. axol1tl/production")
    return name, version


def _is_version(folder: Path) -> bool:
    return (folder / MANIFEST_FILE).is_file()


def _subfolders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, which need not be there; without hidden ones."""
    if not folder.is_dir():
        return ()
    return tuple(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def _manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest and the SHA-256 of its bytes."""
    path = folder / MANIFEST_FILE
    content = _read(path)
    manifest = read_yaml(content, str(path), Manifest)
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        raise ManifestInvalid(
            path,
            f"is of {manifest.name}/{manifest.version}, but lies in {folder.parent.name}/{folder.name}",
            "rename the folder or correct the manifest",
        )
    return manifest, hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VersionFileMissing(path, error.strerror or type(error).__name__) from None


def _checked(path: Path, expected: str) -> bytes:
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DigestMismatch(path, found, expected)
    return content
