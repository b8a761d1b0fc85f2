"""Columns as Arrow IPC frames: one record batch of one column each, read without a copy.

A frame may come from anybody who got in, so its metadata is read here, with every offset checked, and never by Arrow.
Frames of equal length have equal metadata: each distinct metadata is read once, and afterwards only compared.
Whole batches are read by Arrow, after their structure is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.errors import ProtocolError, Refusal
from stream.wire.arrow_metadata import (
    PREFIX,
    BatchLayout,
    Encapsulated,
    Malformed,
    MessageType,
    metadata_bytes,
    read_metadata,
)
from triggers.events import schema

_MAX_METADATA_BYTES: Final = 4096
_MAX_SCHEMA_BYTES: Final = 1 << 16
_MAX_MESSAGES: Final = 4
"""A schema, the dictionary of `process`, a record batch; the end."""
_KNOWN_LAYOUTS: Final = 512
_END_OF_STREAM: Final = PREFIX.pack(-1, 0)

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
    frame_bytes: int


class ColumnDecoder:
    """Reads the frames of one column; one instance per receiving thread."""

    def __init__(self, field: pa.Field, where: str) -> None:
        self._field, self._where = field, where
        self._dtype = schema.numpy_dtype(field.type)
        self._width: int | None = field.type.list_size if pa.types.is_fixed_size_list(field.type) else None
        self._known: dict[bytes, _Layout] = {}

    def decode(self, frame: memoryview, rows: int | None = None) -> NDArray[np.generic]:
        """The column as a view of the frame, `(n,)` or `(n, width)`; a frame that is not aligned is copied.

        Args:
            frame: the frame's bytes; they must outlive the view.
            rows: how many rows it must have, if that is known.

        Raises:
            ProtocolError: not such a column, or not so many rows.
        """
        try:
            metadata = metadata_bytes(frame, _MAX_METADATA_BYTES)
            layout = self._known.get(metadata) or self._learn(metadata)
        except Malformed as error:
            raise self._error(str(error)) from None
        if layout.frame_bytes != len(frame) or (rows is not None and layout.shape[0] != rows):
            raise self._error(f"{layout.shape[0]} rows in {len(frame)} bytes, expected {rows} rows")
        values = np.frombuffer(frame, self._dtype, layout.items, layout.offset).reshape(layout.shape)
        return values if values.flags.aligned else values.copy()

    def _learn(self, metadata: bytes) -> _Layout:
        message = read_metadata(metadata)
        if message.batch is None or message.kind is not MessageType.RECORD_BATCH:
            raise Malformed("no record batch")
        if len(self._known) >= _KNOWN_LAYOUTS:
            self._known.clear()
        layout = self._known[metadata] = self._layout(message.batch, len(metadata), message.body_bytes)
        return layout

    def _layout(self, batch: BatchLayout, body: int, body_bytes: int) -> _Layout:
        """The one layout that the column can have: one array without nulls, or a list of fixed width around one."""
        rows = batch.rows
        lengths = (rows,) if self._width is None else (rows, rows * self._width)
        if batch.nodes != lengths or len(batch.buffers) != len(lengths) + 1:
            raise Malformed("another type or length")
        if any(length for _, length in batch.buffers[:-1]):
            raise Malformed("a mark of nulls")
        offset, length = batch.buffers[-1]
        items = lengths[-1]
        if length < items * self._dtype.itemsize:
            raise Malformed(f"{length} bytes for {items} items")
        shape = (rows,) if self._width is None else (rows, self._width)
        return _Layout(body + offset, shape, items, body + body_bytes)

    def _error(self, what: str) -> ProtocolError:
        return ProtocolError(self._where, f"column '{self._field.name}': {what}", Refusal.COLUMN)


def check_rows(rows: NDArray[np.uint32], crossings: int, where: str) -> None:
    """Check that row numbers ascend and stay in their batch.

    Args:
        rows: `(n,)`, of decided crossings.
        crossings: decided crossings of the batch.
        where: for the error message.

    Raises:
        ProtocolError: they do not.
    """
    if len(rows) and (rows[-1] >= crossings or (rows[1:] <= rows[:-1]).any()):
        raise ProtocolError(where, f"row numbers that do not ascend below {crossings}", Refusal.COLUMN)


def encode_batch(batch: pa.RecordBatch) -> pa.Buffer:
    """A whole record batch with its schema, as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode_batch(frame: memoryview, where: str, rows: int | None = None) -> pa.RecordBatch:
    """The record batch in a frame made by `encode_batch`.

    Args:
        frame: the frame's bytes; they must outlive the batch.
        where: for the error message.
        rows: how many rows it must have, if that is known.

    Raises:
        ProtocolError: not an Arrow IPC stream of one record batch of columns of the event format, without nulls.
    """
    try:
        _check_structure(frame, rows)
        with pa.ipc.open_stream(pa.py_buffer(frame)) as reader:
            _check_schema(reader.schema)
            batch = reader.read_next_batch()
        batch.validate(full=True)
        if any(column.null_count for column in batch.columns):
            raise Malformed("nulls")
    except (pa.ArrowException, MemoryError, EOFError, OSError, ValueError, StopIteration) as error:
        raise ProtocolError(where, f"not an Arrow IPC stream ({error})", Refusal.COLUMN) from None
    return batch


def _check_structure(frame: memoryview, rows: int | None) -> None:
    kinds = []
    for message in _messages(frame):
        kinds.append(message.kind)
        if message.kind is MessageType.RECORD_BATCH and message.batch is not None:
            if rows is not None and message.batch.rows != rows:
                raise Malformed(f"{message.batch.rows} rows, expected {rows}")
            # A row takes at least a bit; a length beyond that is an invention that Arrow might allocate for.
            if message.batch.rows > 8 * len(frame) or max(message.batch.nodes, default=0) > 8 * len(frame):
                raise Malformed("more rows than bytes")
    dictionaries = kinds[1:-1]
    if kinds[:1] != [MessageType.SCHEMA] or kinds[-1] is not MessageType.RECORD_BATCH:
        raise Malformed("no schema with one record batch")
    if any(kind is not MessageType.DICTIONARY_BATCH for kind in dictionaries):
        raise Malformed("more than one record batch")


def _messages(frame: memoryview) -> Iterator[Encapsulated]:
    place = 0
    for _ in range(_MAX_MESSAGES):
        if bytes(frame[place : place + len(_END_OF_STREAM) + 1]) == _END_OF_STREAM:
            return
        metadata = metadata_bytes(frame[place:], _MAX_SCHEMA_BYTES)
        message = read_metadata(metadata)
        place += len(metadata) + message.body_bytes
        if place > len(frame):
            raise Malformed("a body that ends too early")
        yield message
    raise Malformed("no end of the stream")


def _check_schema(found: pa.Schema) -> None:
    names = found.names
    if len(set(names)) < len(names):
        raise Malformed("a column that stands twice")
    for field in found:
        expected = schema.FULL.field(field.name) if field.name in schema.FULL.names else None
        if expected is None or not field.equals(expected):
            raise Malformed(f"column '{field.name[:40]}' is not of the event format")
