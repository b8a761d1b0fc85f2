"""Self-supervised embeddings of crossings: VICReg (`docs/training.md`, "VICReg")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.training.augmentations import Augmenter
from models.training.autoencoders import apply
from models.training.fake_quantised import FakeQuantisedDense
from models.training.loop import LOSS, Stage
from models.training.losses import covariance_term, variance_term, whiteness_term
from models.training.scaled_inputs import ScaledInputs
from triggers.strict_yaml import StrictModel

WHITENING: Final = FixedPoint.parse("ap_fixed<12,4,AP_RND_CONV,AP_SAT>")
"""Of weights and biases of a layer that whitens."""


class VicRegWeights(StrictModel):
    """Weights of the terms.

    Attributes:
        invariance: of the difference of the two views' projections.
        variance: of projections that vary too little.
        covariance: of the covariances of projections.
        whiteness: of embeddings, before the projector, that are correlated or not of equal spread.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    whiteness: float = 0.0


class VicRegStage(Stage):
    """Trains an encoder so that two views of a crossing agree, and the numbers of the embedding do not."""

    def __init__(
        self,
        name: str,
        encoder: Sequence[keras.layers.Layer],
        projector: Sequence[keras.layers.Layer],
        scaled: ScaledInputs,
        augmenter: Augmenter,
        weights: VicRegWeights,
        spread: float,
    ) -> None:
        """Prepares the stage.

        Args:
            name: of the stage.
            encoder: built.
            projector: on the encoder, built.
            scaled: from inputs to the encoder's.
            augmenter: makes the views.
            weights: of the terms.
            spread: that whiteness wants each number of the embedding to have.
        """
        super().__init__(name, (*encoder, *projector))
        self._encoder, self._projector, self._scaled = encoder, projector, scaled
        self._augmenter, self._weights, self._spread = augmenter, weights, spread

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:
        """Loss, invariance, variance, covariance, whiteness."""
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        embeddings = [apply(self._encoder, self._scaled(self._augmenter(rows[0], view))) for view in seeds]
        views = [apply(self._projector, embedding) for embedding in embeddings]
        invariance = tf.reduce_mean(tf.square(views[0] - views[1]))
        variance = sum(map(variance_term, views)) / 2.0
        covariance = sum(map(covariance_term, views)) / 2.0
        whiteness = sum(whiteness_term(embedding / self._spread) for embedding in embeddings) / 2.0
        w = self._weights
        loss = w.invariance * invariance + w.variance * variance + w.covariance * covariance
        loss += w.whiteness * whiteness
        terms = {"invariance": invariance, "variance": variance, "covariance": covariance, "whiteness": whiteness}
        return {LOSS: loss, **terms}


def whiten(layer: FakeQuantisedDense, embeddings: NDArray[np.float32], *, spread: float, least_variance: float) -> None:
    """Turn and stretch an embedding so that its mean is 0, its numbers are not correlated and all vary about as much.

    It is a part of the embedding's last layer then, which gets wider weights.

    Args:
        layer: the last one, without ReLU.
        embeddings: of zero bias, `(n_crossings, n)`.
        spread: standard deviation of a direction that varies much.
        least_variance: added to the variances before, so that directions that hardly vary stay small.
    """
    covariance = np.atleast_2d(np.cov(embeddings.T.astype(np.float64)))
    variances, directions = np.linalg.eigh(covariance + least_variance * np.eye(len(covariance)))
    matrix = directions * (spread / np.sqrt(variances)) @ directions.T
    layer.follow(matrix, -embeddings.mean(axis=0, dtype=np.float64) @ matrix, WHITENING)


def projector_layers(widths: Sequence[int]) -> list[keras.layers.Layer]:
    """The projector, which is not deployed: dense layers in float, the last one without ReLU."""
    hidden = [keras.layers.Dense(width, activation="relu") for width in widths[:-1]]
    return [*hidden, keras.layers.Dense(widths[-1])]
