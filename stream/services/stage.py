"""A stage replica: batches in under credits, results out to the combiner."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram

from stream.errors import ProtocolError, Refusal
from stream.services.background import Background
from stream.services.changes import Change
from stream.services.cut import Cut
from stream.services.delivery import DeliverySettings, Peer
from stream.services.service import Frames, Order, Service
from stream.wire.columns import ColumnDecoder, encode_column, event_field
from stream.wire.fields import Fields
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.shelf import ShelfReader
from stream.wire.transport import Socket, Transport, Wiring
from triggers.errors import BadValue

CREDITS: Final = 2
"""Batches that a replica may hold: one being worked on, one ready."""
WORK_BUCKETS_S: Final = tuple(1e-4 * 2**k for k in range(16))

Columns = Mapping[str, NDArray[np.generic]]
Result = list[tuple[pa.Field, NDArray[np.generic]]]


class Worker(ABC):
    """What a stage does with a batch; used by one thread.

    Attributes:
        columns: the columns of the event format that it reads.
    """

    columns: tuple[str, ...]

    @abstractmethod
    def work(self, columns: Columns, context: NDArray[np.bool_] | None, header: Header) -> Result:
        """Result columns of a batch; rows are counted over decided crossings only."""

    def columns_in(self, lumi_section: int) -> tuple[str, ...]:  # noqa: ARG002 — for subclasses
        """The columns that it is sent in a lumi section: `columns`, and what changes added."""
        return self.columns

    def about(self, lumi_section: int) -> dict[str, str]:  # noqa: ARG002 — for subclasses
        """What a result of a lumi section tells beside its stage."""
        return {}

    def prepare(self, change: Change) -> None:
        """Get ready for a change, in a thread beside the one that works.

        Raises:
            L1ChainError: it cannot be made.
        """
        raise BadValue("stage", f"a change of kind '{change.kind}'", "ask another service")

    def change(self, change: Change) -> None:  # noqa: B027 — most stages have nothing that changes
        """Follow an agreed change from its lumi section on; prepared before, unless this replica is a new one."""

    @abstractmethod
    def warm_up(self) -> None:
        """Compile and allocate what the first batch would otherwise wait for."""

    @abstractmethod
    def register(self, registry: CollectorRegistry) -> None:
        """Add the worker's own metrics."""


