"""The services of a run as the supervisor sees them: which incarnation, alive or not, told what."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from stream.run.assembly import COMBINER, PRODUCER
from stream.run.launch import Launcher
from stream.run.starvation import Starvation
from stream.services.delivery import DeliverySettings, Peer

_STARTING_S: Final = 300.0
"""A service that compiles kernels for the first time may take minutes before its first heartbeat."""
_STARVED_FACTOR: Final = 5.0
"""So many times as long as others, a process may be silent that waits for a CPU."""
_JOINING_S: Final = 60.0
"""A replica on another host loads before it compiles, and beats from then on."""
_LAST_WORDS_S: Final = 0.2
"""What a service says at its end may still be on its way when its process or thread is gone."""


@dataclass
class Member:
    """A service in its present incarnation.

    Attributes:
        peer: name and incarnation.
        heard: when its heart was last heard, s.
        has_beaten: whether it was heard at all.
        is_ready: whether it said HELLO.
        endpoint: that it told with HELLO.
        ordered: number of the last START that it was sent, and when.
        followed: number of the last START that it acknowledged.
        has_ended: whether it said GOODBYE, or failed.
        deaths: incarnations that died since the last commit of the run.
        gone: when its process or thread was first found to have ended, s.
        is_external: whether it came from another host by itself (`l1chain join`).
    """

    peer: Peer
    heard: float
    has_beaten: bool = False
    is_ready: bool = False
    endpoint: str = ""
    ordered: tuple[int, float] = (0, 0.0)
    followed: int = 0
    has_ended: bool = False
    deaths: int = 0
    gone: float | None = None
    is_external: bool = False


@dataclass(frozen=True)
class Situation:
    """Who is reached where: what START tells; another one makes a new round.

    Attributes:
        data, results: endpoints of producer and combiner.
        epoch: incarnation of the producer.
    """

    data: str
    results: str
    epoch: int


@dataclass
class Members:
    """All services of a run.

    Args:
        names: of the services that the run starts.
        services: starts and kills them.
        delivery: when a service counts as lost.
        incarnation: the last one that was given to any service of the run.
    """

    names: tuple[str, ...]
    services: Launcher
    delivery: DeliverySettings
    incarnation: int
    retired: list[Peer] = field(default_factory=list)
    round: int = 0
    _members: dict[str, Member] = field(default_factory=dict)
    _situation: Situation | None = None
    _looked: float = field(default_factory=time.monotonic)
    _starvation: Starvation = field(default_factory=Starvation)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def launch(self, name: str) -> Member:
        """Start a service, as its next incarnation."""
        self.incarnation += 1
        before = self._members.get(name)
        deaths = 0
        if before is not None:
            self._starvation.end(self._pid(name))
            self.services.kill(name)
            self.retired.append(before.peer)
            deaths = before.deaths + 1
        member = Member(Peer(name, self.incarnation), time.monotonic(), deaths=deaths)
        self._members[name] = member
        self.services.start(member.peer)
        return member

    def adopt(self, stage: str) -> Member:
        """Take in a replica of a stage from another host, under the first name that is free."""
        self.incarnation += 1
        names = (f"{stage}.{k}" for k in count())
        name = next(name for name in names if name not in self._members)
        member = Member(Peer(name, self.incarnation), time.monotonic(), is_external=True)
        self._members[name] = member
        return member

    def release(self, member: Member) -> None:
        """Let a replica on another host go."""
        self.retired.append(member.peer)
        del self._members[member.peer.name]

    def how_dead(self, member: Member) -> str | None:
        """How a service ended; None while it lives, as far as this host can tell, or may still be heard."""
        how = None if member.is_external else self.services.how_dead(member.peer.name)
        if how is None:
            return None
        now = time.monotonic()
        member.gone = member.gone or now
        return how if now - member.gone >= _LAST_WORDS_S else None

    def present(self, peer: Peer) -> Member | None:
        """The service behind a message; None for an incarnation that was replaced."""
        member = self._members.get(peer.name)
        return member if member is not None and member.peer == peer else None

    def lost(self) -> dict[str, str]:
        """Services that are dead or silent, and how."""
        now = time.monotonic()
        # Whoever stopped this process or kept it busy did not let it hear the others.
        was_away = now - self._looked > self.delivery.lost_after_s / 2
        self._looked = now
        found = {}
        for member in self:
            if member.has_ended:
                continue
            if was_away:
                member.heard = now
            how = self.how_dead(member)
            if how is None and now - member.heard > self._patience_s(member, now):
                how = f"was silent for {now - member.heard:.1f} s"
            if how is not None:
                found[member.peer.name] = how
        return found

    def _patience_s(self, member: Member, now: float) -> float:
        """How long a service may be silent; longer if it is for want of a CPU that it cannot speak."""
        starting_s = _JOINING_S if member.is_external else _STARTING_S
        # One that was lost and got nothing done since may only be starved: on a busy host, haste would end the run.
        limit_s = self.delivery.lost_after_s * 2.0**member.deaths
        if not member.has_beaten:
            return max(starting_s, limit_s)
        if member.is_external:
            return limit_s
        pid = self._pid(member.peer.name)
        if now - member.heard < limit_s / 2:
            self._starvation.end(pid)
            return limit_s
        is_known = self._starvation.begin(pid, now) > limit_s / 4
        return limit_s if is_known and not self._starvation.is_starved(pid, now) else _STARVED_FACTOR * limit_s

    def _pid(self, name: str) -> int:
        """The process that a service of this host is, or is a thread of."""
        return self.services.pid(name) or os.getpid()

    def forgive(self) -> None:
        """The run gets on: deaths before this count no more."""
        for member in self:
            member.deaths = 0

    @property
    def all_ready(self) -> bool:
        """Whether every service that the run starts said HELLO."""
        return all(name in self._members and self._members[name].is_ready for name in self.names)

    def situation(self) -> Situation | None:
        """Who is reached where; None while producer or combiner have not said it."""
        producer, combiner = self._members[PRODUCER], self._members[COMBINER]
        if not producer.is_ready or not combiner.is_ready:
            return None
        now = Situation(producer.endpoint, combiner.endpoint, producer.peer.incarnation)
        if now != self._situation:
            self._situation = now
            self.round += 1
        return now

    def to_be_told(self, again_after_s: float) -> list[Member]:
        """Services that need a START; stages come first, so that results find the combiner when it begins."""
        now = time.monotonic()
        behind = [m for m in self if m.is_ready and not m.has_ended and m.followed != self.round]
        stages = [m for m in behind if m.peer.name not in (PRODUCER, COMBINER)]
        chosen = stages or behind
        chosen = [*chosen, *(m for m in behind if m.peer.name == PRODUCER and m not in chosen)]
        return [m for m in chosen if m.ordered[0] != self.round or now - m.ordered[1] > again_after_s]

    def status(self) -> dict[str, Any]:
        """The services as `l1chain ctl status` tells them."""
        now = time.monotonic()
        return {
            member.peer.name: {
                "incarnation": member.peer.incarnation,
                "pid": None if member.is_external else self.services.pid(member.peer.name),
                "ready": member.followed > 0,
                "silent_s": round(now - member.heard, 2),
                "deaths": member.deaths,
            }
            for member in self
        }
