"""Peers that were let in and send nonsense neither crash nor stall a service (docs/security.md, "Refused messages")."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zmq

from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.services.delivery import Peer
from stream.wire.columns import ROWS, encode_column, event_field, words_field
from stream.wire.messages import Header, Kind, pack_json, unpack_header, unpack_json
from stream.wire.transport import Socket, Transport, Wiring
from tests.fuzz.mutator import inputs
from triggers.events.schema import numpy_dtype

RUN = 77
BATCH = 100
PATIENCE_MS = 60_000
MESSAGES = 4000
NAMES = ("seeds.0#0", "seeds.9#3", "combiner#0", "nobody", "x#y", "seeds.0#99999999999999999999", "é", "producer#0")
JSON_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1.5, "", "seeds", "combiner", "x" * 5000, [], {}, [[]], ["external"], ["nothing"],
    [1, None], {"sequence": -1}, {"sequence": 2**70, "lumi_section": 0, "first": "a"}, [[1, 2], [3]],
)  # fmt: skip
FIELDS = ("stage", "columns", "credits", "number", "position", "batches", "produced", "reason", "service", "endpoint")


@dataclass
class Victim:
    """A service in a thread, and its supervisor's socket."""

    control: Socket
    wiring: Wiring
    thread: threading.Thread
    name: bytes
    endpoint: str = ""

    def tell(self, kind: Kind, payload: dict[str, Any]) -> None:
        self.control.send_multipart([self.name, Header(kind, RUN).pack(), pack_json(payload)])

    def hear(self) -> tuple[Kind, dict[str, Any], str]:
        """The next message that is no heartbeat: kind, payload, metrics."""
        while True:
            assert self.control.poll(PATIENCE_MS), "the service is silent"
            sender, head, *frames = self.control.recv_multipart()
            kind = unpack_header(head, RUN, "test").kind
            if kind is Kind.HEARTBEAT:
                self.control.send_multipart([sender, Header(Kind.HEARTBEAT, RUN).pack()])
            assert kind is not Kind.FAILED, unpack_json(frames[0], "test")["traceback"]
            if kind is not Kind.HEARTBEAT:
                metrics = frames[1].decode() if len(frames) > 1 else ""
                return kind, unpack_json(frames[0], "test"), metrics

    def refused(self) -> float:
        """Refused messages, as the next STATUS tells."""
        while True:
            kind, _, metrics = self.hear()
            if kind is Kind.STATUS:
                return refusals_in(metrics)


def refusals_in(metrics: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith("l1chain_messages_refused_total{")]
    return sum(float(line.split()[-1]) for line in lines)


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """One seed that always fires, on synthetic crossings, without models."""
    (tmp_path / "menu.yaml").write_text(
        "name: m\nexternals: {EXT_ZeroBias: 4}\nalgorithms:\n  - {name: L1_ZB, index: 3, expression: EXT_ZeroBias}\n"
    )
    (tmp_path / "chain.yaml").write_text(
        f"source: {{format: synthetic, crossings: 1000}}\nmenu: {{path: menu.yaml}}\n"
        f"batch: {{crossings: {BATCH}, window: 4}}\nrun: {{out: {tmp_path}}}\n"
    )
    return Assembly(load_config(tmp_path / "chain.yaml"))


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.destroy(linger=0)


def start(assembly: Assembly, name: str, folder: Path, context: zmq.Context[Any]) -> Victim:
    wiring = Wiring(Transport.INPROC, RUN, f"inproc://control-{name}", "", context)
    control, _ = wiring.router(wiring.control)
    peer = Peer(name, 0)
    service = assembly.service(peer, wiring, time.thread_time_ns, folder)
    thread = threading.Thread(target=service.run)
    thread.start()
    victim = Victim(control, wiring, thread, peer.identity)
    kind, hello, _ = victim.hear()
    assert kind is Kind.HELLO
    victim.endpoint = hello["endpoint"]
    victim.tell(Kind.START, {"round": 1, "data": "inproc://nowhere", "results": "inproc://nowhere"})
    return victim


def end(victim: Victim) -> None:
    victim.control.send_multipart([victim.name, Header(Kind.STOP, RUN).pack()])
    victim.thread.join(120)
    assert not victim.thread.is_alive()
    victim.control.close(linger=0)


def nonsense(seed: int) -> Iterator[list[bytes]]:
    """Messages that are wrong in all ways, many of them just a little."""
    draw = random.Random(seed)  # noqa: S311
    rows = bytes(encode_column(ROWS, np.array([5, 7], np.uint32)))
    unsorted = bytes(encode_column(ROWS, np.array([7, 5], np.uint32)))
    beyond = bytes(encode_column(ROWS, np.array([2**32 - 1], np.uint32)))
    words = bytes(encode_column(words_field(8), np.zeros((2, 8), np.uint64)))
    columns = [rows, unsorted, beyond, words, b"", b"\xff" * 64]
    columns += inputs([rows, words], np.random.default_rng(seed), 200)
    for _ in range(MESSAGES):
        header = Header(
            draw.choice(list(Kind)),
            RUN,
            sequence=draw.choice((0, 1, 2, 5, 2**40, 2**64 - 1)),
            first=draw.choice((0, BATCH, 2**64 - 1)),
            lumi_section=draw.choice((0, 1, 2, 2**32 - 1)),
            crossings=draw.choice((0, 2, BATCH, 2**32 - 1)),
            rows=draw.choice((0, 2, BATCH)),
        )
        payload = {name: draw.choice(JSON_VALUES) for name in draw.sample(FIELDS, draw.randrange(6))}
        if draw.random() < 0.5:
            payload["stage"] = draw.choice(("seeds", "combiner", "score:x"))
        frames = [pack_json(payload), *draw.sample(columns, draw.randrange(4))]
        draw.shuffle(frames) if draw.random() < 0.3 else None
        yield [header.pack(), *frames[: draw.randrange(1 + len(frames))]]


