"""What waits to be sent: bounded, the latest of what replaces itself (`docs/mqtt.md`, "When the broker is away")."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from stream.mqtt.payloads import AT_MOST_ONCE

MOST_LETTERS: Final = 1024


@dataclass(frozen=True)
class Letter:
    """A message to the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Outbox:
    """Letters in order; used by one event loop.

    With the outbox full, the oldest letter is dropped and counted. Of health, only the latest waits.
    """

    def __init__(self, most: int = MOST_LETTERS) -> None:
        self._most = most
        self._letters: deque[Letter] = deque()
        self._filled = asyncio.Event()
        self.dropped = 0

    def put(self, letter: Letter) -> None:
        """Let a letter wait."""
        if letter.qos == AT_MOST_ONCE:
            self._letters = deque(other for other in self._letters if other.topic != letter.topic)
        if len(self._letters) == self._most:
            self._letters.popleft()
            self.dropped += 1
        self._letters.append(letter)
        self._filled.set()

    async def first(self) -> Letter:
        """The letter to send next; it stays until it is `sent`."""
        while not self._letters:
            self._filled.clear()
            await self._filled.wait()
        return self._letters[0]

    def sent(self, letter: Letter) -> None:
        """Forget a letter that the broker has."""
        if self._letters and self._letters[0] is letter:
            self._letters.popleft()
