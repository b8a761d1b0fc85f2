"""Terms of losses (`docs/training.md`, "Losses")."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from models.layouts import LayoutName, named_layout
from models.training.quantiles import momentum_inputs, saturated_values

_LEAST_VARIANCE = 1e-4


def divergence(means: Any, log_variances: Any) -> Any:
    """Mean over rows of the Kullback–Leibler divergence of normal distributions from the standard one."""
    terms = tf.square(means) + tf.exp(log_variances) - log_variances - 1.0
    return tf.reduce_mean(tf.reduce_sum(terms, axis=1)) / 2.0


def sampled(means: Any, log_variances: Any, seed: Any) -> Any:
    """Random numbers of these distributions."""
    noise = tf.random.stateless_normal(tf.shape(means), seed)
    return means + tf.exp(log_variances / 2.0) * noise


class SaturationAwareReconstruction:
    """Mean squared error of reconstructed inputs, of what the trigger knows of them.

    A momentum at the end of its scale is only a lower limit: a reconstruction beyond it costs nothing. Position of a
    missing object are no numbers: whatever is reconstructed costs nothing. That an object is missing counts, by its
    momentum.
    """

    def __init__(self, layout: LayoutName) -> None:
        self._momentum = momentum_inputs(layout)
        self._is_momentum = self._momentum == np.arange(len(self._momentum))
        self._ends = saturated_values(layout).astype(np.float32)
        self._varies = np.array([place.field.bits > 0 for place in named_layout(layout).fields], np.float32)

    def __call__(self, inputs: Any, targets: Any, reconstructed: Any) -> Any:
        """The mean over rows and inputs.

        Args:
            inputs: hardware units.
            targets: network inputs.
            reconstructed: of these.
        """
        values = tf.cast(inputs, tf.float32)
        there = tf.logical_or(tf.gather(values, self._momentum, axis=1) > 0, self._is_momentum)
        beyond = tf.logical_and(values >= self._ends, reconstructed > targets)
        counts = tf.cast(tf.logical_and(there, tf.logical_not(beyond)), tf.float32) * self._varies
        return tf.reduce_mean(tf.reduce_sum(counts * tf.square(reconstructed - targets), axis=1)) / self._varies.sum()


def variance_term(embedding: Any) -> Any:
    """How far the spread of each number is below 1, mean over the numbers (VICReg)."""
    spread = tf.sqrt(tf.math.reduce_variance(embedding, axis=0) + _LEAST_VARIANCE)
    return tf.reduce_mean(tf.nn.relu(1.0 - spread))


def whiteness_term(embedding: Any) -> Any:
    """How far numbers are from spread 1, mean of squares, and from no covariance."""
    spread = tf.sqrt(tf.math.reduce_variance(embedding, axis=0) + _LEAST_VARIANCE)
    return tf.reduce_mean(tf.square(spread - 1.0)) + covariance_term(embedding)


def covariance_term(embedding: Any) -> Any:
    """Squares of the covariances of different numbers, sum over pairs divided by the number of numbers (VICReg)."""
    centred = embedding - tf.reduce_mean(embedding, axis=0)
    n_rows, n = tf.cast(tf.shape(embedding)[0], tf.float32), embedding.shape[1]
    covariance = tf.matmul(centred, centred, transpose_a=True) / (n_rows - 1.0)
    return (tf.reduce_sum(tf.square(covariance)) - tf.reduce_sum(tf.square(tf.linalg.diag_part(covariance)))) / n
