"""Prescale columns for a target rate (docs/replay.md, "Suggested prescales")."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.errors import BadValue
from triggers.studies.prescale_suggestion import FiredPatterns, suggest, total_rate_hz

NAMES = ("muon", "jet", "met")
FIRED = FiredPatterns(np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], np.bool_), np.array([1000.0, 4000.0, 2000.0]), NAMES)
ONES = {"muon": 100, "jet": 100, "met": 100}


def test_overlaps_count_once() -> None:
    assert total_rate_hz(FIRED, np.array([100.0, 100.0, 100.0])) == 7000
    assert total_rate_hz(FIRED, np.array([100.0, 0.0, 100.0])) == 3000
    assert total_rate_hz(FIRED, np.array([0.0, 200.0, 200.0])) == 2000 + 2000 * 0.75


@given(st.floats(1500, 7000))
def test_the_target_is_reached_from_below(target_hz: float) -> None:
    found = suggest(FIRED, ONES, frozenset({"muon"}), target_hz)
    assert found.factors["muon"] == 100
    assert found.total_hz <= target_hz
    looser = {name: factor if name == "muon" else max(100, factor - 2) for name, factor in found.factors.items()}
    assert total_rate_hz(FIRED, np.array([float(looser[name]) for name in NAMES])) >= min(target_hz, 7000) * 0.98
    assert found.rates_hz["muon"] == 1000


def test_what_is_off_stays_off_and_prescales_keep_their_proportions() -> None:
    found = suggest(FIRED, {"muon": 0, "jet": 1000, "met": 3000}, frozenset(), 100.0)
    assert found.factors["muon"] == 0
    assert found.factors["met"] == pytest.approx(3 * found.factors["jet"], abs=3)


def test_targets_that_cannot_be_reached_are_said() -> None:
    with pytest.raises(BadValue, match="protected algorithms alone make 7,000 Hz"):
        suggest(FIRED, ONES, frozenset(NAMES), 6000)
    with pytest.raises(BadValue, match="without prescales there are 7,000 Hz"):
        suggest(FIRED, ONES, frozenset(), 8000)
