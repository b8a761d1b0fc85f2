"""What every training run can be told, whatever it trains (`docs/training.md`, "Settings")."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from triggers.strict_yaml import StrictModel


class TrainingSettings(StrictModel):
    """Settings of a training run.

    Attributes:
        crossings: at most so many are read, the first ones of the source.
        epochs: passes over the crossings in every stage; None: as many as the recipe says.
        batch_rows: crossings in a gradient step.
        learning_rate: of Adam, at the beginning; falls to zero as a cosine.
        seed: of initial weights, order, noise and augmentations.
        allow_constant: train although an input does not vary.
    """

    crossings: Annotated[int, Field(ge=1, le=20_000_000)] = 500_000
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    batch_rows: Annotated[int, Field(ge=16, le=1 << 20)] = 1024
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    allow_constant: bool = False
