"""Imported native code that runs: compiled, in a worker process (`docs/models-import.md`)."""

from __future__ import annotations

import io
import lzma
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware.compiler import CompileLimits, compile_library
from firmware.imports.bridge import FACTS_FUNCTION, N_FACTS, SCORE_FUNCTION
from firmware.imports.bundle import BUNDLE_FILE, UNITS_FOLDER, include_folders
from firmware.imports.errors import ArchiveUnsafe, ProjectInvalid
from firmware.worker import NativeWorker, WorkerLimits
from models.backends.fixed import checked_numbers, given_codes
from models.backends.version_backend import VersionBackend
from models.fixed_point import FLOAT_BITS, FixedPoint, Overflow, Rounding
from models.repository import LoadedVersion

COMPILE_SECONDS: Final = 300.0
_FLAGS: Final = ("-O3", "-DNDEBUG")
"""As CMS compiles them; without checks that the hardware has not."""
_COMPILE_MEMORY: Final = 3 << 30
_LARGEST_BUNDLE: Final = 256 << 20
_BATCH_ROWS: Final = 1024
_MOST_INPUTS: Final = 1 << 16
_SCORE_BITS: Final = 32


@dataclass(frozen=True)
class Facts:
    """What a compiled project states about itself.

    Attributes:
        n_inputs: numbers that it is given.
        n_outputs: of its top-level function.
        input_type: of each of them.
        score_type: of the score, whose codes are the menu's integers.
    """

    n_inputs: int
    n_outputs: int
    input_type: FixedPoint
    score_type: FixedPoint


def compiled(files: Mapping[str, str], seconds: float = COMPILE_SECONDS) -> Path:
    """The shared object of a bundle, compiled now or earlier.

    Args:
        files: from `bundled` or `unpacked`.
        seconds: that compiling may take.

    Raises:
        CompilerMissing, CompileFailed, CompileLimitReached, CacheUnsafe: as `compile_library`.
    """
    with tempfile.TemporaryDirectory(prefix="l1chain-import-") as work:
        folder = Path(work)
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        units = [folder / path for path in sorted(files) if path.startswith(f"{UNITS_FOLDER}/")]
        includes = [folder / path for path in include_folders(files)]
        limits = CompileLimits(seconds=seconds, memory_bytes=_COMPILE_MEMORY)
        return compile_library(units, [f for f in includes if f.is_dir()], _FLAGS, limits=limits)


def unpacked(content: bytes, where: str | Path) -> dict[str, str]:
    """The files of a bundle.

    Raises:
        ArchiveUnsafe: it is none.
    """
    try:
        plain = lzma.LZMADecompressor().decompress(content, _LARGEST_BUNDLE)
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            members = archive.getmembers()
            files = {m.name: (archive.extractfile(m) or io.BytesIO()).read().decode() for m in members if m.isfile()}
    except (lzma.LZMAError, tarfile.TarError, EOFError, UnicodeDecodeError, OSError) as error:
        raise ArchiveUnsafe(where, f"is no archive of C++ files ({error})", "import the version again") from None
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ArchiveUnsafe(where, f"holds a file '{name[:60]}' outside of it", "import the version again")
    return files


def read_facts(library: Path, where: str | Path, limits: WorkerLimits | None = None) -> Facts:
    """What a compiled project states about itself; its code runs in a worker.

    Raises:
        LibraryUnusable, WorkerFailed: it cannot be loaded, or crashes, or never ends.
        ProjectInvalid: its types or sizes are none that can be run.
    """
    with NativeWorker(
        library,
        FACTS_FUNCTION,
        n_inputs=1,
        n_outputs=N_FACTS,
        input_dtype=np.int64,
        batch_rows=1,
        limits=limits or WorkerLimits(),
    ) as worker:
        numbers = [int(number) for number in worker.score(np.zeros((1, 1), np.int64))[0]]
    if not (0 < numbers[0] <= _MOST_INPUTS and 0 < numbers[1] <= _MOST_INPUTS):
        raise ProjectInvalid(where, f"has {numbers[0]} inputs and {numbers[1]} outputs", "name another function")
    given, made = (_type(numbers[start : start + 5], where) for start in (2, 7))
    low, high = made.code_range
    if made.fraction_bits < 0 or low < -(1 << (_SCORE_BITS - 1)) or high >= 1 << (_SCORE_BITS - 1):
        raise ProjectInvalid(where, f"its score is {made}, no integer of 32 bits with sign", "state a narrower one")
    return Facts(numbers[0], numbers[1], given, made)


def _type(numbers: list[int], where: str | Path) -> FixedPoint:
    bits, integer_bits, signed, rounding, overflow = numbers
    if bits not in FLOAT_BITS or not (0 <= rounding < len(Rounding) and 0 <= overflow < len(Overflow)):
        raise ProjectInvalid(where, f"has a type of {bits} bits, rounding {rounding}", "use types of 1 to 50 bits")
    return FixedPoint(bits, integer_bits, bool(signed), list(Rounding)[rounding], list(Overflow)[overflow])


class ImportedBackend(VersionBackend):
    """Scores crossings with a version's imported native code, in a worker process of this backend's own."""

    def __init__(self, version: LoadedVersion, limits: WorkerLimits | None = None) -> None:
        """Compiles the code, if it is not compiled yet, and starts the process.

        Raises:
            FileNotListed: the version has no native code.
            ArchiveUnsafe, FirmwareError: it is damaged, does not compile, or crashes.
        """
        where = version.folder / BUNDLE_FILE
        super().__init__(version)
        library = compiled(unpacked(version.file(BUNDLE_FILE, "backend hls4ml"), where))
        self.facts: Final = read_facts(library, where, limits)
        self._worker: Final = worker_of(library, SCORE_FUNCTION, self.facts, limits or WorkerLimits())

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
            WorkerFailed: the code crashed or never ended.
        """
        return score_codes(self._worker, self.facts, inputs)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def worker_of(library: Path, function: str, facts: Facts, limits: WorkerLimits) -> NativeWorker:
    """A process that scores; to be closed.

    Raises:
        LibraryUnusable, WorkerFailed: the library cannot be loaded, or crashes, or never ends.
    """
    return NativeWorker(
        library, function, n_inputs=facts.n_inputs, input_dtype=np.int64, batch_rows=_BATCH_ROWS, limits=limits
    )


def score_codes(worker: NativeWorker, facts: Facts, inputs: ArrayLike) -> NDArray[np.int64]:
    """Scores `(n,) int64` of inputs `(n, n_inputs)`, each converted to the input type first."""
    codes = given_codes(checked_numbers(facts.n_inputs, inputs), facts.input_type).astype(np.int64)
    scores: NDArray[np.int64] = worker.score(np.ascontiguousarray(codes))[:, 0]
    return scores
