"""The header of every message and the JSON payloads (`docs/protocol.md`, section "Frames")."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from stream.errors import ProtocolError

PROTOCOL_VERSION: Final = 1
_MAGIC: Final = b"L1CH"
_LAYOUT: Final = struct.Struct("<4sHHQQQQIIIIQ")
HEADER_BYTES: Final = _LAYOUT.size
MAX_JSON_BYTES: Final = 16 << 20


class Kind(IntEnum):
    """Which message."""

    HELLO = 1
    START = 2
    STATUS = 3
    FAILED = 4
    DRAIN = 5
    STOP = 6
    GOODBYE = 7
    READY = 8
    BATCH = 9
    DONE = 10
    RESULT = 11
    DECIDED = 12
    EVENTS = 13
    END = 14


@dataclass(frozen=True)
class Header:
    """The first frame of a message; the batch fields are zero in messages that are not about a batch.

    Attributes:
        kind: which message.
        run: random number of the run.
        sequence: of the batch, from 0.
        first: index in its lumi section of the batch's first decided crossing.
        sent_ns: monotonic clock of the producer's host when the batch was made.
        lumi_section: of the run, from 1.
        crossings: decided crossings of the batch.
        rows: all rows of the batch, context included.
    """

    kind: Kind
    run: int
    sequence: int = 0
    first: int = 0
    sent_ns: int = 0
    lumi_section: int = 0
    crossings: int = 0
    rows: int = 0

    def as_kind(self, kind: Kind) -> Header:
        """The header of another message about the same batch."""
        return replace(self, kind=kind)

    def pack(self) -> bytes:
        """The 64 bytes of the frame."""
        return _LAYOUT.pack(
            _MAGIC,
            PROTOCOL_VERSION,
            self.kind,
            self.run,
            self.sequence,
            self.first,
            self.sent_ns,
            self.lumi_section,
            self.crossings,
            self.rows,
            0,
            0,
        )


def unpack_header(frame: bytes | memoryview, run: int, where: str) -> Header:
    """The header in a frame.

    Args:
        frame: the first frame of a message.
        run: the run that the receiver belongs to.
        where: what the receiver calls the socket, for the error message.

    Raises:
        ProtocolError: not a header, another protocol version, or a message of another run.
    """
    if len(frame) != HEADER_BYTES:
        raise ProtocolError(where, f"a first frame of {len(frame)} bytes, expected {HEADER_BYTES}")
    magic, version, kind, its_run, sequence, first, sent_ns, lumi_section, crossings, rows, _, _ = _LAYOUT.unpack(frame)
    if magic != _MAGIC or version != PROTOCOL_VERSION:
        raise ProtocolError(where, f"protocol {magic!r} version {version}, expected version {PROTOCOL_VERSION}")
    if its_run != run:
        raise ProtocolError(where, "a message of another run")
    try:
        known = Kind(kind)
    except ValueError:
        raise ProtocolError(where, f"a message of unknown kind {kind}") from None
    return Header(known, its_run, sequence, first, sent_ns, lumi_section, crossings, rows)


def pack_json(payload: dict[str, Any]) -> bytes:
    """A JSON payload as a frame."""
    return json.dumps(payload, separators=(",", ":")).encode()


def unpack_json(frame: bytes | memoryview, where: str) -> dict[str, Any]:
    """The JSON object in a frame.

    Raises:
        ProtocolError: too large, or not a JSON object.
    """
    if len(frame) > MAX_JSON_BYTES:
        raise ProtocolError(where, f"a JSON frame of {len(frame)} bytes, at most {MAX_JSON_BYTES} allowed")
    try:
        payload = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        raise ProtocolError(where, "a frame that is not JSON") from None
    if not isinstance(payload, dict):
        raise ProtocolError(where, "a JSON frame that is no object")
    return payload
