"""Gaussians fitted on an embedding, and the distances to them (`docs/training.md`, "axol1tl_gmm")."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.training.errors import TrainingDataUnfit

WEIGHT: Final = FixedPoint.parse("ap_fixed<16,6,AP_RND_CONV,AP_SAT>")
BIAS: Final = FixedPoint.parse("ap_fixed<22,12,AP_RND_CONV,AP_SAT>")
WHITENED: Final = FixedPoint.parse("ap_fixed<18,12,AP_RND_CONV,AP_SAT>")
SQUARED: Final = FixedPoint.parse("ap_ufixed<40,28>")
ACCUMULATOR: Final = FixedPoint.parse("ap_fixed<40,24>")
_FITTED_ROWS: Final = 100_000


@dataclass(frozen=True)
class Gaussians:
    """The whitening transformations of k Gaussians: y = x·`weights` + `biases` has mean 0 and unit covariance.

    Attributes:
        weights: `(k, n, n)`, values of `WEIGHT`.
        biases: `(k, n)`, values of `BIAS`.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    def distances(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """The Mahalanobis distances `(n_crossings, k)` of embeddings `(n_crossings, n)`."""
        whitened = np.einsum("ri,kio->rko", embeddings.astype(np.float64), self.weights) + self.biases
        distances: NDArray[np.float64] = np.sqrt((WHITENED.quantise(whitened) ** 2).sum(axis=2))
        return distances

    def score(self, of: str, kind: FixedPoint) -> dict[str, Any]:
        """The geometric mean of the distances as the score of a network."""
        clusters = [
            {"weights": weights.tolist(), "bias": bias.tolist()}
            for weights, bias in zip(self.weights, self.biases, strict=True)
        ]
        return {
            "kind": "mahalanobis",
            "of": of,
            "clusters": clusters,
            "weight_type": str(WEIGHT),
            "bias_type": str(BIAS),
            "accumulator_type": str(ACCUMULATOR),
            "element_type": str(WHITENED),
            "distance_type": str(SQUARED),
            "type": str(kind),
        }


def fit_gaussians(embeddings: NDArray[np.float32], k: int, least_variance: float, seed: int) -> Gaussians:
    """Fit a mixture of Gaussians by expectation maximisation.

    Args:
        embeddings: `(n_crossings, n)`; the first 100,000 are used.
        k: how many Gaussians.
        least_variance: added to all variances, so that no direction counts without limit.
        seed: of the first guess.

    Raises:
        TrainingDataUnfit: the embeddings are fewer distinct points than Gaussians.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rows = embeddings[:_FITTED_ROWS].astype(np.float64)
    if len(np.unique(rows, axis=0)) <= k:
        what = f"has no more than {k} distinct embeddings to fit {k} Gaussians on"
        raise TrainingDataUnfit("embedding", what, "train it longer, or with another seed")
    mixture = GaussianMixture(k, reg_covar=least_variance, random_state=seed, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(rows)
    weights = WEIGHT.quantise(mixture.precisions_cholesky_)
    return Gaussians(weights, BIAS.quantise(-np.einsum("kn,kno->ko", mixture.means_, weights)))
