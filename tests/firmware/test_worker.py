"""Foreign code runs in a process of its own: whatever it does, its caller gets scores or a typed error."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware.compiler import compile_library
from firmware.errors import LibraryUnusable, WorkerDied, WorkerFailed, WorkerGarbled, WorkerTimedOut
from firmware.worker import NativeWorker, WorkerLimits
from models.errors import InputsInvalid

CODE = r"""
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>

static void misbehave(int32_t how) {
    switch (how) {
    case -1: *(volatile int *)0 = 0; break;
    case -2: for (volatile int i = 0;; i++) ;
    case -3: for (int file = 0; file < 4096; file++) (void)!write(file, "nonsense", 8); break;
    case -4: throw std::runtime_error("bad luck");
    case -5: _exit(3);
    case -6: { volatile char *all = new char[3L << 30]; all[0] = 1; break; }
    case -7: for (int file = 0; file < 4096; file++) (void)!ftruncate(file, 0); break;
    case -8: for (int file = 0; file < 4096; file++) close(file); break;
    case -9: if (fork() == 0) for (;;) pause(); break;
    case -10: std::printf("%s", getenv("SECRET") ? "leaked" : ""); if (getenv("SECRET")) _exit(4); break;
    }
}

extern "C" __attribute__((visibility("default"))) void
sums(const int32_t *inputs, int64_t *sums, size_t n) {
    for (size_t i = 0; i < n; i++, inputs += 2) {
        misbehave(inputs[0]);
        sums[i] = int64_t(inputs[0]) + inputs[1];
    }
}

static struct Loading {
    Loading() { if (LOADING) misbehave(LOADING); }
} loading;
"""


def library(folder: Path, loading: int = 0) -> Path:
    source = folder / "code.cpp"
    source.write_text(CODE)
    return compile_library([source], [], ["-O0", f"-DLOADING={loading}"])


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("worker"))


@pytest.fixture
def worker(code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NativeWorker]:
    monkeypatch.setenv("SECRET", "of the parent")
    with NativeWorker(code, "sums", n_inputs=2, batch_rows=1000, limits=WorkerLimits(1, 1 << 30)) as opened:
        yield opened


def running(group: int) -> list[int]:
    """The processes of a group that have not ended; one that nobody waits for is there still, as a zombie."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def crossings(how: int = 1) -> np.ndarray:
    inputs = np.random.default_rng(0).integers(0, 1 << 20, (2500, 2)).astype(np.int32)
    inputs[1300, 0] = how
    return inputs


def test_batches_of_any_size_are_scored(worker: NativeWorker) -> None:
    for n in (0, 1, 999, 1000, 1001, 2500):
        inputs = crossings()[:n]
        assert np.array_equal(worker.score(inputs)[:, 0], inputs.sum(axis=1, dtype=np.int64))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        (-1, WorkerDied, "its process was ended by SIGSEGV"),
        (-2, WorkerTimedOut, "did not answer in 1 s"),
        (-3, WorkerGarbled, "wrote into its worker's answers"),
        (-4, WorkerDied, "SIGABRT, and said 'terminate called .* bad luck'"),
        (-5, WorkerDied, "exited with code 3"),
        (-6, WorkerDied, "bad_alloc"),
        (-8, WorkerDied, "its process exited"),
    ],
)
def test_what_foreign_code_does_ends_in_an_error(worker, how: int, error: type[WorkerFailed], message: str) -> None:
    with pytest.raises(error, match=message):
        worker.score(crossings(how))
    with pytest.raises(WorkerDied, match="has ended"):
        worker.score(crossings())
    worker.restart()
    assert worker.score(crossings()).shape == (2500, 1)


@pytest.mark.parametrize("how", [-7, -9, -10], ids=["truncates all files", "starts processes", "looks for secrets"])
def test_what_foreign_code_tries_in_vain(worker: NativeWorker, how: int) -> None:
    assert np.array_equal(worker.score(crossings(how))[:, 0], crossings(how).sum(axis=1, dtype=np.int64))


def test_processes_that_it_started_end_with_it(worker: NativeWorker) -> None:
    worker.score(crossings(-9))
    group = worker._child._process.pid
    assert len(running(group)) == 2
    worker.close()
    worker.close()
    assert not running(group)


@pytest.mark.parametrize(("loading", "error"), [(-1, WorkerDied), (-2, WorkerTimedOut), (-3, WorkerGarbled)])
def test_loading_it_may_crash_too(tmp_path: Path, loading: int, error: type[WorkerFailed]) -> None:
    with pytest.raises(error):
        NativeWorker(library(tmp_path, loading), "sums", n_inputs=2, limits=WorkerLimits(seconds=1))


def test_what_is_no_library_or_lacks_the_function_is_named(code: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryUnusable, match=r"cannot be used .undefined symbol: nothing.; correct the source"):
        NativeWorker(code, "nothing", n_inputs=2)
    (tmp_path / "text.so").write_text("not an object")
    with pytest.raises(LibraryUnusable, match=r"text\.so: cannot be used .*(invalid ELF header|too short)"):
        NativeWorker(tmp_path / "text.so", "sums", n_inputs=2)


def test_inputs_of_another_shape_or_dtype_are_refused(worker: NativeWorker) -> None:
    for inputs in (np.zeros((3, 3), np.int32), np.zeros(3, np.int32), np.zeros((3, 2), np.int64)):
        with pytest.raises(InputsInvalid, match=r"expected int32 \(n, 2\)"):
            worker.score(inputs)


def test_it_ends_with_its_parent(code: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from firmware.worker import NativeWorker\n"
        f"worker = NativeWorker(Path({str(code)!r}), 'sums', n_inputs=2)\n"
        "print(worker._child._process.pid, flush=True); os._exit(0)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    deadline = time.monotonic() + 20
    while running(int(found.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
