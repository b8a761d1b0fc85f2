"""Lists of objects, a column for each field, become slots of packed words (`docs/formats.md`, "Packed words")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.packing import OBJECTS, Field

_SATURATING: Final = ("pt", "et", "pt_unconstrained")
"""Fields whose greatest value also stands for everything above."""
_JET_QUALITY_SHIFT: Final = 1


@dataclass(frozen=True)
class Where:
    """A place in a file, for messages: the file, and the number of its row that is row 0 here."""

    path: str
    first_row: int

    def row(self, row: int) -> str:
        """The name of a row."""
        return f"{self.path}, row {self.first_row + row}"


@dataclass(frozen=True)
class ObjectLists:
    """The objects of `n` crossings, all in one array for each field.

    Attributes:
        counts: `(n,)`: how many objects each crossing has.
        fields: `(counts.sum(),)` integers by name.
    """

    counts: NDArray[np.int64]
    fields: Mapping[str, NDArray[Any]]

    def rows(self) -> NDArray[np.int64]:
        """The crossing of each object."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def only(self, kept: NDArray[np.bool_]) -> ObjectLists:
        """The objects of the same crossings for which `kept`, one flag for each object, is true."""
        counts = np.bincount(self.rows()[kept], minlength=len(self.counts))
        return ObjectLists(counts, {name: values[kept] for name, values in self.fields.items()})


def packed_slots(column: str, lists: ObjectLists, where: Where) -> NDArray[Any]:
    """The words of `muon`, `eg`, `tau` or `jet`, `(n, width)`; objects keep their order, energies saturate.

    Beside the fields of the word, `charge` (−1, 0 unknown, +1) and a jet's `hw_quality` (bit 0 displaced, bits 1 and 2
    quality, as the calorimeter trigger's own field has them) are understood.

    Raises:
        BadValue: a crossing has more objects than the link has slots, or a value that its field cannot hold.
    """
    kind = schema.FULL.field(column).type
    width, dtype = kind.list_size, schema.numpy_dtype(kind)
    if len(lists.counts) and lists.counts.max() > width:
        row = int(np.argmax(lists.counts > width))
        what = f"has {lists.counts[row]} objects in '{column}', but the link carries {width}"
        raise BadValue(where.row(row), what, "keep those that the trigger would send")
    words = np.zeros(int(lists.counts.sum()), dtype)
    for name, values in _word_fields(lists.fields).items():
        words |= _shifted(OBJECTS[column][name], name, values, dtype, column, lists, where)
    slots = np.zeros((len(lists.counts), width), dtype)
    slots[np.arange(width) < lists.counts[:, np.newaxis]] = words
    return slots


def _word_fields(fields: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    found = dict(fields)
    if "charge" in found:
        charge = found.pop("charge")
        found["charge_valid"], found["charge_negative"] = charge != 0, charge < 0
    if "hw_quality" in found:
        quality = found.pop("hw_quality")
        found["displaced"], found["quality"] = quality & 1, quality >> _JET_QUALITY_SHIFT
    return found


def _shifted(
    field: Field,
    name: str,
    values: NDArray[Any],
    dtype: np.dtype[Any],
    column: str,
    lists: ObjectLists,
    where: Where,
) -> NDArray[Any]:
    """The values at their place in a word; `Field.put` without its detour over 64 bits."""
    low, high = field.allowed
    if len(values) and (values.min() < low or (values.max() > high and name not in _SATURATING)):
        bad = int(np.argmax((values < low) | (values > high)))
        row = int(lists.rows()[bad])
        what = f"'{column}' has {name} {values[bad]}, but the field holds {low} to {high}"
        raise BadValue(where.row(row), what, "give hardware integers")
    if name in _SATURATING:
        values = np.minimum(values, high)
    wide = values.astype(dtype)
    if field.signed:
        wide &= dtype.type(field.mask)
    wide <<= dtype.type(field.shift)
    return wide
