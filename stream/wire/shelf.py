"""Columns in memory that processes of one host share (`docs/protocol.md`, section "The shelf").

With `ipc`, a producer lays each column of a batch down once, and sends stages a ticket of 32 bytes instead of it.
A ticket names a place and the stamp that stands there as long as the column does: a replica that was so slow that its
batch was decided without it, finds another stamp when it is done, and its result is dropped.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import struct
from collections import defaultdict
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import zmq

from stream.errors import ProtocolError, Refusal

RESERVED_BYTES: Final = 1 << 36
"""Addresses, not memory: only what was ever laid down takes memory."""
_TICKET: Final = struct.Struct("<4s4xQQQ")
_MAGIC: Final = b"SHLF"
_STAMP: Final = struct.Struct("<Q")
_NOTHING: Final = 0
_SLOT_HEAD: Final = 64
_LEAST_SLOT: Final = 4096
_STEPS_PER_DOUBLING: Final = 8


class Carrier(Protocol):
    """How the columns of a batch get to the stages."""

    @property
    def used_bytes(self) -> int:
        """Memory taken for that so far, beside messages."""

    def carry(self, column: pa.Buffer) -> zmq.Frame:
        """What to send for a column, as often as it is sent."""

    def release(self, frame: zmq.Frame) -> None:
        """The frame will not be sent again."""

    def close(self) -> None:
        """Nothing will be carried any more."""


class InMessages:
    """Columns travel as they are."""

    used_bytes: int = 0

    def carry(self, column: pa.Buffer) -> zmq.Frame:
        """The column itself."""
        return zmq.Frame(memoryview(column), copy=False)

    def release(self, frame: zmq.Frame) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing was taken."""


class Shelf:
    """The producer's side; used by one thread.

    Slots come in few sizes and are used again, so that memory is bounded by what was there at a time, whatever the
    order of releases.

    Args:
        path: where readers find it; below a folder that only this account may enter.
        reserved_bytes: most that it can hold; what does not fit travels as it is.
    """

    def __init__(self, path: Path, reserved_bytes: int = RESERVED_BYTES) -> None:
        self._file = os.memfd_create("l1chain-shelf", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._file, reserved_bytes)
        # A reader's mapping must not lose its memory under it.
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self._memory = mmap.mmap(self._file, reserved_bytes)
        self._view = memoryview(self._memory)
        self._path, self._reserved_bytes = path, reserved_bytes
        path.symlink_to(f"/proc/{os.getpid()}/fd/{self._file}")
        self._free: defaultdict[int, list[int]] = defaultdict(list)
        self._end = 0
        self._stamps = itertools.count(_NOTHING + 1)

    @property
    def used_bytes(self) -> int:
        """Memory taken so far."""
        return self._end

    def carry(self, column: pa.Buffer) -> zmq.Frame:
        """A ticket for the column, which is laid down; the column itself if there is no room."""
        size = _slot_bytes(column.size)
        free = self._free[size]
        if not free and self._end + size > self._reserved_bytes:
            return zmq.Frame(memoryview(column), copy=False)
        offset = free.pop() if free else self._end
        self._end = max(self._end, offset + size)
        begin, stamp = offset + _SLOT_HEAD, next(self._stamps)
        self._view[begin : begin + column.size] = memoryview(column).cast("B")
        _STAMP.pack_into(self._memory, offset, stamp)
        return zmq.Frame(_TICKET.pack(_MAGIC, offset, column.size, stamp))

    def release(self, frame: zmq.Frame) -> None:
        """Use the place of a column again."""
        if not is_ticket(frame.buffer):
            return
        _, offset, size, _ = _TICKET.unpack(frame.buffer)
        _STAMP.pack_into(self._memory, offset, _NOTHING)
        self._free[_slot_bytes(size)].append(offset)

    def close(self) -> None:
        """Give the memory back when no reader has it any more."""
        self._path.unlink(missing_ok=True)
        self._view.release()
        self._memory.close()
        os.close(self._file)


class ShelfReader:
    """A stage's side: turns tickets into memory.

    Args:
        path: of the producer's shelf.
        where: for error messages.
    """

    def __init__(self, path: Path, where: str) -> None:
        self._path, self._where = path, where
        self._memory: memoryview | None = None

    def read(self, frame: memoryview) -> memoryview:
        """The column that a frame is or is a ticket for.

        Raises:
            ProtocolError: there is no such shelf (any more), or no such column.
        """
        if not is_ticket(frame):
            return frame
        memory = self._mapped()
        _, offset, size, _ = _TICKET.unpack(frame)
        begin = offset + _SLOT_HEAD
        if offset % _LEAST_SLOT or begin + size > len(memory) or not self.is_there(frame):
            raise self._error("a ticket for a column that is not there")
        return memory[begin : begin + size]

    def is_there(self, frame: memoryview) -> bool:
        """Whether the column of a frame that was read has not been replaced since."""
        if not is_ticket(frame):
            return True
        _, offset, _, stamp = _TICKET.unpack(frame)
        return stamp != _NOTHING and _STAMP.unpack_from(self._mapped(), offset) == (stamp,)

    def _mapped(self) -> memoryview:
        if self._memory is None:
            try:
                file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise self._error(f"no shelf of the producer ({error.strerror})") from None
            try:
                self._memory = memoryview(mmap.mmap(file, 0, prot=mmap.PROT_READ))
            finally:
                os.close(file)
        return self._memory

    def _error(self, what: str) -> ProtocolError:
        return ProtocolError(self._where, what, Refusal.COLUMN)


def is_ticket(frame: memoryview) -> bool:
    """Whether a frame names a column instead of being it."""
    return len(frame) == _TICKET.size and bytes(frame[: len(_MAGIC)]) == _MAGIC


def is_shareable() -> bool:
    """Whether this system has memory for it."""
    return hasattr(os, "memfd_create")


def _slot_bytes(column_bytes: int) -> int:
    """The size of a slot: few sizes, at most an eighth too large, whole pages."""
    wanted = max(_LEAST_SLOT, _SLOT_HEAD + column_bytes)
    step = max(_LEAST_SLOT, 1 << max(0, wanted.bit_length() - 1) >> (_STEPS_PER_DOUBLING.bit_length() - 1))
    return -(-wanted // step) * step
