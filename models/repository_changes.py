"""Changes of a repository: versions come and go as a whole, aliases in one step (`docs/models.md`, "Repository")."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from models.errors import RepositoryReadOnly, VersionExists, VersionInUse, VersionMissing
from models.manifest import MANIFEST_FILE, NAME_PATTERN, Manifest, render_manifest
from models.repository import ALIASES_FILE, Repository, read_aliases
from triggers.errors import BadValue

_FOLDER_MODE: Final = 0o755
_Aliases = dict[str, str]


def check_free(repository: Repository, name: str, version: str) -> None:
    """Check that a version can be added.

    Raises:
        BadValue: a name is not one of a folder.
        VersionExists: the repository, or what is beneath it, has a version or alias of that name.
    """
    check_name("model", name)
    check_name("version", version)
    if name not in repository.names():
        return
    if version in repository.versions(name):
        raise VersionExists(repository.folder_of(name, version))
    if version in repository.aliases(name):
        raise BadValue(f"version '{version}'", f"is an alias of model '{name}'", "choose another version")


def check_name(kind: str, name: str) -> None:
    """Check the name of a model, version or alias.

    Raises:
        BadValue: it is none.
    """
    if not re.fullmatch(NAME_PATTERN, name) or name == ALIASES_FILE:
        allowed = "write up to 64 letters, digits, '.', '_', '-', the first one a letter or digit"
        raise BadValue(f"{kind} '{name}'", "is no name", allowed)


def add_version(repository: Repository, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a version under a hidden name and rename it when all is on disk; returns its folder.

    Args:
        repository: its folder is made if it is not there.
        manifest: lists the digests of the files.
        files: all other files, by name.

    Raises:
        BadValue, VersionExists: as `check_free`.
        RepositoryReadOnly: the folder cannot be written.
    """
    check_free(repository, manifest.name, manifest.version)
    model = repository.folder / manifest.name
    with _writable(model):
        model.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{manifest.version}.", dir=model))
        try:
            for file, content in {**files, MANIFEST_FILE: render_manifest(manifest).encode()}.items():
                _write(partial / file, content)
            partial.chmod(_FOLDER_MODE)
            _sync(partial)
            folder = model / manifest.version
            if folder.exists():
                raise VersionExists(folder)
            partial.rename(folder)  # fails if another process has written the version meanwhile
            _sync(model)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder


def remove_version(repository: Repository, name: str, version: str) -> Path:
    """Remove a version; returns where it was.

    Raises:
        VersionMissing: there is none of that name; an alias does not stand for it here.
        VersionInUse: an alias points to it.
        RepositoryReadOnly: it lies beneath the repository, or cannot be removed.
    """
    if version not in repository.versions(name):
        raise VersionMissing(repository.folder / name, "version", version, repository.versions(name))
    folder = repository.folder_of(name, version)
    aliases = [alias for alias, target in repository.aliases(name).items() if target == version]
    if aliases:
        raise VersionInUse(f"{name}/{version}", aliases)
    if folder.parent.parent != repository.folder:
        raise RepositoryReadOnly(folder, "it ships with l1chain")
    with _writable(folder):
        doomed = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=folder.parent))
        folder.rename(doomed / version)
        _sync(folder.parent)
        shutil.rmtree(doomed)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return folder


def set_alias(repository: Repository, name: str, alias: str, version: str) -> None:
    """Let an alias mean a version, from one moment to the next.

    Raises:
        BadValue: the alias is no name, or that of a version.
        VersionMissing: no such model or version.
        RepositoryReadOnly: the repository cannot be written.
    """
    check_name("alias", alias)
    versions = repository.versions(name)
    if version not in versions:
        raise VersionMissing(repository.folder / name, "version", version, versions)
    if alias in versions:
        raise BadValue(f"alias '{alias}'", f"is a version of model '{name}'", "choose another alias")
    _change_aliases(repository, name, lambda aliases: {**aliases, alias: version})


def remove_alias(repository: Repository, name: str, alias: str) -> None:
    """Remove an alias.

    Raises:
        VersionMissing: no such model or alias.
        RepositoryReadOnly: the alias ships with l1chain, or the repository cannot be written.
    """
    if alias not in repository.aliases(name):
        raise VersionMissing(repository.folder / name, "alias", alias, repository.aliases(name))
    if alias not in read_aliases(repository.folder / name / ALIASES_FILE):
        raise RepositoryReadOnly(f"alias '{alias}' of {name}", "it ships with l1chain")
    _change_aliases(repository, name, lambda aliases: {k: v for k, v in aliases.items() if k != alias})


def _change_aliases(repository: Repository, name: str, change: Callable[[_Aliases], _Aliases]) -> None:
    """Read, change and replace the aliases of a model, while no other process does."""
    model = repository.folder / name
    path = model / ALIASES_FILE
    with _writable(model):
        model.mkdir(parents=True, exist_ok=True)
        with _locked(model):
            aliases = change(read_aliases(path))
            partial = path.with_name(f".{ALIASES_FILE}.partial")
            _write(partial, yaml.safe_dump(aliases).encode())
            partial.replace(path)
            _sync(model)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RepositoryReadOnly(path, error.strerror or type(error).__name__) from None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
