"""What the page reads of a run's metrics (docs/metrics.md)."""

from __future__ import annotations

from math import inf

import pytest

from stream.page.scrape import Histogram, parse

TEXT = """
# TYPE l1chain_crossings_decided counter
l1chain_crossings_decided_total{service="combiner"} 100.0
# TYPE l1chain_cpu_seconds counter
l1chain_cpu_seconds_total{service="seeds.0"} 2.0
l1chain_cpu_seconds_total{service="seeds.1"} 3.0
# TYPE l1chain_score histogram
l1chain_score_bucket{model="m",version="v1",service="score:m.0",le="0.0"} 1.0
l1chain_score_bucket{model="m",version="v1",service="score:m.0",le="1.0"} 3.0
l1chain_score_bucket{model="m",version="v1",service="score:m.0",le="+Inf"} 3.0
l1chain_score_bucket{model="m",version="v1",service="score:m.1",le="0.0"} 1.0
l1chain_score_bucket{model="m",version="v1",service="score:m.1",le="1.0"} 1.0
l1chain_score_bucket{model="m",version="v1",service="score:m.1",le="+Inf"} 2.0
"""


def test_samples_are_added_up_by_labels() -> None:
    found = parse(TEXT, 1.0)
    assert found.total("l1chain_crossings_decided_total") == 100
    assert found.total("l1chain_cpu_seconds_total") == 5
    assert found.total("l1chain_cpu_seconds_total", service="seeds.1") == 3
    assert found.by("l1chain_cpu_seconds_total", "service") == {("seeds.0",): 2, ("seeds.1",): 3}
    assert found.total("l1chain_unknown") == 0


def test_replicas_share_a_histogram() -> None:
    found = parse(TEXT, 1.0).histograms("l1chain_score", "model", "version")
    assert found == {("m", "v1"): Histogram((0.0, 1.0, inf), (2.0, 4.0, 5.0))}


def test_a_quantile_is_linear_within_its_bucket() -> None:
    latency = Histogram((1.0, 2.0, 4.0, inf), (0.0, 10.0, 20.0, 20.0))
    assert latency.quantile(0.25) == pytest.approx(1.5)
    assert latency.quantile(0.75) == pytest.approx(3.0)
    assert latency.quantile(1.0) == pytest.approx(4.0)
    assert Histogram((1.0, inf), (0.0, 7.0)).quantile(0.5) == 1.0
    assert Histogram((1.0, inf), (0.0, 0.0)).quantile(0.5) is None


def test_what_came_since() -> None:
    before, now = Histogram((1.0, inf), (2.0, 5.0)), Histogram((1.0, inf), (2.0, 9.0))
    assert now.since(before) == Histogram((1.0, inf), (0.0, 4.0))
    assert now.since(None) == now
    restarted = Histogram((1.0, inf), (1.0, 1.0))
    assert restarted.since(before) == restarted
