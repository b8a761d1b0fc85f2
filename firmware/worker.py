"""Foreign native code in a process of its own: a crash or an endless loop ends in an error (`docs/firmware.md`).

The function has the C signature `void NAME(const IN *inputs, OUT *outputs, size_t n)`: `n` rows of `n_inputs` and
`n_outputs` numbers, C order.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from firmware import worker_process
from firmware.errors import LibraryUnusable, WorkerDied, WorkerGarbled, WorkerTimedOut
from firmware.worker_process import READY, REFUSED, REQUEST_BYTES, SCORED
from models.errors import InputsInvalid

_PAGE: Final = mmap.PAGESIZE
_START_SECONDS: Final = 20.0
"""For Python to start, besides the time to load the library."""
_GRACE_SECONDS: Final = 1.0
"""The child's own alarm, in whole seconds, goes first."""
_MOST_ANSWER_BYTES: Final = 8192
_SAID_BYTES: Final = 400


@dataclass(frozen=True)
class WorkerLimits:
    """What native code may take.

    Attributes:
        seconds: for loading, and for each batch.
        memory_bytes: address space of the process.
    """

    seconds: int = 30
    memory_bytes: int = 2 << 30


class NativeWorker:
    """A shared object in a child process; belongs to one thread. A context manager; `close` may be called twice.

    After an error the worker is closed; `restart` starts it anew.
    """

    def __init__(
        self,
        library: Path,
        function: str,
        *,
        n_inputs: int,
        n_outputs: int = 1,
        input_dtype: DTypeLike = np.int32,
        output_dtype: DTypeLike = np.int64,
        batch_rows: int = 4096,
        limits: WorkerLimits = WorkerLimits(),
    ) -> None:
        """Starts the process and loads the library there.

        Args:
            library: the shared object.
            function: its function, of the signature that the module's text states.
            n_inputs: numbers given per row.
            n_outputs: numbers got per row.
            input_dtype: of the numbers given.
            output_dtype: of the numbers got.
            batch_rows: rows of one call; more are scored in several calls.
            limits: the process is ended beyond them.

        Raises:
            LibraryUnusable: it cannot be loaded, or has no such function.
            WorkerDied, WorkerTimedOut, WorkerGarbled: loading it crashed, never ended, or wrote nonsense.
        """
        self.library: Final = library.resolve()
        self._function, self._limits = function, limits
        self._rows, self._shapes = batch_rows, (n_inputs, n_outputs)
        self._dtypes = np.dtype(input_dtype), np.dtype(output_dtype)
        self._child: _Child | None = None
        self.restart()

    def restart(self) -> None:
        """Start a new process in place of the present one.

        Raises:
            LibraryUnusable, WorkerDied, WorkerTimedOut, WorkerGarbled: as the constructor.
        """
        self.close()
        sizes = [
            -(-self._rows * width * kind.itemsize // _PAGE) * _PAGE
            for width, kind in zip(self._shapes, self._dtypes, strict=True)
        ]
        child = _Child(self.library, self._function, sizes, self._limits)
        try:
            answer = child.answer(_START_SECONDS + self._limits.seconds)
            if answer.startswith(REFUSED):
                raise LibraryUnusable(self.library, answer[len(REFUSED) :].decode(errors="replace"))
            if answer != READY:
                raise WorkerGarbled(self.library)
        except BaseException:
            child.close()
            raise
        self._child = child

    def score(self, inputs: NDArray[np.generic]) -> NDArray[Any]:
        """What the function gives, `(n, n_outputs)`, for inputs `(n, n_inputs)`, both of the stated dtypes.

        Raises:
            InputsInvalid: the inputs are of another shape or dtype.
            WorkerDied: the process ended, now or earlier.
            WorkerTimedOut: it did not answer in time.
            WorkerGarbled: it answered nonsense.
        """
        (n_inputs, n_outputs), (read, written) = self._shapes, self._dtypes
        if inputs.ndim != 2 or inputs.shape[1] != n_inputs or inputs.dtype != read:
            raise InputsInvalid("inputs", f"{inputs.dtype} of shape {inputs.shape}", f"{read} (n, {n_inputs})")
        result = np.empty((len(inputs), n_outputs), written)
        for start in range(0, len(inputs), self._rows):
            block = inputs[start : start + self._rows]
            result[start : start + len(block)] = self._score_block(block)
        return result

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def __enter__(self) -> NativeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _score_block(self, block: NDArray[np.generic]) -> NDArray[Any]:
        child = self._child
        if child is None:
            raise WorkerDied(self.library, "has ended")
        try:
            np.frombuffer(child.memory, self._dtypes[0], block.size)[:] = block.ravel()
            child.request(len(block))
            if child.answer(self._limits.seconds + _GRACE_SECONDS) != SCORED:
                raise WorkerGarbled(self.library)
        except BaseException:
            self.close()
            raise
        shape = len(block), self._shapes[1]
        outputs = np.frombuffer(child.memory, self._dtypes[1], shape[0] * shape[1], child.outputs_at)
        return outputs.reshape(shape).copy()


class _Child:
    """The process, the memory that it shares, and the pipes to it."""

    def __init__(self, library: Path, function: str, sizes: list[int], limits: WorkerLimits) -> None:
        self._library, self._limits = library, limits
        self.outputs_at = sizes[0]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        shared = _sealed_memory(sum(sizes))
        self.memory = mmap.mmap(shared, sum(sizes))
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        given = (requests, answers, shared)
        numbers = (*given, sum(sizes), sizes[0], limits.seconds, limits.memory_bytes)
        script = str(Path(worker_process.__file__))
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this Python, this package's script)
                [sys.executable, "-I", "-S", script, str(library), function, *map(str, numbers)],
                cwd="/",
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=given,
                start_new_session=True,
            )
        finally:
            for descriptor in given:
                os.close(descriptor)
        self._end = weakref.finalize(self, _end, self._process, (self._requests, self._answers), self._said)

    def request(self, n_rows: int) -> None:
        try:
            os.write(self._requests, n_rows.to_bytes(REQUEST_BYTES, "little"))
        except BrokenPipeError:
            raise self._died() from None

    def answer(self, seconds: float) -> bytes:
        """What it writes next.

        Raises:
            WorkerTimedOut: nothing in time.
            WorkerDied: it ended.
        """
        deadline = time.monotonic() + seconds
        while not select.select([self._answers], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            if time.monotonic() >= deadline:
                raise WorkerTimedOut(self._library, self._limits.seconds)
        return os.read(self._answers, _MOST_ANSWER_BYTES) or self._raise_died()

    def close(self) -> None:
        self._end()

    def _raise_died(self) -> bytes:
        raise self._died()

    def _died(self) -> WorkerDied | WorkerTimedOut:
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return WorkerDied(self._library, "closed its answers")
        if code == -signal.SIGALRM:
            return WorkerTimedOut(self._library, self._limits.seconds)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        self._said.seek(0)
        return WorkerDied(self._library, how, self._said.read(_SAID_BYTES).decode(errors="replace"))


def _sealed_memory(size: int) -> int:
    """A descriptor of shared memory whose size nobody can change: a shrunk one would crash those who read it."""
    descriptor = os.memfd_create("l1chain-batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


def _end(process: subprocess.Popen[bytes], descriptors: tuple[int, ...], said: IO[bytes]) -> None:
    """End the process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)
    said.close()
