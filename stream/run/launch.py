"""Starts services as threads or as processes, ends them, and tells which have died."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from stream.run.assembly import Assembly
from stream.services.delivery import Peer
from stream.wire.transport import Transport, Wiring

_JOIN_S: Final = 10.0


class Launcher(Protocol):
    """Starts services and waits for their end."""

    def start(self, peer: Peer) -> None:
        """Start a service; an incarnation before it must be dead, or nobody listens to it any more."""
        ...

    def pid(self, name: str) -> int | None:
        """The process of a service, if it has one of its own."""
        ...

    def how_dead(self, name: str) -> str | None:
        """How a service ended; None while it lives."""
        ...

    def kill(self, name: str) -> None:
        """End a service at once, where that is possible."""
        ...

    def join(self) -> None:
        """Wait for all to end; what does not end in time is killed where that is possible."""
        ...


def launcher(assembly: Assembly, wiring: Wiring, run_folder: Path) -> Launcher:
    """Threads for `inproc`, processes for the other transports."""
    if wiring.transport is Transport.INPROC:
        return ThreadLauncher(assembly, wiring, run_folder)
    return ProcessLauncher(assembly, wiring, run_folder)


class ThreadLauncher:
    """Every service a thread of this process."""

    def __init__(self, assembly: Assembly, wiring: Wiring, run_folder: Path) -> None:
        self._assembly, self._wiring, self._run_folder = assembly, wiring, run_folder
        self._threads: dict[str, threading.Thread] = {}

    def start(self, peer: Peer) -> None:
        """Start a service."""
        service = self._assembly.service(peer, self._wiring, time.thread_time_ns, self._run_folder)
        thread = threading.Thread(target=service.run, name=peer.name, daemon=True)
        self._threads[peer.name] = thread
        thread.start()

    def pid(self, name: str) -> int | None:
        """None: a thread has no process of its own."""

    def how_dead(self, name: str) -> str | None:
        """Whether its thread has ended."""
        return None if self._threads[name].is_alive() else "its thread ended"

    def kill(self, name: str) -> None:
        """A thread cannot be killed; nobody listens to it any more."""

    def join(self) -> None:
        """Wait for all threads to end."""
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))


class ProcessLauncher:
    """Every service a process, its standard error in the run's folder."""

    def __init__(self, assembly: Assembly, wiring: Wiring, run_folder: Path) -> None:
        self._assembly, self._wiring, self._run_folder = assembly, wiring, run_folder
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, peer: Peer) -> None:
        """Start a service."""
        logs = self._run_folder / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{peer.name.replace(':', '-')}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream.run.process"], stdin=subprocess.PIPE, stderr=log, text=True
            )
        self._processes[peer.name] = process
        if process.stdin:
            # A process that was killed before it read its order is found dead like any other.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(self._order(peer)))
                process.stdin.close()

    def _order(self, peer: Peer) -> dict[str, object]:
        return {
            "service": peer.name,
            "incarnation": peer.incarnation,
            "transport": self._wiring.transport,
            "run": self._wiring.run,
            "control": self._wiring.control,
            "folder": self._wiring.folder,
            "run_folder": str(self._run_folder),
            "config": self._assembly.pinned.model_dump_json(),
        }

    def pid(self, name: str) -> int | None:
        """Its process."""
        return self._processes[name].pid

    def how_dead(self, name: str) -> str | None:
        """Whether its process has ended."""
        code = self._processes[name].poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"its process {how}"

    def kill(self, name: str) -> None:
        """Kill its process, also if it is stopped."""
        process = self._processes[name]
        process.kill()
        process.wait()

    def join(self) -> None:
        """Wait for all processes to end; kill what does not."""
        deadline = time.monotonic() + _JOIN_S
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
