"""Runs a command under limits of time, memory and file size; nothing of it is left afterwards (`docs/firmware.md`)."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

_LIMIT_AND_RUN: Final = 'ulimit -c 0; ulimit -v "$1" && ulimit -t "$2" && ulimit -f "$3" && shift 3 && exec "$@"'
"""Limits set by the shell before the command starts: no Python code runs between fork and exec."""
_SHELL: Final = "/bin/sh"
_KIB: Final = 1024
_FILE_BLOCK_BYTES: Final = 512
_MOST_OUTPUT_BYTES: Final = 1 << 18


@dataclass(frozen=True)
class ProcessLimits:
    """What a command may take.

    Attributes:
        seconds: wall-clock time of the whole, and processor time of each process.
        memory_bytes: address space of each process.
        file_bytes: the largest file that it writes.
    """

    seconds: float
    memory_bytes: int
    file_bytes: int


class Outcome(Enum):
    """How a command ended."""

    DONE = auto()
    FAILED = auto()
    TIMED_OUT = auto()


@dataclass(frozen=True)
class Done:
    """A command that ended.

    Attributes:
        outcome: how.
        output: what it wrote to standard output and error, at most 256 KiB.
        seconds: of wall-clock time.
    """

    outcome: Outcome
    output: str
    seconds: float


def run_limited(command: Sequence[str], limits: ProcessLimits, cwd: Path, environment: Mapping[str, str]) -> Done:
    """Run a command in a session of its own and wait for it; at the end, or out of time, its whole group is ended.

    Args:
        command: absolute path of the program, and its arguments.
        limits: what it may take.
        cwd: where it runs.
        environment: all the variables that it gets.
    """
    seconds = max(limits.seconds, 0.0)
    numbers = (limits.memory_bytes // _KIB, int(seconds) + 1, limits.file_bytes // _FILE_BLOCK_BYTES)
    shell = [_SHELL, "-c", _LIMIT_AND_RUN, _SHELL, *map(str, numbers), *command]
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 (the caller's own command, no user's text in the shell's)
            shell,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end_group(process)
        output.seek(0)
        text = output.read(_MOST_OUTPUT_BYTES).decode(errors="replace")
    return Done(_outcome(code), text, time.monotonic() - start)


def _outcome(code: int | None) -> Outcome:
    if code is None or code == -signal.SIGXCPU:
        return Outcome.TIMED_OUT
    return Outcome.FAILED if code else Outcome.DONE


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
