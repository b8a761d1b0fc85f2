"""Model versions on disk: a folder NAME/VERSION/ each, read once and checked (`docs/models.md`, "Repository")."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from models.manifest import MANIFEST_FILE, REFERENCE_FILE, Aliases, Manifest, parse_yaml
from triggers.errors import BadValue

ALIASES_FILE: Final = "aliases.yaml"
SHIPPED_VERSIONS: Final = Path(__file__).resolve().parent / "versions"
"""The versions that ship with l1chain, in a checkout and in an installed wheel alike."""

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
    """A folder of model versions.

    Example:
        >>> Repository().load("axol1tl", "production").label
        'axol1tl/demo-v1'
    """

    def __init__(self, folder: Path = SHIPPED_VERSIONS) -> None:
        """Opens the folder.

        Raises:
            RepositoryMissing: it is not there.
        """
        if not folder.is_dir():
            raise RepositoryMissing(folder)
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """The models, in alphabetical order."""
        return _subfolders(self.folder)

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model, in alphabetical order.

        Raises:
            VersionMissing: no such model.
        """
        if name not in self.names():
            raise VersionMissing(self.folder, "model", name, self.names())
        return tuple(v for v in _subfolders(self.folder / name) if (self.folder / name / v / MANIFEST_FILE).is_file())

    def aliases(self, name: str) -> Mapping[str, str]:
        """Which version each alias of a model means.

        Raises:
            VersionMissing: no such model, or an alias of a version that does not exist.
            ManifestInvalid: the alias file breaks its rules.
        """
        versions = self.versions(name)
        path = self.folder / name / ALIASES_FILE
        if not path.is_file():
            return {}
        aliases = parse_yaml(_read(path), path, Aliases).root
        for alias, version in aliases.items():
            if alias in versions:
                raise ManifestInvalid(path, f"alias '{alias}' is also the name of a version", "rename the alias")
            if version not in versions:
                raise VersionMissing(f"{path}, alias '{alias}'", "version", version, versions)
        return aliases

    def resolve(self, name: str, version_or_alias: str) -> str:
        """The version that a version's name or an alias means.

        Raises:
            VersionMissing: neither exists.
            ManifestInvalid: the alias file breaks its rules.
        """
        versions, aliases = self.versions(name), self.aliases(name)
        version = aliases.get(version_or_alias, version_or_alias)
        if version not in versions:
            raise VersionMissing(self.folder / name, "version or alias", version_or_alias, [*versions, *aliases])
        return version

    def list(self) -> tuple[Manifest, ...]:
        """The manifests of all versions, by model and version.

        Raises:
            ManifestInvalid: one of them breaks its rules.
        """
        return tuple(self.show(name, version) for name in self.names() for version in self.versions(name))

    def show(self, name: str, version_or_alias: str) -> Manifest:
        """The manifest of a version; its other files are not read.

        Raises:
            VersionMissing: no such model, version or alias.
            ManifestInvalid: the manifest breaks its rules.
        """
        return self._manifest(self.folder / name / self.resolve(name, version_or_alias))[0]

    def load(self, name: str, version_or_alias: str) -> LoadedVersion:
        """A version with all of its files, each read once and checked on the very bytes that are then used.

        Raises:
            VersionMissing: no such model, version or alias.
            ManifestInvalid: the manifest breaks its rules.
            VersionFileMissing: a listed file is not there.
            DigestMismatch: a file is not the one that the manifest lists.
        """
        folder = self.folder / name / self.resolve(name, version_or_alias)
        manifest, digest = self._manifest(folder)
        files = {file: _checked(folder / file, expected) for file, expected in manifest.files.items()}
        log.info("loaded %s/%s, manifest %s, from %s", manifest.name, manifest.version, digest[:12], folder)
        return LoadedVersion(manifest=manifest, folder=folder, digest=digest, files=files)

    def _manifest(self, folder: Path) -> tuple[Manifest, str]:
        path = folder / MANIFEST_FILE
        content = _read(path)
        manifest = parse_yaml(content, path, Manifest)
        if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
            raise ManifestInvalid(
                path,
                f"is of {manifest.name}/{manifest.version}, but lies in {folder.parent.name}/{folder.name}",
                "rename the folder or correct the manifest",
            )
        return manifest, hashlib.sha256(content).hexdigest()


def parse_label(label: str) -> tuple[str, str]:
    """Model and version (or alias) of NAME/VERSION.

    Raises:
        BadValue: it has another form.
    """
    name, separator, version = label.partition("/")
    if not (name and separator and version) or "/" in version:
        raise BadValue(f"model version '{label}'", "is not of the form NAME/VERSION", "write e.g. axol1tl/production")
    return name, version


def _subfolders(folder: Path) -> tuple[str, ...]:
    return tuple(
        sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
    )


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
