"""Whether a silent process waits for a CPU rather than being stuck (`docs/protocol.md`, "What is noticed")."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_NS_IN_S: Final = 1e9
_STARVED_SHARE: Final = 0.25
"""Of the time, at least, some thread of a starved process was ready to run and had no CPU."""
_BUSY_SHARE: Final = 0.5
"""Of the time, at least, a process that is stuck in a loop has a CPU."""


@dataclass(frozen=True)
class CpuUse:
    """What the threads of a process had of the CPUs so far, added up.

    Attributes:
        used_s: on a CPU.
        waited_s: ready to run, without a CPU; not yet that of a thread that still waits.
        is_ready: whether a thread is ready to run or runs.
    """

    used_s: float = 0.0
    waited_s: float = 0.0
    is_ready: bool = False


def cpu_use(pid: int) -> CpuUse:
    """What a process had of the CPUs; nothing where Linux does not tell."""
    used_ns = waited_ns = 0
    is_ready = False
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end meanwhile.
            with suppress(OSError, ValueError):
                used, waited, *_ = (thread / "schedstat").read_text().split()
                used_ns, waited_ns = used_ns + int(used), waited_ns + int(waited)
                is_ready |= (thread / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    return CpuUse(used_ns / _NS_IN_S, waited_ns / _NS_IN_S, is_ready)


@dataclass
class Starvation:
    """Watches processes that have become silent.

    A process that is stopped or stuck does not wait for a CPU, so nothing that is really lost is taken for starved.
    """

    _begun: dict[int, tuple[float, CpuUse]] = field(default_factory=dict)

    def begin(self, pid: int, now: float) -> float:
        """Watch a process from now on, if it is not watched already; how long it has been, s."""
        if pid not in self._begun:
            self._begun[pid] = now, cpu_use(pid)
        return now - self._begun[pid][0]

    def end(self, pid: int) -> None:
        """Watch it no more."""
        self._begun.pop(pid, None)

    def is_starved(self, pid: int, now: float) -> bool:
        """Whether a watched process waited for a CPU for a good part of the time since, or still does."""
        if pid not in self._begun:
            return False
        (since, before), use = self._begun[pid], cpu_use(pid)
        seconds = now - since
        if use.waited_s - before.waited_s > _STARVED_SHARE * seconds:
            return True
        return use.is_ready and use.used_s - before.used_s < _BUSY_SHARE * seconds
