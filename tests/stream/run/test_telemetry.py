"""What a run exports of services that came and went (docs/metrics.md)."""

from __future__ import annotations

import pytest

from stream.page.scrape import Scrape, parse
from stream.run.metrics import Telemetry

NAME = "score:m.1"
VERSION = '# TYPE l1chain_model_info gauge\nl1chain_model_info{model="m",version="v1",role="production"} 1.0\n'


@pytest.fixture
def telemetry() -> Telemetry:
    told = Telemetry()
    told.update(NAME, {"cpu_ns": 3_000_000_000}, VERSION)
    return told


def exported(telemetry: Telemetry) -> Scrape:
    return parse(telemetry.text(), 0.0)


@pytest.mark.parametrize("has_left", [True, False])
def test_a_replica_that_is_done_without_runs_no_version_and_was_not_started_again(
    telemetry: Telemetry, has_left: bool
) -> None:
    """Else the next swap would leave its version behind, and alert ModelVersionMismatch."""
    telemetry.release(NAME, has_left)
    now = exported(telemetry)
    assert not now.by("l1chain_model_info", "version")
    assert not telemetry.restarts
    assert now.by("l1chain_cpu_seconds_total", "service") == {(NAME,): 3.0}
    # One that said goodbye is not missed; one that was lost is (alert ServiceDead).
    assert ((NAME,) in now.by("l1chain_service_silence_seconds", "service")) is not has_left


def test_a_replica_that_is_replaced_counts_as_started_again(telemetry: Telemetry) -> None:
    telemetry.retire(NAME)
    telemetry.update(NAME, {"cpu_ns": 1_000_000_000}, VERSION)
    now = exported(telemetry)
    assert now.by("l1chain_service_restarts_total", "service") == {(NAME,): 1.0}
    assert now.by("l1chain_cpu_seconds_total", "service") == {(NAME,): 4.0}
