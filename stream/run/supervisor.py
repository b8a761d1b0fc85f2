"""The supervisor: starts the services of a run, follows them to the end, writes the run record."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import zmq

from stream.errors import FolderUnwritable, RunFailed
from stream.run.assembly import COMBINER, PRODUCER, Assembly
from stream.run.launch import Launcher, launcher
from stream.run.metrics import MetricsServer, Telemetry
from stream.run.record import run_record, write_record
from stream.wire.messages import Header, Kind, pack_json, unpack_header, unpack_json
from stream.wire.transport import Socket, Transport, Wiring, private_folder
from triggers.errors import L1ChainError

_POLL_MS: Final = 100
_GOODBYE_S: Final = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a run is: crossings, and the lumi section that is being decided."""

    produced: int
    decided: int
    accepted: int
    lumi_section: int


@dataclass
class _Seen:
    """What the services have told so far."""

    endpoints: dict[str, str] = field(default_factory=dict)
    greeted: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    result: dict[str, Any] | None = None
    failure: L1ChainError | None = None
    is_lost: bool = False


class Supervisor:
    """Runs a configuration once.

    Args:
        assembly: the run's parts.
        watch: called now and then with the progress.
        serving: called with the address of the metrics, once they are served.
    """

    def __init__(
        self,
        assembly: Assembly,
        watch: Callable[[Progress], None] | None = None,
        serving: Callable[[str], None] | None = None,
    ) -> None:
        self._assembly, self._watch, self._serving = assembly, watch, serving
        models = tuple(
            (s.version.manifest.name, s.version.manifest.version, s.version.digest) for s in assembly.score_stages
        )
        self._telemetry = Telemetry(models)
        self._run = secrets.randbits(63) | 1
        self._names = assembly.service_names
        self._seen = _Seen()

    def run(self) -> dict[str, Any]:
        """Run to the end; the run record, which also stands in the run's folder.

        Raises:
            L1ChainError: bad input, found before the start or by a service; what was decided until then is written.
            RunFailed: a service died.
        """
        assembly = self._assembly
        assembly.check()
        started = datetime.now(UTC)
        with MetricsServer(assembly.config.metrics.address, self._telemetry) as server:
            if server.address and self._serving:
                self._serving(server.address)
            folder = make_run_folder(assembly.config.run.out, started)
            self._conduct(folder)
        record = run_record(assembly, self._run, folder, started, self._seen.result, self._telemetry)
        record["failure"] = str(self._seen.failure) if self._seen.failure else None
        write_record(record, folder)
        if self._seen.failure is not None:
            raise self._seen.failure
        return record

    def _conduct(self, folder: Path) -> None:
        transport = self._assembly.config.transport
        sockets = private_folder() if transport is Transport.IPC else None
        context: zmq.Context[Any] = zmq.Context()
        plan = Wiring(transport, self._run, "", str(sockets or ""), context)
        control, endpoint = plan.router(plan.endpoint("control"))
        services = launcher(self._assembly, replace(plan, control=endpoint), folder)
        try:
            services.start(self._names)
            self._follow(control, services)
        except RunFailed as error:
            self._seen.failure = error
        finally:
            self._send(control, self._seen.greeted, Kind.STOP)
            self._hear_goodbyes(control, services)
            services.join()
            control.close()
            context.term()
            if sockets:
                shutil.rmtree(sockets)

    def _follow(self, control: Socket, services: Launcher) -> None:
        is_started = is_interrupted = False
        while self._seen.result is None and not self._seen.is_lost:
            try:
                if control.poll(_POLL_MS):
                    self._receive(control)
                else:
                    self._check_alive(services)
                if not is_started and self._seen.greeted == set(self._names):
                    self._send(control, self._seen.greeted, Kind.START, self._seen.endpoints)
                    is_started = True
            except KeyboardInterrupt:
                if is_interrupted:
                    raise
                is_interrupted = True
                self._send(control, {PRODUCER}, Kind.DRAIN)

    def _check_alive(self, services: Launcher) -> None:
        for name, how in services.dead().items():
            if name not in self._seen.ended:
                raise RunFailed(name, how)

    def _hear_goodbyes(self, control: Socket, services: Launcher) -> None:
        deadline = time.monotonic() + _GOODBYE_S
        while self._seen.ended < self._seen.greeted and time.monotonic() < deadline:
            if control.poll(_POLL_MS):
                self._receive(control)
            elif len(services.dead()) == len(self._names):
                return

    def _receive(self, control: Socket) -> None:
        identity, head, *frames = control.recv_multipart()
        name = identity.decode()
        payload = unpack_json(frames[0], f"service {name}")
        match unpack_header(head, self._run, f"service {name}").kind:
            case Kind.HELLO:
                self._seen.greeted.add(name)
                if payload["endpoint"]:
                    self._seen.endpoints["data" if name == PRODUCER else "results"] = payload["endpoint"]
            case Kind.STATUS:
                self._hear(name, payload, frames[1])
            case Kind.GOODBYE:
                self._hear(name, payload, frames[1])
                self._seen.ended.add(name)
                if name == COMBINER:
                    self._seen.result = payload.get("result")
            case Kind.FAILED:
                self._on_failure(name, payload)
            case other:
                raise RunFailed(name, f"sent {other.name}, which only the supervisor may send")

    def _hear(self, name: str, payload: dict[str, Any], metrics: bytes) -> None:
        self._telemetry.update(name, payload, metrics.decode())
        if self._watch and name == COMBINER:
            produced = self._telemetry.payload(PRODUCER).get("produced", 0)
            self._watch(Progress(produced, payload["decided"], payload["accepted"], payload["lumi_section"]))

    def _on_failure(self, name: str, payload: dict[str, Any]) -> None:
        """Keep the first failure; all but the end of a producer's source are the end of the run."""
        is_bad_input = "remedy" in payload
        if self._seen.failure is None:
            self._seen.failure = (
                L1ChainError(payload["where"], payload["what"], payload["remedy"])
                if is_bad_input
                else RunFailed(name, f"failed: {payload['message']}\n{payload['traceback']}")
            )
        if name != PRODUCER or not is_bad_input:
            self._seen.is_lost = True
            self._seen.ended.add(name)

    def _send(self, control: Socket, names: Iterable[str], kind: Kind, payload: dict[str, Any] | None = None) -> None:
        head = Header(kind, self._run).pack()
        frames = [head] if payload is None else [head, pack_json(payload)]
        for name in set(names) - self._seen.ended:
            control.send_multipart([name.encode(), *frames])


def make_run_folder(out: Path, started: datetime) -> Path:
    """A new folder for a run, named by its start.

    Raises:
        FolderUnwritable: it cannot be made.
    """
    stem = started.strftime("run-%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{k}" for k in range(2, 1000))):
        folder = out / (stem + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not out.is_dir():
                raise FolderUnwritable(out, "is a file") from None
        except OSError as error:
            raise FolderUnwritable(out, f"cannot make a folder in it ({error.strerror})") from error
        else:
            return folder
    raise FolderUnwritable(out, f"holds a thousand runs called {stem}")
