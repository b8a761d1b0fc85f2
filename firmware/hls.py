"""A network description → an hls4ml project: C++ sources, constants, build scripts (`docs/firmware.md`, "Project").

The project is made of the checked description alone: numbers, types, and names that are made here. So it is as
trusted as l1chain itself. hls4ml is not imported; its headers and scripts are read where it is installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from firmware.da4ml_package import check_da4ml
from firmware.hls4ml_package import AP_TYPES, own_headers, templates
from firmware.hls_build import DEFAULT_SETTINGS, BuildSettings, Flavour, build_files
from firmware.hls_design import INPUT, Design
from firmware.hls_files import source_files, test_bench_files
from firmware.hls_layers import add_layers
from firmware.hls_scaling import INDEX, add_scaling
from firmware.hls_strategies import Strategy, exact_sums
from firmware.hls_types import identifier
from models.errors import BackendLimit
from models.fixed_point import FixedPoint
from models.network import Network
from models.network_layers import Tensor

BACKEND: Final = "hls4ml"
_STACK_BYTES: Final = 2 << 20
"""Threads have 8 MiB; a quarter of it is for the arrays of one call."""
_GIVEN: Final = "given"
_STAMP_DIGITS: Final = 8
_FUNCTIONS: Final = "firmware/parameters.h"


@dataclass(frozen=True)
class HlsProject:
    """An hls4ml project.

    Attributes:
        top: name of the top function, and of its namespace.
        n_inputs: of the top function.
        code_bits: 32 or 64: the signed integers in which the batch function reads codes of the inputs' type.
        flavour: of the vendor's tool.
        files: text by path, without the headers that hls4ml ships.
        traced: the tensors whose codes a tracing simulation writes, in this order.
    """

    top: str
    n_inputs: int
    code_bits: int
    flavour: Flavour
    files: Mapping[str, str]
    traced: tuple[Tensor, ...]

    @property
    def batch_source(self) -> str:
        """The path of the source to compile; it includes the others."""
        return f"{self.top}_csim.cpp"

    @property
    def n_lines(self) -> int:
        """Of the functions and their configurations."""
        return self.files[_FUNCTIONS].count("\n") + self.files[f"firmware/{self.top}.cpp"].count("\n")

    @property
    def code_dtype(self) -> np.dtype[np.signedinteger[Any]]:
        """Of the codes that the batch function reads."""
        return np.dtype(f"int{self.code_bits}")

    @property
    def digest(self) -> str:
        """SHA-256 of all files, hex."""
        return _digest(self.files)

    def includes(self) -> tuple[Path, ...]:
        """Folders of the headers that the sources include besides their own.

        Raises:
            HeadersMissing: hls4ml is not installed.
        """
        folders = (*_HEADERS[self.flavour], _COMMON_HEADERS, AP_TYPES)
        return own_headers(), *(templates() / folder for folder in folders)

    def write_sources(self, folder: Path) -> None:
        """Write the project's own files into a folder."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def write(self, folder: Path) -> None:
        """Write the whole project, with hls4ml's headers, as hls4ml does: vendors' tools and `build_lib.sh` run there.

        Raises:
            HeadersMissing: hls4ml is not installed.
        """
        self.write_sources(folder)
        (folder / "build_lib.sh").chmod(0o755)
        for path, content in self._headers().items():
            target = folder / "firmware" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def _headers(self) -> dict[str, bytes]:
        """The headers by their path in `firmware`; a flavour's own ones in place of the common ones."""
        found = {path.name: path.read_bytes() for path in sorted(own_headers().glob("*.h"))}
        for root in reversed(_HEADERS[self.flavour]):
            for path in sorted((templates() / root / "nnet_utils").glob("*.h")):
                found[f"nnet_utils/{path.name}"] = path.read_bytes()
        types = templates() / AP_TYPES
        return found | {f"ap_types/{path.relative_to(types)}": path.read_bytes() for path in sorted(types.rglob("*.h"))}


_HEADERS: Final = {Flavour.VITIS: ("vitis", "vivado"), Flavour.VIVADO: ("vivado",)}
"""Folders that have `nnet_utils`, first ones first."""
_COMMON_HEADERS: Final = "vivado/nnet_utils"
"""What headers of a flavour include as if it stood beside them."""


def hls_project(
    network: Network,
    name: str,
    version: str,
    settings: BuildSettings = DEFAULT_SETTINGS,
    inputs: ArrayLike | None = None,
) -> HlsProject:
    """The project of a network; the same arguments, and hls4ml, give the same bytes.

    Args:
        network: what the hardware computes: scaling, layers, score.
        name: of the model.
        version: of the model; both make the namespace.
        settings: for the vendor's tool.
        inputs: crossings for the test bench, `(n, n_inputs)`, before the network's scaling.

    Raises:
        InputsInvalid: the inputs are not finite numbers of that shape.
        BackendLimit: inputs of more than 64 bits, or arrays or numbers that C++ cannot hold.
        HeadersMissing: hls4ml is not installed.
        ExtraMissing: da4ml is not, for `distributed_arithmetic`.
    """
    if settings.strategy is Strategy.DISTRIBUTED_ARITHMETIC:
        check_da4ml()
    top = identifier(name, version)
    design = Design(settings.strategy, settings.reuse, exact_sums(network))
    try:
        _add_all(design, network)
        code_bits = _code_bits(network.given_type)
        sources = source_files(design, top, network.n_inputs, f"std::int{code_bits}_t")
        vectors = {} if inputs is None else test_bench_files(network, inputs)
    except ValueError as error:
        raise BackendLimit(BACKEND, f"a network with {error} is", "fixed") from None
    if design.stack_bytes > _STACK_BYTES:
        raise BackendLimit(BACKEND, f"a network with {design.stack_bytes / 2**20:.0f} MiB of arrays is", "onnxruntime")
    stamp = _digest(sources)[:_STAMP_DIGITS]
    files = {**sources, **build_files(top, network.n_inputs, stamp, settings, templates()), **vectors}
    return HlsProject(top, network.n_inputs, code_bits, settings.flavour, files, tuple(design.traced))


def _add_all(design: Design, network: Network) -> None:
    inputs = network.tensors[network.input_tensor]
    given = design.declare(Tensor(_GIVEN, inputs.shape, (network.given_type,)), INPUT, "input_t")
    if network.scaling is None:
        design.variables[inputs.name] = given
    else:
        add_scaling(design, network.scaling, given, inputs)
    add_layers(design, network, INDEX + 1)


def _code_bits(kind: FixedPoint) -> int:
    low, high = kind.code_range
    for bits in (32, 64):
        if -(1 << (bits - 1)) <= low and high < 1 << (bits - 1):
            return bits
    raise ValueError("inputs of more than 64 bits")


def _digest(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for path, text in sorted(files.items()):
        for part in (path.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
