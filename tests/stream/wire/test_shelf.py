"""Shared memory: what is read is what was laid down, or is known to be gone (docs/protocol.md, "The shelf")."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ProtocolError, Refusal
from stream.wire.shelf import Shelf, ShelfReader, is_shareable, is_ticket

pytestmark = pytest.mark.skipif(not is_shareable(), reason="this system has no memfd")
MEBIBYTE = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shelf-1"


@pytest.fixture
def shelf(path: Path) -> Iterator[Shelf]:
    opened = Shelf(path, 4 * MEBIBYTE)
    yield opened
    opened.close()


def column(letter: bytes, size: int = 10_000) -> pa.Buffer:
    return pa.py_buffer(letter * size)


def test_a_column_is_read_as_it_was_laid_down_without_a_copy(shelf: Shelf, path: Path) -> None:
    first, second = shelf.carry(column(b"a")), shelf.carry(column(b"b", 100_000))
    reader = ShelfReader(path, "test")
    assert bytes(reader.read(first.buffer)) == b"a" * 10_000
    assert bytes(reader.read(second.buffer)) == b"b" * 100_000
    assert len(first.buffer) == 32
    assert reader.is_there(first.buffer)


def test_what_was_released_is_known_to_be_gone(shelf: Shelf, path: Path) -> None:
    ticket = shelf.carry(column(b"a"))
    reader = ShelfReader(path, "test")
    view = reader.read(ticket.buffer)
    shelf.release(ticket)
    assert not reader.is_there(ticket.buffer)
    again = shelf.carry(column(b"b"))
    assert bytes(view[:1]) == b"b"  # the same place
    assert not reader.is_there(ticket.buffer)
    assert reader.is_there(again.buffer)
    with pytest.raises(ProtocolError, match="not there"):
        reader.read(ticket.buffer)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 60_000), min_size=1, max_size=30))
def test_memory_is_bounded_by_what_was_there_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf") / "shelf", 4 * MEBIBYTE)
    used = 0
    for number in range(20):
        tickets = [shelf.carry(column(b"x", size)) for size in sizes]
        for ticket in reversed(tickets) if number % 2 else tickets:
            shelf.release(ticket)
        used = used or shelf.used_bytes
    assert shelf.used_bytes == used <= sum(size * 9 // 8 + 8192 for size in sizes)
    shelf.close()


def test_what_does_not_fit_travels_as_it_is(shelf: Shelf, path: Path) -> None:
    frames = [shelf.carry(column(b"x", MEBIBYTE)) for _ in range(5)]
    assert [is_ticket(frame.buffer) for frame in frames] == [True] * 3 + [False] * 2
    reader = ShelfReader(path, "test")
    assert all(bytes(reader.read(frame.buffer)) == b"x" * MEBIBYTE for frame in frames)
    assert reader.is_there(frames[-1].buffer)
    for frame in frames:
        shelf.release(frame)


@pytest.mark.parametrize(("offset", "size"), [(4096 * 1024, 10), (0, 1 << 40), (1, 10), (4096, 10), (1 << 63, 10)])
def test_tickets_for_nothing_are_refused(shelf: Shelf, path: Path, offset: int, size: int) -> None:
    stamp = bytes(shelf.carry(column(b"a", 100)).buffer)[-8:]
    forged = b"SHLF\0\0\0\0" + offset.to_bytes(8, "little") + size.to_bytes(8, "little") + stamp
    with pytest.raises(ProtocolError, match="not there") as caught:
        ShelfReader(path, "test").read(memoryview(forged))
    assert caught.value.reason is Refusal.COLUMN


def test_without_a_shelf_a_ticket_is_refused_and_a_column_is_not(shelf: Shelf, tmp_path: Path) -> None:
    reader = ShelfReader(tmp_path / "none", "test")
    assert bytes(reader.read(memoryview(b"abc"))) == b"abc"
    with pytest.raises(ProtocolError, match="no shelf"):
        reader.read(shelf.carry(column(b"a")).buffer)


def test_another_process_reads_it_also_when_the_producer_is_gone(path: Path) -> None:
    read = "import sys; from pathlib import Path; from stream.wire.shelf import ShelfReader;"
    read += "reader = ShelfReader(Path(sys.argv[1]), 'test'); ticket = memoryview(bytes.fromhex(sys.argv[2]));"
    read += "view = reader.read(ticket); print('mapped', flush=True);"
    read += "sys.stdin.readline(); print(bytes(view[:3]).decode())"
    shelf = Shelf(path, 4 * MEBIBYTE)
    ticket: zmq.Frame = shelf.carry(column(b"xyz"))
    command = [sys.executable, "-c", read, str(path), bytes(ticket.buffer).hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "mapped\n"
        shelf.close()
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "xyz\n"
    assert not os.path.lexists(path)
