"""The supervisor: starts the services of a run, replaces those that die, follows them to the end, writes the record."""

from __future__ import annotations

import logging
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

import zmq
from prometheus_client import CollectorRegistry, generate_latest

from stream.errors import ProtocolError, RunFailed
from stream.run.agreement import Agreements
from stream.run.assembly import COMBINER, PRODUCER, Assembly
from stream.run.commands import register_commands
from stream.run.control import Control
from stream.run.facts import facts_of, register_changes
from stream.run.folder import RunState, make_run_folder, remove_sockets
from stream.run.launch import launcher
from stream.run.members import Member, Members
from stream.run.metrics import MetricsServer, Telemetry
from stream.run.model_commands import register_model_commands
from stream.run.network import wiring_of
from stream.run.record import check_inputs, opening_record, run_record, write_record
from stream.run.recruiting import Recruiter
from stream.run.remote_commands import RemoteCommands
from stream.services.delivery import Peer, peer_of
from stream.services.memory import export_memory, resident_bytes
from stream.wire.fields import Fields
from stream.wire.inbox import Inbox, Message
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.refusals import Refusals
from stream.wire.transport import Socket, Wiring, private_folder
from triggers.errors import L1ChainError

_POLL_MS: Final = 100
_GOODBYE_S: Final = 10.0
_ORDER_AGAIN_S: Final = 1.0
_NOTE_S: Final = 0.5
_MESSAGES_IN_A_ROW: Final = 256
_WHERE: Final = "supervisor"
_log = logging.getLogger("l1chain.stream.supervisor")


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

    result: dict[str, Any] | None = None
    failure: L1ChainError | None = None
    is_over: bool = False
    committed: int = 0
    problem: str | None = None
    last_words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Observers:
    """Who is told what of a run.

    Attributes:
        progress: called now and then with the progress.
        serving: called with the address of the metrics, once they are served.
        notice: called with a sentence about something out of the ordinary.
        began: called with the run's folder, once it has its record.
    """

    progress: Callable[[Progress], None] = lambda _: None
    serving: Callable[[str], None] = lambda _: None
    notice: Callable[[str], None] = lambda _: None
    began: Callable[[Path], None] = lambda _: None


