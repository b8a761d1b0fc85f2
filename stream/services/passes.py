"""Times of a source that is read more than once: each pass comes later than the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from triggers.events.crossings import column_array, column_view

_NUMBERS: Final = 2**32
"""That the event format has for orbits."""


class PassTimes:
    """Moves the crossings of later passes on, so that all crossings of a run are different and in time order.

    Passes over a source of one lumi section go on with later orbits, for as long as these have numbers; those over
    other sources, with later lumi sections. What a crossing's neighbours are does not change.
    """

    def __init__(self) -> None:
        self._ends: dict[str, tuple[int, int]] = {}

    def learned(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, which are those of a whole pass, with their times remembered."""
        for batch in batches:
            if len(batch):
                for name in ("run", "lumi_section", "orbit"):
                    values = column_view(batch.column(name))
                    ends = int(values.min()), int(values.max())
                    known = self._ends.get(name, ends)
                    self._ends[name] = min(ends[0], known[0]), max(ends[1], known[1])
            yield batch

    def of_pass(self, rows: pa.RecordBatch, number: int) -> pa.RecordBatch:
        """Rows of the source as they are in a pass; only orbits and lumi sections are copied.

        Args:
            rows: of a source of which a whole pass has been learned.
            number: of the pass, from 0.
        """
        if not number or not len(rows):
            return rows
        n_runs, n_sections, n_orbits = (self._ends[name][1] - self._ends[name][0] + 1 for name in self._ends)
        is_one_section = n_runs == n_sections == 1
        passes = (_NUMBERS - 1 - self._ends["orbit"][1]) // n_orbits + 1 if is_one_section else 1
        sections, passes_before = divmod(number, passes)
        return _moved(_moved(rows, "orbit", passes_before * n_orbits), "lumi_section", sections * n_sections)


def _moved(rows: pa.RecordBatch, name: str, by: int) -> pa.RecordBatch:
    if not by:
        return rows
    place = rows.schema.get_field_index(name)
    values = column_view(rows.column(place)) + np.uint32(by % _NUMBERS)
    return rows.set_column(place, rows.schema.field(place), column_array(name, values))
