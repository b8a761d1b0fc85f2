"""Crossings that come with what their neighbours held become rows in time order, neighbours as context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.crossings import batch_of
from triggers.events.schema import MAX_BX_OFFSET, SLOTS_PER_ORBIT

OFFSETS: Final = tuple(range(-MAX_BX_OFFSET, MAX_BX_OFFSET + 1))
SPACING: Final = 2 * MAX_BX_OFFSET + MAX_BX_OFFSET + 1
"""Slots between unrelated crossings: the neighbours of one are no neighbours of the next."""


@dataclass(frozen=True)
class Neighbourhoods:
    """Crossings with their neighbours.

    Attributes:
        times: the time columns of the crossings, `(n,)` each.
        columns: other columns, `(n, 5, width)`, or `(n,)` where neighbours have the crossing's own value.
        present: `(n, 5) bool`: which of the crossings at `OFFSETS` were stored; always true at offset 0.
    """

    times: Mapping[str, NDArray[Any]]
    columns: Mapping[str, NDArray[Any]]
    present: NDArray[np.bool_]

    @property
    def slots(self) -> NDArray[np.int64]:
        """The absolute slot of each crossing."""
        return self.times["orbit"].astype(np.int64) * SLOTS_PER_ORBIT + self.times["bx"].astype(np.int64)


def rows_of(parts: Iterable[Neighbourhoods]) -> Iterator[pa.RecordBatch]:
    """The crossings of all parts, in order, as rows of the event format, with `context`.

    A slot that two crossings know as a neighbour is there once; one that is itself a crossing is only that.

    Args:
        parts: at least one crossing each; within a run, slots rise.
    """
    before: tuple[int, int] | None = None
    waiting: Neighbourhoods | None = None
    for part in parts:
        if waiting is not None:
            yield _rows(waiting, before, (int(part.times["run"][0]), int(part.slots[0])))
            before = (int(waiting.times["run"][-1]), int(waiting.slots[-1]))
        waiting = part
    if waiting is not None:
        yield _rows(waiting, before, None)


def _rows(part: Neighbourhoods, before: tuple[int, int] | None, after: tuple[int, int] | None) -> pa.RecordBatch:
    """Rows of one part; run and slot of the crossings before and after it decide who has a slot that both know."""
    run, slots, offsets = part.times["run"].astype(np.int64), part.slots, np.array(OFFSETS)
    runs = np.concatenate([[before[0] if before else -1], run, [after[0] if after else -1]])
    around = np.concatenate([[before[1] if before else 0], slots, [after[1] if after else 0]])
    far = 2 * SPACING
    to_previous, to_next = slots - around[:-2], around[2:] - slots
    to_previous = np.where((runs[:-2] == run) & (to_previous > 0), to_previous, far)[:, np.newaxis]
    to_next = np.where((runs[2:] == run) & (to_next > 0), to_next, far)[:, np.newaxis]
    # The later crossing keeps a slot before it that the earlier one knows as well.
    kept = part.present & (offsets > -to_previous) & (offsets < np.maximum(to_next - MAX_BX_OFFSET, 1))
    kept &= slots[:, np.newaxis] + offsets >= 0
    chosen = kept.ravel()
    crossing = np.repeat(np.arange(len(slots)), len(OFFSETS))[chosen]
    slot = (slots[:, np.newaxis] + offsets).ravel()[chosen]
    columns = {name: values[crossing] for name, values in part.times.items()}
    columns["orbit"] = (slot // SLOTS_PER_ORBIT).astype(np.uint32)
    columns["bx"] = (slot % SLOTS_PER_ORBIT).astype(np.uint16)
    for name, values in part.columns.items():
        columns[name] = values[crossing] if values.ndim == 1 else values.reshape(len(chosen), -1)[chosen]
    columns["context"] = np.tile(offsets != 0, len(slots))[chosen]
    return batch_of(columns)
