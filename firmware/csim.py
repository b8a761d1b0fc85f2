"""The backend `hls4ml`: a version's HLS project, compiled and run here (`docs/firmware.md`, "C simulation")."""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware.compiler import CompileLimits, compile_library
from firmware.errors import LibraryUnusable
from firmware.hls import BACKEND, HlsProject, hls_project
from firmware.hls_build import DEFAULT_SETTINGS, BuildSettings
from firmware.hls_files import EXPORTED, TRACE
from firmware.hls_types import common_type
from firmware.imports.bundle import BUNDLE_FILE
from firmware.imports.compiled import ImportedBackend
from firmware.imports.triggerflow import EMULATOR_FILE, TriggerflowBackend
from models.backends.fixed import given_codes, given_numbers
from models.backends.protocol import Backend, CostlyFactory
from models.backends.version_backend import VersionBackend
from models.errors import BackendLimit
from models.inputs import Columns, InputTable, fill_inputs, input_table, n_crossings
from models.network import Network
from models.repository import LoadedVersion

_FLAGS: Final = ("-DNDEBUG",)
"""Some conversions of ap_types read a bit that is not there, and do not use it; a check of theirs would end Python."""
_LIMITS: Final = CompileLimits(seconds=1200.0)
_QUICKLY: Final = ("-O1", "-fno-inline-functions-called-once")
"""For long sources, which are functions of thousands of statements: at -O2 g++ takes five times as long for them."""
_LONG_LINES: Final = 1000
_TRACED_BITS: Final = 64


@CostlyFactory
def open_csim(version: LoadedVersion) -> Backend:
    """The C simulation of a version; compiles it if it never was.

    Imported C++ runs in a worker process; what l1chain wrote itself, of a checked description, in this one.

    Raises:
        CompilerMissing, HeadersMissing: g++ or hls4ml is not installed.
        BackendLimit: C++ cannot hold the network's numbers.
        FileNotListed: the version has no `network.json`.
        NetworkInvalid, UnknownName, BadValue, ArchiveUnsafe: it is damaged.
        CompileFailed, CompileLimitReached, LibraryUnusable, WorkerFailed: imported C++ does not compile, or crashes.
    """
    if BUNDLE_FILE in version.files:
        return ImportedBackend(version)
    return TriggerflowBackend(version) if EMULATOR_FILE in version.files else CsimBackend(version)


class Library:
    """A function of a compiled project, in this process; belongs to one thread.

    The object's symbols are its own, so many versions stand side by side. It is unloaded when nobody has it any more.
    """

    def __init__(self, path: Path, function: str = EXPORTED) -> None:
        """Load it.

        Raises:
            LibraryUnusable: it is no object of this machine, or lacks the function.
        """
        try:
            library = ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | os.RTLD_NOW)
            self._function: Final = library[function]
        except (OSError, AttributeError) as error:
            raise LibraryUnusable(path, str(error)) from None
        self._function.argtypes, self._function.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t), None
        unload = weakref.finalize(self, _unload(), library._handle)
        unload.atexit = False  # other threads may still run it then

    def run(self, codes: NDArray[np.signedinteger[Any]], n_outputs: int) -> NDArray[np.int64]:
        """What the function writes, `(n, n_outputs)`, for codes of the inputs `(n, n_inputs)`; holds no lock.

        Args:
            codes: of the project's width.
            n_outputs: that the function writes for each row.
        """
        codes = np.ascontiguousarray(codes)
        outputs = np.empty((len(codes), n_outputs), np.int64)
        self._function(codes.ctypes.data, outputs.ctypes.data, len(codes))
        return outputs


