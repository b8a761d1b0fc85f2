"""GELATO: a network at Level 1, and one after it in the high-level trigger (`docs/training.md`, "gelato")."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import keras
import tensorflow as tf
from pydantic import Field

from models.fixed_point import FixedPoint
from models.layouts import LayoutName
from models.training.autoencoders import VaeStage, VariationalAutoencoder, mean_squared_error
from models.training.data import TrainingData
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes, TrainedType
from models.training.loop import Trainer
from models.training.networks import INPUT, NetworkWriter, exact_squares_type
from models.training.quantiles import quantile_scaling
from models.training.recipe import Fitted, Recipe
from models.training.scaled_inputs import ScaledInputs
from models.training.scoring import scores_of
from models.zoo.encoders import EncoderRecipe, Width

_HLT_WEIGHTS: Final = FixedPoint.parse("ap_fixed<12,4,AP_RND_CONV,AP_SAT>")
_HLT_INPUTS: Final = FixedPoint.parse("ap_fixed<14,8,AP_RND_CONV,AP_SAT>")
_HLT_ACTIVATIONS: Final = FixedPoint.parse("ap_ufixed<14,8,AP_RND_CONV,AP_SAT>")
_HLT_NUMBERS: Final = FixedPoint.parse("ap_fixed<16,10,AP_RND_CONV,AP_SAT>")
_HLT_SCORE: Final = FixedPoint.parse("ap_ufixed<24,18,AP_TRN,AP_SAT>")


class GelatoL1(EncoderRecipe):
    """44 inputs, encoder only, score Σμ²: small enough for 25 ns."""

    model: ClassVar[str] = "gelato_l1"
    summary: ClassVar[str] = "Variational autoencoder on the 44 inputs of GELATO at Level 1, encoder only, score Σμ²"
    layout: ClassVar[LayoutName] = "gelato-l1-44"

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (24, 12)
    latent: Width = 3


class GelatoHlt(Recipe):
    """47 inputs, encoder and decoder; score: the squared error of the reconstructed inputs.

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        latent: numbers of the latent space.
        beta: weight of the divergence; the reconstruction has 1 − β.
        epochs: passes over the crossings.
        weight_type: of weights and biases.
    """

    model: ClassVar[str] = "gelato_hlt"
    summary: ClassVar[str] = "Variational autoencoder on the 47 inputs of GELATO after Level 1, score of reconstruction"
    layout: ClassVar[LayoutName] = "gelato-hlt-47"

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (48, 24)
    latent: Width = 6
    beta: Annotated[float, Field(ge=0, le=1)] = 0.1
    epochs: Annotated[int, Field(ge=1)] = 20
    weight_type: TrainedType = _HLT_WEIGHTS

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train, and keep encoder and decoder; sampling is left out."""
        n_inputs = data.inputs.shape[1]
        allow = trainer.settings.allow_constant
        scaled = ScaledInputs(quantile_scaling(data, _HLT_INPUTS, allow_constant=allow))
        vae = VariationalAutoencoder(
            encoder=tuple(FakeQuantisedDense(n, self._types(_HLT_ACTIVATIONS)) for n in self.hidden),
            means=FakeQuantisedDense(self.latent, self._types(_HLT_NUMBERS)),
            log_variances=keras.layers.Dense(self.latent),
            decoder=(
                *(FakeQuantisedDense(n, self._types(_HLT_ACTIVATIONS)) for n in reversed(self.hidden)),
                FakeQuantisedDense(n_inputs, self._types(_HLT_NUMBERS)),
            ),
        )
        vae.build(n_inputs)
        trainer.fit(VaeStage("autoencoder", vae, scaled, mean_squared_error, self.beta), [data.inputs], self.epochs)
        writer = NetworkWriter(self.layout, n_inputs, scaled.scaling)
        layers = [layer.exported() for layer in (*vae.encoder, vae.means, *vae.decoder)]
        made = writer.dense(layers, INPUT, "autoencoder")
        difference = FixedPoint(_HLT_NUMBERS.bits + 1, _HLT_NUMBERS.integer_bits + 1)
        score = {
            "kind": "squared_difference",
            "of": made,
            "reference": INPUT,
            "element_type": str(difference),
            "accumulator_type": str(exact_squares_type(difference, n_inputs)),
            "type": str(_HLT_SCORE),
        }

        def squared_error(rows: Any) -> Any:
            inputs = scaled(rows)
            return tf.reduce_sum(tf.square(vae.reconstructed(inputs) - inputs), axis=1)

        return Fitted(writer.network(self.model, self.summary, score), scores_of(squared_error))

    def _types(self, output: FixedPoint) -> LayerTypes:
        return LayerTypes(output, self.weight_type, self.weight_type)
