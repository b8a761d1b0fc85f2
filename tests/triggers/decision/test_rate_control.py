"""The law by which a controller holds a rate (docs/budgets.md, "The law")."""

from __future__ import annotations

import numpy as np
import pytest

from triggers.decision.rate_control import Judgement, RateController, RateLaw, Seen, Verdict, best_option

LAW = RateLaw(target_hz=1000.0, tolerance=0.1, emergency_factor=10.0)
SECTION_S = 23.31


def seen(count: float, options: list[float], present: int, seconds: float = SECTION_S) -> Seen:
    return Seen(count, seconds, np.array(options, np.float64), options[present])


@pytest.mark.parametrize(
    ("rate_hz", "seconds", "judgement"),
    [
        (1000, SECTION_S, Judgement.WITHIN),
        (1090, SECTION_S, Judgement.WITHIN),
        (910, SECTION_S, Judgement.WITHIN),
        (1110, SECTION_S, Judgement.OUTSIDE),
        (890, SECTION_S, Judgement.OUTSIDE),
        (9_900, SECTION_S, Judgement.OUTSIDE),
        (10_100, SECTION_S, Judgement.FAR_ABOVE),
        # 100 crossings expected: ±20 % is two Poisson errors, and says nothing.
        (1200, 0.1, Judgement.WITHIN),
        (1600, 0.1, Judgement.OUTSIDE),
        # One expected: neither none nor five do, though five times the target.
        (0, 0.001, Judgement.WITHIN),
        (5000, 0.001, Judgement.WITHIN),
        (50_000, 0.001, Judgement.FAR_ABOVE),
    ],
)
def test_a_rate_is_judged_by_tolerance_and_by_noise(rate_hz: float, seconds: float, judgement: Judgement) -> None:
    assert LAW.judge(rate_hz * seconds, seconds) is judgement


def test_without_an_emergency_factor_nothing_is_far_above() -> None:
    assert RateLaw(10.0).judge(1e9, 1.0) is Judgement.OUTSIDE


@pytest.mark.parametrize("expected", [3.0, 30.0, 300.0, 3000.0])
def test_noise_moves_nothing(expected: float) -> None:
    """A rate that is at its target: at most one false move in a thousand lumi sections."""
    counts = np.random.default_rng(int(expected)).poisson(expected, 5000)
    controller, seconds = RateController(LAW), expected / LAW.target_hz
    moves = [controller.look(seen(int(n), [4 * n, 2 * n, n, n / 2], 2, seconds), 2) for n in counts]
    assert sum(verdict.judgement is not Judgement.WITHIN for verdict in moves) <= 5


def test_a_deviation_too_small_for_one_lumi_section_is_seen_in_several() -> None:
    """10 crossings a lumi section, 15 of them too many: three errors in four lumi sections, never in one."""
    controller = RateController(LAW)
    verdicts = (controller.look(seen(15, [30, 15, 10, 5], 1, 0.01), 1) for _ in range(40))
    number, verdict = next((k, found) for k, found in enumerate(verdicts, start=1) if found.option is not None)
    assert 3 < number < 12
    assert (verdict.option, verdict.rate_hz) == (2, pytest.approx(1500.0))
    assert verdict.seconds == pytest.approx(0.01 * number)
    assert controller.stretch is None


def test_what_it_remembers_is_bounded() -> None:
    controller = RateController(LAW)
    longest = 0.0
    for _ in range(1000):
        controller.look(seen(10, [10.0], 0, 0.01), 0)
        longest = max(longest, controller.stretch.seconds if controller.stretch else 0.0)
    assert longest * LAW.target_hz < LAW.enough


@pytest.mark.parametrize(
    ("predicted", "best"),
    [
        ([4000, 2000, 990, 500], 2),
        ([4000, 2000, 1010, 500], 3),
        ([500, 400, 300], 0),  # all too low: the loosest
        ([4000, 3000, 2000], 2),  # all too high: the tightest
        ([5000, 1000, 1000, 10], 1),
        ([500, 4000, 700], 2),  # columns need not be in order
    ],
)
def test_the_option_nearest_below_the_target_is_taken(predicted: list[float], best: int) -> None:
    assert best_option(np.array(predicted, np.float64), 1000.0) == best


def test_between_two_options_it_does_not_flip() -> None:
    """Hysteresis: 85 % and 113 % of the target; the looser one comes back only when it is within the target."""
    controller, present, moves = RateController(LAW), 0, 0
    rng = np.random.default_rng(5)
    for input_factor in [1.0] * 50 + [0.95] * 50 + [0.88] * 50 + [0.93] * 50:
        rates = np.array([1130.0, 850.0]) * input_factor
        count = int(rng.poisson(rates[present] * SECTION_S))
        verdict = controller.look(seen(count, list(rates), present), present)
        if verdict.option is not None:
            present, moves = verdict.option, moves + 1
    assert moves == 2  # down at the start, up at 0.88


def test_where_the_setting_let_nothing_pass_the_options_own_counts_stand_for_them() -> None:
    nothing = Seen(0.0, 1.0, np.array([2000.0, 800.0, 0.0]), 0.0)
    assert RateController(LAW).look(nothing, 2) == Verdict(Judgement.OUTSIDE, 0.0, 1.0, 1)


def test_an_emergency_also_says_where_to_go_on() -> None:
    verdict = RateController(LAW).look(seen(20_000, [20_000, 1900, 900], 0, 1.0), 0)
    assert verdict == Verdict(Judgement.FAR_ABOVE, 20_000.0, 1.0, 2)
