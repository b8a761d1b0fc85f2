"""Errors of the firmware layer; every message says what is wrong, where, and what to do.

L1ChainError (triggers.errors)
└── ModelError (models.errors)
    └── FirmwareError            anything about a model as C++ or hardware
        ├── CompilerMissing      no C++ compiler is installed
        ├── HeadersMissing       the C++ headers that hls4ml ships are not installed
        ├── CompileFailed        sources that the compiler refuses, with all that it said
        ├── CompileLimitReached  sources whose compilation takes too long or too much memory
        ├── CacheUnsafe          a folder of compiled objects that others could write
        ├── LibraryUnusable      a compiled object that cannot be loaded or lacks its function
        └── WorkerFailed         native code that does not score, in its own process
            ├── WorkerDied       the process ended: a crash, or an exit
            ├── WorkerTimedOut   the process did not answer in time
            └── WorkerGarbled    the process answered what no worker answers
"""

from __future__ import annotations

from pathlib import Path

from models.errors import ModelError


class FirmwareError(ModelError):
    """An error about a model as C++ or hardware."""


class CompilerMissing(FirmwareError):
    """No C++ compiler is installed."""

    def __init__(self, command: str) -> None:
        super().__init__(
            "compiler",
            f"no command '{command}' was found",
            f"install a C++ compiler (`apt-get install {command}`), or choose another backend",
        )


class HeadersMissing(FirmwareError):
    """The C++ headers that hls4ml ships are not installed."""

    def __init__(self, folder: str | Path | None = None) -> None:
        found = "the package hls4ml is not installed" if folder is None else f"{folder} is not there"
        super().__init__("hls4ml", found, "install the extra: pip install 'l1chain[firmware]'")


class CompileFailed(FirmwareError):
    """Sources that the compiler refuses; the text has all that the compiler said, on lines of its own."""

    def __init__(self, source: str | Path, output: str) -> None:
        super().__init__(source, "does not compile", "correct the source; the compiler said:")
        self.output = output.strip()
        self.args = (f"{self}\n{self.output}",)


class CompileLimitReached(FirmwareError):
    """Sources whose compilation takes too long, too much memory, or gives too large an object."""

    def __init__(self, source: str | Path, what: str) -> None:
        super().__init__(source, f"compiling it took more than {what}", "make the source smaller or raise the limit")


class CacheUnsafe(FirmwareError):
    """A folder of compiled objects that others could write, or that cannot be made."""

    def __init__(self, folder: str | Path, why: str) -> None:
        super().__init__(
            folder, f"cannot hold compiled objects ({why})", "remove it, or name a folder of your own in XDG_CACHE_HOME"
        )


class LibraryUnusable(FirmwareError):
    """A compiled object that cannot be loaded, or lacks the function that scores."""

    def __init__(self, path: str | Path, why: str) -> None:
        reason = why.replace(f"{path}: ", "")
        super().__init__(path, f"cannot be used ({reason})", "correct the source and compile it again")


class WorkerFailed(FirmwareError):
    """Native code that does not score, in its own process; a restarted worker may."""


class WorkerDied(WorkerFailed):
    """The process of native code ended: a crash, an exit, or a limit that the system enforces."""

    def __init__(self, library: str | Path, how: str, said: str = "") -> None:
        last = f", and said '{' '.join(said.split())}'" if said.strip() else ""
        super().__init__(library, f"its process {how}{last}", "correct the source: this input or state breaks it")


class WorkerTimedOut(WorkerFailed):
    """The process of native code did not answer in time; it was ended."""

    def __init__(self, library: str | Path, seconds: float) -> None:
        super().__init__(library, f"did not answer in {seconds:g} s", "correct the source, or raise the time limit")


class WorkerGarbled(WorkerFailed):
    """The process of native code answered what no worker answers; it was ended."""

    def __init__(self, library: str | Path) -> None:
        super().__init__(library, "wrote into its worker's answers", "correct the source: it must not touch open files")
