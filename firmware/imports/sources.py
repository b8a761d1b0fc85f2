"""The files of an hls4ml project, in memory, and which of them include which (`docs/models-import.md`)."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.imports.cpp import Preprocessor, includes
from firmware.imports.errors import ProjectInvalid
from triggers.errors import FileMissing, FileUnreadable

SUFFIXES: Final = (".cpp", ".cc", ".cxx", ".h", ".hh", ".hpp", ".inc")
UNITS: Final = (".cpp", ".cc", ".cxx")
"""What is compiled by itself; the others are included."""
MOST_FILES: Final = 4096
MOST_BYTES: Final = 64 << 20
_LIBRARY_FOLDERS: Final = ("nnet_utils", "ap_types")
"""Code of hls4ml and of the types: compiled, not read."""


@dataclass(frozen=True)
class Sources:
    """C++ files by path, with `/` and relative to one folder; `roots` are searched for what is included."""

    files: Mapping[str, str]
    roots: tuple[str, ...] = ("",)

    def found(self, path: str, name: str) -> str | None:
        """The file that `path` means by an include of `name`: beside it, else from a root."""
        for folder in (posixpath.dirname(path), *self.roots):
            candidate = posixpath.normpath(posixpath.join(folder, name))
            if candidate in self.files:
                return candidate
        return None

    def needed(self, start: Iterable[str]) -> frozenset[str]:
        """The given files with all that they include, whatever the conditions."""
        found, waiting = set[str](), list(start)
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += [other for name in includes(self.files[path]) if (other := self.found(path, name))]
        return frozenset(found)

    def preprocessed(self, path: str, macros: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The text of a file with what it includes, code of hls4ml left out, and the macros it leaves."""

        def included(by: str, name: str) -> tuple[str, str] | None:
            other = self.found(by, name)
            return None if other is None or is_library(other) else (other, self.files[other])

        preprocessor = Preprocessor(macros, included)
        return preprocessor.text(path, self.files[path]), preprocessor.macros

    @property
    def units(self) -> list[str]:
        """Files that are compiled by themselves, not those of hls4ml."""
        return sorted(path for path in self.files if path.endswith(UNITS) and not is_library(path))


def is_library(path: str) -> bool:
    """Whether a file is code of hls4ml or of the types."""
    return any(folder in _LIBRARY_FOLDERS for folder in posixpath.dirname(path).split("/"))


def read_sources(folder: Path) -> Sources:
    """The C++ files of a folder and its folders; hidden ones, and links that leave its parent, are passed over.

    Raises:
        FileMissing: there is no such folder.
        FileUnreadable: a file cannot be read.
        ProjectInvalid: too many or too large files.
    """
    if not folder.is_dir():
        raise FileMissing(folder, "folder")
    files: dict[str, str] = {}
    total = 0
    for path in _cpp_files(folder):
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1 - total)
        except OSError as error:
            raise FileUnreadable(path, error.strerror or type(error).__name__, "check the path") from None
        total += len(content)
        if total > MOST_BYTES or len(files) == MOST_FILES:
            what = f"holds more than {MOST_FILES} C++ files or {MOST_BYTES >> 20} MiB of them"
            raise ProjectInvalid(folder, what, "name the folder of one model")
        files[path.relative_to(folder).as_posix()] = content.decode("utf-8", errors="replace")
    return Sources(files)


def _cpp_files(folder: Path) -> Iterator[Path]:
    within = folder.resolve().parent
    seen = {folder.resolve()}
    for place, names, files in os.walk(folder, followlinks=True):
        inner = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        names[:] = [p.name for p in inner if p.resolve() not in seen and p.resolve().is_relative_to(within)]
        seen |= {(Path(place) / name).resolve() for name in names}
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix in SUFFIXES and path.is_file() and path.resolve().is_relative_to(within):
                yield path
