"""What is fuzzed: everything that reads bytes of a peer. An input is taken or refused with `ProtocolError`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import zmq

from stream.errors import ProtocolError
from stream.services.changes import Change
from stream.services.delivery import Position, peer_of
from stream.wire.columns import (
    ROWS,
    SCORE,
    ColumnDecoder,
    check_rows,
    decode_batch,
    encode_batch,
    encode_column,
    event_field,
    words_field,
)
from stream.wire.inbox import checked_message
from stream.wire.messages import NO_RUN, Header, Kind, pack_json, unpack_header, unpack_json
from triggers.events.crossings import batch_of

CORPUS = Path(__file__).parent / "corpus"
RUN = 0x1122334455667788
ROWS_IN_BATCH = 50
WHERE = "fuzz"


@dataclass(frozen=True)
class Target:
    """A reader of bytes.

    Attributes:
        name: of the target and its corpus folder.
        read: takes an input or raises `ProtocolError`; anything else is a finding.
        seeds: good inputs.
        share: of all inputs, relative to the other targets.
    """

    name: str
    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    share: int

    def corpus(self, folder: Path = CORPUS) -> list[bytes]:
        """The good inputs and those kept from earlier runs."""
        return [*self.seeds(), *(path.read_bytes() for path in sorted((folder / self.name).glob("*.bin")))]

    def keep(self, data: bytes, folder: Path) -> None:
        """Keep an input."""
        place = folder / self.name
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{hashlib.sha256(data).hexdigest()[:16]}.bin").write_bytes(data)


class Broken(AssertionError):
    """An input that was taken although it must not be."""


def signature(target: Target, data: bytes) -> str:
    """What a target says about an input, short: inputs with a new one are worth keeping."""
    try:
        taken = target.read(data)
    except ProtocolError as error:
        words = [word.strip("(),;") for word in error.what.split(" ", 16)[:16]]
        return f"{error.reason} {' '.join([word for word in words if word.isalpha()][:8])}"
    return f"taken {taken}"


def _header(data: bytes) -> object:
    header = unpack_header(data, RUN, WHERE)
    is_joining = header.kind is Kind.JOIN and header.run == NO_RUN
    if (header.run != RUN and not is_joining) or unpack_header(header.pack(), RUN, WHERE) != header:
        raise Broken(header)
    return header.kind.name


def _json(data: bytes) -> object:
    payload = unpack_json(data, WHERE)
    if unpack_json(pack_json(payload), WHERE) != payload:
        raise Broken(payload)
    return min(len(payload), 3)


def _column(field: pa.Field, rows: int | None) -> Callable[[bytes], object]:
    decoder = ColumnDecoder(field, WHERE)

    def read(data: bytes) -> object:
        values = decoder.decode(memoryview(data), rows)
        if (rows is not None and len(values) != rows) or values.nbytes > len(data) or not values.flags.aligned:
            raise Broken(values.shape)
        if field is ROWS:
            check_rows(values, ROWS_IN_BATCH, WHERE)
            np.zeros(ROWS_IN_BATCH)[values] += 1
        return min(len(values), 2)

    return read


def _batch(data: bytes) -> object:
    batch = decode_batch(memoryview(data), WHERE)
    if batch.nbytes > 64 * len(data) + 4096:
        raise Broken(batch.nbytes)
    if len(batch) <= ROWS_IN_BATCH:
        batch.to_pylist()
    return tuple(batch.schema.names[11:])


def _message(data: bytes) -> object:
    """Frames as a ROUTER gets them, cut where the input says: one byte for each frame's length."""
    count, *lengths = data[:8] or b"\0"
    frames, place = [], 8
    for length in lengths[: count % 8]:
        frames.append(zmq.Frame(data[place : place + length]))
        place += length
    frames.append(zmq.Frame(data[place:]))
    message = checked_message(frames, RUN, WHERE, is_router=True, max_frame_bytes=4096)
    if message.header.kind not in (Kind.BATCH, Kind.RESULT, Kind.DECIDED, Kind.EVENTS) and message.payload:
        message.json()
    return message.header.kind.name


