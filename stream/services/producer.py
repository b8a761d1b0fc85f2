"""The producer: batches out under credits and a window, acknowledgements in, accepted crossings read out."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray
from prometheus_client import Counter, Gauge

from stream.services.batches import Block, cut, in_lumi_sections, prepare
from stream.services.service import Frames, Service
from stream.wire.columns import ROWS, ColumnDecoder, encode_batch
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.transport import Socket, Wiring
from triggers.errors import L1ChainError
from triggers.events.source import Source


@dataclass(frozen=True)
class ProducerSettings:
    """What a producer makes.

    Attributes:
        crossings_per_lumi_section: decided crossings in a full lumi section.
        lumi_sections: how many to make; None: until the source ends.
        repeat: passes over the source; None: without end.
        batch_crossings: decided crossings in a full batch.
        window: batches that may be undecided at a time.
        replicas: how many replicas of each stage there will be, by stage name.
        neighbours: whether any stage looks at neighbouring crossings.
        prepare: read the source into memory first.
    """

    crossings_per_lumi_section: int
    lumi_sections: int | None
    repeat: int | None
    batch_crossings: int
    window: int
    replicas: dict[str, int]
    neighbours: bool
    prepare: bool


@dataclass
class _Replica:
    columns: tuple[str, ...]
    credits: int


@dataclass
class _Stage:
    replicas: dict[bytes, _Replica] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)


class Producer(Service):
    """Makes batches of a source and sees each through to its decision."""

    def __init__(
        self, wiring: Wiring, cpu_clock: Callable[[], int], source: Source, settings: ProducerSettings
    ) -> None:
        super().__init__("producer", wiring, cpu_clock)
        self._source, self._settings = source, settings
        self._stages = {name: _Stage() for name in settings.replicas}
        self._combiner: bytes | None = None
        self._held: dict[int, tuple[Header, Block]] = {}
        self._batches: Iterator[tuple[int, int, Block]] = iter(())
        self._prepared: list[Block] | None = None
        self._sequence = 0
        self._produced: dict[int, int] = {}
        self._source_ns = 0
        self._ending: str | None = None
        self._end_sent = False
        self._rows = ColumnDecoder(ROWS, "service producer")
        self._data: Socket | None = None
        self._produced_metric = Counter(
            "l1chain_crossings_produced", "Crossings sent out for decision.", registry=self.registry
        )
        queue = Gauge("l1chain_queue_batches", "Batches waiting, by queue.", ["queue"], registry=self.registry)
        queue.labels("window").set_function(lambda: len(self._held))
        for name, stage in self._stages.items():
            queue.labels(name).set_function(partial(len, stage.waiting))

    def open(self) -> str:
        """Bind the data socket."""
        self._data, endpoint = self.wiring.router(self.wiring.endpoint("data"))
        self.listen(self._data, self._on_data)
        return endpoint

    def start(self, endpoints: dict[str, str]) -> None:
        """Nothing to connect to: everybody comes to the data socket."""

    def drain(self) -> None:
        """Make no further batch."""
        self._ending = self._ending or "interrupted"

    def progress(self) -> dict[str, Any]:
        """Crossings made so far and the CPU time of the source, which is not the chain's."""
        return {"produced": sum(self._produced.values()), "source_ns": self._source_ns}

    def turn(self) -> None:
        """Fill the window, send what replicas have credits for, and end when the source has."""
        if not self._is_complete():
            return
        while self._ending is None and len(self._held) < self._settings.window:
            self._make()
        for stage in self._stages.values():
            self._dispatch(stage)
        if self._ending and not self._end_sent:
            self._send_end(self._ending)

    def _is_complete(self) -> bool:
        if self._combiner is None:
            return False
        return all(len(self._stages[name].replicas) == n for name, n in self._settings.replicas.items())

    def _make(self) -> None:
        begun = time.thread_time_ns()
        try:
            if self._sequence == 0:
                self._batches = self._plan()
            lumi_section, first, block = next(self._batches)
        except StopIteration:
            self._ending = "end of the source"
            return
        except L1ChainError as error:
            self.tell_failure(error)
            self._ending = f"source failed: {error}"
            return
        finally:
            self._source_ns += time.thread_time_ns() - begun
        if self._settings.lumi_sections is not None and lumi_section > self._settings.lumi_sections:
            self._ending = "all lumi sections"
            return
        header = Header(
            Kind.BATCH,
            self.wiring.run,
            self._sequence,
            first,
            time.monotonic_ns(),
            lumi_section,
            block.crossings,
            len(block.rows),
        )
        self._held[self._sequence] = (header, block)
        for stage in self._stages.values():
            stage.waiting.append(self._sequence)
        self._sequence += 1
        self._produced[lumi_section] = self._produced.get(lumi_section, 0) + block.crossings
        self._produced_metric.inc(block.crossings)

    def _plan(self) -> Iterator[tuple[int, int, Block]]:
        settings = self._settings
        size = settings.batch_crossings
        passes = itertools.count() if settings.repeat is None else range(settings.repeat)
        blocks: Iterator[Block]
        if settings.prepare:
            columns = sorted({c for s in self._stages.values() for r in s.replicas.values() for c in r.columns})
            kept = prepare(cut(self._source.batches(size), size, settings.neighbours), tuple(columns))
            blocks = itertools.chain.from_iterable(kept for _ in passes)
        else:
            rows = itertools.chain.from_iterable(self._source.batches(size) for _ in passes)
            blocks = cut(rows, size, settings.neighbours)
        return in_lumi_sections(blocks, settings.crossings_per_lumi_section, settings.neighbours)

    def _dispatch(self, stage: _Stage) -> None:
        while stage.waiting:
            identity, replica = max(stage.replicas.items(), key=lambda item: item[1].credits)
            if replica.credits == 0:
                return
            header, block = self._held[stage.waiting.popleft()]
            replica.credits -= 1
            columns = replica.columns if block.context is None else (*replica.columns, "context")
            frames = [identity, header.pack(), *(block.frame(column) for column in columns)]
            self._send(frames)

    def _on_data(self, frames: Frames) -> None:
        identity = frames[0].bytes
        header = self.header(frames[1])
        match header.kind:
            case Kind.READY:
                self._on_ready(identity, self.payload(frames[2]))
            case Kind.DONE:
                for stage in self._stages.values():
                    if identity in stage.replicas:
                        stage.replicas[identity].credits += 1
            case Kind.DECIDED:
                accepted = self._rows.decode(frames[2].buffer)
                self._read_out(header.sequence, accepted.astype(np.uint32))
            case other:
                self.log.warning("unexpected %s", other.name)

    def _on_ready(self, identity: bytes, payload: dict[str, Any]) -> None:
        if payload["stage"] == "combiner":
            self._combiner = identity
        else:
            replica = _Replica(tuple(payload["columns"]), payload["credits"])
            self._stages[payload["stage"]].replicas[identity] = replica

    def _read_out(self, sequence: int, accepted: NDArray[np.uint32]) -> None:
        header, block = self._held.pop(sequence)
        if len(accepted) and self._combiner is not None:
            events = memoryview(encode_batch(block.events(accepted)))
            self._send([self._combiner, header.as_kind(Kind.EVENTS).pack(), events])

    def _send_end(self, reason: str) -> None:
        if self._combiner is not None:
            end = {"batches": self._sequence, "produced": list(self._produced.items()), "reason": reason}
            header = Header(Kind.END, self.wiring.run)
            self._send([self._combiner, header.pack(), pack_json(end)])
            self._end_sent = True

    def _send(self, frames: list[Any]) -> None:
        if self._data is not None:
            self._data.send_multipart(frames, zmq.DONTWAIT, copy=False)
