"""Combiner and producer against hand-made peers (docs/protocol.md, "Credits, acknowledgements, order")."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.services.delivery import Peer
from stream.wire.columns import ROWS, ColumnDecoder, decode_batch, encode_batch, encode_column, words_field
from stream.wire.messages import Header, Kind, pack_json, unpack_header, unpack_json
from stream.wire.transport import Socket, Transport, Wiring

RUN = 77
BATCH = 100
PATIENCE_MS = 20_000


@dataclass
class Peers:
    """A supervisor's and the other peers' ends of the sockets of one service under test."""

    control: Socket
    context: zmq.Context[Any]
    wiring: Wiring
    name: bytes

    def tell(self, kind: Kind, payload: dict[str, Any] | None = None) -> None:
        frames = [self.name, Header(kind, RUN).pack()]
        self.control.send_multipart(frames if payload is None else [*frames, pack_json(payload)])

    def hear(self, kind: Kind) -> dict[str, Any]:
        """The payload of the next message of that kind to the supervisor."""
        while True:
            assert self.control.poll(PATIENCE_MS), f"no {kind.name}"
            _, head, *payload = self.control.recv_multipart()
            if unpack_header(head, RUN, "test").kind is kind:
                return unpack_json(payload[0], "test")


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """One seed that always fires, on synthetic crossings, without models."""
    (tmp_path / "menu.yaml").write_text(
        "name: m\nexternals: {EXT_ZeroBias: 4}\nalgorithms:\n  - {name: L1_ZB, index: 3, expression: EXT_ZeroBias}\n"
    )
    (tmp_path / "chain.yaml").write_text(
        f"source: {{format: synthetic, crossings: 1000}}\nmenu: {{path: menu.yaml}}\n"
        f"batch: {{crossings: {BATCH}, window: 4}}\ndelivery: {{lost_after_s: 600, resend_after_s: 600}}\n"
        f"run: {{out: {tmp_path}}}\n"
    )
    return Assembly(load_config(tmp_path / "chain.yaml"))


def start(assembly: Assembly, name: str, folder: Path) -> Iterator[Peers]:
    context: zmq.Context[Any] = zmq.Context()
    wiring = Wiring(Transport.INPROC, RUN, f"inproc://control-{name}", "", context)
    control, _ = wiring.router(wiring.control)
    peer = Peer(name, 1)
    service = assembly.service(peer, wiring, time.thread_time_ns, folder)
    thread = threading.Thread(target=service.run)
    thread.start()
    peers = Peers(control, context, wiring, peer.identity)
    yield peers
    peers.tell(Kind.STOP)
    thread.join(120)  # a kernel may have to be compiled first
    assert not thread.is_alive()
    control.close()
    context.destroy(linger=0)


@pytest.fixture
def combiner(assembly: Assembly, tmp_path: Path) -> Iterator[Peers]:
    yield from start(assembly, "combiner", tmp_path)


@pytest.fixture
def producer(assembly: Assembly, tmp_path: Path) -> Iterator[Peers]:
    yield from start(assembly, "producer", tmp_path)


def header_of(sequence: int, kind: Kind) -> Header:
    return Header(kind, RUN, sequence, BATCH * sequence, time.monotonic_ns(), 1, BATCH, BATCH)


def seeds_result(sequence: int) -> list[Any]:
    """Crossing 5 of the batch fires algorithm 3."""
    words = np.zeros((1, 8), np.uint64)
    words[0, 0] = 1 << 3
    columns = [encode_column(ROWS, np.array([5], np.uint32)), encode_column(words_field(8), words)]
    return [header_of(sequence, Kind.RESULT).pack(), pack_json({"stage": "seeds"}), *columns]


def test_the_combiner_decides_in_order_once_whatever_arrives_when_and_how_often(
    combiner: Peers, assembly: Assembly
) -> None:
    results = combiner.hear(Kind.HELLO)["endpoint"]
    data, endpoint = combiner.wiring.router("inproc://data")
    combiner.tell(Kind.START, {"data": endpoint, "results": results})
    identity = ready_combiner(data)
    stage = combiner.wiring.dealer(results, "seeds.0#1")
    for sequence in (2, 1, 2, 0, 0, 3, 1):
        stage.send_multipart(seeds_result(sequence))
    rows = ColumnDecoder(ROWS, "test")
    for sequence in range(4):
        header, accepted = decided(data)
        while header.sequence < sequence:  # a result that came once more was answered once more
            header, accepted = decided(data)
        assert header.sequence == sequence
        assert rows.decode(memoryview(accepted)).tolist() == [5]
        batch = next(iter(assembly.source.batches(1)))
        data.send_multipart([identity, header_of(sequence, Kind.EVENTS).pack(), encode_batch(batch)])
    end = {"batches": 4, "produced": 4 * BATCH, "reason": "test"}
    data.send_multipart([identity, Header(Kind.END, RUN).pack(), pack_json(end)])
    goodbye = combiner.hear(Kind.GOODBYE)
    assert goodbye["result"]["decided"] == 4 * BATCH
    assert goodbye["result"]["accepted"] == 4
    stage.close()
    data.close()


def test_a_run_whose_files_cannot_be_written_has_not_ended(combiner: Peers, tmp_path: Path) -> None:
    (tmp_path / "accepted.parquet" / "in the way").mkdir(parents=True)
    results = combiner.hear(Kind.HELLO)["endpoint"]
    data, endpoint = combiner.wiring.router("inproc://data")
    combiner.tell(Kind.START, {"data": endpoint, "results": results})
    identity = ready_combiner(data)
    end = {"batches": 0, "produced": 0, "reason": "test"}
    data.send_multipart([identity, Header(Kind.END, RUN).pack(), pack_json(end)])
    while (problem := combiner.hear(Kind.STATUS)["problem"]) is None:
        pass
    assert "directory" in problem
    combiner.tell(Kind.STOP)
    assert "result" not in combiner.hear(Kind.GOODBYE)
    data.close()


def ready_combiner(data: Socket) -> bytes:
    """The identity of the combiner that says READY."""
    while True:
        assert data.poll(PATIENCE_MS)
        identity, head, *_ = data.recv_multipart()
        if unpack_header(head, RUN, "test").kind is Kind.READY:
            return identity


def decided(data: Socket) -> tuple[Header, bytes]:
    """The next DECIDED; heartbeats and commits come between."""
    while True:
        assert data.poll(PATIENCE_MS)
        _, head, *frames = data.recv_multipart()
        header = unpack_header(head, RUN, "test")
        if header.kind is Kind.DECIDED:
            return header, frames[0]


def test_the_producer_keeps_to_credits_and_window_and_reads_out_what_is_accepted(producer: Peers) -> None:
    endpoint = producer.hear(Kind.HELLO)["endpoint"]
    producer.tell(Kind.START, {"data": endpoint, "results": ""})
    combiner = ready(producer, endpoint, "combiner", "combiner", credits=0)
    replica = ready(producer, endpoint, "seeds.0", "seeds", credits=3)
    first = [receive(replica) for _ in range(3)]
    assert [header.sequence for header in first] == [0, 1, 2]
    assert not replica.poll(200), "a batch without a credit"
    for header in first:
        replica.send(header.as_kind(Kind.DONE).pack())
    assert receive(replica).sequence == 3
    assert not replica.poll(200), "more batches undecided than the window allows"
    accepted = encode_column(ROWS, np.array([7, 42], np.uint32))
    combiner.send_multipart([first[0].as_kind(Kind.DECIDED).pack(), accepted])
    head, events = combiner.recv_multipart()
    assert unpack_header(head, RUN, "test").kind is Kind.EVENTS
    assert decode_batch(memoryview(events), "test").column("event").to_pylist() == [7, 42]
    assert receive(replica).sequence == 4
    producer.tell(Kind.DRAIN)
    head, payload = combiner.recv_multipart()
    assert unpack_header(head, RUN, "test").kind is Kind.END
    assert unpack_json(payload, "test") == {"batches": 5, "produced": 5 * BATCH, "reason": "interrupted"}
    combiner.close()
    replica.close()


def ready(peers: Peers, endpoint: str, name: str, stage: str, credits: int) -> Socket:  # noqa: A002 — the protocol's word
    socket = peers.wiring.dealer(endpoint, f"{name}#1")
    payload = {"stage": stage, "columns": ["external"] if credits else [], "credits": credits}
    socket.send_multipart([Header(Kind.READY, RUN).pack(), pack_json(payload)])
    return socket


def receive(replica: Socket) -> Header:
    assert replica.poll(PATIENCE_MS), "no batch"
    head, *columns = replica.recv_multipart()
    assert len(columns) == 1
    return unpack_header(head, RUN, "test")
