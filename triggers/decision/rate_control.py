"""The law by which a controller holds a rate at its target (`docs/budgets.md`, section "The law").

It knows counts and simulated time, not what it moves: that is a list of options, the loosest first, of which it is told
how much each would have let pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

SIGMAS: Final = 4.0
"""A deviation within so many Poisson errors is noise: about one false move in ten thousand lumi sections."""
_ANSCOMBE: Final = 3 / 8
"""√(n + 3/8) of a Poisson number has an error of 1/2, whatever its mean (F. J. Anscombe, Biometrika 35 (1948) 246)."""


class Judgement(StrEnum):
    """What a rate is to its target."""

    WITHIN = "within"
    """inside the tolerance, or outside of it by no more than noise"""
    OUTSIDE = "outside"
    FAR_ABOVE = "far_above"
    """above the emergency factor"""


@dataclass(frozen=True)
class RateLaw:
    """A target and how strictly it is kept.

    Attributes:
        target_hz: above 0.
        tolerance: relative deviation within which nothing is done.
        emergency_factor: times the target, above which the group is switched off; None: never.
    """

    target_hz: float
    tolerance: float = 0.1
    emergency_factor: float | None = None

    @property
    def enough(self) -> float:
        """Crossings at the target rate whose Poisson error does not hide the tolerance."""
        return (SIGMAS / self.tolerance) ** 2

    def judge(self, count: float, seconds: float) -> Judgement:
        """Compare crossings counted in a simulated time with the target."""
        expected = self.target_hz * seconds
        if 2 * abs(sqrt(count + _ANSCOMBE) - sqrt(expected + _ANSCOMBE)) < SIGMAS:
            return Judgement.WITHIN
        if self.emergency_factor is not None and count > self.emergency_factor * expected:
            return Judgement.FAR_ABOVE
        return Judgement.OUTSIDE if abs(count - expected) > self.tolerance * expected else Judgement.WITHIN


@dataclass(frozen=True, eq=False)
class Seen:
    """What was counted in some lumi sections with one setting.

    Attributes:
        count: crossings of the group.
        seconds: simulated.
        by_option: what each option would have let pass, in any unit, `(n,) float64`.
        present: what the present setting let pass, in that unit.
    """

    count: float
    seconds: float
    by_option: NDArray[np.float64]
    present: float

    @classmethod
    def nothing(cls, n_options: int) -> Self:
        """Of no lumi section."""
        return cls(0.0, 0.0, np.zeros(n_options, np.float64), 0.0)

    def __add__(self, other: Seen) -> Seen:
        by_option = self.by_option + other.by_option
        return Seen(self.count + other.count, self.seconds + other.seconds, by_option, self.present + other.present)

    @property
    def rate_hz(self) -> float:
        """Of the group."""
        return self.count / self.seconds

    def predicted_hz(self) -> NDArray[np.float64]:
        """The group's rate with each option, `(n,)`: in proportion to what that would have let pass.

        Where the present setting let nothing pass there is no proportion; the option's own counts stand for it then.
        """
        if self.present <= 0:
            return self.by_option / self.seconds
        return max(self.count, 1.0) / self.seconds * self.by_option / self.present


@dataclass(frozen=True)
class Verdict:
    """What a controller makes of a lumi section that is over.

    Attributes:
        judgement: of the rate.
        rate_hz: that was judged.
        seconds: simulated, in which it was counted.
        option: to move to; None: stay.
    """

    judgement: Judgement
    rate_hz: float
    seconds: float
    option: int | None = None


class RateController:
    """Judges lumi section after lumi section; remembers only what was counted since it last moved.

    Args:
        law: the target.

    Attributes:
        stretch: the lumi sections since the last move, as far as they are too few to tell; None: there are none.
    """

    def __init__(self, law: RateLaw) -> None:
        self.law = law
        self.stretch: Seen | None = None

    def forget(self) -> None:
        """Begin anew: the setting changed."""
        self.stretch = None

    def look(self, seen: Seen, present: int | None) -> Verdict:
        """Judge the lumi section that is over, alone and with those before it since the last move.

        Args:
            seen: in it; `seconds` above 0.
            present: option that held; None: none of them.
        """
        stretch = seen if self.stretch is None else self.stretch + seen
        judged = (self._judge(part, present) for part in (seen, stretch))
        verdict = next((found for found in judged if found.judgement is not Judgement.WITHIN), None)
        is_full = self.law.target_hz * stretch.seconds >= self.law.enough
        has_moved = verdict is not None and (verdict.option is not None or verdict.judgement is Judgement.FAR_ABOVE)
        self.stretch = None if has_moved or is_full else stretch
        return verdict or Verdict(Judgement.WITHIN, seen.rate_hz, seen.seconds)

    def _judge(self, seen: Seen, present: int | None) -> Verdict:
        judgement, option = self.law.judge(seen.count, seen.seconds), None
        if judgement is not Judgement.WITHIN and len(seen.by_option):
            best = best_option(seen.predicted_hz(), self.law.target_hz)
            option = None if best == present else best
        return Verdict(judgement, seen.rate_hz, seen.seconds, option)


def best_option(predicted_hz: NDArray[np.float64], target_hz: float) -> int:
    """The option with the highest predicted rate that is not above the target; without any, that with the lowest rate.

    Of options with equal rates the first; of those without any that is low enough, the last.
    """
    allowed = predicted_hz <= target_hz
    if allowed.any():
        return int(np.argmax(np.where(allowed, predicted_hz, -1.0)))
    return len(predicted_hz) - 1 - int(np.argmin(predicted_hz[::-1]))
