"""Classes of crossings: their chances, and crossings drawn given a class."""

from __future__ import annotations

import numpy as np
import pytest

from triggers.events.simulation.mixture import biased_shares
from triggers.events.simulation.simulator import Simulator


@pytest.mark.parametrize("pileup", [0.0, 0.5, 41.0, 200.0])
def test_every_crossing_has_one_class(zero_bias: Simulator, pileup: float):
    assert zero_bias.mixture.class_chances(pileup).sum() == pytest.approx(1.0)


def test_chances_are_those_of_crossings_drawn_as_nature_does(zero_bias: Simulator):
    mixture, rng, pileup = zero_bias.mixture, np.random.default_rng(1), 30.0
    numbers = rng.poisson(pileup * mixture.fractions, (20_000, len(mixture.names)))
    highest = np.where(numbers.any(axis=1), numbers.shape[1] - 1 - (numbers[:, ::-1] > 0).argmax(axis=1), 0)
    found = np.bincount(highest, minlength=len(mixture.names)) / len(numbers)
    np.testing.assert_allclose(found, mixture.class_chances(pileup), atol=0.02)


def test_biased_shares_are_shares_and_none_is_zero(zero_bias: Simulator):
    shares = biased_shares(zero_bias.mixture, 41.0, natural=0.3)
    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() > 0


def test_a_crossing_of_a_class_has_its_interaction_and_none_above(zero_bias: Simulator):
    mixture = zero_bias.mixture
    for highest in (1, 3, len(mixture.names) - 1):
        n = 64
        made = zero_bias.crossings(
            5, np.arange(n, dtype=np.uint64), np.full(n, 20.0), np.full(n, highest), np.full(n, -1)
        )
        component = np.searchsorted(mixture.first, made["hardest"], side="right") - 1
        assert (component == highest).all()
