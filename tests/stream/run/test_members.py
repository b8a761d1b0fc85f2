"""A service that is gone is dead only when nothing of it can come any more (docs/protocol.md, "What is noticed")."""

from __future__ import annotations

import pytest

from stream.run import members as members_module
from stream.run.members import Members
from stream.services.delivery import DeliverySettings
from tests.stream.run.member_parts import Clock, Launched

ENDED = "its thread ended"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(members_module, "time", clock)
    return clock


@pytest.fixture
def services(clock: Clock) -> Members:
    return Members(("seeds.0",), Launched(ENDED), DeliverySettings(), 0, _looked=clock.now)


def test_a_service_that_is_gone_is_still_listened_to_for_a_moment(clock: Clock, services: Members) -> None:
    member = services.launch("seeds.0")
    assert services.how_dead(member) is None
    assert services.lost() == {}
    clock.now += 0.3
    assert services.how_dead(member) == ENDED
    assert services.lost() == {"seeds.0": ENDED}


def test_a_service_whose_goodbye_came_meanwhile_is_not_lost(clock: Clock, services: Members) -> None:
    member = services.launch("seeds.0")
    assert services.lost() == {}
    member.has_ended = True
    clock.now += 0.3
    assert services.lost() == {}
