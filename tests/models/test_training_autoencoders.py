"""How well an autoencoder reconstructs, and the type of its errors."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models.fixed_point import FixedPoint
from models.training.autoencoders import explained_variance
from models.training.networks import exact_difference_type

pytestmark = pytest.mark.train

NUMBERS = np.random.default_rng(1).normal([5.0, -1.0], [3.0, 1.0], (20_000, 2)).astype(np.float32)


def test_a_perfect_reconstruction_explains_all_variance_and_the_mean_alone_none_of_it() -> None:
    assert explained_variance(NUMBERS, NUMBERS) == 1.0
    assert explained_variance(NUMBERS, np.full_like(NUMBERS, NUMBERS.mean(axis=0))) == pytest.approx(0.0, abs=1e-6)


def test_variance_that_is_explained_counts_over_all_numbers_together() -> None:
    first_alone = np.stack([NUMBERS[:, 0], np.full(len(NUMBERS), NUMBERS[:, 1].mean())], axis=1)
    assert explained_variance(NUMBERS, first_alone) == pytest.approx(0.9, abs=0.01)


def test_a_reconstruction_worse_than_the_mean_explains_less_than_nothing() -> None:
    assert explained_variance(NUMBERS, -NUMBERS) < 0.0


def test_numbers_that_do_not_vary_have_no_variance_to_explain() -> None:
    assert explained_variance(np.ones((5, 2), np.float32), np.ones((5, 2), np.float32)) == 0.0


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("ap_fixed<8,1>", "ap_fixed<13,7>", "ap_fixed<15,8>"),
        ("ap_fixed<17,10>", "ap_ufixed<10,4>", "ap_fixed<18,11>"),
        ("ap_fixed<8,4>", "ap_ufixed<8,4>", "ap_fixed<10,6>"),
    ],
)
def test_differences_of_two_types_are_exact(left: str, right: str, expected: str) -> None:
    kinds = FixedPoint.parse(left), FixedPoint.parse(right)
    made = exact_difference_type(*kinds)
    assert made == FixedPoint.parse(expected)
    ends = [high - low for (low, _), (_, high) in ((a.range, b.range) for a, b in (kinds, kinds[::-1]))]
    assert made.quantise(ends).tolist() == ends
