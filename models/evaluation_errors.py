"""Errors of evaluation (`docs/evaluation.md`).

ModelError (models.errors)
├── SampleUnfit              crossings that say nothing about a score
├── RateUnreachable          a rate so low that no threshold gives it
└── TooFewAbove              so few crossings above a threshold that its rate is not known
"""

from __future__ import annotations

from models.errors import ModelError


class SampleUnfit(ModelError):
    """Crossings that say nothing about a score: none, empty ones, unusable weights, scores that are no numbers."""


class RateUnreachable(ModelError):
    """A rate that no threshold of a score gives."""

    def __init__(self, label: str, target_hz: float, largest: int) -> None:
        super().__init__(
            label,
            f"more than {target_hz:g} Hz of the sample have the greatest score, {largest}",
            "ask for a higher rate, or train a network whose score saturates later",
        )


class TooFewAbove(ModelError):
    """So few crossings above a threshold that its rate is not known."""

    def __init__(self, sample: str, n_crossings: int, target_hz: float, effective: float, least: float) -> None:
        super().__init__(
            sample,
            f"of its {n_crossings:,} crossings {effective:.0f} effective ones lie above the threshold of "
            f"{target_hz:g} Hz, {least:.0f} or more must",
            "give more background, weighted towards high scores if need be, or ask for a higher rate",
        )
