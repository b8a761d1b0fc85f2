"""AXOL1TL v5: a frozen embedding and a shallow autoencoder on it (`docs/training.md`, "axol1tl_v5")."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import keras
import tensorflow as tf
from pydantic import Field, model_validator

from models.fixed_point import FixedPoint
from models.layouts import LayoutName
from models.training.autoencoders import (
    VaeStage,
    VariationalAutoencoder,
    apply,
    explained_variance,
    mean_squared_error,
)
from models.training.data import TrainingData
from models.training.embedding import whiten
from models.training.fake_quantised import FakeQuantisedDense, LayerTypes, TrainedType
from models.training.loop import Trainer
from models.training.networks import INPUT, NetworkWriter, exact_difference_type, exact_squares_type
from models.training.recipe import Fitted
from models.training.scoring import in_batches, scores_of
from models.zoo.encoders import ACTIVATIONS, SCORE, Width
from models.zoo.vicreg import VicRegRecipe

EMBEDDING: Final = FixedPoint.parse("ap_ufixed<10,4,AP_RND_CONV,AP_SAT>")
WEIGHTS: Final = FixedPoint.parse("ap_fixed<5,2,AP_RND_CONV,AP_SAT>")
BIASES: Final = FixedPoint.parse("ap_fixed<6,3,AP_RND_CONV,AP_SAT>")
MEANS: Final = FixedPoint.parse("ap_fixed<16,9,AP_RND_CONV,AP_SAT>")
RECONSTRUCTION: Final = FixedPoint.parse("ap_fixed<17,10,AP_RND_CONV,AP_SAT>")


class Axol1tlV5(VicRegRecipe):
    """57-29-10 frozen, then 10-9-6-4-6-9-10 without sampling; score: squared reconstruction error of the embedding.

    Attributes:
        autoencoder: widths of the second encoder's hidden layers; its decoder has them in reverse.
        latent: numbers of the latent space.
        beta: weight of the divergence; the reconstruction has 1 − β.
        autoencoder_epochs: passes over the crossings.
        least_variance: whiten the frozen embedding to `spread`, with this added to its variances (units of the
            embedding squared); None: leave it as it is.
        embedding_type: of the embedding; without sign: ReLU. Where it ends, large numbers count no more.
        autoencoder_weight_type: of the weights of the autoencoder.
        autoencoder_bias_type: of its biases.
        reconstruction_type: of what it gives back. Where it ends below the tail of the embedding, the autoencoder is
            free to learn the bulk, and cannot follow an outlier.
    """

    model: ClassVar[str] = "axol1tl"
    summary: ClassVar[str] = "VICReg embedding of the 57 inputs of AXOL1TL and a variational autoencoder on it"
    layout: ClassVar[LayoutName] = "axol1tl-57"

    autoencoder: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (9, 6)
    latent: Width = 4
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    autoencoder_epochs: Annotated[int, Field(ge=1)] = 8
    least_variance: Annotated[float, Field(ge=0.01, le=100)] | None = None
    embedding_type: TrainedType = EMBEDDING
    autoencoder_weight_type: TrainedType = WEIGHTS
    autoencoder_bias_type: TrainedType = BIASES
    reconstruction_type: TrainedType = RECONSTRUCTION

    @model_validator(mode="after")
    def _no_relu_is_whitened(self) -> Axol1tlV5:
        if self.least_variance is not None and not self.embedding_type.signed:
            raise ValueError(
                f"least_variance whitens the embedding, which needs a signed type; {self.embedding_type} is a ReLU"
            )
        return self

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train the embedding, freeze it, train the autoencoder on it."""
        scaled, encoder = self._embedded(data, trainer, self.embedding_type)

        def embedded(rows: Any) -> Any:
            return apply(encoder, scaled(rows))

        if self.least_variance is not None:
            raw = in_batches(embedded)(data.inputs)
            whiten(encoder[-1], raw, spread=self.spread, least_variance=self.least_variance)
        embeddings = in_batches(embedded)(data.inputs)
        vae = self._autoencoder()
        vae.build(self.embedding)
        stage = VaeStage("autoencoder", vae, lambda rows: rows, mean_squared_error, self.beta)
        trainer.fit(stage, [embeddings], self.autoencoder_epochs)
        writer = NetworkWriter(self.layout, data.inputs.shape[1], scaled.scaling)
        embedding = writer.dense([layer.exported() for layer in encoder], INPUT, "embedding")
        layers = [layer.exported() for layer in (*vae.encoder, vae.means, *vae.decoder)]
        made = writer.dense(layers, embedding, "autoencoder")
        difference = exact_difference_type(self.reconstruction_type, self.embedding_type)
        squares = exact_squares_type(difference, self.embedding)
        score = {
            "kind": "squared_difference",
            "of": made,
            "reference": embedding,
            "element_type": str(difference),
            "accumulator_type": str(squares),
            "type": str(SCORE),
        }

        def squared_error(rows: Any) -> Any:
            values = embedded(rows)
            return tf.reduce_sum(tf.square(vae.reconstructed(values) - values), axis=1)

        figures = {"explained_variance": explained_variance(embeddings, in_batches(vae.reconstructed)(embeddings))}
        return Fitted(writer.network(self.model, self.summary, score), scores_of(squared_error), figures=figures)

    def _autoencoder(self) -> VariationalAutoencoder:
        return VariationalAutoencoder(
            encoder=tuple(FakeQuantisedDense(n, self._of_autoencoder(ACTIVATIONS)) for n in self.autoencoder),
            means=FakeQuantisedDense(self.latent, self._of_autoencoder(MEANS)),
            log_variances=keras.layers.Dense(self.latent),
            decoder=(
                *(FakeQuantisedDense(n, self._of_autoencoder(ACTIVATIONS)) for n in reversed(self.autoencoder)),
                FakeQuantisedDense(self.embedding, self._of_autoencoder(self.reconstruction_type)),
            ),
        )

    def _of_autoencoder(self, output: FixedPoint) -> LayerTypes:
        return LayerTypes(output, self.autoencoder_weight_type, self.autoencoder_bias_type)
