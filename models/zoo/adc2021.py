"""The autoencoders of the ADC2021 challenge, on 19 × 3 numbers (`docs/training.md`, "adc2021")."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, field_validator

from models.fixed_point import FixedPoint, Overflow, Rounding
from models.layouts import LayoutName
from models.training.autoencoders import apply, mean_squared_error
from models.training.data import Rows, TrainingData
from models.training.fake_quantised import FakeQuantised, FakeQuantisedConv, FakeQuantisedDense, LayerTypes
from models.training.loop import LOSS, Stage, Trainer
from models.training.losses import divergence, sampled
from models.training.networks import INPUT, NetworkWriter, exact_squares_type
from models.training.quantiles import quantile_scaling
from models.training.recipe import Fitted, Recipe, Scores
from models.training.scaled_inputs import ScaledInputs
from models.training.scoring import scores_of
from models.zoo.encoders import Width

PARTICLES: Final = (19, 3, 1)
LEPTON_PT_HW: Final = 46
"""23 GeV in steps of 0.5 GeV: every crossing of the data set has a lepton of more."""
_LEPTONS: Final = slice(3, 27, 3)
_INPUTS: Final = FixedPoint.parse("ap_fixed<14,6,AP_RND_CONV,AP_SAT>")
_LOG_VARIANCE: Final = FixedPoint.parse("ap_fixed<10,4,AP_RND_CONV,AP_SAT>")
_VARIANCE_TERM: Final = FixedPoint.parse("ap_ufixed<22,12,AP_RND_CONV,AP_SAT>")
_INVERSE_SIGMA: Final = FixedPoint.parse("ap_ufixed<16,8,AP_RND_CONV,AP_SAT>")
_ERROR_SCORE: Final = FixedPoint.parse("ap_ufixed<24,18,AP_TRN,AP_SAT>")
_LATENT_SCORE: Final = FixedPoint.parse("ap_ufixed<24,12,AP_TRN,AP_SAT>")
ScoreName = Literal["mse", "kl", "r_z"]
_PRUNED_FROM, _PRUNED_TO = 0.2, 0.7
"""Parts of the epochs between which weights are pruned, more and more slowly."""


@dataclass(frozen=True)
class Autoencoder:
    """The layers of an autoencoder, built.

    Attributes:
        encoder: up to the latent numbers.
        latent: the latent numbers, or their means.
        log_variances: of a variational one.
        decoder: from the latent numbers back.
    """

    encoder: tuple[keras.layers.Layer, ...]
    latent: FakeQuantisedDense
    log_variances: FakeQuantisedDense | None
    decoder: tuple[FakeQuantisedDense, ...]

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        """All of them."""
        wide = () if self.log_variances is None else (self.log_variances,)
        return (*self.encoder, self.latent, *wide, *self.decoder)

    def decoded(self, inputs: Any, seed: Any) -> tuple[Any, Any, Any]:
        """Reconstruction, latent numbers, logarithms of variances; without seed nothing is sampled."""
        hidden = apply(self.encoder, inputs)
        latent = self.latent(hidden)
        if self.log_variances is None:
            return apply(self.decoder, latent), latent, None
        wide = self.log_variances(hidden)
        drawn = latent if seed is None else sampled(latent, wide, seed)
        return apply(self.decoder, drawn), latent, wide


class AutoencoderStage(Stage):
    """Trains an autoencoder, and prunes it on the way."""

    def __init__(self, parts: Autoencoder, scaled: ScaledInputs, beta: float, pruned: float) -> None:
        super().__init__("autoencoder", parts.layers)
        self._parts, self._scaled, self._beta, self._pruned = parts, scaled, beta, pruned

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:
        """Loss, and its terms if the autoencoder is variational."""
        inputs = self._scaled(rows[0])
        made, means, wide = self._parts.decoded(inputs, seed)
        error = mean_squared_error(rows[0], inputs, made)
        if wide is None:
            return {LOSS: error}
        kl = divergence(means, wide)
        return {LOSS: (1.0 - self._beta) * error + self._beta * kl, "reconstruction": error, "divergence": kl}

    def before_epoch(self, epoch: int, epochs: int) -> None:
        """Prune more, while it is time."""
        done = np.clip((epoch / epochs - _PRUNED_FROM) / (_PRUNED_TO - _PRUNED_FROM), 0.0, 1.0)
        for layer in self.layers:
            if isinstance(layer, FakeQuantised):
                layer.prune(float(self._pruned * (1.0 - (1.0 - done) ** 3)))


@dataclass(frozen=True)
class TrainedAutoencoder:
    """An autoencoder that was trained.

    Attributes:
        parts: its layers.
        scaled: its inputs.
    """

    parts: Autoencoder
    scaled: ScaledInputs

    def scores(self, name: ScoreName) -> Scores:
        """A score of rows of inputs; `kl` and `r_z` are of variational ones.

        Args:
            name: of the score; one training serves all of them.
        """

        def score(rows: Any) -> Any:
            inputs = self.scaled(rows)
            made, means, wide = self.parts.decoded(inputs, None)
            if name == "mse":
                return tf.reduce_sum(tf.square(made - inputs), axis=1)
            if name == "kl":
                return tf.reduce_sum(tf.square(means) / 2.0 + (tf.exp(wide) - 1.0 - wide) / 2.0, axis=1)
            return tf.reduce_sum(tf.square(means * tf.exp(-wide / 2.0)), axis=1)

        return scores_of(score)


class Adc2021(Recipe):
    """What the four systems share; batch normalisation of the inputs is the input scaling.

    Attributes:
        latent: numbers of the latent space.
        bits: of weights and activations.
        pruned: part of the weights of each layer that is 0 in the end.
        beta: weight of the divergence, if variational; the reconstruction has 1 − β.
        score: `mse`: squared error of the reconstruction; of variational ones also `kl` and `r_z`, without decoder.
        epochs: passes over the crossings.
    """

    model: ClassVar[str] = "adc2021"
    layout: ClassVar[LayoutName] = "adc2021-57"
    variational: ClassVar[bool] = False

    latent: Width = 3
    bits: Annotated[int, Field(ge=2, le=16)] = 8
    pruned: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta: Annotated[float, Field(ge=0, le=1)] = 0.05
    score: ScoreName = "mse"
    epochs: Annotated[int, Field(ge=1)] = 20

    @classmethod
    def score_names(cls) -> tuple[ScoreName, ...]:
        """The scores that it has."""
        return ("mse", "kl", "r_z") if cls.variational else ("mse",)

    @field_validator("score")
    @classmethod
    def _of_variances(cls, score: ScoreName) -> ScoreName:
        if score != "mse" and not cls.variational:
            raise ValueError("only variational autoencoders have it, choose mse")
        return score

    def accepted(self, rows: Rows) -> NDArray[np.bool_]:
        """Crossings with an e/γ or muon above 23 GeV, as all of the data set."""
        return np.asarray((rows[:, _LEPTONS] > LEPTON_PT_HW).any(axis=1))

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train, and keep what the score needs."""
        trained = self.trained(data, trainer, exact=True)
        return Fitted(self._network(trained), trained.scores(self.score))

    def trained(self, data: TrainingData, trainer: Trainer, *, exact: bool) -> TrainedAutoencoder:
        """Train; `exact`: in fixed point of `bits` bits, else in float, for comparison.

        Raises:
            TrainingDataUnfit, TrainingDiverged: as `fit`.
        """
        allow = trainer.settings.allow_constant
        scaled = ScaledInputs(quantile_scaling(data, _INPUTS, allow_constant=allow))
        parts = self._parts(exact=exact)
        parts.decoded(tf.zeros((1, data.inputs.shape[1])), None)
        trainer.fit(AutoencoderStage(parts, scaled, self.beta, self.pruned), [data.inputs], self.epochs)
        return TrainedAutoencoder(parts, scaled)

    def _parts(self, *, exact: bool) -> Autoencoder:
        whole = min(4, self.bits)
        weights = FixedPoint(self.bits, 1, True, Rounding.NEAREST_EVEN, Overflow.SATURATE)
        biases = FixedPoint(self.bits + 2, 3, True, Rounding.NEAREST_EVEN, Overflow.SATURATE)
        numbers = FixedPoint(self.bits, whole, True, Rounding.NEAREST_EVEN, Overflow.SATURATE)
        relu = LayerTypes(
            FixedPoint(self.bits, whole, False, numbers.rounding, numbers.overflow), weights, biases, exact
        )
        signed, wide = LayerTypes(numbers, weights, biases, exact), LayerTypes(_LOG_VARIANCE, weights, biases, exact)
        hidden, mirrored = self._layers(relu)
        n_outputs = int(np.prod(PARTICLES))
        return Autoencoder(
            encoder=hidden,
            latent=FakeQuantisedDense(self.latent, signed),
            log_variances=FakeQuantisedDense(self.latent, wide) if self.variational else None,
            decoder=(*mirrored, FakeQuantisedDense(n_outputs, LayerTypes(_INPUTS, weights, biases, exact))),
        )

    @abstractmethod
    def _layers(self, types: LayerTypes) -> tuple[tuple[keras.layers.Layer, ...], tuple[FakeQuantisedDense, ...]]:
        """The hidden layers of encoder and decoder."""

    def _network(self, trained: TrainedAutoencoder) -> Any:
        parts = trained.parts
        writer = NetworkWriter(self.layout, int(np.prod(PARTICLES)), trained.scaled.scaling)
        hidden = self._written(writer, parts.encoder)
        latent = writer.dense([parts.latent.exported()], hidden, "latent")
        if self.score == "mse":
            decoder = [layer.exported() for layer in parts.decoder]
            difference = FixedPoint(_INPUTS.bits + 1, _INPUTS.integer_bits + 1)
            kind = _ERROR_SCORE
            score = {
                "kind": "squared_difference",
                "of": writer.dense(decoder, latent, "decoder"),
                "reference": INPUT,
                "element_type": str(difference),
                "accumulator_type": str(exact_squares_type(difference, int(np.prod(PARTICLES)))),
            }
        else:
            kind = _LATENT_SCORE
            score = {"of": latent, **self._variance_score(writer, parts, hidden)}
        return writer.network(self.model, self.summary, {**score, "type": str(kind)})

    def _written(self, writer: NetworkWriter, encoder: Sequence[keras.layers.Layer]) -> str:
        return writer.dense([layer.exported() for layer in encoder], INPUT, "encoder")

    def _variance_score(self, writer: NetworkWriter, parts: Autoencoder, hidden: str) -> dict[str, Any]:
        """What the scores of variational ones need besides the means: a table of the variances."""
        if parts.log_variances is None:
            return {}
        wide = writer.dense([parts.log_variances.exported()], hidden, "log_variance")
        low, high = _LOG_VARIANCE.code_range
        logs = np.ldexp(np.arange(low, high + 1, dtype=np.float64), -_LOG_VARIANCE.fraction_bits)
        if self.score == "kl":
            terms = _VARIANCE_TERM.quantise((np.exp(logs) - 1.0 - logs) / 2.0)
            accumulator = "ap_ufixed<48,32>"
            table = writer.table(wide, "variance_term", terms, _VARIANCE_TERM)
            return {"kind": "kl", "variance_term": table, "accumulator_type": accumulator}
        table = writer.table(wide, "inverse_sigma", _INVERSE_SIGMA.quantise(np.exp(-logs / 2.0)), _INVERSE_SIGMA)
        means = parts.latent.types.output
        pull = FixedPoint(
            means.bits + _INVERSE_SIGMA.bits, means.integer_bits + _INVERSE_SIGMA.integer_bits, signed=True
        )
        squares = exact_squares_type(pull, self.latent)
        return {
            "kind": "r_z",
            "inverse_sigma": table,
            "element_type": str(pull),
            "accumulator_type": str(squares),
        }


