"""From network outputs to the menu's integer."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InputsInvalid
from models.scores import Score, ScoreKind

SCORE = Score(kind=ScoreKind.SUM_OF_SQUARES, integer_scale=16, bits=18)


@pytest.mark.parametrize(
    ("means", "integer"),
    [
        ([0.0, 0.0], 0),
        ([0.125, 0.0], 0),
        ([0.125, 0.125, 0.125, 0.125], 1),
        ([0.25, 0.0], 1),
        ([-3.875, 2.125], 312),
        ([-64.0] * 4, 262_143),
        ([63.875] * 4, 261_121),
        ([-64.0] * 8, 262_143),
        ([1e30], 262_143),
        ([float("nan")], 262_143),
    ],
)
def test_sum_of_squares_in_sixteenths_rounded_down_and_saturated(means: list[float], integer: int) -> None:
    integers = SCORE.integers(np.array([means], np.float32))
    assert integers.dtype == np.int32
    assert integers.tolist() == [integer]


def test_scale_and_width_are_the_versions_own() -> None:
    score = Score(kind=ScoreKind.SUM_OF_SQUARES, integer_scale=256, bits=8)
    assert score.integers(np.array([[0.5], [1.0], [0.0625]], np.float32)).tolist() == [64, 255, 1]


def test_outputs_are_two_dimensional() -> None:
    with pytest.raises(InputsInvalid, match=r"network outputs: found shape \(8,\)"):
        SCORE.integers(np.zeros(8, np.float32))
