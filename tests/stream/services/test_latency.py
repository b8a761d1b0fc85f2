"""Durations are kept within one per cent."""

from __future__ import annotations

import numpy as np
import pytest

from stream.services.latency import DurationHistogram


def test_quantiles_are_right_within_two_per_cent() -> None:
    durations_ns = np.random.default_rng(1).lognormal(14, 1, 20_000).astype(int)
    histogram = DurationHistogram()
    for duration_ns in durations_ns:
        histogram.add(int(duration_ns))
    summary = histogram.summary_ms()
    assert summary["p50"] == pytest.approx(np.quantile(durations_ns, 0.5) / 1e6, rel=0.02)
    assert summary["p99"] == pytest.approx(np.quantile(durations_ns, 0.99) / 1e6, rel=0.02)
    assert summary["max"] == durations_ns.max() / 1e6


def test_nothing_measured_is_zero() -> None:
    assert DurationHistogram().summary_ms() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_extremes_stay_in_range() -> None:
    histogram = DurationHistogram()
    histogram.add(0)
    histogram.add(10**15)
    assert histogram.summary_ms()["max"] == 1e9
