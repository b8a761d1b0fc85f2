"""What delivery is set by and spoken of in (`docs/protocol.md`, section "Delivery")."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

from stream.errors import ProtocolError

MOST_LUMI_SECTIONS: Final = 1 << 24
"""More than years of running."""


@dataclass(frozen=True)
class DeliverySettings:
    """How soon what is lost is noticed and made good.

    Attributes:
        heartbeat_s: between two heartbeats of a service.
        lost_after_s: silence after which a service counts as lost.
        resend_after_s: after which a batch without a decision is sent again; doubled with each time.
        checkpoint_batches: batches after which the combiner commits.
        checkpoint_crossings: crossings after which it does, if that is sooner; None: batches alone count.
    """

    heartbeat_s: float = 0.5
    lost_after_s: float = 2.0
    resend_after_s: float = 2.0
    checkpoint_batches: int = 32
    checkpoint_crossings: int | None = None


@dataclass(frozen=True)
class Position:
    """A place in a run between two batches.

    Attributes:
        sequence: of the next batch.
        lumi_section: of its first crossing, from 1.
        first: index of that crossing in the lumi section.
    """

    sequence: int = 0
    lumi_section: int = 1
    first: int = 0

    def as_json(self) -> dict[str, int]:
        """For a message or a checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Any, where: str) -> Position:
        """A position that `as_json` wrote.

        Raises:
            ProtocolError: it is none.
        """
        names = ("sequence", "lumi_section", "first")
        if not isinstance(payload, dict) or any(type(payload.get(name)) is not int for name in names):
            raise ProtocolError(where, "no position in the run")
        numbers = [payload[name] for name in names]
        if min(numbers) < 0 or not 1 <= payload["lumi_section"] <= MOST_LUMI_SECTIONS:
            raise ProtocolError(where, f"a position outside of any run, {numbers}")
        return cls(*numbers)


class DeadTime(IntEnum):
    """Why a paced run could not take crossings; the number travels as `cause` of DEAD."""

    SOURCE = 1
    """the source did not keep up"""
    STAGES = 2
    """the stages did not keep up, or one had no replica"""
    DECISION = 3
    """results were there, but not decided"""
    OUTPUT = 4
    """what was decided was not written yet"""
    RECOVERY = 5
    """the producer or the combiner was being replaced"""
    PAUSED = 6
    """the run was paused, or waited for a change that all services had to agree on"""


@dataclass(frozen=True)
class Peer:
    """Who sent a message: a service and which of its incarnations.

    Attributes:
        name: of the service.
        incarnation: grows with each start of a service in a run.
    """

    name: str
    incarnation: int

    @property
    def identity(self) -> bytes:
        """What its sockets are called."""
        return f"{self.name}#{self.incarnation}".encode()

    @property
    def heart(self) -> bytes:
        """What the sockets of its heartbeat thread are called."""
        return self.identity + _HEART


_HEART = b"/heart"


def peer_of(identity: bytes, where: str) -> Peer:
    """The peer behind a socket's identity, its heartbeat thread included.

    Raises:
        ProtocolError: no identity of a service.
    """
    name, _, number = identity.removesuffix(_HEART).partition(b"#")
    try:
        return Peer(name.decode("ascii"), int(number) if number else 0)
    except ValueError:
        raise ProtocolError(where, "a message of somebody whose name is no service's") from None
