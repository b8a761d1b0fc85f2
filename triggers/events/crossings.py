"""Crossings as NumPy arrays: zero-copy views of an Arrow batch, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events import schema

STRANGER_SPACING: Final = schema.MAX_BX_OFFSET + 1
"""Slots between unrelated crossings: no condition with a BX offset takes one for the neighbour of another."""


def column_view(array: pa.Array) -> NDArray[Any]:
    """One column of the event format as a NumPy view: `(n,)`, or `(n, width)` for fixed-size lists.

    Booleans and dictionary columns are not viewable (`to_numpy(zero_copy_only=False)` decodes them).
    """
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
        values: NDArray[Any] = array.flatten().to_numpy(zero_copy_only=True)
        return values.reshape(len(array), width)
    flat: NDArray[Any] = array.to_numpy(zero_copy_only=True)
    return flat


def column_array(name: str, values: NDArray[Any]) -> pa.Array:
    """An array of the right dtype and shape as the Arrow column `name`; no copy if it is contiguous."""
    kind = schema.FULL.field(name).type
    if pa.types.is_fixed_size_list(kind):
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), type=kind.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=kind)
    return pa.array(values, type=kind)


def batch_of(columns: Mapping[str, NDArray[Any] | pa.Array]) -> pa.RecordBatch:
    """A record batch of the event format from its columns; columns that are required and not given are zero.

    Args:
        columns: NumPy arrays `(n,)` or `(n, width)`, or Arrow arrays, by column name; at least one.

    Returns:
        A batch with the required columns and the given optional ones, in the fixed order.
    """
    n = len(next(iter(columns.values())))
    optional = tuple(name for name in columns if name not in schema.REQUIRED.names)
    target = schema.schema_with(optional)
    arrays = []
    for field in target:
        values = columns.get(field.name)
        if values is None:
            values = zero_column(field.name, n)
        arrays.append(values if isinstance(values, pa.Array) else column_array(field.name, values))
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def zero_column(name: str, n: int) -> NDArray[Any]:
    """Zeros with the dtype and shape of the column `name`: `(n,)`, or `(n, width)`."""
    kind = schema.FULL.field(name).type
    is_list = pa.types.is_fixed_size_list(kind)
    dtype = pa.array([], kind.value_type if is_list else kind).to_numpy(zero_copy_only=False).dtype
    return np.zeros((n, kind.list_size) if is_list else n, dtype)


def slots(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """The absolute 25 ns slot of each crossing since orbit 0, `(n,) int64`: neighbours in time differ by one."""
    orbit = column_view(batch.column("orbit")).astype(np.int64)
    return orbit * schema.SLOTS_PER_ORBIT + column_view(batch.column("bx")).astype(np.int64)


def stranger_slots(first: int, n: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Orbit and bx, `(n,)` each, for crossings `first` to `first + n - 1` of a source that does not know them.

    They are unique, in time order, `STRANGER_SPACING` slots apart, and start at orbit 1.
    """
    slot = schema.SLOTS_PER_ORBIT + np.arange(first, first + n, dtype=np.int64) * STRANGER_SPACING
    return (slot // schema.SLOTS_PER_ORBIT).astype(np.uint32), (slot % schema.SLOTS_PER_ORBIT).astype(np.uint16)
