"""Layers of fixed-point numbers, as training hands them on (`docs/models.md`, "Numbers")."""

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
        weights: `(n_in, n_out) float64`, values of `weight_type`.
        biases: `(n_out,) float64`, values of `bias_type`.
        output: type of the outputs.
        weight_type: of the weights.
        bias_type: of the biases.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    output: FixedPoint
    weight_type: FixedPoint = WEIGHTS
    bias_type: FixedPoint = BIASES

    def apply(self, values: ArrayLike) -> NDArray[np.float64]:
        """Outputs `(n, n_out)` of inputs `(n, n_in)`; float64 holds every sum exactly."""
        return self.output.quantise(np.asarray(values, np.float64) @ self.weights + self.biases)


@dataclass(frozen=True)
class ConvLayer:
    """A convolution of fixed-point numbers; an unsigned output type is a ReLU.

    Attributes:
        weights: `(rows, columns, channels, filters) float64`, values of `weight_type`.
        biases: `(filters,) float64`, values of `bias_type`.
        stride: rows, columns.
        padding: `valid` or `same`.
        output: type of the outputs.
        weight_type: of the weights.
        bias_type: of the biases.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    stride: tuple[int, int]
    padding: str
    output: FixedPoint
    weight_type: FixedPoint
    bias_type: FixedPoint
