"""Refused messages are counted, and logged without flooding the log (docs/security.md, "Refused messages")."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stream.errors import ProtocolError, Refusal
from stream.wire.refusals import Refusals

LOG = logging.getLogger("test.refusals")


def test_refusals_are_counted_by_reason() -> None:
    registry = CollectorRegistry()
    refusals = Refusals(registry, LOG)
    for reason in (Refusal.JSON, Refusal.JSON, Refusal.RUN):
        refusals.refuse(ProtocolError("here", "what", reason))
    assert refusals.counts == {Refusal.JSON: 2, Refusal.RUN: 1}
    assert refusals.total == 3
    text = generate_latest(registry).decode()
    assert 'l1chain_messages_refused_total{reason="json"} 2.0' in text
    assert 'l1chain_messages_refused_total{reason="no_right"} 0.0' in text


def test_the_log_has_one_line_a_period_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(CollectorRegistry(), LOG, log_period_s=3600)
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            refusals.count(Refusal.JSON, "a frame that is not JSON")
        refusals.count(Refusal.RUN, "a message of another run")
    assert [record.getMessage() for record in caplog.records] == [
        "refused 1 (json), the last: a frame that is not JSON",
        "refused 1 (run), the last: a message of another run",
    ]


def test_after_the_period_the_log_tells_how_many_there_were(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(CollectorRegistry(), LOG, log_period_s=0)
    with caplog.at_level(logging.WARNING):
        refusals.count(Refusal.JSON, "one")
        refusals._next_log_s[Refusal.JSON] = float("inf")
        refusals.count(Refusal.JSON, "two")
        refusals._next_log_s[Refusal.JSON] = 0.0
        refusals.count(Refusal.JSON, "three")
    assert caplog.records[-1].getMessage() == "refused 2 (json), the last: three"


def test_what_a_peer_sent_cannot_steer_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Refusals(CollectorRegistry(), LOG).count(Refusal.JSON, "\x1b[2J\nfaked line" + "x" * 10_000)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 1000
