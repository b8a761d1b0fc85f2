"""The combiner: results of all stages in, decisions in order, accepted crossings to the sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import zmq
from numpy.typing import NDArray

from stream.services import expected, seeds
from stream.services.combiner_metrics import CombinerMetrics
from stream.services.expected import ExpectedCheck
from stream.services.latency import DurationHistogram
from stream.services.service import Frames, Service
from stream.services.sinks.accepted import AcceptedSink
from stream.services.sinks.tables import RunTables
from stream.wire.columns import ROWS, SCORE, ColumnDecoder, decode_batch, encode_column, words_field
from stream.wire.messages import Header, Kind
from stream.wire.transport import Socket, Wiring
from triggers.decision.decide import Counts, DecisionSettings, DecisionState, decide
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.evaluate import Evaluator, SparseBits
from triggers.menu.model import WorkingPointCondition

_EXPECTED_WORDS = 2 * ALGORITHM_WORDS


@dataclass(frozen=True)
class CombinerSettings:
    """What the combiner decides by.

    Attributes:
        decision: prescales, budgets, masks.
        score_names: by score stage, the names under which conditions know its score.
        thresholds: of the working points that the menu names.
        compare_expected: whether an `expected` stage sends the source's own bits.
    """

    decision: DecisionSettings
    score_names: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[WorkingPointCondition, int]
    compare_expected: bool


@dataclass
class _Pending:
    header: Header
    results: dict[str, Frames] = field(default_factory=dict)


@dataclass(frozen=True)
class _Accepted:
    header: Header
    rows: NDArray[np.uint32]
    algorithms: NDArray[np.uint64]
    final: NDArray[np.uint64]
    scores: dict[str, NDArray[np.int32]]


class Combiner(Service):
    """Decides each batch once, in sequence order, when every stage has its result there."""

    def __init__(
        self,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        evaluator: Evaluator,
        settings: CombinerSettings,
        sink: AcceptedSink,
        tables: RunTables,
    ) -> None:
        super().__init__("combiner", wiring, cpu_clock)
        self._evaluator, self._settings, self._sink, self._tables = evaluator, settings, sink, tables
        self._stages = {seeds.STAGE, *settings.score_names}
        if settings.compare_expected:
            self._stages.add(expected.STAGE)
        n_budgets = len(settings.decision.budgets)
        self._state = DecisionState(n_budgets)
        self._total = Counts(n_budgets)
        self._check = ExpectedCheck(evaluator.evaluated)
        self._latency = DurationHistogram()
        self._pending: dict[int, _Pending] = {}
        self._accepted: dict[int, _Accepted] = {}
        self._next = 0
        self._lumi_section = 0
        self._end: dict[str, Any] | None = None
        self._first_sent_ns = 0
        self._last_decided_ns = 0
        self._decoders: dict[tuple[str, int], ColumnDecoder] = {}
        self._data: Socket | None = None
        self._result: dict[str, Any] | None = None
        self._metrics = CombinerMetrics(self.registry, evaluator.evaluated, settings.decision, self._total)
        self._metrics.watch_queue(lambda: len(self._pending))

    def open(self) -> str:
        """Bind the results socket, and compile the decision."""
        settings, n_budgets = self._settings.decision, len(self._settings.decision.budgets)
        nothing = SparseBits(np.zeros(1, np.uint32), np.zeros((1, ALGORITHM_WORDS), np.uint64))
        decide(settings, DecisionState(n_budgets), Counts(n_budgets), nothing, np.zeros(1, np.int64))
        socket, endpoint = self.wiring.router(self.wiring.endpoint("results"))
        self.listen(socket, self._on_result)
        return endpoint

    def start(self, endpoints: dict[str, str]) -> None:
        """Connect to the producer."""
        self._data = self.wiring.dealer(endpoints["data"], self.name)
        self.listen(self._data, self._on_data)
        self._data.send_multipart(self.message(Kind.READY, {"stage": self.name, "columns": [], "credits": 0}))

    def progress(self) -> dict[str, Any]:
        """Crossings decided and accepted so far; at the end the run's result."""
        now = {"decided": self._total.crossings, "accepted": self._total.accepted, "lumi_section": self._lumi_section}
        return now if self._result is None else {**now, "result": self._result}

    def close(self) -> None:
        """Drop an output that was not finished."""
        self._sink.abandon()

    def turn(self) -> None:
        """Decide what is complete, and end when everything is."""
        while self._next in self._pending and self._stages <= self._pending[self._next].results.keys():
            self._decide(self._pending.pop(self._next))
            self._next += 1
        if self._end and self._next == self._end["batches"] and not self._accepted:
            self._finish(self._end)

    def _on_result(self, frames: Frames) -> None:
        header = self.header(frames[1])
        if header.kind is not Kind.RESULT:
            self.log.warning("unexpected %s", header.kind.name)
            return
        stage = self.payload(frames[2])["stage"]
        waiting = self._pending.get(header.sequence)
        if header.sequence < self._next or (waiting and stage in waiting.results) or stage not in self._stages:
            self._metrics.duplicate_results.inc()
            return
        pending = self._pending.setdefault(header.sequence, _Pending(header))
        pending.results[stage] = frames[3:]
        self._metrics.stage_latency(stage, (time.monotonic_ns() - header.sent_ns) / 1e9)

    def _on_data(self, frames: Frames) -> None:
        header = self.header(frames[0])
        match header.kind:
            case Kind.EVENTS:
                self._write(self._accepted.pop(header.sequence), decode_batch(frames[1].buffer, "service combiner"))
            case Kind.END:
                self._end = self.payload(frames[1])
            case other:
                self.log.warning("unexpected %s", other.name)

    def _decide(self, batch: _Pending) -> None:
        header = batch.header
        decision_settings = self._settings.decision.in_lumi_section(header.lumi_section)
        if header.lumi_section != self._lumi_section:
            self._lumi_section = header.lumi_section
            self._state.start_lumi_section(decision_settings)
        found = batch.results[seeds.STAGE]
        bits = SparseBits(
            self._column(seeds.STAGE, 0, ROWS, found[0]),
            self._column(seeds.STAGE, 1, words_field(self._evaluator.n_words), found[1]),
        )
        by_stage = {
            stage: self._column(stage, 0, SCORE, batch.results[stage][0], header.crossings)
            for stage in self._settings.score_names
        }
        scores = {name: by_stage[stage] for stage, names in self._settings.score_names.items() for name in names}
        bits = self._evaluator.complete(bits, scores, self._settings.thresholds)
        if self._settings.compare_expected:
            field_ = words_field(_EXPECTED_WORDS)
            words = self._column(expected.STAGE, 1, field_, batch.results[expected.STAGE][1], header.crossings)
            self._check.add(bits, words)
        counts = Counts(len(decision_settings.budgets))
        decision = decide(decision_settings, self._state, counts, bits, header.first + bits.rows.astype(np.int64))
        counts.crossings = header.crossings
        self._total.add(counts)
        self._tables.add(header.lumi_section, counts)
        if len(decision.rows):
            algorithms = bits.words[np.searchsorted(bits.rows, decision.rows)]
            kept = {stage: values[decision.rows] for stage, values in by_stage.items()}
            self._accepted[header.sequence] = _Accepted(header, decision.rows, algorithms, decision.words, kept)
        self._acknowledge(header, decision.rows)

    def _acknowledge(self, header: Header, accepted: NDArray[np.uint32]) -> None:
        if self._data is not None:
            message = [header.as_kind(Kind.DECIDED).pack(), encode_column(ROWS, accepted)]
            self._data.send_multipart(message, zmq.DONTWAIT, copy=False)
        now = time.monotonic_ns()
        self._first_sent_ns = self._first_sent_ns or header.sent_ns
        self._last_decided_ns = now
        self._latency.add(now - header.sent_ns)
        self._metrics.stage_latency("decision", (now - header.sent_ns) / 1e9)

    def _column(self, stage: str, place: int, field_: pa.Field, frame: Any, rows: int | None = None) -> NDArray[Any]:
        decoder = self._decoders.get((stage, place))
        if decoder is None:
            decoder = self._decoders[stage, place] = ColumnDecoder(field_, f"service combiner, result of {stage}")
        return decoder.decode(frame.buffer, rows)

    def _write(self, accepted: _Accepted, events: pa.RecordBatch) -> None:
        crossing = accepted.header.first + accepted.rows.astype(np.uint64)
        self._sink.write(
            events, accepted.header.lumi_section, crossing, accepted.algorithms, accepted.final, accepted.scores
        )

    def _finish(self, end: dict[str, Any]) -> None:
        self._sink.finish()
        seconds = (self._last_decided_ns - self._first_sent_ns) / 1e9
        self._result = {
            "produced": sum(n for _, n in end["produced"]),
            "ended": end["reason"],
            "decided": self._total.crossings,
            "accepted": self._total.accepted,
            "batches": end["batches"],
            "seconds": seconds,
            "latency_ms": self._latency.summary_ms(),
            "expected": self._check.summary() if self._settings.compare_expected else None,
            **self._tables.finish(self._total, dict(end["produced"])),
        }
        self.finish()