class StageService(Service):
    """Runs a worker on each batch that the producer sends."""

    def __init__(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        delivery: DeliverySettings,
        make_worker: Callable[[], Worker],
        leave: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(peer, wiring, cpu_clock, delivery, leave)
        self._stage = self.name.rpartition(".")[0]
        self._make_worker = make_worker
        self._worker: Worker | None = None
        self._decoders: dict[str, ColumnDecoder] = {}
        self._shelf: ShelfReader | None = None
        self._endpoints = ("", "")
        self._epoch = -1
        self._data: Socket | None = None
        self._results: Socket | None = None
        self._cut = Cut()
        self._background = Background()
        self._work_seconds = Histogram(
            "l1chain_batch_work_seconds",
            "Wall-clock time of a stage's work on a batch.",
            ["stage"],
            buckets=WORK_BUCKETS_S,
            registry=self.registry,
        ).labels(self._stage)

    def open(self) -> None:
        """Make the worker and warm it up."""
        self._worker = self._make_worker()
        self._worker.warm_up()
        self._worker.register(self.registry)

    def start(self, order: Order) -> None:
        """Connect to producer and combiner and offer credits; again to one that was replaced."""
        # Connected again before they are replaced: a cut must not end on a socket that it did not begin on.
        self._cut.mend()
        data, results = self._endpoints
        is_new_producer, self._epoch = order.epoch != self._epoch, order.epoch
        if results != order.results:
            self.hang_up(self._results)
            self._results = self.connect(order.results, self._on_result_answer)
        # With a fixed port, a new producer has the endpoint of the old one.
        if data != order.data or is_new_producer:
            self.hang_up(self._data)
            self._data = self.connect(order.data, self._on_batch)
            if self.wiring.transport is Transport.IPC:
                self._shelf = ShelfReader(self.wiring.shelf(order.epoch), self.where)
            self.beat_to(order.data)
            self._offer()
        self._endpoints = order.data, order.results

    def on_control(self, header: Header, frames: Frames) -> None:
        """A cut of the connections for some time, as chaos makes it."""
        if header.kind is not Kind.CUT:
            super().on_control(header, frames)
        seconds = Fields(self.payload(frames), self.where).seconds("seconds")
        self.beat_to()
        links = zip((self._data, self._results), self._endpoints, strict=True)
        self._cut.begin(links, time.monotonic() + seconds)

    def begin_prepare(self, change: Change) -> None:
        """Get ready beside the batches that go on meanwhile."""
        if self._worker is not None:
            self._background.begin(change, self._worker.prepare)

    def change(self, change: Change) -> None:
        """Follow a change of what the worker does."""
        if self._worker is not None:
            self._worker.change(change)

    def tick(self) -> None:
        """Tell what is prepared; connect again after a cut."""
        for change, error in self._background.done():
            self.tell_prepared(change, error)
        if self._cut.is_over(time.monotonic()):
            self._cut.mend()
            self.beat_to(self._endpoints[0])

    def _offer(self) -> None:
        if self._worker is not None and self._data is not None:
            ready = {"stage": self._stage, "columns": list(self._worker.columns), "credits": CREDITS}
            self.say(self._data, self.message(Kind.READY, ready))

    def _on_result_answer(self, _: bytes, header: Header, __: Frames) -> None:
        raise ProtocolError(self.where, f"unexpected {header.kind.name}")

    def _on_batch(self, _: bytes, header: Header, frames: Frames) -> None:
        if header.kind is Kind.WHO:
            self._offer()
            return
        if header.kind is not Kind.BATCH or self._worker is None or self._results is None or self._data is None:
            raise ProtocolError(self.where, f"unexpected {header.kind.name}")
        begun = time.perf_counter()
        names = list(self._worker.columns_in(header.lumi_section))
        if len(frames) > len(names):
            names.append("context")
        if len(frames) != len(names):
            raise ProtocolError(self.where, f"a batch of {len(frames)} columns, expected {len(names)}")
        shelf = self._shelf
        buffers = [frame.buffer if shelf is None else shelf.read(frame.buffer) for frame in frames]
        columns = {
            name: self._decoder(name).decode(buffer, header.rows) for name, buffer in zip(names, buffers, strict=True)
        }
        context = self._flags(columns.pop("context"), header) if "context" in columns else None
        result = self._worker.work(columns, context, header)
        if shelf is not None and not all(shelf.is_there(frame.buffer) for frame in frames):
            # The batch was decided without this replica, and another one may stand there by now.
            self.say(self._data, [header.as_kind(Kind.DONE).pack()])
            return
        told = {"stage": self._stage, **self._worker.about(header.lumi_section)}
        head = [header.as_kind(Kind.RESULT).pack(), pack_json(told)]
        self.say(self._results, [*head, *(encode_column(f, v) for f, v in result)])
        self.say(self._data, [header.as_kind(Kind.DONE).pack()])
        self._work_seconds.observe(time.perf_counter() - begun)

    def _decoder(self, column: str) -> ColumnDecoder:
        if column not in self._decoders:
            self._decoders[column] = ColumnDecoder(event_field(column), self.where)
        return self._decoders[column]

    def _flags(self, context: NDArray[np.generic], header: Header) -> NDArray[np.bool_]:
        """Which rows are context; bytes that are no truth values would mean one thing here and another there."""
        # A copy: on the shelf they might become others between this check and their use.
        flags = context.view(np.uint8).copy()
        if (flags > 1).any() or len(flags) - np.count_nonzero(flags) != header.crossings:
            what = f"column 'context' does not leave {header.crossings} of {header.rows} rows to be decided"
            raise ProtocolError(self.where, what, Refusal.COLUMN)
        return flags.view(np.bool_)
