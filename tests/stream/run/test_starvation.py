"""A service that has no CPU is not lost; one that is stopped or stuck is (docs/protocol.md, "What is noticed")."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from stream.run import members as members_module
from stream.run import starvation
from stream.run.members import Member, Members
from stream.run.starvation import CpuUse, Starvation, cpu_use
from stream.services.delivery import DeliverySettings
from tests.stream.run.member_parts import Clock, Launched


class UsedClock(Clock):
    """Also tells what a process has waited for a CPU."""

    def __init__(self) -> None:
        self.use = CpuUse()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> UsedClock:
    clock = UsedClock()
    monkeypatch.setattr(members_module, "time", clock)
    monkeypatch.setattr(starvation, "cpu_use", lambda _: clock.use)
    return clock


def silent(clock: UsedClock, used: float, waited: float, seconds: float, is_ready: bool = False) -> float | None:
    """When a service that is silent is given up, at most after so many seconds.

    Args:
        clock: goes on.
        used, waited: on a CPU and for a CPU, in each second.
        seconds: at most.
        is_ready: whether it waits when it is looked at.
    """
    services = Members(("seeds.0",), Launched(), DeliverySettings(lost_after_s=2.0), 0, _looked=clock.now)
    member: Member = services.launch("seeds.0")
    member.has_beaten, begun = True, clock.now
    while clock.now - begun < seconds:
        clock.now += 0.1
        clock.use = CpuUse(clock.use.used_s + 0.1 * used, clock.use.waited_s + 0.1 * waited, is_ready)
        if services.lost():
            return clock.now - begun
    return None


@pytest.mark.parametrize(
    ("used", "waited", "is_ready"), [(0.0, 0.0, False), (0.1, 0.1, False), (0.99, 0.0, True), (3.0, 0.2, True)]
)
def test_a_service_that_is_stuck_is_given_up_after_lost_after_s(
    clock: UsedClock, used: float, waited: float, is_ready: bool
) -> None:
    assert silent(clock, used, waited, 20.0, is_ready) == pytest.approx(2.0, abs=0.21)


@pytest.mark.parametrize(("used", "waited", "is_ready"), [(0.1, 0.5, False), (0.5, 3.0, False), (0.0, 0.0, True)])
def test_a_starved_service_gets_more_time_but_not_for_ever(
    clock: UsedClock, used: float, waited: float, is_ready: bool
) -> None:
    assert silent(clock, used, waited, 20.0, is_ready) == pytest.approx(10.0, abs=0.21)


def test_a_supervisor_that_looks_late_looks_again_before_it_gives_up(clock: UsedClock) -> None:
    services = Members(("seeds.0",), Launched(), DeliverySettings(lost_after_s=2.0), 0, _looked=clock.now)
    services.launch("seeds.0").has_beaten = True
    for later_s in (0.95, 0.95, 0.2):
        clock.now += later_s
        assert services.lost() == {}
    clock.now += 0.5
    assert set(services.lost()) == {"seeds.0"}


@pytest.fixture
def child() -> Iterator[int]:
    """A process that wants a whole CPU."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process.pid
    process.kill()
    process.wait()


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_a_stopped_process_is_never_taken_for_starved(child: int) -> None:
    os.kill(child, signal.SIGSTOP)
    deadline = time.monotonic() + 100
    while not is_stopped(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    watched = Starvation()
    begun = time.monotonic()
    watched.begin(child, begun)
    time.sleep(0.2)
    assert not watched.is_starved(child, time.monotonic())


def test_linux_tells_what_a_process_had_of_the_cpus_and_nothing_of_one_that_is_not_there() -> None:
    before = cpu_use(os.getpid())
    sum(range(1_000_000))
    now = cpu_use(os.getpid())
    assert now.used_s > before.used_s > 0.0
    assert now.waited_s >= before.waited_s
    assert now.is_ready
    assert cpu_use(2**22 + 1) == CpuUse()
