"""Variational autoencoders as stages: encoders in fixed point, decoders in fixed point or float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.training.loop import LOSS, Stage
from models.training.losses import divergence, sampled

_LOG_VARIANCES: Final = (-10.0, 10.0)
Reconstruction = Callable[[Any, Any, Any], Any]


def apply(layers: Sequence[keras.layers.Layer], values: Any) -> Any:
    """The layers one after the other."""
    for layer in layers:
        values = layer(values)
    return values


@dataclass(frozen=True)
class VariationalAutoencoder:
    """The layers of a variational autoencoder, built.

    Attributes:
        encoder: up to the means.
        means: on what the encoder gives.
        log_variances: on the same.
        decoder: from the latent space back.
        latent_width: the means that are deployed are this times those of the standard normal distribution.
    """

    encoder: tuple[keras.layers.Layer, ...]
    means: keras.layers.Layer
    log_variances: keras.layers.Layer
    decoder: tuple[keras.layers.Layer, ...]
    latent_width: float = 1.0

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        """All of them."""
        return (*self.encoder, self.means, self.log_variances, *self.decoder)

    def build(self, n_inputs: int) -> None:
        """Creates the variables."""
        self.decoded(tf.zeros((1, n_inputs)), None)

    def latent(self, inputs: Any) -> tuple[Any, Any]:
        """Means, as deployed, and logarithms of variances."""
        hidden = apply(self.encoder, inputs)
        return self.means(hidden), tf.clip_by_value(self.log_variances(hidden), *_LOG_VARIANCES)

    def decoded(self, inputs: Any, seed: Any) -> tuple[Any, Any, Any]:
        """Reconstruction, means in units of the width, logarithms of variances; without seed nothing is sampled."""
        means, log_variances = self.latent(inputs)
        centres = means / self.latent_width
        drawn = centres if seed is None else sampled(centres, log_variances, seed)
        return apply(self.decoder, drawn * self.latent_width), centres, log_variances

    def reconstructed(self, inputs: Any) -> Any:
        """What the decoder makes of the means, without sampling."""
        return apply(self.decoder, self.means(apply(self.encoder, inputs)))


class VaeStage(Stage):
    """Trains a variational autoencoder on (1 − β) · reconstruction + β · divergence."""

    def __init__(
        self,
        name: str,
        vae: VariationalAutoencoder,
        prepared: Callable[[Any], Any],
        reconstruction: Reconstruction,
        beta: float,
    ) -> None:
        """Prepares the stage.

        Args:
            name: of the stage.
            vae: built.
            prepared: from the rows of its array to the network's inputs.
            reconstruction: the error of rows, network inputs, reconstruction.
            beta: weight of the divergence.
        """
        super().__init__(name, vae.layers)
        self._vae, self._prepared, self._reconstruction, self._beta = vae, prepared, reconstruction, beta

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:
        """Loss, reconstruction, divergence."""
        inputs = self._prepared(rows[0])
        made, centres, log_variances = self._vae.decoded(inputs, seed)
        error, kl = self._reconstruction(rows[0], inputs, made), divergence(centres, log_variances)
        return {LOSS: (1.0 - self._beta) * error + self._beta * kl, "reconstruction": error, "divergence": kl}


def explained_variance(targets: NDArray[np.float32], reconstructed: NDArray[np.float32]) -> float:
    """How much of the variance of numbers `(n_rows, n)` a reconstruction has: 1 is all, 0 as little as the mean."""
    variance = targets.var(axis=0, dtype=np.float64).sum()
    error = np.square(reconstructed - targets).mean(axis=0, dtype=np.float64).sum()
    return float(1.0 - error / variance) if variance else 0.0


def mean_squared_error(_: Any, targets: Any, reconstructed: Any) -> Any:
    """The plain mean over rows and numbers."""
    return tf.reduce_mean(tf.square(reconstructed - targets))
