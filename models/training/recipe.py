"""What a system of the zoo is to the rest: a recipe that makes a network of crossings (`docs/training.md`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.layouts import LayoutName
from models.network import Network
from models.training.data import Rows, TrainingData
from triggers.strict_yaml import StrictModel

if TYPE_CHECKING:
    from models.training.loop import Trainer

Scores = Callable[[Rows], NDArray[np.float64]]


@dataclass(frozen=True)
class Fitted:
    """What a recipe makes.

    Attributes:
        network: in fixed point: what is deployed.
        float_scores: the scores `(n,)` of rows of inputs as the training framework computes them, in the unit of the
            network's score, neither cut nor saturated.
        other_scores: scores to compare with, by name.
        figures: numbers worth keeping, by name.
    """

    network: Network
    float_scores: Scores
    other_scores: Mapping[str, Scores] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)


class Recipe(StrictModel, ABC):
    """A system: architecture, inputs, losses, score; the fields of a recipe are what can be varied.

    Attributes:
        model: name of the model that its versions belong to, unless another one is asked for.
        summary: one sentence.
        layout: of the inputs.
    """

    model: ClassVar[str]
    summary: ClassVar[str]
    layout: ClassVar[LayoutName]

    @abstractmethod
    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train the networks of the system.

        Raises:
            TrainingDataUnfit: the crossings are not fit for it.
            TrainingDiverged: a loss is no finite number any more.
        """

    def accepted(self, rows: Rows) -> NDArray[np.bool_]:
        """Which crossings it is trained on, `(n,)`, beyond all zero bias; all, unless it has a preselection."""
        return np.ones(len(rows), bool)
