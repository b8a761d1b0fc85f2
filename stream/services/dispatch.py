"""Which batch is where: stages, their replicas and credits, what is in flight (`docs/protocol.md`, "Delivery").

Knows no sockets and no clock: times are given to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from stream.services.delivery import Peer

_SMOOTHING: Final = 0.2
_PATIENCE: Final = 4.0
"""A batch is overdue after so many times the usual time to a decision, but not before the configured time."""


@dataclass
class Replica:
    """A replica that said READY.

    Attributes:
        peer: who it is.
        columns: that it needs.
        credits: batches that it may hold.
        heard: when it last said anything, s.
        in_flight: sequences sent to it and not answered with DONE.
    """

    peer: Peer
    columns: tuple[str, ...]
    credits: int
    heard: float
    in_flight: set[int] = field(default_factory=set)

    @property
    def room(self) -> int:
        """Batches that it may be sent now."""
        return self.credits - len(self.in_flight)


@dataclass
class Stage:
    """A stage: its replicas, and the batches that none of them has been sent yet."""

    replicas: dict[Peer, Replica] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)


@dataclass
class _Flight:
    made: float
    sent: float
    resends: int = 0


class Dispatcher:
    """Follows every undecided batch until it is decided.

    Args:
        stages: names.
        resend_after_s: before which no batch is overdue.
    """

    def __init__(self, stages: Iterable[str], resend_after_s: float) -> None:
        self.stages = {name: Stage() for name in stages}
        self._resend_after_s = resend_after_s
        self._flights: dict[int, _Flight] = {}
        self._usual_s = 0.0

    @property
    def undecided(self) -> int:
        """Batches without a decision."""
        return len(self._flights)

    @property
    def sequences(self) -> Iterable[int]:
        """The batches without a decision, the oldest first."""
        return self._flights.keys()

    @property
    def is_working(self) -> bool:
        """Whether any stage has a batch to do."""
        return any(stage.waiting or any(r.in_flight for r in stage.replicas.values()) for stage in self.stages.values())

    @property
    def peers(self) -> dict[Peer, Replica]:
        """All replicas."""
        return {peer: replica for stage in self.stages.values() for peer, replica in stage.replicas.items()}

    def join(self, stage: str, replica: Replica) -> None:
        """Take a replica; one that is there already keeps what it was sent."""
        known = self.stages[stage].replicas.get(replica.peer)
        if known is None:
            self.stages[stage].replicas[replica.peer] = replica

    def lose(self, peer: Peer) -> bool:
        """Forget a replica; what it was sent goes to others. False if it was not known."""
        for stage in self.stages.values():
            replica = stage.replicas.pop(peer, None)
            if replica is not None:
                self._requeue(stage, replica.in_flight)
                return True
        return False

    def add(self, sequence: int, now: float) -> None:
        """A batch for every stage."""
        self._flights[sequence] = _Flight(now, now)
        for stage in self.stages.values():
            stage.waiting.append(sequence)

    def add_unstaged(self, sequence: int, now: float) -> None:
        """A batch that only the combiner gets."""
        self._flights[sequence] = _Flight(now, now)

    def rewind(self, staged: Iterable[int], unstaged: Iterable[int], now: float) -> None:
        """Begin again with these batches, all that there are."""
        ordered = list(staged)
        self._flights = {sequence: _Flight(now, now) for sequence in (*ordered, *unstaged)}
        for stage in self.stages.values():
            stage.waiting = deque(ordered)

    def assignments(self) -> Iterator[tuple[Replica, int]]:
        """Batches that may be sent now, and to whom; each counts as sent."""
        for stage in self.stages.values():
            while stage.waiting and stage.replicas:
                replica = max(stage.replicas.values(), key=lambda replica: replica.room)
                if replica.room <= 0:
                    break
                sequence = stage.waiting.popleft()
                if sequence in self._flights:
                    replica.in_flight.add(sequence)
                    yield replica, sequence

    def done(self, peer: Peer, sequence: int) -> None:
        """A replica has worked on a batch."""
        for stage in self.stages.values():
            if peer in stage.replicas:
                stage.replicas[peer].in_flight.discard(sequence)

    def decided(self, sequence: int, now: float) -> None:
        """A batch is decided: no stage has to do with it any more."""
        flight = self._flights.pop(sequence, None)
        if flight is None:
            return
        if not flight.resends:
            self._usual_s += _SMOOTHING * (now - flight.made - self._usual_s)
        for stage in self.stages.values():
            for replica in stage.replicas.values():
                replica.in_flight.discard(sequence)

    def overdue(self, now: float) -> list[int]:
        """Batches sent so long ago that something must have been lost; each counts as sent again now."""
        patience_s = max(self._resend_after_s, _PATIENCE * self._usual_s)
        late = []
        for sequence, flight in self._flights.items():
            if now - flight.sent > patience_s * 2**flight.resends:
                flight.sent, flight.resends = now, flight.resends + 1
                late.append(sequence)
        return late

    def resend(self, sequences: Iterable[int]) -> None:
        """Let every stage do these batches again."""
        wanted = set(sequences)
        for stage in self.stages.values():
            for replica in stage.replicas.values():
                replica.in_flight -= wanted
            self._requeue(stage, wanted - set(stage.waiting))

    def _requeue(self, stage: Stage, sequences: Iterable[int]) -> None:
        again = sorted(sequence for sequence in sequences if sequence in self._flights)
        stage.waiting.extendleft(reversed(again))
