"""The `seeds` stage: the menu's conditions on objects, as sparse bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from stream.services.stage import Columns, Result, Worker
from stream.wire.columns import ROWS, words_field
from stream.wire.messages import Header
from triggers.events.crossings import batch_of, column_view
from triggers.menu.evaluate import Evaluator

STAGE = "seeds"


class SeedsWorker(Worker):
    """Evaluates everything in a menu that needs no score."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self.columns = evaluator.needed_columns

    def work(self, columns: Columns, context: NDArray[np.bool_] | None, _: Header) -> Result:
        """`rows` and `words` of the crossings with at least one bit."""
        bits = self._evaluator.objects(columns, context)
        rows = bits.rows if context is None else decided_rows(bits.rows, context)
        return [(ROWS, rows), (words_field(bits.words.shape[1]), bits.words)]

    def warm_up(self) -> None:
        """Compile the kernel, or load it from the cache."""
        batch = batch_of({"bx": np.zeros(1, np.uint16)})
        self._evaluator.objects({name: column_view(batch.column(name)) for name in self.columns}, None)

    def register(self, registry: CollectorRegistry) -> None:
        """No metrics of its own: the combiner counts bits."""


def decided_rows(rows: NDArray[np.uint32], context: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Row numbers counted over decided crossings only, from row numbers of the batch."""
    return (rows - np.cumsum(context, dtype=np.uint32)[rows]).astype(np.uint32)


class ExpectedWorker(Worker):
    """Passes on the algorithm bits that the source itself knows, for the combiner to compare with."""

    columns = ("expected", "expected_known")

    def work(self, columns: Columns, context: NDArray[np.bool_] | None, _: Header) -> Result:
        """For every decided crossing: `words`, the expected ones and after them which are known."""
        both = np.concatenate([columns["expected"], columns["expected_known"]], axis=1)
        words = both if context is None else both[~context]
        return [(ROWS, np.arange(len(words), dtype=np.uint32)), (words_field(words.shape[1]), words)]

    def warm_up(self) -> None:
        """Nothing to prepare."""

    def register(self, registry: CollectorRegistry) -> None:
        """No metrics of its own."""
