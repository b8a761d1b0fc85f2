"""The combiner: results of all stages in, decisions in order, output and state committed together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import zmq

from stream.errors import ProtocolError, Refusal
from stream.services.budget_metrics import BudgetControlMetrics
from stream.services.changes import Change
from stream.services.combiner_metrics import CombinerMetrics
from stream.services.cut import Cut
from stream.services.decision_changes import DecisionTimeline
from stream.services.delivery import DeliverySettings, Peer, Position
from stream.services.exported import ExportedAlgorithms, ExportSettings
from stream.services.fold import Accepted, CombinerSettings, Fold, ResultReader
from stream.services.hlt import Hlt, without_hlt
from stream.services.hlt_metrics import HltMetrics
from stream.services.latency import DurationHistogram
from stream.services.pending import PendingBatch, PendingBatches
from stream.services.service import Frames, Order, Service
from stream.services.shadow_metrics import ShadowMetrics
from stream.services.sinks.accepted import accepted_batch
from stream.services.sinks.checkpoint import Committed
from stream.services.sinks.committer import Commit, Committer
from stream.services.sinks.files import LastRows, RunFiles
from stream.services.sinks.tables import RunTables
from stream.services.sinks.trace import BatchTrace
from stream.services.watchers import Watchers
from stream.wire.columns import ROWS, decode_batch, encode_column
from stream.wire.fields import Fields
from stream.wire.messages import Header, Kind
from stream.wire.transport import Socket, Wiring
from triggers.menu.evaluate import Evaluator

_COMMIT_S: Final = 1.0
"""What was decided so long ago is committed, however few batches that are."""
_REPEAT_S: Final = 0.5


@dataclass
class _Answer:
    """A decision that the producer may ask for again, until it is committed."""

    header: Header
    accepted: Accepted | None
    asked: float
    is_read_out: bool


class Combiner(Service):
    """Decides each batch once, in sequence order, when every stage has its result there."""

    def __init__(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        delivery: DeliverySettings,
        evaluator: Evaluator,
        settings: CombinerSettings,
        timeline: DecisionTimeline,
        tables: RunTables,
        files: RunFiles,
        exports: ExportSettings = ExportSettings(),  # noqa: B008 — frozen
        trace: BatchTrace | None = None,
        leave: Callable[[], None] | None = None,
        hlt: Hlt | None = None,
        watch: str | None = None,
    ) -> None:
        super().__init__(peer, wiring, cpu_clock, delivery, leave)
        self._stages, self._timeline, self._files = settings.stages, timeline, files
        self._fold = Fold(evaluator, settings, timeline, tables)
        self._hlt, self._read_out_schema = hlt, without_hlt(files.schema)
        self._reader = ResultReader(settings, evaluator.n_words)
        self._latency = DurationHistogram()
        self._pending = PendingBatches(settings.stages, self.where)
        self._answers: dict[int, _Answer] = {}
        self._read_out: list[tuple[int, pa.RecordBatch]] = []
        self._barrier: Commit | None = None
        self._target = Commit(Position(), self._fold.snapshot(), [], [])
        self._committed = Committed(Position(), {}, ())
        self._since = (0, 0, time.monotonic())
        self._epoch = -1
        self._ready: list[bytes] = []
        self._ready_number = 0
        self._end: dict[str, Any] | None = None
        self._first_sent_ns = 0
        self._last_decided_ns = 0
        self._next_repeat = 0.0
        self._data: Socket | None = None
        self._data_endpoint = ""
        self._committer: Committer | None = None
        self._watchers: Watchers | None = None
        self._watch_address = watch
        self._cut = Cut()
        self._result: dict[str, Any] | None = None
        self._is_written = False
        self._trace = trace
        self._metrics = CombinerMetrics(self.registry, ExportedAlgorithms(evaluator.evaluated, exports), tables)
        self._metrics.watch_queue(lambda: len(self._pending))
        self.registry.register(ShadowMetrics(self._fold.scoring))
        self.registry.register(BudgetControlMetrics(self._fold.budgets))
        if hlt is not None:
            self.registry.register(HltMetrics(hlt))

    def open(self) -> str:
        """Bind the results socket, compile the decision, and go back to the last commit."""
        self._fold.warm_up()
        committed = self._files.checkpoint.load()
        if committed is not None:
            self._files.restore(committed, lambda: self._restore(committed))
            self._committed = committed
            self._target = Commit(committed.position, committed.state, [], [])
        self._committer = Committer(self.wiring.context, self._files.checkpoint, self._files.schema)
        self._poller.register(self._committer.socket, zmq.POLLIN)
        if self.wiring.folder:
            self._watchers = Watchers(self.wiring, self.peer, self._watch_address, self._refusals)
        socket, endpoint = self.wiring.router(
            self.wiring.endpoint(f"results-{self.peer.incarnation}"), refusals=self._refusals
        )
        self.listen(socket, self._on_result)
        return endpoint

    def _restore(self, committed: Committed) -> None:
        self._fold.restore(committed.position, committed.state)
        if self._hlt is not None:
            self._hlt.restore(committed.state)

    def start(self, order: Order) -> None:
        """Connect to the producer; a new one begins at the last commit."""
        # With a fixed port, a new producer has the endpoint of the old one.
        if (order.data, order.epoch) == (self._data_endpoint, self._epoch):
            return
        self._cut.mend()
        if self._data is not None:
            self._roll_back()
        self.hang_up(self._data)
        self._data_endpoint, self._epoch = order.data, order.epoch
        self._data = self.connect(order.data, self._on_data)
        self.beat_to(order.data)
        self._ready_number += 1
        ready = {"stage": self.name, "columns": [], "credits": 0, "number": self._ready_number}
        self._ready = self.message(Kind.READY, ready | {"position": self._fold.position.as_json()})
        self.say(self._data, self._ready)

    def on_control(self, header: Header, frames: Frames) -> None:
        """A cut of the connection to the producer for some time, as chaos makes it."""
        if header.kind is not Kind.CUT:
            super().on_control(header, frames)
        seconds = Fields(self.payload(frames), self.where).seconds("seconds")
        self.beat_to()
        self._cut.begin([(self._data, self._data_endpoint)], time.monotonic() + seconds)

    def prepare(self, change: Change) -> None:
        """Check that a column, an algorithm or a version's working points exist."""
        self._fold.check(change)

    def change(self, change: Change) -> None:
        """Follow a change of the decision or of a model."""
        self._fold.follow(change)

    def progress(self) -> dict[str, Any]:
        """Crossings decided and accepted so far, and what hinders; at the end the run's result."""
        total = self._fold.tables.total
        now = {
            "decided": total.crossings,
            "accepted": total.accepted,
            "lumi_section": self._fold.lumi_section,
            "committed": self._committed.position.sequence,
            "problem": self._committer.problem if self._committer else None,
            "watch": self._watchers.endpoint if self._watchers else None,
            "watch_outside": self._watchers.outside if self._watchers else None,
            "masked": self._fold.tables.masked,
            "models": self._fold.scoring.summary(),
            "budgets": self._fold.budgets.summary(),
            "hlt": self._hlt and self._hlt.summary(total.crossings),
        }
        # Until the files are there, the run has not ended, and can be resumed.
        return {**now, "result": self._result} if self._is_written else now

    def close(self) -> None:
        """Give up what is not committed."""
        if self._committer is not None:
            self._committer.close()
            self._committer.socket.close(linger=0)
        if self._watchers is not None:
            self._watchers.close()
        if self._trace is not None:
            self._trace.close()

    def turn(self) -> None:
        """Decide what is complete, commit what is due, and end when everything is."""
        while (batch := self._next_batch()) is not None:
            self._decide(batch)
        self._commit()

    def tick(self) -> None:
        """Ask again for what did not come, and tell again what may not have arrived."""
        now = time.monotonic()
        for answer in self._answers.values():
            if not answer.is_read_out and now - answer.asked > self.delivery.resend_after_s:
                answer.asked = now
                self._answer(answer)
        if self._cut.is_over(now):
            self._cut.mend()
            self.beat_to(self._data_endpoint)
        if now >= self._next_repeat:
            self._next_repeat = now + _REPEAT_S
            self._tell_committed()
            if self._watchers is not None:
                self._watchers.tick()

    # Results and decisions

    def _next_batch(self) -> PendingBatch | None:
        try:
            return self._pending.take(self._fold.position)
        except ProtocolError as error:
            self._refusals.refuse(error)
            return None

    def _on_result(self, _: bytes, header: Header, frames: Frames) -> None:
        if header.kind is not Kind.RESULT:
            raise ProtocolError(self.where, f"unexpected {header.kind.name}")
        if header.epoch != self._epoch:
            raise ProtocolError(self.where, "a result for a producer that was replaced", Refusal.REPLAYED)
        told = self.payload(frames)
        stage = told.get("stage")
        if not isinstance(stage, str) or stage not in self._stages:
            raise ProtocolError(self.where, "the result of no stage of this run")
        place = self._fold.position.sequence
        if header.sequence < place:
            self._metrics.duplicate_results.inc()
            # It was sent again because its decision was not heard.
            if header.sequence in self._answers:
                self._answer(self._answers[header.sequence])
            return
        # Before it is known to be sound, a result must not say what others of its batch have to agree with.
        result = self._reader.read(stage, header, frames[1:], told.get("version"))
        pending = self._pending.of(header, self._fold.position)
        if stage in pending.results:
            self._metrics.duplicate_results.inc()
            return
        pending.results[stage] = result
        if "version" in told:
            pending.versions.append(str(told["version"]))
        self._metrics.stage_latency(stage, (time.monotonic_ns() - header.sent_ns) / 1e9)

    def _decide(self, batch: PendingBatch) -> None:
        header, now = batch.header, time.monotonic()
        lumi_section, accepted = self._fold.lumi_section, None
        if header.kind is Kind.DEAD:
            self._fold.pass_dead(header)
        else:
            decided = self._fold.decide(header, batch.results)
            accepted = decided if len(decided.rows) else None
            self._note_latency(header)
            if self._trace is not None:
                self._trace.add(header, batch.versions)
        answer = _Answer(header, accepted, now, is_read_out=accepted is None)
        self._answers[header.sequence] = answer
        self._answer(answer)
        if self._watchers is not None and lumi_section and lumi_section != self._fold.lumi_section:
            self._watchers.tell_lumi_section(self._fold.tables.rows[-1])
        batches, crossings, since = self._since
        self._since = batches + 1, crossings + header.crossings, since
        limit = self.delivery.checkpoint_crossings
        is_due = batches + 1 >= self.delivery.checkpoint_batches or (limit and self._since[1] >= limit)
        if is_due and self._barrier is None:
            self._set_barrier()

    def _note_latency(self, header: Header) -> None:
        now_ns = time.monotonic_ns()
        self._first_sent_ns = self._first_sent_ns or header.sent_ns
        self._last_decided_ns = now_ns
        self._latency.add(now_ns - header.sent_ns)
        self._metrics.stage_latency("decision", (now_ns - header.sent_ns) / 1e9)

    def _answer(self, answer: _Answer) -> None:
        rows = encode_column(ROWS, answer.accepted.rows) if answer.accepted else _NO_ROWS
        self.say(self._data, [answer.header.as_kind(Kind.DECIDED).pack(), rows])

    # The producer

    def _on_data(self, _: bytes, header: Header, frames: Frames) -> None:
        if header.kind is Kind.WHO:
            self.say(self._data, self._ready)
            return
        if header.epoch != self._epoch:
            raise ProtocolError(self.where, f"{header.kind.name} of a producer that was replaced", Refusal.REPLAYED)
        match header.kind:
            case Kind.EVENTS if frames:
                self._on_events(header, frames[0])
            case Kind.DEAD:
                self._on_dead(header)
            case Kind.END:
                self._end = self._read_end(self.payload(frames))
            case other:
                raise ProtocolError(self.where, f"unexpected {other.name}")

    def _read_end(self, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            batches, produced = int(payload["batches"]), int(payload["produced"])
            return {"batches": batches, "produced": produced, "reason": str(payload["reason"])}
        except (KeyError, TypeError, ValueError):
            raise ProtocolError(self.where, "an END that is none") from None

    def _on_dead(self, header: Header) -> None:
        if header.sequence in self._answers:
            self._answer(self._answers[header.sequence])
        elif header.sequence >= self._fold.position.sequence:
            self._pending.of(header, self._fold.position)

    def _on_events(self, header: Header, frame: Any) -> None:
        answer = self._answers.get(header.sequence)
        if answer is None or answer.is_read_out or answer.accepted is None:
            return
        accepted = answer.accepted
        events = decode_batch(frame.buffer, self.where, len(accepted.rows))
        crossing = header.first + accepted.rows.astype("uint64")
        batch = accepted_batch(
            self._read_out_schema,
            events,
            header.lumi_section,
            crossing,
            accepted.algorithms,
            accepted.final,
            accepted.scores,
            accepted.versions,
        )
        answer.is_read_out = True
        self._read_out.append((header.sequence, batch))

    # Commits

    def _set_barrier(self) -> None:
        """Put the state aside as it is now; it is committed when all that was accepted before is read out."""
        self._barrier = Commit(self._fold.position, self._fold.snapshot(), [], self._fold.tables.take_rows())
        self._since = 0, 0, time.monotonic()

    def _commit(self) -> None:
        committer = self._committer
        if committer is None:
            return
        self._hear_commit(committer)
        is_over = self._end is not None and self._fold.position.sequence == self._end["batches"]
        batches, _, since = self._since
        if self._barrier is None and batches and (is_over or time.monotonic() - since > _COMMIT_S):
            self._set_barrier()
        if committer.is_busy or self._result is not None:
            return
        if self._barrier is not None:
            self._begin_commit(committer, self._barrier)
        elif is_over and self._end is not None and not batches:
            self._begin_end(committer, self._end)

    def _begin_commit(self, committer: Committer, barrier: Commit) -> None:
        place = barrier.position.sequence
        if any(sequence < place and not answer.is_read_out for sequence, answer in self._answers.items()):
            return
        before = sorted((s, batch) for s, batch in self._read_out if s < place) if self._read_out else []
        self._read_out = [(s, batch) for s, batch in self._read_out if s >= place]
        target = replace(barrier, accepted=[batch for _, batch in before])
        target = target if self._hlt is None else self._hlt.commit(target)
        # To go back to: what is written needs not be kept.
        self._target = replace(target, accepted=[], rows=[])
        self._barrier = None
        self._answers = {sequence: answer for sequence, answer in self._answers.items() if sequence >= place}
        committer.commit(target)

    def _hear_commit(self, committer: Committer) -> None:
        while committer.socket.poll(0):
            committer.socket.recv()
        done = committer.result()
        if done is None:
            return
        if done.committed is None:
            self._is_written = True
            self.finish()
            return
        self._committed = done.committed
        self._tell_committed()
        if self._watchers is not None and done.accepted is not None:
            self._watchers.tell_accepted(done.accepted)

    def _tell_committed(self) -> None:
        sequence = self._committed.position.sequence
        if sequence:
            self.say(self._data, [Header(Kind.COMMITTED, self.wiring.run, sequence, epoch=self._epoch).pack()])

    def _roll_back(self) -> None:
        """Go back to what was given to the committer last: a new producer makes everything after it again."""
        self.log.warning("another producer: back to batch %d", self._target.position.sequence)
        self._fold.restore(self._target.position, self._target.state)
        self._pending.clear()
        self._answers.clear()
        self._read_out.clear()
        self._barrier, self._end = None, None
        self._since = 0, 0, time.monotonic()

    def _begin_end(self, committer: Committer, end: dict[str, Any]) -> None:
        seconds = (self._last_decided_ns - self._first_sent_ns) / 1e9
        tables, segments = self._fold.tables, self._committed.segments
        total, rates, about = tables.total, tables.rates(), self._fold.finish()
        rows = tables.take_rows() if self._hlt is None else self._hlt.rows(tables.take_rows())
        last = LastRows(rows, end["produced"], tables.settings.crossings_per_lumi_section)
        self._result = {
            "produced": end["produced"],
            "ended": end["reason"],
            "decided": total.crossings,
            "accepted": total.accepted,
            "batches": end["batches"],
            "seconds": seconds,
            "latency_ms": self._latency.summary_ms(),
            "expected": self._fold.check_summary(),
            "scoring": self._fold.scoring.summary(),
            "hlt": self._hlt and self._hlt.summary(total.crossings),
            **about,
        }
        committer.write(lambda: self._files.write(rates, segments, last))


_NO_ROWS: Final = encode_column(ROWS, pa.array([], pa.uint32()))
