"""Chaos: the same run undisturbed and under fire, and what differs (`docs/protocol.md`, section "Chaos")."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from stream.errors import RunFailed
from stream.run.assembly import PRODUCER
from stream.run.control import CONTROL_FILE
from stream.run.control_client import Client
from stream.run.record import RECORD_FILE
from triggers.errors import L1ChainError

REFERENCE_SHARE: Final = 0.35
"""Of the time: the disturbed run does what the undisturbed one did in it, and may take the rest."""
_POLL_S: Final = 0.1
_STARTUP_S: Final = 300.0
_ENDING_S: Final = 120.0
_ANSWER_S: Final = 5.0
_STOPPED_S: Final = (0.5, 3.0)
"""Shorter and longer than the silence after which a service counts as lost."""
_CUT_S: Final = 3.0
SUPERVISOR: Final = "supervisor"


class Fault(StrEnum):
    """What is done to a service."""

    KILL = "kill"
    STOP = "stop"
    CUT = "cut"


@dataclass(frozen=True)
class ChaosSettings:
    """How a run is disturbed.

    Attributes:
        minutes: of wall-clock time, for both runs.
        every_s: between two faults.
        seed: of the choice of services and faults.
    """

    minutes: float
    every_s: float
    seed: int


@dataclass
class _Run:
    """A run in a process of its own, and what came of it."""

    config: str
    overrides: tuple[str, ...]
    folder: Path
    begun: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[str] | None = None

    def start(self, *, resume: Path | None = None) -> None:
        command = [sys.executable, "-m", "stream.cli", "run", "--json"]
        if resume is not None:
            command += ["--resume", str(resume)]
        else:
            command.append(self.config)
            for override in (*self.overrides, f"run.out={self.folder}"):
                command += ["--set", override]
        with (self.folder / "output.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, text=True)  # noqa: S603 — our own

    @property
    def place(self) -> Path | None:
        """The run's folder, once it is made."""
        return next((path.parent for path in self.folder.glob(f"*/{RECORD_FILE}")), None)

    @property
    def is_over(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def ask(
        self, command: str, arguments: Mapping[str, Any] | None = None, patience_s: float = _ANSWER_S
    ) -> dict[str, Any] | None:
        """The answer of the run; None while it has none."""
        place = self.place
        if place is None or not (place / CONTROL_FILE).exists():
            return None
        with suppress(L1ChainError):
            result: dict[str, Any] = Client(place).ask(command, dict(arguments or {}), patience_s)
            return result
        return None

    def stop(self, at: str | None = None) -> None:
        """Let it end, and wait for that; asked again as long as it is just being resumed."""
        deadline = time.monotonic() + _ENDING_S
        while not self.is_over and (left_s := deadline - time.monotonic()) > 0:
            if self.ask("stop", {"at": at}, patience_s=left_s) is not None:
                self.wait(max(0.0, deadline - time.monotonic()))
            else:
                self.wait(_POLL_S)

    def wait(self, seconds: float) -> None:
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)

    def end(self) -> None:
        """Kill what is left of it, by its process number; its services end when they miss it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def record(self) -> dict[str, Any]:
        """The run record.

        Raises:
            RunFailed: the run did not come to its end.
        """
        place = self.place
        record = json.loads((place / RECORD_FILE).read_bytes()) if place else {}
        if record.get("state") != "ended":
            last = (self.folder / "output.log").read_text().splitlines()[-3:]
            raise RunFailed(SUPERVISOR, f"the run in {self.folder} did not end: {' '.join(last)}")
        result: dict[str, Any] = record
        return result


def run_chaos(
    config: str, overrides: tuple[str, ...], folder: Path, settings: ChaosSettings, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Run a configuration undisturbed, then under fire, and compare.

    Args:
        config: of the chain.
        overrides: `KEY=VALUE`.
        folder: an empty one for both runs.
        settings: how it is disturbed.
        tell: called with a sentence about each fault.

    Raises:
        L1ChainError: bad input.
        RunFailed: one of the runs did not come to its end.
    """
    budget_s = settings.minutes * 60
    reference = _undisturbed(config, overrides, folder / "undisturbed", budget_s * REFERENCE_SHARE)
    tell(f"undisturbed: {reference['decided']:,} crossings")
    sections = len(reference["lumi_sections"])
    left_s = budget_s * (1 - REFERENCE_SHARE)
    limited = (*overrides, f"run.lumi_sections={sections}")
    disturbed, by_service = _disturbed(config, limited, folder / "disturbed", left_s, settings, tell)
    faults = sum(by_service.values(), Counter[Fault]())
    speeds = [_speed(record) for record in (reference, disturbed)]
    return {
        "kills": faults[Fault.KILL],
        "stops": faults[Fault.STOP],
        "cuts": faults[Fault.CUT],
        "faults": {name: dict(counts) for name, counts in sorted(by_service.items())},
        # As the last supervisor counted them.
        "restarts": disturbed["restarts"],
        "produced": disturbed["produced"],
        "decided": disturbed["decided"],
        "reference_decided": reference["decided"],
        "identical": differences(reference, disturbed) == [],
        "differences": differences(reference, disturbed),
        "throughput_ratio": speeds[1] / speeds[0],
        "undisturbed_crossings_per_s": speeds[0],
        "disturbed_crossings_per_s": speeds[1],
        # Of the disturbed run since its supervisor was last resumed.
        "memory": {"undisturbed": reference["memory"], "disturbed": disturbed["memory"]},
    }


