"""A dense layer of fixed-point numbers, as training hands it on (`docs/models.md`, "Numbers")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.fixed_point import FixedPoint

WEIGHTS: Final = FixedPoint.parse("ap_fixed<6,3,AP_RND_CONV,AP_SAT>")
BIASES: Final = FixedPoint.parse("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")


@dataclass(frozen=True)
class DenseLayer:
    """A dense layer of fixed-point numbers; an unsigned output type is a ReLU.

    Attributes:
        weights: `(n_in, n_out) float64`, values of `WEIGHTS`.
        biases: `(n_out,) float64`, values of `BIASES`.
        output: type of the outputs.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    output: FixedPoint

    def apply(self, values: ArrayLike) -> NDArray[np.float64]:
        """Outputs `(n, n_out)` of inputs `(n, n_in)`; float64 holds every sum exactly."""
        return self.output.quantise(np.asarray(values, np.float64) @ self.weights + self.biases)
