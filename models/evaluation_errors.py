"""Errors of evaluation (`docs/evaluation.md`).

ModelError (models.errors)
├── SampleUnfit              crossings that say nothing about a score
└── RateUnreachable          a rate so low that no threshold gives it
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
