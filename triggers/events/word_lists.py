"""Packed words become lists of objects for writers of other formats; `readers/object_lists.py` is the way back."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triggers.events.crossings import column_view
from triggers.events.packing import OBJECTS
from triggers.events.readers.object_lists import ObjectLists


def decided(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that are no context, for formats that have none."""
    return batch.filter(pc.invert(batch.column("context"))) if "context" in batch.schema.names else batch


def unpacked_lists(column: str, batch: pa.RecordBatch) -> ObjectLists:
    """The filled slots of `muon`, `eg`, `tau` or `jet` in their order, with the fields of the words.

    Beside these, muons have `charge` (−1, 0 unknown, +1) and jets `hw_quality`. Muon words without pT, which carry at
    most a shower bit, are no muons.
    """
    words = column_view(batch.column(column))
    layout = OBJECTS[column]
    filled = (layout["pt"].get(words) if column == "muon" else words) != 0
    fields: dict[str, NDArray[Any]] = {name: field.get(words[filled]) for name, field in layout.items()}
    if column == "muon":
        fields["charge"] = fields["charge_valid"] * (1 - 2 * fields["charge_negative"])
    if column == "jet":
        fields["hw_quality"] = fields["displaced"] | fields["quality"] << 1
    return ObjectLists(filled.sum(axis=1), fields)
