"""What the systems on a VICReg embedding share: the encoder and its training (`docs/training.md`, "VICReg")."""

from __future__ import annotations

from abc import ABC
from typing import Annotated, Final

import tensorflow as tf
from pydantic import Field

from models.fixed_point import FixedPoint
from models.training.augmentations import Augmentations, Augmenter
from models.training.autoencoders import apply
from models.training.data import TrainingData
from models.training.embedding import VicRegStage, VicRegWeights, projector_layers
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes, TrainedType
from models.training.loop import Trainer
from models.training.scaled_inputs import ScaledInputs
from models.zoo.encoders import ACTIVATIONS, Width
from models.zoo.momenta import MomentumRecipe

INPUTS: Final = FixedPoint.parse("ap_fixed<14,6,AP_RND_CONV,AP_SAT>")
WEIGHTS: Final = FixedPoint.parse("ap_fixed<4,1,AP_RND_CONV,AP_SAT>")


class VicRegRecipe(MomentumRecipe, ABC):
    """A recipe that begins with a self-supervised embedding; the projector is stripped.

    Attributes:
        hidden: widths of the encoder's hidden layers.
        embedding: numbers of the embedding.
        projector: widths of the projector.
        augmentations: how much the two views differ.
        weights: of the terms of the loss.
        spread: that `weights.whiteness`, or whitening, gives the numbers of the embedding.
        embedding_epochs: passes over the crossings.
        weight_type: of the encoder's weights and biases.
        activation_type: of its hidden numbers; without sign: ReLU.
    """

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (29,)
    embedding: Width = 10
    projector: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (64, 64, 32)
    augmentations: Augmentations = Augmentations()
    weights: VicRegWeights = VicRegWeights()
    spread: Annotated[float, Field(gt=0)] = 2.0
    embedding_epochs: Annotated[int, Field(ge=1)] = 12
    input_type: TrainedType = INPUTS
    weight_type: TrainedType = WEIGHTS
    activation_type: TrainedType = ACTIVATIONS

    def _embedded(
        self, data: TrainingData, trainer: Trainer, embedding_type: FixedPoint
    ) -> tuple[ScaledInputs, tuple[FakeQuantisedDense, ...]]:
        """Train the encoder; returns the scaling and the layers."""
        scaled = ScaledInputs(self._scaling(data, trainer))
        encoder = (
            *(FakeQuantisedDense(n, self._types(self.activation_type)) for n in self.hidden),
            FakeQuantisedDense(self.embedding, self._types(embedding_type)),
        )
        projector = projector_layers(self.projector)
        apply(projector, apply(encoder, tf.zeros((1, data.inputs.shape[1]))))
        augmenter = Augmenter(self.layout, self.augmentations)
        stage = VicRegStage("embedding", encoder, projector, scaled, augmenter, self.weights, self.spread)
        trainer.fit(stage, [data.inputs], self.embedding_epochs)
        return scaled, encoder

    def _types(self, output: FixedPoint) -> LayerTypes:
        return LayerTypes(output, self.weight_type, self.weight_type)
