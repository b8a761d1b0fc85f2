"""One crossing, with its neighbours in reach of crossing offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from triggers.events.schema import MAX_BX_OFFSET
from triggers.menu.conditions.crossings import Columns, Crossings


@dataclass(frozen=True)
class Moment(Crossings):
    """One row of a batch as the oracle sees crossings.

    Attributes:
        by_offset: the objects of the crossing at each offset, `(1, width)` by column.
        known: the offsets whose crossing is among the given ones; the others have no objects.
    """

    by_offset: Mapping[int, Columns] = field(default_factory=dict)
    known: frozenset[int] = frozenset({0})

    @classmethod
    def of_row(cls, batch: pa.RecordBatch, row: int) -> Moment:
        """The crossing of a row of a record batch, which also holds what is known of its neighbours."""
        crossings = Crossings.of(batch)
        by_offset = {
            offset: {name: words[row : row + 1] for name, words in crossings.at(offset).items()}
            for offset in range(-MAX_BX_OFFSET, MAX_BX_OFFSET + 1)
        }
        here = int(crossings.slots[row])
        known = frozenset(int(slot) - here for slot in crossings.slots if abs(int(slot) - here) <= MAX_BX_OFFSET)
        return cls(by_offset[0], crossings.slots[row : row + 1], by_offset, known)

    def at(self, bx_offset: int) -> Columns:
        """The objects `bx_offset` slots later, `(1, width)` by column."""
        return self.by_offset[bx_offset]
