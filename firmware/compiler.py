"""C++ sources → a shared object, under limits, cached by the digest of all that goes into it (`docs/firmware.md`)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache as remembered
from pathlib import Path
from typing import Final

from firmware.errors import CacheUnsafe, CompileFailed, CompileLimitReached, CompilerMissing, FirmwareError
from firmware.limited_process import Outcome, ProcessLimits, run_limited
from triggers.errors import FileMissing

COMPILER: Final = "g++"
STANDARD_FLAGS: Final = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-fno-gnu-unique",
    "-fmax-errors=20",
    "-fdiagnostics-color=never",
    "-w",
)
"""Symbols stay within their object, so that several versions live in one process; hls4ml's headers warn a lot."""
_LINKER_FLAGS: Final = ("-shared", "-Wl,-Bsymbolic", "-Wl,--build-id=none")
_MOST_OBJECTS: Final = 64
_OUT_OF_MEMORY: Final = ("out of memory", "virtual memory exhausted", "std::bad_alloc", "Cannot allocate memory")
_OUT_OF_TIME: Final = "CPU time limit exceeded"
_FILE_TOO_LARGE: Final = "File size limit exceeded"
_ENVIRONMENT: Final = ("PATH",)
_OWNER_ONLY: Final = 0o700
_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True)
class CompileLimits:
    """What one compilation may take.

    Attributes:
        seconds: of wall-clock time, preprocessing and compiling together.
        memory_bytes: address space of each process of the compiler.
        file_bytes: the largest file that it writes.
    """

    seconds: float = 300.0
    memory_bytes: int = 4 << 30
    file_bytes: int = 1 << 28


def compile_library(
    sources: Sequence[Path],
    includes: Sequence[Path],
    flags: Sequence[str] = (),
    *,
    cache: Path | None = None,
    limits: CompileLimits = CompileLimits(),
) -> Path:
    """Compile C++ sources into a shared object, or find the one compiled earlier.

    The digest covers the preprocessed sources, and so every header, the flags and the compiler's version. What was
    digested is what is compiled.

    Args:
        sources: at least one.
        includes: folders of headers, first ones first.
        flags: besides `STANDARD_FLAGS`, which they may override; none that names a file.
        cache: folder of compiled objects, this account's own; `l1chain/csim` in the user's cache if not given.
        limits: a compilation beyond them is ended.

    Raises:
        CompilerMissing: there is no g++.
        FileMissing: a source is not there.
        CompileFailed: the compiler refuses; the message holds all that it said.
        CompileLimitReached: a limit.
        CacheUnsafe: other accounts can write the folder, or it cannot be made.
    """
    command = find_compiler()
    for source in sources:
        if not source.is_file():
            raise FileMissing(source, "C++ source")
    folder = _private(default_cache() if cache is None else cache)
    options = [*STANDARD_FLAGS, *flags]
    with tempfile.TemporaryDirectory(prefix="l1chain-compile-", dir=folder) as work:
        step = _Step(command, Path(work), limits)
        texts = [step.preprocessed(source, includes, options) for source in sources]
        result = folder / f"{_digest(command, options, texts)}.so"
        with _locked(result.with_suffix(".lock")):
            if not result.is_file():
                os.replace(step.compiled(sources, options, len(texts)), result)
                _forget_oldest(folder)
    os.utime(result)
    return result


def default_cache() -> Path:
    """Where compiled objects are kept: `l1chain/csim` in `$XDG_CACHE_HOME`, which is `~/.cache` if not set."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "l1chain" / "csim"


class _Step:
    """Runs the compiler in a temporary folder; all steps share one limit of time."""

    def __init__(self, command: str, work: Path, limits: CompileLimits) -> None:
        self._command, self._work, self._limits = command, work, limits
        self._seconds = limits.seconds
        self._n = 0

    def preprocessed(self, source: Path, includes: Sequence[Path], options: Sequence[str]) -> bytes:
        """The source with all that it includes."""
        out = self._work / f"{self._n}.ii"
        self._n += 1
        folders = [word for folder in includes for word in ("-I", str(folder.resolve()))]
        self._run(source, ["-E", *options, *folders, "-x", "c++", str(source.resolve()), "-o", str(out)])
        return out.read_bytes()

    def compiled(self, sources: Sequence[Path], options: Sequence[str], n: int) -> Path:
        """The shared object of all preprocessed sources."""
        out = self._work / "object.so"
        inputs = [str(self._work / f"{i}.ii") for i in range(n)]
        arguments = [*options, *_LINKER_FLAGS, "-x", "c++-cpp-output", *inputs, "-o", str(out)]
        self._run(sources[0], arguments)
        return out

    def _run(self, source: Path, arguments: Sequence[str]) -> None:
        limits = ProcessLimits(self._seconds, self._limits.memory_bytes, self._limits.file_bytes)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {"LC_ALL": "C.UTF-8", "TMPDIR": str(self._work)}  # what it leaves when it is ended goes with it
        done = run_limited([self._command, *arguments], limits, cwd=self._work, environment=environment)
        self._seconds -= done.seconds
        match done.outcome:
            case Outcome.TIMED_OUT:
                raise CompileLimitReached(source, f"{self._limits.seconds:g} s")
            case Outcome.FAILED:
                raise self._failure(source, done.output)

    def _failure(self, source: Path, output: str) -> FirmwareError:
        if any(sentence in output for sentence in _OUT_OF_MEMORY):
            return CompileLimitReached(source, f"{self._limits.memory_bytes / 2**20:.0f} MiB of memory")
        if _FILE_TOO_LARGE in output:
            return CompileLimitReached(source, f"a file of {self._limits.file_bytes / 2**20:.0f} MiB")
        if _OUT_OF_TIME in output:
            return CompileLimitReached(source, f"{self._limits.seconds:g} s")
        return CompileFailed(source, output)


def find_compiler() -> str:
    """The path of g++.

    Raises:
        CompilerMissing: it is not installed.
    """
    found = shutil.which(COMPILER)
    if found is None:
        raise CompilerMissing(COMPILER)
    return found


@remembered
def _version(command: str) -> bytes:
    return subprocess.run([command, "--version"], capture_output=True, check=False).stdout  # noqa: S603 (found by which)


def _digest(command: str, options: Sequence[str], texts: Sequence[bytes]) -> str:
    """SHA-256, hex, of all that decides what the object does; line marks, which hold folders, do not."""
    digest = hashlib.sha256()
    for part in (_version(command), *(option.encode() for option in (*options, *_LINKER_FLAGS))):
        digest.update(len(part).to_bytes(8, "little") + part)
    for text in texts:
        code = b"\n".join(line for line in text.split(b"\n") if not line.startswith(b"# "))
        digest.update(len(code).to_bytes(8, "little") + code)
    return digest.hexdigest()


def _private(folder: Path) -> Path:
    """The folder, made if need be, if no other account can write it."""
    try:
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError as error:
        raise CacheUnsafe(folder, error.strerror or type(error).__name__) from None
    if state.st_uid != os.geteuid() or state.st_mode & _OTHERS_WRITE:
        raise CacheUnsafe(folder, "other accounts can write it")
    return folder.resolve()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time compiles the same object; the others wait for it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_oldest(folder: Path) -> None:
    """Keep the objects used last."""
    used = sorted(((path.stat().st_mtime, path) for path in folder.glob("*.so")), reverse=True)
    for _, path in used[_MOST_OBJECTS:]:
        path.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)
