"""Batches that the producer keeps until they are committed (`docs/protocol.md`, "Credits and bounds")."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from stream.services.batches import Block
from stream.wire.messages import Header
from stream.wire.shelf import Carrier, InMessages

_NS_IN_S: Final = 1e9


@dataclass(frozen=True)
class Held:
    """A batch.

    Attributes:
        header: that all messages about it carry.
        block: its rows; None for crossings that are dead time, which no stage gets.
    """

    header: Header
    block: Block | None


class HeldBatches:
    """Batches by sequence number, in order; used by one thread.

    Attributes:
        carrier: how their columns get to the stages.
    """

    def __init__(self) -> None:
        self.carrier: Carrier = InMessages()
        self._batches: dict[int, Held] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._batches

    def __iter__(self) -> Iterator[int]:
        return iter(self._batches)

    def __getitem__(self, sequence: int) -> Held:
        return self._batches[sequence]

    def add(self, header: Header, block: Block | None) -> None:
        """Keep a batch."""
        self._batches[header.sequence] = Held(header, block)

    def release(self, sequence: int) -> None:
        """The batch is decided: its columns go to no stage, unless it has to be decided again."""
        block = self._batches[sequence].block
        if block is not None:
            block.release(self.carrier)

    def forget(self, committed: int) -> list[int]:
        """Drop the batches before a sequence number; which they were."""
        gone = [sequence for sequence in self._batches if sequence < committed]
        for sequence in gone:
            self.release(sequence)
            del self._batches[sequence]
        return gone

    def crossings(self, sequences: Iterable[int]) -> int:
        """Decided crossings of some batches."""
        return sum(self._batches[sequence].header.crossings for sequence in sequences)

    def age_s(self, sequences: Iterable[int]) -> float:
        """How long ago the oldest of some batches, the first of them, was made."""
        oldest = next(iter(sequences), None)
        return 0.0 if oldest is None else (time.monotonic_ns() - self._batches[oldest].header.sent_ns) / _NS_IN_S
