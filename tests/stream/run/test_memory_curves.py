"""Memory curves: bounded however long a run is, and honest about growth."""

from __future__ import annotations

import pytest

from stream.run.memory_curves import MOST_SAMPLES, MemoryCurve

MB = 1_000_000


def curve_of(sizes: list[int], period_s: float = 0.5) -> MemoryCurve:
    curve = MemoryCurve()
    for k, size in enumerate(sizes):
        curve.add(100.0 + k * period_s, size)
    return curve


def test_a_service_that_fills_its_buffers_and_then_stays_has_no_slope() -> None:
    told = curve_of([min(k, 20) * MB for k in range(100)]).summary()
    assert told["max_bytes"] == 20 * MB
    assert told["slope_bytes_per_minute"] == pytest.approx(0.0, abs=1.0)


def test_a_leak_has_its_slope() -> None:
    told = curve_of([k * MB for k in range(100)]).summary()
    assert told["slope_bytes_per_minute"] == pytest.approx(120 * MB)


def test_a_short_run_has_no_slope_but_a_maximum() -> None:
    assert curve_of([3 * MB, 5 * MB, 4 * MB]).summary() == {
        "max_bytes": 5 * MB,
        "slope_bytes_per_minute": None,
        "samples": 3,
    }


def test_samples_stay_bounded_and_the_slope_right_in_a_long_run() -> None:
    told = curve_of([k * 1000 for k in range(20 * MOST_SAMPLES)]).summary()
    assert MOST_SAMPLES / 2 <= told["samples"] <= MOST_SAMPLES
    assert told["max_bytes"] == (20 * MOST_SAMPLES - 1) * 1000
    assert told["slope_bytes_per_minute"] == pytest.approx(120 * 1000)
