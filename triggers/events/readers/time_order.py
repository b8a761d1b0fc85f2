"""Holds the rows of a source to the order of time, batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import BadValue, OutOfOrder
from triggers.events import schema
from triggers.events.crossings import column_view, slots


class TimeOrder:
    """Remembers the last row, so that order holds across batches and files.

    Within a run, lumi sections never go back; within a lumi section, every crossing has a later slot than the last.
    """

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None

    def check(self, batch: pa.RecordBatch, path: Path, first_row: int) -> None:
        """Takes the next rows, which are those of `path` from `first_row` on; at least one.

        Raises:
            OutOfOrder: a row is earlier than the one before.
            BadValue: a row has the same time as the one before, or a bx that no orbit has.
        """
        bx = column_view(batch.column("bx"))
        if bx.max() >= schema.SLOTS_PER_ORBIT:
            row = int(np.argmax(bx >= schema.SLOTS_PER_ORBIT))
            what = f"bx {bx[row]} does not exist"
            raise BadValue(f"{path}, row {first_row + row}", what, f"an orbit has 0 to {schema.SLOTS_PER_ORBIT - 1}")
        columns = (column_view(batch.column("run")), column_view(batch.column("lumi_section")), slots(batch))
        last = self._last if self._last is not None else (-1, 0, 0)
        run, section, slot = (_steps(column, value) for column, value in zip(columns, last, strict=True))
        self._last = (int(columns[0][-1]), int(columns[1][-1]), int(columns[2][-1]))
        if self._last[:2] == last[:2] and not section.any() and not run.any() and slot.min() > 0:
            return
        same_section = (run == 0) & (section == 0)
        back = (run == 0) & ((section < 0) | (same_section & (slot < 0)))
        if back.any():
            raise OutOfOrder(path, first_row + int(np.argmax(back)))
        twice = same_section & (slot == 0)
        if twice.any():
            what = "has the same run, lumi section, orbit and bx as the row before"
            remedy = "give each crossing its own, or leave out the columns orbit and bx to have them made"
            raise BadValue(f"{path}, row {first_row + int(np.argmax(twice))}", what, remedy)


def _steps(column: NDArray[Any], before: int) -> NDArray[np.int64]:
    """The difference of each row from the one before it."""
    numbers = column.astype(np.int64)
    steps = np.empty_like(numbers)
    steps[0] = numbers[0] - before
    np.subtract(numbers[1:], numbers[:-1], out=steps[1:])
    return steps