class CsimBackend(VersionBackend):
    """Scores crossings with the C simulation of a version's `network.json`; belongs to one thread."""

    def __init__(self, version: LoadedVersion, settings: BuildSettings = DEFAULT_SETTINGS) -> None:
        """Writes the project, compiles it or finds the object compiled earlier, and loads it.

        Args:
            version: whose network is simulated.
            settings: of the project.

        Raises:
            FirmwareError, BackendLimit, FileNotListed, NetworkInvalid, UnknownName, BadValue: as `open_csim`.
        """
        super().__init__(version)
        self.network: Final = version.network
        self.project: Final = hls_project(self.network, version.manifest.name, version.manifest.version, settings)
        self.compiled: Final = compiled(self.project)
        self._library: Final = Library(self.compiled)

    @cached_property
    def _table(self) -> InputTable:
        layout = self._version.layout
        return input_table(layout, given_codes(layout.values(), self.network.given_type).astype(np.int64))

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not as the event format says.
        """
        n = n_crossings(self._version.layout, columns)
        codes = np.empty((n, self.network.n_inputs), self.project.code_dtype)
        fill_inputs(columns, self._table, codes)
        return self._library.run(codes, 1)[:, 0].astype(np.int32)

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        return self._library.run(_codes(self.network, self.project, inputs), 1)[:, 0]


def layer_codes(network: Network, project: HlsProject, inputs: ArrayLike) -> dict[str, NDArray[np.int64]]:
    """The codes that the C simulation computes for each tensor of scaling, layers and score, `(n, *shape)` by name.

    They are to be compared with `models.backends.fixed.run`; the simulation that writes them is compiled for this.

    Args:
        network: what the project was made of.
        project: its project.
        inputs: `(n, n_inputs)` finite numbers, before the network's scaling.

    Raises:
        InputsInvalid: the inputs are not of that shape, or not finite numbers.
        BackendLimit: a tensor has numbers of more than 64 bits.
        FirmwareError: as `compiled`.
    """
    kinds = [common_type(tensor.types) for tensor in project.traced]
    if max(kind.bits for kind in kinds) > _TRACED_BITS:
        raise BackendLimit(BACKEND, f"tracing numbers of more than {_TRACED_BITS} bits is", "fixed")
    ends = np.cumsum([tensor.size for tensor in project.traced])
    library = Library(compiled(project, "-DL1CHAIN_TRACE"), TRACE)
    parts = np.split(library.run(_codes(network, project, inputs), int(ends[-1])), ends[:-1], axis=1)
    result = {}
    for part, tensor, kind in zip(parts, project.traced, kinds, strict=True):
        codes = part.reshape(len(part), *tensor.shape)
        result[tensor.name] = codes >> np.maximum(kind.fraction_bits - tensor.fraction_bits, 0)
    return result


def compiled(project: HlsProject, *flags: str, cache: Path | None = None) -> Path:
    """The shared object of a project, compiled now or earlier.

    Args:
        project: what to compile.
        flags: of the compiler, besides its usual ones.
        cache: as `compile_library`.

    Raises:
        CompilerMissing, HeadersMissing: g++ or hls4ml is not installed.
        CompileFailed, CompileLimitReached: the compiler refuses, or takes too long or too much.
        CacheUnsafe: there is no private folder for it.
    """
    with tempfile.TemporaryDirectory(prefix="l1chain-hls-") as name:
        folder = Path(name)
        project.write_sources(folder)
        sources = [folder / project.batch_source]
        options = (*_FLAGS, *(_QUICKLY if project.n_lines > _LONG_LINES else ()), *flags)
        return compile_library(sources, project.includes(), options, cache=cache, limits=_LIMITS)


def _codes(network: Network, project: HlsProject, inputs: ArrayLike) -> NDArray[np.signedinteger[Any]]:
    """Any numbers `(n, n_inputs)` as codes of the type of the network's inputs, as the batch function reads them."""
    return given_codes(given_numbers(network, inputs), network.given_type).astype(project.code_dtype)


def _unload() -> Callable[[int], object]:
    close = ctypes.CDLL(None).dlclose
    close.argtypes = (ctypes.c_void_p,)
    return close
