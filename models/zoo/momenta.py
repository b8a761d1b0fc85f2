"""Recipes with inputs scaled by quantiles and momenta on a scale of their own (`docs/training.md`, "Input scaling")."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from models.scaling import InputScaling
from models.training.data import TrainingData
from models.training.fake_quantised import TrainedType
from models.training.loop import Trainer
from models.training.quantiles import quantile_scaling
from models.training.recipe import Recipe

Shift = Annotated[int, Field(ge=-1, le=12)]
Limit = Annotated[float, Field(ge=1, le=2048)]


class MomentumRecipe(Recipe, ABC):
    """A recipe that says how momenta are scaled and where they end.

    Attributes:
        momentum_shift: by object, the power of two that its momenta are divided by; others: as their quantiles say.
        momentum_limit_gev: by object, where its momenta end; others: where `input_type` ends.
        input_type: of the scaled inputs.
    """

    momentum_shift: Mapping[str, Shift] = Field(default_factory=dict)
    momentum_limit_gev: Mapping[str, Limit] = Field(default_factory=dict)
    input_type: TrainedType

    def _scaling(self, data: TrainingData, trainer: Trainer) -> InputScaling:
        return quantile_scaling(
            data,
            self.input_type,
            allow_constant=trainer.settings.allow_constant,
            momentum_shift=self.momentum_shift,
            momentum_limit_gev=self.momentum_limit_gev,
        )
