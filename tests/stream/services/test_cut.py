"""A service whose connections are cut works on; what it says meanwhile is lost (docs/protocol.md, "Chaos")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from stream.services.cut import Cut
from stream.services.service import Service

PATIENCE_MS = 100_000


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.mark.parametrize("endpoint", ["inproc://data", "ipc://{folder}/data"])
def test_what_is_said_during_a_cut_is_lost_and_later_things_arrive(
    context: zmq.Context[Any], tmp_path_factory: pytest.TempPathFactory, endpoint: str
) -> None:
    place = endpoint.format(folder=tmp_path_factory.mktemp("c", numbered=True))
    with context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.router_handover = True
        router.bind(place)
        dealer.identity = b"seeds.0#1"
        dealer.connect(place)
        Service.say(dealer, [b"before"])
        assert router.poll(PATIENCE_MS)
        assert router.recv_multipart() == [b"seeds.0#1", b"before"]
        cut = Cut()
        cut.begin([(dealer, place), (None, "")], until=10.0)
        assert not cut.is_over(9.9)
        assert cut.is_over(10.0)
        Service.say(dealer, [b"during"])
        cut.mend()
        assert not cut.is_over(11.0)
        Service.say(dealer, [b"after"])
        assert router.poll(PATIENCE_MS)
        assert router.recv_multipart() == [b"seeds.0#1", b"after"]


def test_a_service_without_a_connection_says_nothing() -> None:
    Service.say(None, [b"nothing"])
