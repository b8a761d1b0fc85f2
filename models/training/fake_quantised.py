"""Dense layers trained in the fixed-point arithmetic that they will run in (`docs/models.md`, "Training")."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.fixed_point import FixedPoint, Rounding
from models.training.dense_layer import BIASES, WEIGHTS, DenseLayer


def quantised(values: Any, to: FixedPoint) -> Any:
    """A tensor rounded and saturated to a type, whose gradient is 1 within the type's range and 0 beyond.

    Raises:
        ValueError: the type does not round to nearest even (a programming error).
    """
    if to.rounding is not Rounding.NEAREST_EVEN:
        raise ValueError(f"{to} does not round to nearest even")
    within = ops.clip(values, *to.range)
    scale = 2.0**to.fraction_bits
    return within + ops.stop_gradient(ops.round(within * scale) / scale - within)


class FakeQuantisedDense(keras.layers.Layer):  # type: ignore[misc]
    """A dense layer that computes with quantised weights, biases and outputs, and learns the numbers behind them."""

    def __init__(self, n_outputs: int, output: FixedPoint, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._n_outputs, self._output = n_outputs, output

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables."""
        self._kernel = self.add_weight(shape=(input_shape[-1], self._n_outputs), initializer="glorot_uniform")
        self._bias = self.add_weight(shape=(self._n_outputs,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Outputs `(n, n_outputs)`."""
        sums = ops.matmul(inputs, quantised(self._kernel, WEIGHTS)) + quantised(self._bias, BIASES)
        return quantised(sums, self._output)

    def exported(self) -> DenseLayer:
        """The layer as it computes, free of Keras."""
        return DenseLayer(
            weights=WEIGHTS.quantise(ops.convert_to_numpy(self._kernel)),
            biases=BIASES.quantise(ops.convert_to_numpy(self._bias)),
            output=self._output,
        )
