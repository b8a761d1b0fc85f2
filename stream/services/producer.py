"""The producer: batches out under credits and a window, acknowledgements in, accepted crossings read out."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import zmq
from numpy.typing import NDArray

from stream.errors import ProtocolError, Refusal, RunFailed
from stream.services.batches import Block
from stream.services.changes import Change
from stream.services.columns_sent import ColumnsSent, check_columns
from stream.services.delivery import DeadTime, DeliverySettings, Peer, Position, peer_of
from stream.services.dispatch import Dispatcher, Replica
from stream.services.gates import Gates, Speed
from stream.services.held import HeldBatches
from stream.services.pace import Pace, PacedClock
from stream.services.plan import PlanSettings
from stream.services.producer_metrics import ProducerMetrics
from stream.services.service import Frames, Order, Service
from stream.services.upcoming import ComingBlock, Upcoming
from stream.wire.columns import ROWS, ColumnDecoder, check_rows, encode_batch
from stream.wire.fields import Fields
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.shelf import Shelf, is_shareable
from stream.wire.transport import Socket, Transport, Wiring
from triggers.errors import L1ChainError
from triggers.events.schema import REQUIRED
from triggers.events.source import Source

COMBINER: Final = "combiner"
_MOST_CREDITS: Final = 1024
_IMPATIENCE_S: Final = 1.0
"""After which a producer begins although a stage has fewer replicas than configured."""


@dataclass(frozen=True)
class ProducerSettings:
    """What a producer makes.

    Attributes:
        plan: how the source becomes batches.
        lumi_sections: how many to make; None: until the source ends.
        window: batches that may be undecided at a time.
        hold: batches that may be uncommitted at a time.
        replicas: how many replicas of each stage there will be, by stage name.
        pace: of a paced run; None: as fast as the chain takes it, without loss.
    """

    plan: PlanSettings
    lumi_sections: int | None
    window: int
    hold: int
    replicas: dict[str, int]
    pace: Pace | None = None


class Producer(Service):
    """Makes batches of a source and sees each through to its commit."""

    def __init__(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        delivery: DeliverySettings,
        source: Source,
        settings: ProducerSettings,
        skipped: Callable[[int], Source] | None = None,
        leave: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(peer, wiring, cpu_clock, delivery, leave)
        self._settings, self._source_name = settings, source.info.name
        self._dispatcher = Dispatcher(settings.replicas, delivery.resend_after_s)
        self._gates = Gates()
        self._upcoming = Upcoming(source, settings.plan, settings.lumi_sections, self._gates, skipped)
        self._clock = PacedClock(settings.pace) if settings.pace else None
        self._origin_ns = 0
        self._clock_starts_at: int | None = None
        self._newest: dict[str, int] = defaultdict(int)
        self._known_columns = {*REQUIRED.names, *source.info.optional_columns}
        self._sent = ColumnsSent()
        self._combiner: Peer | None = None
        self._combiner_ready = (-1, -1)
        self._combiner_since = 0.0
        self._has_begun = False
        self._held = HeldBatches()
        self._marker: Header | None = None
        self._last_cause: DeadTime | None = None
        self._sequence = 0
        self._lumi_section = 0
        self._produced = 0
        self._end_sent = 0.0
        self._ticked = time.monotonic()
        self._speed = Speed(self._ticked)
        self._rows = ColumnDecoder(ROWS, self.where)
        self._data: Socket | None = None
        self._metrics = ProducerMetrics(self.registry, self._dispatcher, self._held)

    def open(self) -> str:
        """Bind the data socket; between processes of one host, open a shelf."""
        if self.wiring.transport is Transport.IPC and is_shareable():
            self._held.carrier = Shelf(self.wiring.shelf(self.peer.incarnation))
        self._data, endpoint = self.wiring.router(
            self.wiring.endpoint(f"data-{self.peer.incarnation}"), refusals=self._refusals
        )
        self._data.router_mandatory = True
        self.listen(self._data, self._on_data)
        return endpoint

    def start(self, order: Order) -> None:
        """Nothing to connect to: everybody comes to the data socket."""
        self._origin_ns = order.origin_ns
        self._gates.restore(order.gates or {}, order.end)
        if order.is_draining:
            self.drain()

    def close(self) -> None:
        """Give the shelf back."""
        self._held.carrier.close()

    def drain(self) -> None:
        """Make no further batch."""
        self._upcoming.end("interrupted")

    def prepare(self, change: Change) -> None:
        """Check that the source has what another version of a model reads."""
        check_columns(change, self._known_columns, self._source_name)

    def change(self, change: Change) -> None:
        """Send the stage of a model what another version of it reads."""
        self._sent.follow(change)

    def on_control(self, header: Header, frames: Frames) -> None:
        """Boundaries to agree on, and services that are lost."""
        payload = self.payload(frames)
        match header.kind:
            case Kind.PROPOSE:
                self.tell(Kind.AGREED, self._agree(payload))
            case Kind.RELEASE:
                self._gates.release(str(payload.get("id")), is_stop=bool(payload.get("stop")))
            case Kind.LOST:
                peer = peer_of(str(payload.get("identity")).encode(), self.where)
                self._newest[peer.name] = max(self._newest[peer.name], peer.incarnation + 1)
                self._lose(peer)
            case other:
                raise ProtocolError(self.where, f"unexpected {other.name}")

    def _agree(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Close the gate of a lumi section that has not begun."""
        change, at = str(payload.get("id")), payload.get("at")
        lead_s = Fields(payload, self.where).number("lead_ms", 0) / 1000
        lead = self._speed.lumi_sections_in(
            lead_s, self._settings.plan.crossings_per_lumi_section, self._made_of_lumi_section
        )
        if self._upcoming.ending is not None:
            return {"id": change, "error": f"the run ends ({self._upcoming.ending})"}
        lumi_section = self._gates.agree(change, at if isinstance(at, int) else None, self._lumi_section, lead)
        if lumi_section is None:
            return {"id": change, "error": f"lumi section {at} has begun; the next is {self._lumi_section + 1}"}
        return {"id": change, "lumi_section": lumi_section}

    def progress(self) -> dict[str, Any]:
        """Crossings made so far and the CPU time of the source, which is not the chain's."""
        return {
            "produced": self._produced,
            "source_ns": self._upcoming.source_ns,
            "lumi_section": self._lumi_section,
            "held": len(self._held),
            "origin_ns": self._clock.origin_ns if self._clock else 0,
        }

    def poll_ms(self) -> int:
        """Short enough for the next crossings of a paced run."""
        usual_ms = super().poll_ms()
        coming = self._upcoming.waiting
        if self._clock is None or coming is None:
            return usual_ms
        wait_ms = (self._clock.due_ns(self._upcoming.end_of(coming)) - time.monotonic_ns()) // 1_000_000
        return int(min(max(wait_ms, 1), usual_ms))

    def turn(self) -> None:
        """Fill the window, send what replicas have credits for, and end when the source has."""
        if not self._is_complete():
            return
        if self._clock is None:
            self._make_all()
        else:
            self._make_due(self._clock)
        for replica, sequence in self._dispatcher.assignments():
            self._send_batch(replica, sequence)
        if self._upcoming.ending and not self._end_sent:
            self._send_end(self._upcoming.ending)

    def tick(self) -> None:
        """Send again what is overdue, and give up who is silent."""
        now = time.monotonic()
        # Whoever stopped this process or kept it busy did not let it hear the others.
        self._speed.tick(now)
        was_away, self._ticked = now - self._ticked > self.delivery.lost_after_s / 2, now
        for peer, replica in self._dispatcher.peers.items():
            replica.heard = now if was_away else replica.heard
            if now - replica.heard > self.delivery.lost_after_s:
                self.log.warning("%s is silent", peer.name)
                self._lose(peer)
        if self._combiner is None:
            return
        self._send_marker()
        late = self._dispatcher.overdue(now)
        self._metrics.resent.inc(len(late))
        self._dispatcher.resend(sequence for sequence in late if self._held[sequence].block is not None)
        for sequence in late:
            batch = self._held[sequence]
            if batch.block is None:
                self._send(self._combiner.identity, [batch.header.pack()])
        if self._end_sent and now - self._end_sent > self.delivery.resend_after_s and self._upcoming.ending:
            self._send_end(self._upcoming.ending)

    # Making batches

    @property
    def _made_of_lumi_section(self) -> int:
        """Crossings made of the present lumi section; those before it were whole."""
        of_others = max(0, self._lumi_section - 1) * self._settings.plan.crossings_per_lumi_section
        return self._produced - of_others

    def _is_complete(self) -> bool:
        if self._combiner is None or self._has_begun:
            return self._combiner is not None
        there = {name: len(stage.replicas) for name, stage in self._dispatcher.stages.items()}
        is_late = time.monotonic() - self._combiner_since > _IMPATIENCE_S
        self._has_begun = all(
            there[name] >= (1 if is_late else max(1, n)) for name, n in self._settings.replicas.items()
        )
        return self._has_begun

    def _make_all(self) -> None:
        while self._blocked_by_queue() is None:
            coming = self._peek()
            if coming is None or self._gates.is_closed(coming.lumi_section):
                return
            self._emit(coming)

    def _make_due(self, clock: PacedClock) -> None:
        if self._clock_starts_at is not None and self._peek() is not None:
            # Not before the first crossings are there: time in which a source is prepared is not the beam's.
            clock.start_at(self._clock_starts_at, time.monotonic_ns())
            self._clock_starts_at = None
        while (coming := self._peek()) is not None:
            now_ns, end = time.monotonic_ns(), self._upcoming.end_of(coming)
            if clock.due_ns(end) > now_ns:
                return
            cause = DeadTime.PAUSED if self._gates.is_closed(coming.lumi_section) else self._blocked_by_queue()
            if clock.is_late(end, now_ns):
                self._count_dead(coming, cause or self._last_cause or DeadTime.SOURCE)
            elif cause is None:
                self._last_cause = None
                self._emit(coming)
            else:
                self._last_cause = cause
                return

    def _blocked_by_queue(self) -> DeadTime | None:
        """Why no batch may be sent out now, if that is so."""
        if len(self._held) >= self._settings.hold:
            return DeadTime.OUTPUT
        if self._dispatcher.undecided >= self._settings.window:
            return DeadTime.STAGES if self._dispatcher.is_working else DeadTime.DECISION
        return None

    def _peek(self) -> ComingBlock | None:
        """The next block, if the run has one; a source that fails ends it."""
        try:
            return self._upcoming.peek()
        except L1ChainError as error:
            self.tell_failure(error)
            return None

    def _emit(self, coming: ComingBlock) -> None:
        self._send_marker()
        header = replace(self._header(Kind.BATCH, coming), rows=len(coming.block.rows))
        self._take(header, coming.block)
        self._upcoming.take()
        self._dispatcher.add(header.sequence, time.monotonic())

    def _count_dead(self, coming: ComingBlock, cause: DeadTime) -> None:
        """Let crossings go; neighbouring ones of one cause become one message."""
        marker = self._marker
        if marker is not None and (marker.lumi_section, marker.cause) == (coming.lumi_section, cause):
            self._marker = replace(marker, crossings=marker.crossings + coming.block.crossings)
        else:
            self._send_marker()
            self._marker = replace(self._header(Kind.DEAD, coming), cause=int(cause))
        self._upcoming.take()

    def _send_marker(self) -> None:
        if self._marker is None or self._combiner is None:
            return
        marker, self._marker = self._marker, None
        self._take(marker, None)
        self._dispatcher.add_unstaged(marker.sequence, time.monotonic())
        self._send(self._combiner.identity, [marker.pack()])

    def _header(self, kind: Kind, coming: ComingBlock) -> Header:
        return Header(
            kind,
            self.wiring.run,
            self._sequence,
            coming.first,
            time.monotonic_ns(),
            coming.lumi_section,
            coming.block.crossings,
            epoch=self.peer.incarnation,
        )

    def _take(self, header: Header, block: Block | None) -> None:
        self._held.add(header, block)
        self._sequence += 1
        self._lumi_section = header.lumi_section
        self._produced += header.crossings
        self._metrics.produced.inc(header.crossings)
        self._speed.add(header.crossings)

    # Messages

    def _send_batch(self, replica: Replica, sequence: int) -> None:
        header, block = self._held[sequence].header, self._held[sequence].block
        if block is not None:
            stage = replica.peer.name.rpartition(".")[0]
            columns = self._sent.columns(stage, replica.columns, header.lumi_section)
            columns = columns if block.context is None else (*columns, "context")
            frames = [header.pack(), *(block.frame(column, self._held.carrier) for column in columns)]
            if not self._send(replica.peer.identity, frames):
                self._lose(replica.peer)

    def _on_data(self, sender: bytes, header: Header, frames: Frames) -> None:
        peer = peer_of(sender, self.where)
        if peer.incarnation < self._newest.get(peer.name, 0):
            what = f"{header.kind.name} of {peer.name}, which was replaced"
            raise ProtocolError(self.where, what, Refusal.REPLAYED)
        replica = self._dispatcher.peers.get(peer)
        if replica is not None:
            replica.heard = time.monotonic()
        match header.kind:
            case Kind.HEARTBEAT:
                if replica is None and peer != self._combiner:
                    self._send(peer.identity, self.message(Kind.WHO))
            case Kind.READY:
                self._on_ready(peer, self.payload(frames))
            case Kind.DONE:
                self._dispatcher.done(peer, header.sequence)
            case Kind.DECIDED | Kind.COMMITTED if peer != self._combiner or header.epoch != self.peer.incarnation:
                raise ProtocolError(self.where, f"{header.kind.name} of a combiner that this producer does not follow")
            case Kind.DECIDED if frames:
                self._read_out(header.sequence, self._rows.decode(frames[0].buffer).astype(np.uint32))
            case Kind.COMMITTED:
                self._forget(header.sequence)
            case other:
                raise ProtocolError(self.where, f"unexpected {other.name}")

    def _on_ready(self, peer: Peer, payload: dict[str, Any]) -> None:
        fields = Fields(payload, self.where)
        stage = fields.text("stage")
        if stage == COMBINER:
            ready = (peer.incarnation, fields.number("number", 0))
            # A READY that arrives twice must not turn the run back.
            if ready > self._combiner_ready:
                position = fields.mapping("position") if fields.has("position") else Position().as_json()
                found = Position.from_json(position, self.where)
                self._combiner_ready = ready
                self._follow(peer, found)
        elif stage in self._dispatcher.stages:
            columns = fields.texts("columns")
            if not set(columns) <= self._known_columns:
                raise ProtocolError(self.where, f"READY of {peer.name} for columns that the source has not")
            replica = Replica(peer, columns, fields.number("credits", most=_MOST_CREDITS), time.monotonic())
            self._dispatcher.join(stage, replica)
        else:
            raise ProtocolError(self.where, "READY of no stage of this run")
        self._newest[peer.name] = max(self._newest[peer.name], peer.incarnation)

    def _follow(self, combiner: Peer, position: Position) -> None:
        """Begin, or begin again, where a combiner stands."""
        self._combiner, self._combiner_since = combiner, time.monotonic()
        self._end_sent = 0.0
        if not self._upcoming.has_begun:
            self._begin(position)
        elif position.sequence in self._held or position.sequence == self._sequence:
            self._forget(position.sequence)
            staged = [sequence for sequence in self._held if self._held[sequence].block is not None]
            unstaged = [sequence for sequence in self._held if self._held[sequence].block is None]
            self._dispatcher.rewind(staged, unstaged, time.monotonic())
            for sequence in unstaged:
                self._send(combiner.identity, [self._held[sequence].header.pack()])
        else:
            raise RunFailed(self.name, f"the combiner asks for batch {position.sequence}, which is forgotten")

    def _begin(self, position: Position) -> None:
        plan = self._settings.plan
        before = (position.lumi_section - 1) * plan.crossings_per_lumi_section
        crossing = before + position.first
        self._sequence = position.sequence
        self._lumi_section = position.lumi_section - (position.first == 0)
        # What was committed was produced.
        self._produced = crossing
        self._metrics.produced.inc(crossing)
        self._upcoming.begin(crossing, self._columns, self._held.carrier)
        if self._clock is not None:
            if self._origin_ns:
                self._clock.start(self._origin_ns)
            else:
                self._clock_starts_at = crossing
            self._last_cause = DeadTime.RECOVERY if crossing else None

    def _columns(self) -> tuple[str, ...]:
        return tuple(sorted({column for replica in self._dispatcher.peers.values() for column in replica.columns}))

    def _read_out(self, sequence: int, accepted: NDArray[np.uint32]) -> None:
        self._dispatcher.decided(sequence, time.monotonic())
        if sequence not in self._held or self._combiner is None:
            return
        self._held.release(sequence)
        batch = self._held[sequence]
        if batch.block is not None and len(accepted):
            check_rows(accepted, batch.header.crossings, self.where)
            events = memoryview(encode_batch(batch.block.events(accepted)))
            self._send(self._combiner.identity, [batch.header.as_kind(Kind.EVENTS).pack(), events])

    def _forget(self, committed: int) -> None:
        now = time.monotonic()
        for sequence in self._held.forget(committed):
            self._dispatcher.decided(sequence, now)

    def _lose(self, peer: Peer) -> None:
        if self._dispatcher.lose(peer):
            self.log.warning("lost %s: what it held goes to others", peer.identity.decode())
        if peer == self._combiner:
            self._combiner = None

    def _send_end(self, reason: str) -> None:
        self._send_marker()
        if self._combiner is not None:
            end = {"batches": self._sequence, "produced": self._produced, "reason": reason}
            header = Header(Kind.END, self.wiring.run, epoch=self.peer.incarnation)
            self._send(self._combiner.identity, [header.pack(), pack_json(end)])
            self._end_sent = time.monotonic()

    def _send(self, identity: bytes, frames: list[Any]) -> bool:
        """Send to a peer; False if it has no connection."""
        if self._data is None:
            return False
        try:
            self._data.send_multipart([identity, *frames], zmq.DONTWAIT, copy=False)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True