class Supervisor:
    """Runs a configuration once, or goes on with a run that did not come to its end.

    Args:
        assembly: the run's parts.
        observers: who is told.
        resume: the folder and the record of a run to go on with.
        context: makes the sockets' context; for tests.
    """

    def __init__(
        self,
        assembly: Assembly,
        observers: Observers | None = None,
        resume: tuple[Path, dict[str, Any]] | None = None,
        context: Callable[[], zmq.Context[Any]] = zmq.Context,
    ) -> None:
        self._assembly, self._observers = assembly, observers or Observers()
        self._resume, self._make_context = resume, context
        self._telemetry = Telemetry(facts_of(assembly))
        self._run = int(resume[1]["run"], 16) if resume else secrets.randbits(63) | 1
        self._own_names = assembly.service_names
        self._seen = _Seen()
        self._is_draining = self._is_over = False
        self._end = 0
        self._interrupts = 0
        self._registry = CollectorRegistry()
        self._refusals = Refusals(self._registry, _log)
        export_memory(self._registry)
        register_changes(self._registry, lambda: self.agreements.changes)
        self._folder = assembly.config.run.out
        self._metrics_address: str | None = None
        self._control: Socket
        self._inbox: Inbox
        self._next_note = 0.0
        self._members: Members
        self._recruiter: Recruiter
        self.agreements: Agreements

    def run(self) -> dict[str, Any]:
        """Run to the end; the run record, which also stands in the run's folder.

        Raises:
            L1ChainError: bad input, found before the start or by a service; what was decided until then is written.
            RunFailed: services died again and again, or the run was ended before its end; it can be resumed.
        """
        assembly = self._assembly
        assembly.check()
        if self._resume:
            check_inputs(self._resume[1], assembly)
        with MetricsServer(assembly.config.metrics.address, self._telemetry) as server:
            self._metrics_address = server.address
            if server.address:
                self._observers.serving(server.address)
            started = datetime.fromisoformat(self._resume[1]["started"]) if self._resume else datetime.now(UTC)
            folder = self._resume[0] if self._resume else make_run_folder(assembly.config.run.out, started)
            self._folder = folder
            state = RunState(folder)
            with state.locked():
                opening = opening_record(assembly, self._run, folder, started)
                write_record(opening, folder)
                self._observers.began(folder)
                self._conduct(state)
                result = self._seen.result
                if result is not None:
                    result = result | {"lumi_sections": state.lumi_sections()}
                record = run_record(opening, result, self._telemetry)
                record["failure"] = str(self._seen.failure) if self._seen.failure else None
                write_record(record, folder)
                if result is not None:
                    state.forget()
        if self._seen.failure is not None:
            raise self._seen.failure
        return record

    # What commands need

    @property
    def service_names(self) -> tuple[str, ...]:
        """Every service of the run, those on other hosts included."""
        return tuple(member.peer.name for member in self._members)

    @property
    def algorithms(self) -> dict[int, str]:
        """The names of the menu's algorithms by index."""
        return {algorithm.index: algorithm.name for algorithm in self._assembly.menu.algorithms}

    def tell(self, name: str, kind: Kind, payload: dict[str, Any] | None = None) -> None:
        """Send a message to the present incarnation of a service."""
        self._send(self._members[name].peer.identity, kind, payload)

    def drain(self) -> None:
        """Let the producer make no further batch."""
        self._is_draining = True
        self.tell(PRODUCER, Kind.DRAIN)

    def end_before(self, lumi_section: int) -> None:
        """End the run before a lumi section."""
        self._end = lumi_section

    def status(self) -> dict[str, Any]:
        """How the run is, for `l1chain ctl status`."""
        decided, produced = self._telemetry.payload(COMBINER), self._telemetry.payload(PRODUCER)
        agreements = self.agreements
        return {
            "run": f"{self._run:016x}",
            "state": "ending" if self._is_draining else "pausing or paused" if agreements.held else "running",
            "lumi_section": produced.get("lumi_section", 0),
            # Services report now and then, and not together: what is decided was produced.
            "produced": max(produced.get("produced", 0), decided.get("decided", 0)),
            "decided": decided.get("decided", 0),
            "accepted": decided.get("accepted", 0),
            "committed_batches": decided.get("committed", 0),
            "problem": self._seen.problem,
            "watch": decided.get("watch"),
            "masked": decided.get("masked", []),
            "budgets": decided.get("budgets", []),
            "watch_outside": decided.get("watch_outside"),
            "hlt": decided.get("hlt"),
            "metrics": self._metrics_address,
            "pauses": sorted(agreements.held.values()),
            "changes": [asdict(change) for change in agreements.changes],
            "services": self._members.status(),
        }

    def metrics(self) -> str:
        """The metrics of all services, in the Prometheus text format."""
        return self._telemetry.text()

    def _models_told(self) -> list[dict[str, Any]]:
        """The models as the combiner sees them."""
        told: list[dict[str, Any]] = self._telemetry.payload(COMBINER).get("models", [])
        return told

    # The run

    def _conduct(self, state: RunState) -> None:
        remove_sockets(state.folder)
        with ExitStack() as stack:
            sockets = private_folder()
            stack.callback(shutil.rmtree, sockets, ignore_errors=True)
            context = self._make_context()
            stack.callback(context.term)
            plan = wiring_of(self._assembly.config, self._run, "", str(sockets), context)
            self._control, endpoint = plan.router(plan.endpoint("control"), refusals=self._refusals)
            stack.callback(self._control.close)
            self._inbox = Inbox(self._control, plan, _WHERE, self._refusals)
            wiring = replace(plan, control=endpoint)
            services = launcher(self._assembly, wiring, state.folder)
            stack.callback(services.join)
            last = state.next_incarnations()
            self._members = Members(self._own_names, services, self._assembly.delivery, last)
            present = self._present
            self._recruiter = Recruiter(self._assembly, self._run, self._members)
            self.agreements = Agreements(self.tell, present, state.keep, state.changes())
            commands = Control(state.folder, wiring)
            stack.callback(commands.close)
            register_commands(commands, self)
            register_model_commands(commands, self, self._assembly, self._models_told)
            self._open_remote_commands(plan, commands)
            stack.enter_context(self._interrupts_counted())
            try:
                for name in self._own_names:
                    self._members.launch(name)
                self._invite(endpoint)
                self._follow(commands)
            except RunFailed as error:
                self._seen.failure = error
            finally:
                self._end_all()

    def _open_remote_commands(self, wiring: Wiring, commands: Control) -> None:
        address = self._assembly.config.security.commands
        if address is not None:
            RemoteCommands(wiring, address, commands.endpoint, commands.is_question, self._refusals).start()

    def _present(self, name: str) -> Peer:
        return self._members[name].peer

    def _follow(self, commands: Control) -> None:
        poller = zmq.Poller()
        poller.register(self._control, zmq.POLLIN)
        poller.register(commands.socket, zmq.POLLIN)
        interrupts = 0
        while self._seen.result is None and not self._seen.is_over:
            poller.poll(_POLL_MS)
            self._receive_all()
            commands.serve()
            self._mend()
            self._give_orders()
            self.agreements.step()
            if self._interrupts > interrupts:
                interrupts = self._interrupts
                self._on_interrupt(interrupts)

    def _on_interrupt(self, number: int) -> None:
        if number > 1 or self._seen.problem:
            why = f"it was interrupted while {self._seen.problem}" if self._seen.problem else "it was interrupted twice"
            raise RunFailed(_WHERE, f"the run ended before its end: {why}; go on with {self._how_to_resume()}")
        self.drain()

    def _how_to_resume(self) -> str:
        return f"`l1chain run --resume {self._folder}`"

    @contextmanager
    def _interrupts_counted(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM drain the run; only the main thread hears them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def count(_: int, __: FrameType | None) -> None:
            self._interrupts += 1

        before = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _mend(self) -> None:
        """Start again what is dead or silent."""
        for name, how in self._members.lost().items():
            self._replace(self._members[name], how)

    def _replace(self, member: Member, how: str) -> None:
        name = member.peer.name
        if member.is_external:
            self._let_go(member, f"{how}; its batches go to others")
            return
        limit = self._assembly.config.delivery.restarts
        if member.deaths >= limit:
            words = self._seen.last_words.get(name, "")
            what = f"{how}, {member.deaths + 1} times without a commit in between; {self._how_to_resume()} goes on"
            raise RunFailed(name, f"{what}\n{words}" if words else what)
        self._observers.notice(f"{name}: {how}; it is started again")
        _log.warning("%s: %s", name, how)
        self._telemetry.retire(name)
        if name != PRODUCER and self._members[PRODUCER].is_ready:
            self.tell(PRODUCER, Kind.LOST, {"identity": member.peer.identity.decode()})
        self._members.launch(name)

    def _invite(self, endpoint: str) -> None:
        """Say what stages wait for, if nobody of this host does their work."""
        for stage in self._recruiter.waiting():
            place = endpoint.removeprefix("tcp://")
            self._observers.notice(f"{stage} waits for `l1chain join --connect {place} --stage {stage}` on other hosts")

    def _let_go(self, member: Member, how: str) -> None:
        """Do without a replica on another host."""
        name = member.peer.name
        self._observers.notice(f"{name}: {how}")
        _log.warning("%s: %s", name, how)
        self._telemetry.release(name, member.has_ended)
        if self._members[PRODUCER].is_ready:
            self.tell(PRODUCER, Kind.LOST, {"identity": member.peer.identity.decode()})
        self._members.release(member)
        self.agreements.leave(name)

    def _give_orders(self) -> None:
        members = self._members
        if members.round == 0 and not members.all_ready:
            return
        situation = members.situation()
        if situation is None:
            return
        for member in members.to_be_told(_ORDER_AGAIN_S):
            member.ordered = members.round, time.monotonic()
            order: dict[str, Any] = {"round": members.round, **asdict(situation)}
            order["changes"] = [change.as_json() for change in self.agreements.changes]
            if member.peer.name == PRODUCER:
                order["origin_ns"] = self._telemetry.payload(PRODUCER).get("origin_ns", 0)
                order |= {"gates": self.agreements.gates, "end": self._end, "is_draining": self._is_draining}
            self.tell(member.peer.name, Kind.START, order)

    def _receive_all(self) -> None:
        self._inbox.serve(self._receive, _MESSAGES_IN_A_ROW)
        if time.monotonic() >= self._next_note:
            self._next_note = time.monotonic() + _NOTE_S
            self._telemetry.note(_WHERE, generate_latest(self._registry).decode())
            self._telemetry.sample(_WHERE, resident_bytes())

    def _receive(self, message: Message) -> None:
        peer, kind = peer_of(message.sender, _WHERE), message.header.kind
        if kind is Kind.JOIN:
            if self._is_over:
                return
            answer, joined = self._recruiter.answer(message.sender, message.json())
            self._control.send_multipart([message.sender, *answer], zmq.DONTWAIT)
            if joined is not None:
                self._observers.notice(f"{joined.name} joined from another host")
                self.agreements.join(joined.name)
            return
        member = self._members.present(peer)
        if member is None:
            if kind is Kind.HEARTBEAT:
                self._send(peer.identity, Kind.STOP)
            return
        member.heard = time.monotonic()
        if kind is Kind.HEARTBEAT:
            member.has_beaten = True
            self._send(peer.heart, Kind.HEARTBEAT)
            return
        payload = message.json()
        fields = Fields(payload, _WHERE)
        match kind:
            case Kind.HELLO:
                member.endpoint = fields.text("endpoint") if fields.has("endpoint") else ""
                member.is_ready = True
            case Kind.STARTED:
                member.followed = fields.number("round")
            case Kind.STATUS | Kind.GOODBYE:
                self._hear(member, payload, message.payload[1].bytes)
                member.has_ended = kind is Kind.GOODBYE
                if member.has_ended and peer.name == COMBINER:
                    self._seen.result = payload.get("result")
                if member.has_ended and member.is_external and not self._is_over:
                    self._let_go(member, "left")
            case Kind.FAILED:
                self._on_failure(member, payload)
            case Kind.PREPARED | Kind.AGREED | Kind.CHANGED:
                self.agreements.hear(peer, kind, payload)
            case other:
                raise ProtocolError(_WHERE, f"{peer.name} sent {other.name}")

    def _hear(self, member: Member, payload: dict[str, Any], metrics: bytes) -> None:
        name, fields = member.peer.name, Fields(payload, _WHERE)
        fields.number("cpu_ns")
        if name != COMBINER:
            self._telemetry.update(name, payload, metrics.decode(errors="replace"))
            return
        decided, accepted, lumi_section = (fields.number(what) for what in ("decided", "accepted", "lumi_section"))
        committed = fields.number("committed")
        self._telemetry.update(name, payload, metrics.decode(errors="replace"))
        if committed > self._seen.committed:
            self._seen.committed = committed
            self._members.forgive()
        problem = fields.text("problem") if fields.has("problem") else None
        if problem != self._seen.problem:
            self._seen.problem = problem
            if self._seen.problem:
                self._observers.notice(
                    f"the run waits: {self._seen.problem}. It goes on by itself when there is space; "
                    f"Ctrl-C ends it so that {self._how_to_resume()} goes on"
                )
            else:
                self._observers.notice("the run goes on")
        produced = self._telemetry.payload(PRODUCER).get("produced", 0)
        self._observers.progress(Progress(produced, decided, accepted, lumi_section))

    def _on_failure(self, member: Member, payload: dict[str, Any]) -> None:
        """Bad input ends the run, that of the source after what was good is decided; whatever else is tried again."""
        name, fields = member.peer.name, Fields(payload, _WHERE)
        if member.is_external:
            self._let_go(member, f"failed on its host: {payload.get('message')}")
        elif payload.get("is_input"):
            failure = L1ChainError(*(fields.text(part) for part in ("where", "what", "remedy")))
            if self._seen.failure is None:
                self._seen.failure = failure
            if name != PRODUCER or not member.followed:
                member.has_ended = True
                self._seen.is_over = True
        else:
            trace = str(payload.get("traceback"))
            self._seen.last_words[name] = f"{payload.get('message')}\n{trace}"
            _log.error("%s failed: %s", name, trace)

    def _end_all(self) -> None:
        self._is_over = True
        deadline = time.monotonic() + _GOODBYE_S
        for peer in self._members.retired:
            self._send(peer.identity, Kind.STOP)
        asked = 0.0
        while time.monotonic() < deadline:
            waiting = [m for m in self._members if not m.has_ended and self._members.how_dead(m) is None]
            if not waiting:
                return
            if time.monotonic() - asked > _ORDER_AGAIN_S:
                asked = time.monotonic()
                for member in waiting:
                    self._send(member.peer.identity, Kind.STOP)
            if self._control.poll(_POLL_MS):
                self._receive_all()

    def _send(self, identity: bytes, kind: Kind, payload: dict[str, Any] | None = None) -> None:
        frames = [identity, Header(kind, self._run).pack()]
        self._control.send_multipart(frames if payload is None else [*frames, pack_json(payload)], zmq.DONTWAIT)
