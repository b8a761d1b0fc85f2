"""The variational autoencoder behind the demonstration version (`docs/models.md`, "Training")."""

from __future__ import annotations

import logging
from typing import Any, Final

import keras
import numpy as np
import tensorflow
from keras import ops
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.training.dense_layer import DenseLayer
from models.training.fake_quantised import FakeQuantisedDense

ACTIVATION: Final = FixedPoint.parse("ap_ufixed<10,6,AP_RND_CONV,AP_SAT>")
LATENT: Final = FixedPoint.parse("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")
HIDDEN: Final = (28, 15)
N_LATENT: Final = 8
LATENT_WIDTH: Final = 2.0
"""The latent means are trained to this width instead of 1, so that steps of 1/8 resolve the tail of their squares."""

log = logging.getLogger("l1chain.models.training")


class VariationalAutoencoder(keras.Model):  # type: ignore[misc]
    """Encoder in fixed-point arithmetic; decoder and latent widths, which are not exported, in float."""

    def __init__(self, n_targets: int, beta: float) -> None:
        super().__init__()
        self.hidden = [FakeQuantisedDense(n, ACTIVATION) for n in HIDDEN]
        self.means = FakeQuantisedDense(N_LATENT, LATENT)
        self.log_variances = keras.layers.Dense(N_LATENT)
        self.decoder = keras.Sequential(
            [*(keras.layers.Dense(n, activation="relu") for n in reversed(HIDDEN)), keras.layers.Dense(n_targets)]
        )
        self._beta = beta
        self._noise = keras.random.SeedGenerator()

    def call(self, inputs: Any) -> Any:
        """What the decoder makes of the inputs, `(n, n_targets)`; adds β times the latent divergence to the loss."""
        hidden = inputs
        for layer in self.hidden:
            hidden = layer(hidden)
        means, log_variances = self.means(hidden), ops.clip(self.log_variances(hidden), -10.0, 10.0)
        centres = means / LATENT_WIDTH
        divergence = ops.sum(ops.square(centres) + ops.exp(log_variances) - log_variances - 1.0, axis=1) / 2.0
        self.add_loss(self._beta * ops.mean(divergence))
        noise = keras.random.normal(ops.shape(means), seed=self._noise)
        return self.decoder(centres + ops.exp(log_variances / 2.0) * noise)

    def exported(self) -> list[DenseLayer]:
        """The layers from network inputs to latent means."""
        return [layer.exported() for layer in (*self.hidden, self.means)]


def train_encoder(
    network_inputs: NDArray[np.float32],
    targets: NDArray[np.float32],
    *,
    beta: float,
    epochs: int,
    batch_rows: int,
    learning_rate: float,
    seed: int,
) -> list[DenseLayer]:
    """The encoder's layers, from network inputs to latent means.

    Args:
        network_inputs: `(n_crossings, n_inputs)`, as the network will see them.
        targets: `(n_crossings, n_targets)`, what the decoder shall tell from the latent space.
        beta: weight of the latent space's divergence from a normal distribution; the reconstruction has 1 − β.
        epochs: passes over the crossings.
        batch_rows: crossings in a gradient step.
        learning_rate: of Adam, at the beginning; falls to zero as a cosine.
        seed: of initial weights, order and noise; the same seed and libraries give the same layers.
    """
    keras.utils.set_random_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()
    model = VariationalAutoencoder(targets.shape[1], beta)
    steps = epochs * -(-len(network_inputs) // batch_rows)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule, clipnorm=1.0), loss="mean_squared_error", loss_weights=1.0 - beta
    )
    history = model.fit(network_inputs, targets, batch_size=batch_rows, epochs=epochs, verbose=0)
    log.info("loss by epoch: %s", ", ".join(f"{loss:.3f}" for loss in history.history["loss"]))
    return model.exported()