def differences(reference: dict[str, Any], disturbed: dict[str, Any]) -> list[str]:
    """What of the results of two runs is not the same; a run that was ended early is compared as far as it went."""
    found = []
    places = [Path(record["run_dir"]) for record in (reference, disturbed)]
    is_whole = reference["decided"] == disturbed["decided"]
    if disturbed["produced"] != disturbed["decided"]:
        found.append("produced and decided")
    accepted = [pq.read_table(place / "accepted.parquet") for place in places]
    if not accepted[0].slice(0, len(accepted[1])).equals(accepted[1]) or (is_whole and len({*map(len, accepted)}) > 1):
        found.append("accepted crossings")
    rates = [pq.read_table(place / "rates.parquet") for place in places]
    if is_whole and not rates[0].equals(rates[1]):
        found.append("counts of algorithms")
    pairs = zip(reference["lumi_sections"], disturbed["lumi_sections"], strict=False)
    if any(one != other for one, other in pairs if one["decided"] == other["decided"]):
        found.append("lumi sections")
    return found


def _speed(record: dict[str, Any]) -> float:
    return float(record["decided"] / record["chaos_seconds"])


def _undisturbed(config: str, overrides: tuple[str, ...], folder: Path, seconds: float) -> dict[str, Any]:
    folder.mkdir()
    run = _Run(config, overrides, folder)
    run.start()
    try:
        begun = _wait_until_deciding(run)
        run.wait(max(0.0, seconds - (time.monotonic() - run.begun)))
        run.stop(at="next")
    finally:
        run.end()
    return run.record() | {"chaos_seconds": time.monotonic() - begun}


def _disturbed(
    config: str,
    overrides: tuple[str, ...],
    folder: Path,
    seconds: float,
    settings: ChaosSettings,
    tell: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, Counter[Fault]]]:
    folder.mkdir()
    run = _Run(config, overrides, folder)
    run.start()
    agent = _Agent(run, random.Random(settings.seed), tell)  # noqa: S311 — nothing is kept secret with it
    try:
        begun = _wait_until_deciding(run)
        deadline = run.begun + seconds
        next_fault = time.monotonic() + settings.every_s
        while not run.is_over and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            agent.go_on()
            if time.monotonic() >= next_fault and agent.strike() is not None:
                next_fault = time.monotonic() + settings.every_s
        agent.let_go()
        run.stop()
        ended = time.monotonic()
    finally:
        run.end()
    return run.record() | {"chaos_seconds": ended - begun}, agent.by_service


def _wait_until_deciding(run: _Run) -> float:
    deadline = time.monotonic() + _STARTUP_S
    while time.monotonic() < deadline and not run.is_over:
        status = run.ask("status")
        if status and status["decided"]:
            return time.monotonic()
        time.sleep(_POLL_S)
    if not run.is_over:
        run.end()
        raise RunFailed(SUPERVISOR, f"the run in {run.folder} decided nothing in {_STARTUP_S:g} s")
    return time.monotonic()


class Deck:
    """Faults in random order, each service and fault once before any of them comes again.

    Args:
        choice: shuffles.
    """

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice
        self._cards: list[tuple[str, Fault]] = []

    def draw(self, services: Iterable[str], ready: Collection[str]) -> tuple[str, Fault] | None:
        """The next fault.

        Args:
            services: all of the run.
            ready: those that are there now; without any, the run is just being resumed, and its supervisor spared.

        Returns:
            who and what; None if it is for one that is not there.
        """
        if not self._cards:
            self._cards = [(name, fault) for name in sorted(services) for fault in _faults_of(name)]
            self._cards.append((SUPERVISOR, Fault.KILL))
            self._choice.shuffle(self._cards)
        name, fault = self._cards.pop()
        return (name, fault) if name in ready or (name == SUPERVISOR and ready) else None


def _faults_of(name: str) -> list[Fault]:
    """What may be done to a service; the producer connects to nobody, so others are cut off from it."""
    return [Fault.KILL, Fault.STOP] if name == PRODUCER else list(Fault)


class _Agent:
    """Disturbs a run: only processes that the run itself started, by their numbers."""

    def __init__(self, run: _Run, choice: random.Random, tell: Callable[[str], None]) -> None:
        self._run, self._choice, self._tell = run, choice, tell
        self._deck = Deck(choice)
        self._stopped: dict[int, float] = {}
        self.by_service: dict[str, Counter[Fault]] = defaultdict(Counter)

    def strike(self) -> Fault | None:
        """Do something to a service; None if there is none to do it to now."""
        status = self._run.ask("status")
        if status is None:
            return None
        services = {name: service for name, service in status["services"].items() if service["ready"]}
        drawn = self._deck.draw(status["services"], services)
        if drawn is None:
            return None
        fault = self._do(*drawn, services)
        if fault is not None:
            self.by_service[drawn[0]][fault] += 1
        return fault

    def _do(self, name: str, fault: Fault, services: Mapping[str, Any]) -> Fault | None:
        if name == SUPERVISOR:
            return self._kill_supervisor()
        pid = int(services[name]["pid"])
        if pid in self._stopped:
            return None
        match fault:
            case Fault.KILL:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            case Fault.STOP:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                self._stopped[pid] = time.monotonic() + self._choice.uniform(*_STOPPED_S)
            case Fault.CUT:
                self._run.ask("cut", {"service": name, "seconds": _CUT_S})
        self._tell(f"{fault} {name}")
        return fault

    def go_on(self) -> None:
        """Continue what was stopped long enough, and resume a run whose supervisor was killed."""
        for pid, until in list(self._stopped.items()):
            if time.monotonic() >= until:
                del self._stopped[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def let_go(self) -> None:
        """Continue everything that is stopped."""
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._stopped.clear()

    def _kill_supervisor(self) -> Fault | None:
        place = self._run.place
        if self._run.process is None or place is None:
            return None
        self._tell(f"{Fault.KILL} {SUPERVISOR}")
        self._run.process.kill()
        self._run.process.wait()
        self._run.start(resume=place)
        return Fault.KILL