class DenseAutoencoder(Adc2021):
    """57-32-16-3-16-32-57."""

    summary: ClassVar[str] = "Dense autoencoder of the ADC2021 challenge on 19 × 3 numbers"

    def _layers(self, types: LayerTypes) -> tuple[tuple[keras.layers.Layer, ...], tuple[FakeQuantisedDense, ...]]:
        encoder = tuple(FakeQuantisedDense(n, types) for n in (32, 16))
        return encoder, tuple(FakeQuantisedDense(n, types) for n in (16, 32))


class ConvAutoencoder(Adc2021):
    """Convolutions of 16 and 32 filters, latent 8; strides stand for pooling, the decoder is dense."""

    summary: ClassVar[str] = "Convolutional autoencoder of the ADC2021 challenge on 19 × 3 numbers"

    latent: Width = 8

    def _layers(self, types: LayerTypes) -> tuple[tuple[keras.layers.Layer, ...], tuple[FakeQuantisedDense, ...]]:
        encoder = (
            keras.layers.Reshape(PARTICLES),
            FakeQuantisedConv(16, (3, 3), types, stride=(3, 1)),
            FakeQuantisedConv(32, (3, 1), types, stride=(3, 1)),
            keras.layers.Flatten(),
        )
        return encoder, tuple(FakeQuantisedDense(n, types) for n in (64, 96))

    def _written(self, writer: NetworkWriter, encoder: Sequence[keras.layers.Layer]) -> str:
        image = writer.reshape(INPUT, "image", PARTICLES)
        convolutions = [layer.exported() for layer in encoder if isinstance(layer, FakeQuantisedConv)]
        return writer.flatten(writer.conv(convolutions, image, "conv"), "flat")


class DenseVae(DenseAutoencoder):
    """As `DenseAutoencoder`, variational."""

    summary: ClassVar[str] = "Dense variational autoencoder of the ADC2021 challenge on 19 × 3 numbers"
    variational: ClassVar[bool] = True

    score: ScoreName = "kl"


class ConvVae(ConvAutoencoder):
    """As `ConvAutoencoder`, variational."""

    summary: ClassVar[str] = "Convolutional variational autoencoder of the ADC2021 challenge on 19 × 3 numbers"
    variational: ClassVar[bool] = True

    score: ScoreName = "kl"
