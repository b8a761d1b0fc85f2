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

from stream.services.service import Frames, Service
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
        self, stage: str, replica: int, wiring: Wiring, cpu_clock: Callable[[], int], make_worker: Callable[[], Worker]
    ) -> None:
        super().__init__(f"{stage}.{replica}", wiring, cpu_clock)
        self._stage = stage
        self._make_worker = make_worker
        self._worker: Worker | None = None
        self._decoders: dict[str, ColumnDecoder] = {}
        self._data: Socket | None = None
        self._results: Socket | None = None
        self._work_seconds = Histogram(
            "l1chain_batch_work_seconds",
            "Wall-clock time of a stage's work on a batch.",
            ["stage"],
            buckets=WORK_BUCKETS_S,
            registry=self.registry,
        ).labels(stage)

    def open(self) -> None:
        """Make the worker and warm it up."""
        self._worker = self._make_worker()
        self._worker.warm_up()
        self._worker.register(self.registry)
        for column in (*self._worker.columns, "context"):
            self._decoders[column] = ColumnDecoder(event_field(column), f"service {self.name}")

    def start(self, endpoints: dict[str, str]) -> None:
        """Connect to producer and combiner and offer credits."""
        if self._worker is None:
            return
        self._results = self.wiring.dealer(endpoints["results"], self.name)
        self._data = self.wiring.dealer(endpoints["data"], self.name)
        self.listen(self._results, self._on_result_answer)
        self.listen(self._data, self._on_batch)
        ready = {"stage": self._stage, "columns": list(self._worker.columns), "credits": CREDITS}
        self._data.send_multipart(self.message(Kind.READY, ready))

    def _on_result_answer(self, frames: Frames) -> None:
        self.log.warning("unexpected %s", self.header(frames[0]).kind.name)

    def _on_batch(self, frames: Frames) -> None:
        header = self.header(frames[0])
        if header.kind is not Kind.BATCH or self._worker is None or self._results is None or self._data is None:
            self.log.warning("unexpected %s", header.kind.name)
            return
        begun = time.perf_counter()
        names = list(self._worker.columns)
        if len(frames) > 1 + len(names):
            names.append("context")
        columns = {
            name: self._decoders[name].decode(frame.buffer, header.rows)
            for name, frame in zip(names, frames[1:], strict=True)
        }
        context = columns.pop("context").view(np.bool_) if "context" in columns else None
        result = self._worker.work(columns, context)
        self._results.send_multipart([*self._head(header), *(encode_column(f, v) for f, v in result)], copy=False)
        self._data.send(header.as_kind(Kind.DONE).pack())
        self._work_seconds.observe(time.perf_counter() - begun)

    def _head(self, header: Header) -> list[Any]:
        return [header.as_kind(Kind.RESULT).pack(), pack_json({"stage": self._stage})]
