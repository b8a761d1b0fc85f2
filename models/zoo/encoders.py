"""What systems share whose score is made by an encoder alone: a variational autoencoder, score Σμ²."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import keras
import tensorflow as tf
from pydantic import Field

from models.bit_operations import effective_bit_operations
from models.fixed_point import FixedPoint
from models.network import Network
from models.scaling import InputScaling
from models.scores import Score, ScoreKind
from models.training.autoencoders import VaeStage, VariationalAutoencoder
from models.training.data import TrainingData
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes, TrainedType
from models.training.loop import Stage, Trainer
from models.training.losses import SaturationAwareReconstruction
from models.training.networks import INPUT, NetworkWriter, exact_squares_type
from models.training.recipe import Fitted
from models.training.scaled_inputs import ScaledInputs
from models.training.scoring import scores_of
from models.zoo.momenta import MomentumRecipe

INPUTS: Final = FixedPoint.parse("ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
ACTIVATIONS: Final = FixedPoint.parse("ap_ufixed<10,6,AP_RND_CONV,AP_SAT>")
LATENT: Final = FixedPoint.parse("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")
SCORE: Final = FixedPoint.parse("ap_ufixed<18,14,AP_TRN,AP_SAT>")
Width = Annotated[int, Field(ge=1, le=4096)]


class EncoderRecipe(MomentumRecipe):
    """A variational autoencoder of which the encoder is deployed; score Σμ².

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        latent: numbers of the latent space.
        beta: weight of the divergence; the reconstruction has 1 − β.
        latent_width: what is deployed is this times the means of the standard normal distribution, so that the steps
            of `latent_type` resolve the tail of their squares.
        epochs: passes over the crossings.
        activation_type: of hidden numbers; without sign: ReLU.
        latent_type: of the means.
        ebops_beta: learn the width of every weight and number instead, with this weight of the effective bit operations
            in the loss; the types above are what they begin at. None: fixed widths.
    """

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)]
    latent: Width
    beta: Annotated[float, Field(ge=0, le=1)] = 0.1
    latent_width: Annotated[float, Field(gt=0)] = 2.0
    epochs: Annotated[int, Field(ge=1)] = 15
    input_type: TrainedType = INPUTS
    activation_type: TrainedType = ACTIVATIONS
    latent_type: TrainedType = LATENT
    ebops_beta: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train, and keep the encoder."""
        scaling = self._scaling(data, trainer)
        scaled = ScaledInputs(scaling)
        layers = self._deployed()
        vae = VariationalAutoencoder(
            encoder=layers[:-1],
            means=layers[-1],
            log_variances=keras.layers.Dense(self.latent),
            decoder=(
                *(keras.layers.Dense(n, activation="relu") for n in reversed(self.hidden)),
                keras.layers.Dense(data.inputs.shape[1]),
            ),
            latent_width=self.latent_width,
        )
        vae.build(data.inputs.shape[1])
        stage: Stage = VaeStage("autoencoder", vae, scaled, SaturationAwareReconstruction(self.layout), self.beta)
        if self.ebops_beta is not None:
            from models.training.learned_widths import LearnedWidths

            stage = LearnedWidths(stage, layers, self.ebops_beta)
        trainer.fit(stage, [data.inputs], self.epochs)

        def sum_of_squares(rows: Any) -> Any:
            return tf.reduce_sum(tf.square(vae.latent(scaled(rows))[0]), axis=1)

        network = self._network(layers, scaling)
        figures = {"effective_bit_operations": float(effective_bit_operations(network))}
        return Fitted(network, scores_of(sum_of_squares), figures=figures)

    def _deployed(self) -> tuple[keras.layers.Layer, ...]:
        """The layers up to the means."""
        if self.ebops_beta is not None:
            from models.training.learned_widths import learned_layers

            return learned_layers((*self.hidden, self.latent), self.input_type, self.activation_type, self.latent_type)
        hidden = (FakeQuantisedDense(n, self.activation_type) for n in self.hidden)
        return (*hidden, FakeQuantisedDense(self.latent, self.latent_type))

    def _network(self, layers: Sequence[Any], scaling: InputScaling) -> Network:
        if self.ebops_beta is not None:
            from models.training.learned_widths import learned_network

            score = Score(kind=ScoreKind.SUM_OF_SQUARES, integer_scale=1 << SCORE.fraction_bits, bits=SCORE.bits)
            return learned_network(layers, self.layout, scaling, score, self.model)
        writer = NetworkWriter(self.layout, len(scaling.offset), scaling)
        means = writer.dense([layer.exported() for layer in layers], INPUT, "encoder")
        squares = exact_squares_type(self.latent_type, self.latent)
        of_means = {"kind": "sum_of_squares", "of": means, "accumulator_type": str(squares), "type": str(SCORE)}
        return writer.network(self.model, self.summary, of_means)


def relu_layers(widths: tuple[int, ...], types: LayerTypes) -> tuple[FakeQuantisedDense, ...]:
    """Dense layers of one kind."""
    return tuple(FakeQuantisedDense(width, types) for width in widths)
