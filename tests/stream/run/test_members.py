"""A service that is gone is dead only when nothing of it can come any more (docs/protocol.md, "What is noticed")."""

from __future__ import annotations

import pytest

from stream.run import members as members_module
from stream.run.members import Members
from stream.services.delivery import DeliverySettings, Peer


class Ended:
    """A launcher whose services end at once."""

    def start(self, peer: Peer) -> None:
        """Nothing."""

    def pid(self, name: str) -> int | None:
        """None: threads."""

    def how_dead(self, name: str) -> str | None:
        """Always."""
        return f"the thread of {name} ended"

    def kill(self, name: str) -> None:
        """Nothing."""

    def join(self) -> None:
        """Nothing."""


class Clock:
    """Time as a test wants it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(members_module, "time", clock)
    return clock


def test_a_service_that_is_gone_is_still_listened_to_for_a_moment(clock: Clock) -> None:
    services = Members(("seeds.0",), Ended(), DeliverySettings(), 0, _looked=clock.now)
    member = services.launch("seeds.0")
    assert services.how_dead(member) is None
    assert services.lost() == {}
    clock.now += 0.3
    assert services.how_dead(member) == "the thread of seeds.0 ended"
    assert services.lost() == {"seeds.0": "the thread of seeds.0 ended"}


def test_a_service_whose_goodbye_came_meanwhile_is_not_lost(clock: Clock) -> None:
    services = Members(("seeds.0",), Ended(), DeliverySettings(), 0, _looked=clock.now)
    member = services.launch("seeds.0")
    assert services.lost() == {}
    member.has_ended = True
    clock.now += 0.3
    assert services.lost() == {}