def _control(data: bytes) -> object:
    """An identity, a zero byte, and a command or a position as JSON."""
    identity, _, text = data.partition(b"\0")
    peer = peer_of(identity, WHERE)
    payload = unpack_json(text, WHERE)
    if "kind" in payload:
        change = Change.from_json(payload, WHERE)
        if Change.from_json(change.as_json(), WHERE) != change:
            raise Broken(change)
        return f"change {len(change.arguments) > 0}"
    return f"position {Position.from_json(payload, WHERE).lumi_section > 1} {peer.incarnation > 0}"


def _as_frames(*frames: bytes) -> bytes:
    lengths = [len(frame) for frame in frames[:-1]]
    return bytes([len(lengths), *lengths]).ljust(8, b"\0") + b"".join(frames)


def _headers() -> list[bytes]:
    return [Header(kind, RUN, 3, 100, 12345, 1, 48, ROWS_IN_BATCH).pack() for kind in Kind]


def _payloads() -> list[bytes]:
    return [
        pack_json({"service": "seeds.0", "endpoint": "tcp://127.0.0.1:4000", "pid": 1}),
        pack_json({"stage": "seeds", "columns": ["eg", "jet"], "credits": 2}),
        pack_json({"batches": 3, "produced": [[1, 300], [2, 40]], "reason": "end of the source"}),
        pack_json({"cpu_ns": 10, "decided": 1.5, "nested": {"a": [None, True, "ü\n"]}}),
        b"{}",
    ]


def _commands() -> list[bytes]:
    change = Change("c1", "prescale", {"column": "2e34"}, 4)
    payloads = [change.as_json(), change.at(0).as_json(), Position(3, 2, 100).as_json(), Position().as_json()]
    identities = (b"combiner#2", b"score:axol1tl.0#1", b"producer", b"seeds.0#3/heart")
    return [identity + b"\0" + pack_json(payload) for identity in identities for payload in payloads]


def _frames_of(field: pa.Field) -> Callable[[], list[bytes]]:
    def make() -> list[bytes]:
        frames = []
        for rows in (0, 1, 5, ROWS_IN_BATCH):
            width = field.type.list_size if pa.types.is_fixed_size_list(field.type) else None
            flat = np.arange(rows * (width or 1))
            frames.append(
                bytes(encode_column(field, flat.reshape((rows, width) if width else rows).astype(_dtype(field))))
            )
        return frames

    return make


def _dtype(field: pa.Field) -> np.dtype[np.generic]:
    item = field.type.value_type if pa.types.is_fixed_size_list(field.type) else field.type
    return np.dtype(str(item))


def _batches() -> list[bytes]:
    process = pa.array(["qcd", "zz", "qcd"]).dictionary_encode()
    plain = batch_of({"bx": np.arange(3, dtype=np.uint16)})
    full = batch_of({"bx": np.arange(3, dtype=np.uint16), "process": process, "pileup": np.ones(3, np.float32)})
    return [bytes(encode_batch(batch)) for batch in (plain, full, plain.slice(0, 0))]


def _messages() -> list[bytes]:
    rows = bytes(encode_column(ROWS, np.arange(5, dtype=np.uint32)))
    with_json = [_as_frames(b"seeds.0", Header(kind, RUN).pack(), payload) for kind in Kind for payload in _payloads()]
    bare = [_as_frames(b"seeds.0", Header(kind, RUN).pack()) for kind in Kind]
    result = _as_frames(b"seeds.0", Header(Kind.RESULT, RUN).pack(), pack_json({"stage": "seeds"}), rows)
    return [*with_json, *bare, result]


TARGETS = (
    Target("header", _header, _headers, 20),
    Target("json", _json, _payloads, 20),
    Target("message", _message, _messages, 20),
    Target("control", _control, _commands, 12),
    Target("rows", _column(ROWS, None), _frames_of(ROWS), 12),
    Target("score", _column(SCORE, ROWS_IN_BATCH), _frames_of(SCORE), 8),
    Target("words", _column(words_field(8), None), _frames_of(words_field(8)), 8),
    Target("jet", _column(event_field("jet"), ROWS_IN_BATCH), _frames_of(event_field("jet")), 8),
    Target("batch", _batch, _batches, 4),
)
