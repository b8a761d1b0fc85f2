"""Starts services as threads or as processes, and tells which have died."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from stream.run.assembly import Assembly
from stream.wire.transport import Transport, Wiring

_JOIN_S: Final = 10.0


class Launcher(Protocol):
    """Starts services and waits for their end."""

    def start(self, names: Iterable[str]) -> None:
        """Start the services of these names."""
        ...

    def dead(self) -> dict[str, str]:
        """Services that are gone, and how they ended."""
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

    def start(self, names: Iterable[str]) -> None:
        """Start the services of these names."""
        for name in names:
            service = self._assembly.service(name, self._wiring, time.thread_time_ns, self._run_folder)
            self._threads[name] = threading.Thread(target=service.run, name=name, daemon=True)
        for thread in self._threads.values():
            thread.start()

    def dead(self) -> dict[str, str]:
        """Services whose thread has ended."""
        return {name: "its thread ended" for name, thread in self._threads.items() if not thread.is_alive()}

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

    def start(self, names: Iterable[str]) -> None:
        """Start the services of these names."""
        logs = self._run_folder / "logs"
        logs.mkdir(exist_ok=True)
        for name in names:
            with (logs / f"{name.replace(':', '-')}.log").open("w") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "stream.run.process"], stdin=subprocess.PIPE, stderr=log, text=True
                )
            self._processes[name] = process
            if process.stdin:
                process.stdin.write(json.dumps(self._order(name)))
                process.stdin.close()

    def _order(self, name: str) -> dict[str, object]:
        return {
            "service": name,
            "transport": self._wiring.transport,
            "run": self._wiring.run,
            "control": self._wiring.control,
            "folder": self._wiring.folder,
            "run_folder": str(self._run_folder),
            "config": self._assembly.config.model_dump_json(),
        }

    def dead(self) -> dict[str, str]:
        """Services whose process has ended."""
        codes = {name: process.poll() for name, process in self._processes.items()}
        return {name: f"its process ended with code {code}" for name, code in codes.items() if code is not None}

    def join(self) -> None:
        """Wait for all processes to end; kill what does not."""
        deadline = time.monotonic() + _JOIN_S
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
