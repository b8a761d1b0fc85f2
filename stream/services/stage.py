"""A stage replica: batches in under credits, results out to the combiner."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram

from stream.errors import ProtocolError
from stream.services.delivery import DeliverySettings, Peer
from stream.services.service import Frames, Order, Service
from stream.wire.columns import ColumnDecoder, encode_column, event_field
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.transport import Socket, Wiring

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
    def work(self, columns: Columns, context: NDArray[np.bool_] | None) -> Result:
        """Result columns of a batch; rows are counted over decided crossings only."""

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
        self._endpoints = ("", "")
        self._data: Socket | None = None
        self._results: Socket | None = None
        self._mended_at = 0.0
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
        for column in (*self._worker.columns, "context"):
            self._decoders[column] = ColumnDecoder(event_field(column), self.where)

    def start(self, order: Order) -> None:
        """Connect to producer and combiner and offer credits; again to one that was replaced."""
        data, results = self._endpoints
        if results != order.results:
            self.hang_up(self._results)
            self._results = self.connect(order.results, self._on_result_answer)
        if data != order.data:
            self.hang_up(self._data)
            self._data = self.connect(order.data, self._on_batch)
            self.beat_to(order.data)
            self._offer()
        self._endpoints = order.data, order.results

    def on_control(self, header: Header, frames: Frames) -> None:
        """A cut of the connections for some time, as chaos makes it."""
        if header.kind is not Kind.CUT:
            super().on_control(header, frames)
        self._mended_at = time.monotonic() + float(self.payload(frames)["seconds"])
        self.beat_to()
        for socket, endpoint in zip((self._data, self._results), self._endpoints, strict=True):
            if socket is not None:
                socket.disconnect(endpoint)

    def tick(self) -> None:
        """Connect again after a cut."""
        if self._mended_at and time.monotonic() >= self._mended_at:
            self._mended_at = 0.0
            for socket, endpoint in zip((self._data, self._results), self._endpoints, strict=True):
                if socket is not None:
                    socket.connect(endpoint)
            self.beat_to(self._endpoints[0])

    def _offer(self) -> None:
        if self._worker is not None and self._data is not None:
            ready = {"stage": self._stage, "columns": list(self._worker.columns), "credits": CREDITS}
            self._data.send_multipart(self.message(Kind.READY, ready))

    def _on_result_answer(self, _: bytes, header: Header, __: Frames) -> None:
        raise ProtocolError(self.where, f"unexpected {header.kind.name}")

    def _on_batch(self, _: bytes, header: Header, frames: Frames) -> None:
        if header.kind is Kind.WHO:
            self._offer()
            return
        if header.kind is not Kind.BATCH or self._worker is None or self._results is None or self._data is None:
            raise ProtocolError(self.where, f"unexpected {header.kind.name}")
        begun = time.perf_counter()
        names = list(self._worker.columns)
        if len(frames) > len(names):
            names.append("context")
        if len(frames) != len(names):
            raise ProtocolError(self.where, f"a batch of {len(frames)} columns, expected {len(names)}")
        columns = {
            name: self._decoders[name].decode(frame.buffer, header.rows)
            for name, frame in zip(names, frames, strict=True)
        }
        context = columns.pop("context").view(np.bool_) if "context" in columns else None
        result = self._worker.work(columns, context)
        self._results.send_multipart([*self._head(header), *(encode_column(f, v) for f, v in result)], copy=False)
        self._data.send(header.as_kind(Kind.DONE).pack())
        self._work_seconds.observe(time.perf_counter() - begun)

    def _head(self, header: Header) -> list[Any]:
        return [header.as_kind(Kind.RESULT).pack(), pack_json({"stage": self._stage})]
