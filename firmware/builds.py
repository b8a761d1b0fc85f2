"""Projects of a version for a part and a clock, stored with digests of their files (`docs/firmware.md`, "Build")."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from firmware.build_requests import BuildRequest, Tool
from firmware.hls import hls_project
from firmware.hls_build import Flavour
from firmware.rtl_errors import BuildUnwritable
from models.repository import SHIPPED_VERSIONS, LoadedVersion

RECORD_FILE: Final = "build.json"
_FOLDER: Final = "firmware"
_TOOLS: Final = ("l1chain", "hls4ml", "da4ml")
_READABLE: Final = 0o755


@dataclass(frozen=True)
class Build:
    """A build on disk.

    Attributes:
        folder: with one project in each sub-folder.
        projects: the sub-folders.
        digest: SHA-256 over all files, hex; the same version and request give the same.
        ticks: clock periods from inputs to score, where the tool decides them; None for hls4ml, whose vendor tool does.
    """

    folder: Path
    projects: tuple[str, ...]
    digest: str
    ticks: int | None


def builds_folder(loaded: LoadedVersion) -> Path:
    """Where the builds of a version are: beside it, or in the user's data folder if the version ships with l1chain."""
    if not loaded.folder.is_relative_to(SHIPPED_VERSIONS):
        return loaded.folder / _FOLDER
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    own = Path(data).expanduser() / "l1chain" / _FOLDER
    return own / loaded.manifest.name / loaded.manifest.version


def build(loaded: LoadedVersion, request: BuildRequest, out: Path | None = None) -> Build:
    """Write the projects of a version; an earlier build of the same request is replaced as a whole.

    Args:
        loaded: the version.
        request: what to make.
        out: where; `builds_folder` if not given.

    Raises:
        FileNotListed, NetworkInvalid, UnknownName, BadValue: the version has no network, or a setting is no setting.
        NotLogic, BackendLimit: the tool cannot express the network.
        InputsInvalid: ports shall be as packed words fill them, and these do not hold an input.
        HeadersMissing, ExtraMissing: hls4ml or da4ml is not installed.
        BuildUnwritable: the folder cannot be written.
    """
    parent = builds_folder(loaded) if out is None else out
    folder = parent / request.label
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{request.label}-", dir=parent) as name:
            work = Path(name) / "new"
            work.mkdir()
            ticks = _written(loaded, request, work)
            record = _record(loaded, request, work, ticks)
            (work / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            work.chmod(_READABLE)
            if folder.exists():
                folder.rename(Path(name) / "old")
            work.rename(folder)
    except OSError as error:
        raise BuildUnwritable(parent, error.strerror or type(error).__name__) from None
    projects = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    return Build(folder, projects, str(record["digest"]), ticks)


def _written(loaded: LoadedVersion, request: BuildRequest, folder: Path) -> int | None:
    """The projects; the number of ticks if it is known."""
    manifest = loaded.manifest
    if request.tool is Tool.HLS4ML:
        for flavour in Flavour:
            project = hls_project(loaded.network, manifest.name, manifest.version, request.settings(flavour))
            project.write(folder / flavour.lower())
        return None
    from firmware.designs import rtl_design, rtl_pipeline
    from firmware.rtl import Language, write_rtl

    pipeline = rtl_pipeline(loaded, request)
    for language in Language:
        write_rtl(pipeline, folder / language, rtl_design(loaded, request, language))
    return len(pipeline.solutions)


def _record(loaded: LoadedVersion, request: BuildRequest, folder: Path, ticks: int | None) -> Mapping[str, object]:
    files = {str(path.relative_to(folder)): _sha256(path.read_bytes()) for path in _files(folder)}
    return {
        "version": loaded.label,
        "version_digest": loaded.digest,
        **request.stated,
        "ticks": ticks,
        "made_with": {name: _installed(name) for name in _TOOLS},
        "digest": _sha256(json.dumps(files, sort_keys=True).encode()),
        "files": files,
    }


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
