"""The header of every message and the JSON payloads (`docs/protocol.md`, section "Frames")."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from stream.errors import ProtocolError, Refusal

PROTOCOL_VERSION: Final = 2
_MAGIC: Final = b"L1CH"
_LAYOUT: Final = struct.Struct("<4sHHQQQQIIIIQ")
HEADER_BYTES: Final = _LAYOUT.size
MAX_JSON_BYTES: Final = 16 << 20
MAX_JSON_DEPTH: Final = 32


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
    HEARTBEAT = 15
    STARTED = 16
    WHO = 17
    LOST = 18
    COMMITTED = 19
    DEAD = 20
    PREPARE = 21
    PREPARED = 22
    PROPOSE = 23
    AGREED = 24
    CHANGE = 25
    CHANGED = 26
    RELEASE = 27
    CUT = 28
    JOIN = 29
    WELCOME = 30


MAX_FRAMES: Final = 64
"""Frames of a message, whatever it is: no batch has so many columns."""

FRAME_COUNTS: Final[Mapping[Kind, tuple[int, int]]] = {
    Kind.HELLO: (1, 1),
    Kind.START: (1, 1),
    Kind.STATUS: (2, 2),
    Kind.FAILED: (1, 1),
    Kind.DRAIN: (0, 0),
    Kind.STOP: (0, 0),
    Kind.GOODBYE: (2, 2),
    Kind.READY: (1, 1),
    Kind.BATCH: (1, MAX_FRAMES - 2),
    Kind.DONE: (0, 0),
    Kind.RESULT: (2, 12),
    Kind.DECIDED: (1, 1),
    Kind.EVENTS: (1, 1),
    Kind.END: (1, 1),
    Kind.HEARTBEAT: (0, 0),
    Kind.STARTED: (1, 1),
    Kind.WHO: (0, 0),
    Kind.LOST: (1, 1),
    Kind.COMMITTED: (0, 0),
    Kind.DEAD: (0, 0),
    Kind.PREPARE: (1, 1),
    Kind.PREPARED: (1, 1),
    Kind.PROPOSE: (1, 1),
    Kind.AGREED: (1, 1),
    Kind.CHANGE: (1, 1),
    Kind.CHANGED: (1, 1),
    Kind.RELEASE: (1, 1),
    Kind.CUT: (1, 1),
    Kind.JOIN: (1, 1),
    Kind.WELCOME: (1, 2),
}
"""The fewest and the most frames after the header of each message."""

NO_RUN: Final = 0
"""In the header of JOIN and WELCOME: who is to join does not know the run's number yet."""


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
        epoch: incarnation of the producer that made the batch.
        cause: of dead time, in DEAD.
    """

    kind: Kind
    run: int
    sequence: int = 0
    first: int = 0
    sent_ns: int = 0
    lumi_section: int = 0
    crossings: int = 0
    rows: int = 0
    epoch: int = 0
    cause: int = 0

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
            self.epoch,
            self.cause,
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
        what = f"a first frame of {len(frame)} bytes, expected {HEADER_BYTES}"
        raise ProtocolError(where, what, Refusal.HEADER)
    magic, version, kind, its_run, *batch = _LAYOUT.unpack(frame)
    if magic != _MAGIC or version != PROTOCOL_VERSION:
        what = f"protocol {magic!r} version {version}, expected version {PROTOCOL_VERSION}"
        raise ProtocolError(where, what, Refusal.HEADER)
    if its_run != run and (its_run, kind) != (NO_RUN, Kind.JOIN):
        raise ProtocolError(where, "a message of another run", Refusal.RUN)
    try:
        known = Kind(kind)
    except ValueError:
        raise ProtocolError(where, f"a message of unknown kind {kind}", Refusal.HEADER) from None
    return Header(known, its_run, *batch)


def pack_json(payload: dict[str, Any]) -> bytes:
    """A JSON payload as a frame."""
    return json.dumps(payload, separators=(",", ":")).encode()


def unpack_json(frame: bytes | memoryview, where: str, most: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a frame.

    Args:
        frame: UTF-8 text.
        where: what the receiver calls the socket, for the error message.
        most: bytes that it may have.

    Raises:
        ProtocolError: too large or too deep, not a JSON object, or one with text or numbers that others cannot write.
    """
    if len(frame) > most:
        what = f"a JSON frame of {len(frame)} bytes, at most {most} allowed"
        raise ProtocolError(where, what, Refusal.OVERSIZED)
    text = bytes(frame)
    try:
        payload = json.loads(text.decode(), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in text:
            # Half of a surrogate pair can be escaped but not written, and would fail where it is used.
            json.dumps(payload, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ProtocolError(where, "a frame that is not JSON", Refusal.JSON) from None
    if not isinstance(payload, dict):
        raise ProtocolError(where, "a JSON frame that is no object", Refusal.JSON)
    # Deeper needs more brackets than that: counting them is cheap, and mostly enough.
    if text.count(b"[") + text.count(b"{") > MAX_JSON_DEPTH and _depth(payload) > MAX_JSON_DEPTH:
        raise ProtocolError(where, f"JSON deeper than {MAX_JSON_DEPTH}", Refusal.JSON)
    return payload


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits} is beyond a float")
    return value


def _depth(payload: dict[str, Any]) -> int:
    """How deep the containers stand in each other; as far as it matters."""
    level: list[Any] = [payload]
    for depth in range(1, MAX_JSON_DEPTH + 2):
        level = [inner for outer in level for inner in _children(outer) if isinstance(inner, dict | list)]
        if not level:
            return depth
    return MAX_JSON_DEPTH + 1


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return list(container.values()) if isinstance(container, dict) else container