def attack(victim: Victim, seed: int, names: tuple[str, ...] = NAMES) -> int:
    """Send nonsense under several names; how many messages."""
    sockets = [victim.wiring.dealer(victim.endpoint, name) for name in names]
    for socket in sockets:
        socket.sndtimeo = 5000
    sent = 0
    for number, message in enumerate(nonsense(seed)):
        try:
            sockets[number % len(sockets)].send_multipart(message)
        except zmq.Again:
            break
        sent += 1
    for socket in sockets:
        socket.close(linger=5000)
    return sent


@pytest.mark.parametrize("name", ["producer", "combiner"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nonsense_is_refused_and_the_service_lives(
    name: str, seed: int, assembly: Assembly, tmp_path: Path, context: zmq.Context[Any]
) -> None:
    victim = start(assembly, name, tmp_path, context)
    sent = attack(victim, seed)
    deadline = time.monotonic() + 60
    refused = 0.0
    while refused < sent / 2 and time.monotonic() < deadline:
        refused = victim.refused()
    assert refused >= sent / 2
    end(victim)


def result(header: Header, *columns: bytes, stage: str = "seeds") -> list[bytes]:
    return [header.as_kind(Kind.RESULT).pack(), pack_json({"stage": stage}), *columns]


def test_a_wrong_result_does_not_take_the_place_of_the_right_one(
    assembly: Assembly, tmp_path: Path, context: zmq.Context[Any]
) -> None:
    victim = start(assembly, "combiner", tmp_path, context)
    rows = bytes(encode_column(ROWS, np.array([5, 7], np.uint32)))
    words = bytes(encode_column(words_field(8), np.full((2, 8), 8, np.uint64)))
    good = Header(Kind.BATCH, RUN, 0, 0, time.monotonic_ns(), 1, BATCH, BATCH)
    wrong = [
        result(good, rows),
        result(good, rows, words, words),
        result(good, words, rows),
        result(good, bytes(encode_column(ROWS, np.array([7, 5], np.uint32))), words),
        result(good, bytes(encode_column(ROWS, np.array([5, BATCH], np.uint32))), words),
        result(good, bytes(encode_column(ROWS, np.array([5], np.uint32))), words),
        result(good, rows[:-8], words),
        result(good, rows, words[:-8]),
        result(good, rows, bytes(encode_column(words_field(4), np.zeros((2, 4), np.uint64)))),
        result(good, rows, words, stage="score:none"),
        result(replace(good, first=BATCH), rows, words),
        result(replace(good, lumi_section=2), rows, words),
        result(replace(good, crossings=6), rows, words),
        result(replace(good, sequence=2**63), rows, words),
        result(replace(good, epoch=9), rows, words),
    ]
    with victim.wiring.dealer(victim.endpoint, "seeds.0#0") as stage:
        for message in wrong:
            stage.send_multipart(message)
        stage.send_multipart(result(good, rows, words))
        decided, refused, deadline = 0, 0.0, time.monotonic() + 60
        while (decided < BATCH or refused < len(wrong)) and time.monotonic() < deadline:
            kind, status, metrics = victim.hear()
            if kind is Kind.STATUS:
                decided, refused = status["decided"], refusals_in(metrics)
    assert (decided, refused) == (BATCH, len(wrong))
    end(victim)


@pytest.mark.parametrize(
    "context_bytes", [[2] + [0] * BATCH, [255] + [0] * BATCH, [0] * (BATCH + 1), [1, 1] + [0] * (BATCH - 1)]
)
def test_a_batch_with_context_that_is_none_is_refused(
    assembly: Assembly, tmp_path: Path, context: zmq.Context[Any], context_bytes: list[int]
) -> None:
    victim = start(assembly, "seeds.0", tmp_path, context)
    producer, data = victim.wiring.router("inproc://producer")
    combiner, results = victim.wiring.router("inproc://combiner")
    victim.tell(Kind.START, {"round": 2, "data": data, "results": results, "epoch": 3})
    _, ready = next_of(producer, Kind.READY)
    columns = [event_field(name) for name in unpack_json(ready[0], "test")["columns"]]
    rows = BATCH + 1
    widths = [field.type.list_size if pa.types.is_fixed_size_list(field.type) else 1 for field in columns]
    events = [
        bytes(encode_column(field, np.zeros(rows * width, numpy_dtype(field.type)).reshape(rows, width).squeeze()))
        for field, width in zip(columns, widths, strict=True)
    ]
    for sequence, flags in enumerate((context_bytes, [1] + [0] * BATCH)):
        header = Header(Kind.BATCH, RUN, sequence, 0, 0, 1, BATCH, rows, epoch=3)
        frame = bytes(encode_column(event_field("context"), np.array(flags, np.uint8)))
        producer.send_multipart([victim.name, header.pack(), *events, frame])
    header, _ = next_of(combiner, Kind.RESULT)
    assert header.sequence == 1
    deadline = time.monotonic() + 60
    while not (refused := victim.refused()) and time.monotonic() < deadline:
        pass
    assert refused == 1
    end(victim)
    for socket in (producer, combiner):
        socket.close(linger=0)


def next_of(socket: Socket, kind: Kind) -> tuple[Header, list[bytes]]:
    """The next message of that kind: its header, and the frames behind it."""
    while True:
        assert socket.poll(PATIENCE_MS), f"no {kind.name}"
        _, head, *frames = socket.recv_multipart()
        header = unpack_header(head, RUN, "test")
        if header.kind is kind:
            return header, frames
