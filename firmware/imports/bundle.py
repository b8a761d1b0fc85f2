"""The files that a version of native code is compiled from, as one archive (`docs/models-import.md`)."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from firmware.hls4ml_package import AP_TYPES, templates
from firmware.imports.bridge import SUPPORT_HEADERS, BridgeOptions, bridge_text, unit_text
from firmware.imports.project import Project
from firmware.imports.sources import Sources, read_sources

BUNDLE_FILE: Final = "project.tar.xz"
"""The archive's name among the files of a version."""
UNITS_FOLDER: Final = "units"
PROJECT_FOLDER: Final = "project"
SUPPORT_FOLDER: Final = "support"
_INCLUDE_FOLDER: Final = "include"
_LAYERS: Final = "vivado/nnet_utils"
_KERNEL: Final = "using kernel = nnet::DenseKernel<data_T, res_T, CONFIG_T>;"
_KERNEL_OF_STRATEGY: Final = """\
using kernel = std::conditional_t<CONFIG_T::strategy == nnet::latency, nnet::DenseLatency<data_T, res_T, CONFIG_T>,
                                      nnet::DenseResource_rf_leq_nin<data_T, res_T, CONFIG_T>>;"""
_KERNELS_DECLARED: Final = """\
template <class data_T, class res_T, typename CONFIG_T> class DenseLatency;
template <class data_T, class res_T, typename CONFIG_T> class DenseResource_rf_leq_nin;

struct dense_config {"""


def bundled(project: Project, includes: Sequence[Path], options: BridgeOptions) -> dict[str, str]:
    """All files that compiling needs, by path; those of `units/` are what is compiled.

    Headers that neither the project nor `includes` have come from the installed hls4ml, so that a version's scores do
    not change with it.

    Args:
        project: what to compile.
        includes: folders of headers, such as those of the types that the project was made with.
        options: what cannot be read from it.

    Raises:
        HeadersMissing: hls4ml is not installed.
        FileMissing, FileUnreadable, ProjectInvalid: a folder of headers cannot be read.
    """
    units = {f"{UNITS_FOLDER}/l1chain_unit_{i}.cpp": unit_text(project, unit) for i, unit in enumerate(project.units)}
    units[f"{UNITS_FOLDER}/l1chain_bridge.cpp"] = bridge_text(project, options)
    files = {f"{PROJECT_FOLDER}/{path}": text for path, text in project.sources.files.items()}
    for i, folder in enumerate(includes):
        files |= {f"{_INCLUDE_FOLDER}{i}/{path}": text for path, text in read_sources(folder).files.items()}
    files |= {f"{SUPPORT_FOLDER}/{path}": text for path, text in _support().items()}
    everything = Sources(files | units, tuple(include_folders(files)))
    return {path: everything.files[path] for path in sorted(everything.needed(units))}


def include_folders(paths: Iterable[str]) -> list[str]:
    """The folders of headers in a bundle, in the order in which they are searched."""
    folders = {folder for path in paths for folder in _folders(path)}
    within = (folder for folder in folders if folder.startswith(f"{PROJECT_FOLDER}/"))
    types = sorted(folder for folder in within if folder.endswith("/ap_types"))
    given = sorted(folder for folder in folders if re.fullmatch(rf"{_INCLUDE_FOLDER}\d+(/ap_types)?", folder))
    return [PROJECT_FOLDER, *types, *given, SUPPORT_FOLDER, f"{SUPPORT_FOLDER}/nnet_utils"]


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]


def packed(files: Mapping[str, str]) -> bytes:
    """The archive's bytes; equal files give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in sorted(files.items()):
            content = text.encode()
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue(), preset=6)


def _support() -> dict[str, str]:
    """The emulator interface, and hls4ml's headers where projects look for them."""
    types, layers = templates() / AP_TYPES, templates() / _LAYERS
    files = dict(SUPPORT_HEADERS)
    for path in sorted(types.rglob("*.h")):
        files[path.relative_to(types).as_posix()] = _header(path)
    for path in sorted(layers.glob("*.h")):
        text = _header(path)
        if _KERNEL in text:  # what projects of hls4ml 0.x leave out would be a layer that does nothing
            text = text.replace(_KERNEL, _KERNEL_OF_STRATEGY).replace("struct dense_config {", _KERNELS_DECLARED, 1)
        files |= {f"{folder}nnet_utils/{path.name}": text for folder in ("", "NN/")}
    return files


def _header(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
