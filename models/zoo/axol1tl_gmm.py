"""AXOL1TL with Gaussians: distances in a self-supervised embedding (`docs/training.md`, "axol1tl_gmm")."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.fixed_point import FixedPoint
from models.layouts import LayoutName
from models.training.autoencoders import apply
from models.training.data import Rows, TrainingData
from models.training.fake_quantised import TrainedType
from models.training.gaussians import fit_gaussians
from models.training.loop import Trainer
from models.training.networks import INPUT, NetworkWriter
from models.training.recipe import Fitted, Scores
from models.training.scoring import in_batches
from models.zoo.vicreg import VicRegRecipe

EMBEDDING: Final = FixedPoint.parse("ap_fixed<12,7,AP_RND_CONV,AP_SAT>")
SCORE: Final = FixedPoint.parse("ap_ufixed<18,12,AP_TRN,AP_SAT>")
_LEAST_DISTANCE: Final = 1e-9


class Axol1tlGmm(VicRegRecipe):
    """A VICReg embedding without ReLU at its end; score: the geometric mean of the distances to k Gaussians on it.

    Attributes:
        gaussians: k.
        least_variance: added to the variances of the Gaussians, units of the embedding squared.
        embedding_type: of the embedding.
    """

    model: ClassVar[str] = "axol1tl"
    summary: ClassVar[str] = "VICReg embedding of the 57 inputs of AXOL1TL, geometric mean of Mahalanobis distances"
    layout: ClassVar[LayoutName] = "axol1tl-57"

    gaussians: Annotated[int, Field(ge=1, le=64)] = 4
    least_variance: Annotated[float, Field(ge=0.01, le=100)] = 0.02
    embedding_type: TrainedType = EMBEDDING

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train the embedding, fit the Gaussians."""
        scaled, encoder = self._embedded(data, trainer, self.embedding_type)
        embedded = in_batches(lambda rows: apply(encoder, scaled(rows)))
        gaussians = fit_gaussians(embedded(data.inputs), self.gaussians, self.least_variance, trainer.settings.seed)
        writer = NetworkWriter(self.layout, data.inputs.shape[1], scaled.scaling)
        embedding = writer.dense([layer.exported() for layer in encoder], INPUT, "embedding")
        network = writer.network(self.model, self.summary, gaussians.score(embedding, SCORE))

        def scores_by(mean: Any) -> Scores:
            def scores(rows: Rows) -> NDArray[np.float64]:
                found: NDArray[np.float64] = mean(gaussians.distances(embedded(rows)))
                return found

            return scores

        others = {
            "arithmetic_mean": scores_by(lambda distances: distances.mean(axis=1)),
            "minimum": scores_by(lambda distances: distances.min(axis=1)),
            "maximum": scores_by(lambda distances: distances.max(axis=1)),
        }
        return Fitted(network, scores_by(geometric_mean), others)


def geometric_mean(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the distances `(n, k)` of each crossing; 0 if one of them is."""
    means = np.exp(np.log(np.maximum(distances, _LEAST_DISTANCE)).mean(axis=1))
    return np.where((distances == 0).any(axis=1), 0.0, means)
