"""What systems share whose score is made by an encoder alone: a variational autoencoder, score Σμ²."""

from __future__ import annotations

from typing import Annotated, Any, Final

import keras
import tensorflow as tf
from pydantic import Field

from models.fixed_point import FixedPoint, FixedPointText
from models.training.autoencoders import VaeStage, VariationalAutoencoder
from models.training.data import TrainingData
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes
from models.training.loop import Trainer
from models.training.losses import SaturationAwareReconstruction
from models.training.networks import INPUT, NetworkWriter, exact_squares_type
from models.training.quantiles import quantile_scaling
from models.training.recipe import Fitted, Recipe
from models.training.scaled_inputs import ScaledInputs
from models.training.scoring import scores_of

INPUTS: Final = FixedPoint.parse("ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
ACTIVATIONS: Final = FixedPoint.parse("ap_ufixed<10,6,AP_RND_CONV,AP_SAT>")
LATENT: Final = FixedPoint.parse("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")
SCORE: Final = FixedPoint.parse("ap_ufixed<18,14,AP_TRN,AP_SAT>")
Width = Annotated[int, Field(ge=1, le=4096)]


class EncoderRecipe(Recipe):
    """A variational autoencoder of which the encoder is deployed; score Σμ².

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        latent: numbers of the latent space.
        beta: weight of the divergence; the reconstruction has 1 − β.
        latent_width: what is deployed is this times the means of the standard normal distribution, so that the steps
            of `latent_type` resolve the tail of their squares.
        epochs: passes over the crossings.
        input_type: of the scaled inputs.
        activation_type: of hidden numbers; without sign: ReLU.
        latent_type: of the means.
    """

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)]
    latent: Width
    beta: Annotated[float, Field(ge=0, le=1)] = 0.1
    latent_width: Annotated[float, Field(gt=0)] = 2.0
    epochs: Annotated[int, Field(ge=1)] = 15
    input_type: FixedPointText = INPUTS
    activation_type: FixedPointText = ACTIVATIONS
    latent_type: FixedPointText = LATENT

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train, and keep the encoder."""
        allow = trainer.settings.allow_constant
        scaled = ScaledInputs(quantile_scaling(data, self.input_type, allow_constant=allow))
        vae = VariationalAutoencoder(
            encoder=tuple(FakeQuantisedDense(n, self.activation_type) for n in self.hidden),
            means=FakeQuantisedDense(self.latent, self.latent_type),
            log_variances=keras.layers.Dense(self.latent),
            decoder=(
                *(keras.layers.Dense(n, activation="relu") for n in reversed(self.hidden)),
                keras.layers.Dense(data.inputs.shape[1]),
            ),
            latent_width=self.latent_width,
        )
        vae.build(data.inputs.shape[1])
        reconstruction = SaturationAwareReconstruction(self.layout)
        trainer.fit(VaeStage("autoencoder", vae, scaled, reconstruction, self.beta), [data.inputs], self.epochs)
        writer = NetworkWriter(self.layout, data.inputs.shape[1], scaled.scaling)
        means = writer.dense([layer.exported() for layer in (*vae.encoder, vae.means)], INPUT, "encoder")
        squares = exact_squares_type(self.latent_type, self.latent)
        score = {"kind": "sum_of_squares", "of": means, "accumulator_type": str(squares), "type": str(SCORE)}

        def sum_of_squares(rows: Any) -> Any:
            return tf.reduce_sum(tf.square(vae.latent(scaled(rows))[0]), axis=1)

        return Fitted(writer.network(self.model, self.summary, score), scores_of(sum_of_squares))


def relu_layers(widths: tuple[int, ...], types: LayerTypes) -> tuple[FakeQuantisedDense, ...]:
    """Dense layers of one kind."""
    return tuple(FakeQuantisedDense(width, types) for width in widths)
