"""Errors of training (`docs/training.md`, "Refusals").

ModelError (models.errors)
├── TrainingDataUnfit        crossings that a network cannot be trained on
├── TrainingDiverged         a loss that is no finite number any more
├── CheckpointMismatch       a checkpoint of another recipe, other settings or other crossings
└── ExtraMissing             a package of the extra `[train]` that is not installed
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.errors import ModelError


class TrainingDataUnfit(ModelError):
    """Crossings that a network cannot be trained on."""


class TrainingDiverged(ModelError):
    """A loss that is no finite number any more."""

    def __init__(self, stage: str, epoch: int, terms: Mapping[str, float]) -> None:
        found = ", ".join(f"{name} {value:g}" for name, value in terms.items())
        remedy = "use a smaller learning rate or another seed"
        super().__init__(f"training, {stage}, epoch {epoch}", f"the loss is no finite number ({found})", remedy)


class CheckpointMismatch(ModelError):
    """A checkpoint of another recipe, other settings or other crossings."""

    def __init__(self, path: str | Path) -> None:
        what = "belongs to another recipe, other settings or other crossings"
        super().__init__(path, what, "give the same ones again, or train without --resume")


class ExtraMissing(ModelError):
    """A package of the extra `[train]` that is not installed."""

    def __init__(self, where: str, package: str) -> None:
        super().__init__(where, f"needs the package '{package}'", "install it with pip install 'l1chain[train]'")
