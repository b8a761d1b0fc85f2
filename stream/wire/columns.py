"""Columns as Arrow IPC frames: one record batch of one column each, read without a copy.

Frames of equal length have equal metadata, so a receiver lets Arrow parse and check each distinct metadata once, and
afterwards only compares the bytes: what is known good is a view at a known offset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.errors import ProtocolError
from triggers.events import schema
from triggers.events.crossings import column_view

_PREFIX: Final = struct.Struct("<iI")
_CONTINUATION: Final = -1
_MAX_METADATA: Final = 4096

ROWS: Final = pa.field("rows", pa.uint32(), nullable=False)
SCORE: Final = pa.field("score", pa.int32(), nullable=False)


def words_field(width: int) -> pa.Field:
    """The `words` column of a seeds result: `width` words of 64 bits a row."""
    return pa.field("words", pa.list_(pa.field("item", pa.uint64(), nullable=False), width), nullable=False)


def event_field(name: str) -> pa.Field:
    """A column of the event format as it travels; `context` travels as bytes."""
    if name == "context":
        return pa.field("context", pa.uint8(), nullable=False)
    return schema.FULL.field(name)


def encode_column(field: pa.Field, values: NDArray[np.generic] | pa.Array) -> pa.Buffer:
    """One column as an encapsulated Arrow IPC message.

    Args:
        field: name and type of the column.
        values: an Arrow array of that type, or a NumPy array `(n,)` or `(n, width)` of its dtype.
    """
    if not isinstance(values, pa.Array):
        values = _array(field, values)
    batch = pa.RecordBatch.from_arrays([values], schema=pa.schema([field]))
    return batch.serialize()


def _array(field: pa.Field, values: NDArray[np.generic]) -> pa.Array:
    if pa.types.is_fixed_size_list(field.type):
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), type=field.type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    return pa.array(values, type=field.type)


@dataclass(frozen=True)
class _Layout:
    offset: int
    shape: tuple[int, ...]
    items: int
    total: int


class ColumnDecoder:
    """Reads the frames of one column; one instance per receiving thread."""

    def __init__(self, field: pa.Field, where: str) -> None:
        self._field, self._where = field, where
        self._dtype = schema.numpy_dtype(field.type)
        self._known: dict[bytes, _Layout] = {}

    def decode(self, frame: memoryview, rows: int | None = None) -> NDArray[np.generic]:
        """The column as a view of the frame, `(n,)` or `(n, width)`.

        Args:
            frame: the frame's bytes; they must outlive the view.
            rows: how many rows it must have, if that is known.

        Raises:
            ProtocolError: not such a column, or not so many rows.
        """
        metadata = self._metadata(frame)
        layout = self._known.get(metadata)
        if layout is None:
            layout = self._known[metadata] = self._parse(frame, len(metadata))
        if layout.total > len(frame) or (rows is not None and layout.shape[0] != rows):
            raise self._error(f"{layout.shape[0]} rows in {len(frame)} bytes, expected {rows} rows")
        return np.frombuffer(frame, self._dtype, layout.items, layout.offset).reshape(layout.shape)

    def _metadata(self, frame: memoryview) -> bytes:
        if len(frame) >= _PREFIX.size:
            marker, length = _PREFIX.unpack_from(frame)
            if marker == _CONTINUATION and _PREFIX.size + length <= len(frame) and length <= _MAX_METADATA:
                return bytes(frame[: _PREFIX.size + length])
        raise self._error("not an Arrow IPC message")

    def _parse(self, frame: memoryview, body: int) -> _Layout:
        expected = pa.schema([self._field])
        try:
            batch = pa.ipc.read_record_batch(pa.ipc.read_message(pa.py_buffer(frame)), expected)
            batch.validate(full=True)
            column = batch.column(0)
            if column.null_count:
                raise self._error("nulls")
            values = column_view(column)
        except (pa.ArrowException, EOFError, OSError, ValueError) as error:
            raise self._error(f"not a record batch of it ({error})") from None
        # Arrow checked this frame; a compressed or copied body would not be a view of it.
        offset = values.ctypes.data - np.frombuffer(frame, np.uint8).ctypes.data if values.size else body
        if not body <= offset <= len(frame) - values.nbytes:
            raise self._error("a body that is not a plain buffer")
        return _Layout(offset, values.shape, values.size, offset + values.nbytes)

    def _error(self, what: str) -> ProtocolError:
        return ProtocolError(self._where, f"column '{self._field.name}': {what}")


def encode_batch(batch: pa.RecordBatch) -> pa.Buffer:
    """A whole record batch with its schema, as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode_batch(frame: memoryview, where: str) -> pa.RecordBatch:
    """The record batch in a frame made by `encode_batch`.

    Raises:
        ProtocolError: not an Arrow IPC stream of one record batch.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(frame)) as reader:
            batch = reader.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, EOFError, OSError, ValueError, StopIteration) as error:
        raise ProtocolError(where, f"not an Arrow IPC stream ({error})") from None
    return batch
