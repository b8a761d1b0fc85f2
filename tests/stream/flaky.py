"""A transport that loses, doubles, delays and swaps messages about batches; everything else is ZeroMQ's own."""

from __future__ import annotations

import random
import threading
from typing import Any

import zmq

from stream.wire.messages import HEADER_BYTES, Kind, unpack_header

FLAKY_KINDS = {
    Kind.READY,
    Kind.BATCH,
    Kind.DONE,
    Kind.RESULT,
    Kind.DECIDED,
    Kind.EVENTS,
    Kind.COMMITTED,
    Kind.END,
    Kind.WHO,
}
DROPPED, DOUBLED, HELD = 0.05, 0.05, 0.05


class FlakySocket(zmq.Socket):
    """Sends unreliably."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.__dict__["held"] = []

    def send(self, data: Any, flags: int = 0, copy: bool = True, **options: Any) -> Any:
        return self.send_multipart([data], flags, copy)

    def send_multipart(self, parts: Any, flags: int = 0, copy: bool = True, **options: Any) -> Any:
        frames = list(parts)
        if kind_of(frames) in FLAKY_KINDS:
            chance = CHANCE.random()
            if chance < DROPPED:
                return None
            if chance < DROPPED + HELD:
                # Held back until after a later message: late, and out of order.
                self.__dict__["held"].append(frames)
                return None
            if chance < DROPPED + HELD + DOUBLED:
                self._really_send(frames, flags, copy)
        self._really_send(frames, flags, copy)
        for late in self.__dict__["held"]:
            if CHANCE.random() < 0.5:
                self._really_send(late, flags, copy)
                self.__dict__["held"].remove(late)
                break
        return None

    def _really_send(self, frames: list[Any], flags: int, copy: bool) -> None:
        for frame in frames[:-1]:
            super().send(frame, flags | zmq.SNDMORE, copy)
        super().send(frames[-1], flags, copy)


class FlakyContext(zmq.Context):
    """Makes flaky sockets."""

    _socket_class = FlakySocket


class _Chance:
    """Seeded, for all threads."""

    def __init__(self) -> None:
        self._random, self._lock = random.Random(7), threading.Lock()  # noqa: S311

    def random(self) -> float:
        with self._lock:
            return self._random.random()


CHANCE = _Chance()


def kind_of(frames: list[Any]) -> Kind | None:
    """Which message of the protocol this is, if it is one."""
    for frame in frames[:2]:
        content = bytes(frame)
        if len(content) == HEADER_BYTES and content[:4] == b"L1CH":
            run = int.from_bytes(content[8:16], "little")
            return unpack_header(content, run, "test").kind
    return None
