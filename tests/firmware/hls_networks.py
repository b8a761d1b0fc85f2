"""Many networks' projects in one shared object: the headers, which take the compiler longest, are read once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.compiler import compile_library
from firmware.csim import Library
from firmware.hls import HlsProject, hls_project
from firmware.hls_build import BuildSettings, Flavour
from firmware.hls_files import EXPORTED, TRACE
from firmware.hls_types import common_type
from models.backends.fixed import given_codes
from models.network import Network

_GUARD = re.compile(r"^#ifndef (\w+_H_)$", re.MULTILINE)


def traced_codes(
    networks: Sequence[Network], inputs: Sequence[NDArray[np.int64]], flavour: Flavour, folder: Path
) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Of each network, the codes of all tensors by name, `(n, *shape)`, as its C simulation computes them."""
    projects = [hls_project(one, "many", f"n{i}", BuildSettings(flavour)) for i, one in enumerate(networks)]
    for project in projects:
        project.write_sources(folder / project.top)
    source = folder / "many.cpp"
    source.write_text("\n".join(_renamed(project, folder) for project in projects))
    library = compile_library([source], projects[0].includes(), ("-O0", "-DNDEBUG", "-DL1CHAIN_TRACE"))
    for network, x, project in zip(networks, inputs, projects, strict=True):
        codes = given_codes(x, network.given_type).astype(project.code_dtype)
        sizes = [tensor.size for tensor in project.traced]
        found = Library(library, f"{TRACE}_{project.top}").run(codes, sum(sizes))
        parts = np.split(found, np.cumsum(sizes)[:-1], axis=1)
        yield {
            tensor.name: part.reshape(-1, *tensor.shape)
            >> (common_type(tensor.types).fraction_bits - tensor.fraction_bits).clip(0)
            for tensor, part in zip(project.traced, parts, strict=True)
        }


def _renamed(project: HlsProject, folder: Path) -> str:
    """The project's source with names of its own for the functions that are seen, and its include guards open."""
    guards = {guard for text in project.files.values() for guard in _GUARD.findall(text)}
    names = (EXPORTED, TRACE)
    return "\n".join(
        [
            *(f"#define {name} {name}_{project.top}" for name in names),
            f'#include "{folder / project.top / project.batch_source}"',
            *(f"#undef {name}" for name in (*names, *sorted(guards))),
        ]
    )
