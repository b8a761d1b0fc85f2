"""The crossings of a batch and their neighbours in time, as the oracle sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.crossings import column_view, slots
from triggers.events.schema import OBJECT_COLUMNS

Columns = Mapping[str, NDArray[np.generic]]
"""Object columns of the event format by name, each `(n, width)`."""


@dataclass(frozen=True)
class Crossings:
    """The objects of a batch's crossings.

    Attributes:
        columns: the objects of every row.
        slots: the 25 ns slot of every row, `(n,) int64`; none occurs twice.
    """

    columns: Columns
    slots: NDArray[np.int64]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Crossings:
        """The crossings of a record batch of the event format."""
        return cls({name: column_view(batch.column(name)) for name in OBJECT_COLUMNS}, slots(batch))

    def __len__(self) -> int:
        return len(self.slots)

    def at(self, bx_offset: int) -> Columns:
        """The objects `bx_offset` slots later, row by row; a neighbour that is not in the batch has no objects."""
        if bx_offset == 0:
            return self.columns
        row_of = {int(slot): row for row, slot in enumerate(self.slots)}
        rows = [row_of.get(int(slot) + bx_offset) for slot in self.slots]
        present = np.array([row is not None for row in rows])[:, np.newaxis]
        taken = np.array([row or 0 for row in rows], np.intp)
        return {name: np.where(present, words[taken], 0).astype(words.dtype) for name, words in self.columns.items()}
