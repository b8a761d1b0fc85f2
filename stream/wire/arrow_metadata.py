"""Reads the metadata of an encapsulated Arrow IPC message from bytes that nobody vouches for.

Only what a record batch or a dictionary of plain buffers needs is read, every offset is checked against the bytes, and
what is compressed, nullable or laid out in another way is refused; so nothing that a peer invents reaches Arrow's own
reader. Sources: Arrow Columnar Format 1.4, "Encapsulated message format"; Message.fbs; FlatBuffers internals.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFIX: Final = struct.Struct("<iI")
_CONTINUATION: Final = -1
_ALIGNMENT: Final = 8
_U8: Final = struct.Struct("<B")
_I16: Final = struct.Struct("<h")
_U16: Final = struct.Struct("<H")
_I32: Final = struct.Struct("<i")
_U32: Final = struct.Struct("<I")
_I64: Final = struct.Struct("<q")
_PAIR: Final = struct.Struct("<qq")
_METADATA_V5: Final = 4
_MAX_NODES: Final = 256


class Malformed(ValueError):
    """Bytes that are no such message; the text says what is wrong."""


class MessageType(IntEnum):
    """The messages of Arrow IPC that travel here (Message.fbs, union MessageHeader)."""

    SCHEMA = 1
    DICTIONARY_BATCH = 2
    RECORD_BATCH = 3


@dataclass(frozen=True)
class BatchLayout:
    """Where the columns of a record batch are.

    Attributes:
        rows: rows of the batch.
        nodes: length of each array, children after their parents; none has nulls.
        buffers: offset and length of each buffer, bytes from the start of the body.
    """

    rows: int
    nodes: tuple[int, ...]
    buffers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Encapsulated:
    """One encapsulated message.

    Attributes:
        kind: which message.
        metadata: its bytes, prefix and padding included.
        body_bytes: length of the body that follows.
        batch: the layout, of a record batch or dictionary.
        dictionary: id of the dictionary; None for the other messages.
    """

    kind: MessageType
    metadata: bytes
    body_bytes: int
    batch: BatchLayout | None
    dictionary: int | None


def metadata_bytes(frame: memoryview, most: int) -> bytes:
    """The metadata at the start of a frame, with its prefix.

    Raises:
        Malformed: no encapsulated message, or one whose metadata is longer than `most` bytes.
    """
    if len(frame) >= PREFIX.size:
        marker, length = PREFIX.unpack_from(frame)
        whole = PREFIX.size + length
        if marker == _CONTINUATION and 0 < length <= most and whole <= len(frame) and whole % _ALIGNMENT == 0:
            return bytes(frame[:whole])
    raise Malformed("not an Arrow IPC message")


def read_metadata(metadata: bytes) -> Encapsulated:
    """What the metadata of a message says.

    Args:
        metadata: as `metadata_bytes` gives it.

    Raises:
        Malformed: it is damaged, or says what is not allowed here.
    """
    try:
        return _message(metadata)
    except struct.error:
        raise Malformed("metadata that point outside themselves") from None


def _message(metadata: bytes) -> Encapsulated:
    root = _Table(metadata, _forward(metadata, PREFIX.size))
    if root.number(0, _I16, 0) != _METADATA_V5:
        raise Malformed("another version of the metadata")
    try:
        kind = MessageType(root.number(1, _U8, 0))
    except ValueError:
        raise Malformed("an unknown message of Arrow IPC") from None
    body = root.number(3, _I64, 0)
    if body < 0 or body % _ALIGNMENT:
        raise Malformed(f"a body of {body} bytes")
    if kind is MessageType.SCHEMA:
        return Encapsulated(kind, metadata, body, None, None)
    header = root.table(2)
    if kind is MessageType.RECORD_BATCH:
        return Encapsulated(kind, metadata, body, _batch(header, body), None)
    if header.number(2, _U8, 0):
        raise Malformed("a delta of a dictionary")
    return Encapsulated(kind, metadata, body, _batch(header.table(1), body), header.number(0, _I64, 0))


def _batch(batch: _Table, body: int) -> BatchLayout:
    if batch.has(3):
        raise Malformed("a compressed body")
    if batch.has(4):
        raise Malformed("variadic buffers")
    rows = batch.number(0, _I64, 0)
    nodes = batch.pairs(1)
    buffers = batch.pairs(2)
    if rows < 0 or any(length < 0 for length, _ in nodes):
        raise Malformed("a negative length")
    if any(nulls for _, nulls in nodes):
        raise Malformed("nulls")
    for offset, length in buffers:
        if offset < 0 or length < 0 or offset % _ALIGNMENT or offset + length > body:
            raise Malformed("a buffer outside the body")
    return BatchLayout(rows, tuple(length for length, _ in nodes), buffers)


def _forward(data: bytes, at: int) -> int:
    """Where the forward offset at a place leads."""
    offset: int = _U32.unpack_from(data, at)[0]
    return at + offset


class _Table:
    """A FlatBuffers table; `struct` refuses what lies behind the end, the checks here what lies before the start."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._vtable = at - _I32.unpack_from(data, at)[0]
        if self._vtable < PREFIX.size:
            raise Malformed("metadata that point outside themselves")
        self._vtable_bytes: int = _U16.unpack_from(data, self._vtable)[0]

    def _place(self, field: int) -> int:
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return 0
        offset: int = _U16.unpack_from(self._data, self._vtable + entry)[0]
        return self._at + offset if offset else 0

    def has(self, field: int) -> bool:
        """Whether the field is there."""
        return self._place(field) != 0

    def number(self, field: int, kind: struct.Struct, default: int) -> int:
        """A number, or its default."""
        place = self._place(field)
        value: int = kind.unpack_from(self._data, place)[0] if place else default
        return value

    def table(self, field: int) -> _Table:
        """A table that must be there."""
        place = self._place(field)
        if not place:
            raise Malformed("metadata without a header")
        return _Table(self._data, _forward(self._data, place))

    def pairs(self, field: int) -> tuple[tuple[int, int], ...]:
        """A vector of structs of two i64."""
        place = self._place(field)
        if not place:
            return ()
        vector = _forward(self._data, place)
        count: int = _U32.unpack_from(self._data, vector)[0]
        if count > _MAX_NODES:
            raise Malformed(f"a vector of {count}")
        return tuple(_PAIR.unpack_from(self._data, vector + 4 + _PAIR.size * k) for k in range(count))
