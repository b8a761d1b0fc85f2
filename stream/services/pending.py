"""What came for batches that are not decided yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from stream.errors import ProtocolError
from stream.services.delivery import Position
from stream.services.fold import Result
from stream.wire.messages import Header, Kind

_FARTHEST: Final = 1 << 16
"""Batches ahead of the next one that a result may be for: no window is larger."""


@dataclass
class PendingBatch:
    """A batch of which some results are there.

    Attributes:
        header: of its crossings, or of dead time.
        results: by stage.
        versions: that scored it.
    """

    header: Header
    results: dict[str, Result] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)


class PendingBatches:
    """Batches by sequence number, whose parts agree with each other and with the place of the run.

    Args:
        stages: whose results make a batch complete.
        where: for messages.
    """

    def __init__(self, stages: Collection[str], where: str) -> None:
        self._stages, self._where = frozenset(stages), where
        self._batches: dict[int, PendingBatch] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def of(self, header: Header, next_one: Position) -> PendingBatch:
        """The batch that a message belongs to, known from now on.

        Args:
            header: of the message.
            next_one: the place of the batch that is decided next.

        Raises:
            ProtocolError: it is far ahead or at another place of the run, or disagrees with what came before.
        """
        if header.sequence - next_one.sequence > _FARTHEST:
            raise ProtocolError(self._where, f"batch {header.sequence}, far ahead of the next one")
        if header.sequence == next_one.sequence and _place(header) != next_one:
            raise ProtocolError(self._where, f"batch {header.sequence} at another place of the run")
        batch = self._batches.setdefault(header.sequence, PendingBatch(header))
        if replace(batch.header, kind=header.kind) != header:
            raise ProtocolError(self._where, f"two batches with sequence number {header.sequence}")
        return batch

    def take(self, place: Position) -> PendingBatch | None:
        """The batch at a place, which is pending no more; None if some of it has not come.

        Raises:
            ProtocolError: somebody made it up before its turn. It is forgotten; the producer sends the real one again.
        """
        batch = self._batches.get(place.sequence)
        if batch is None:
            return None
        if _place(batch.header) != place:
            del self._batches[place.sequence]
            raise ProtocolError(self._where, "a batch at another place of the run")
        if batch.header.kind is not Kind.DEAD and not self._stages <= batch.results.keys():
            return None
        return self._batches.pop(place.sequence)

    def clear(self) -> None:
        """Forget all."""
        self._batches.clear()


def _place(header: Header) -> Position:
    return Position(header.sequence, header.lumi_section, header.first)
