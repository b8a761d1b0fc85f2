"""Layers trained in the fixed-point arithmetic that they will run in (`docs/training.md`, "Fixed point")."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from pydantic import AfterValidator

from models.fixed_point import FixedPoint, FixedPointText, Overflow, Rounding
from models.training.dense_layer import BIASES, WEIGHTS, ConvLayer, DenseLayer


def _trainable(kind: FixedPoint) -> FixedPoint:
    if kind.rounding is not Rounding.NEAREST_EVEN or kind.overflow is not Overflow.SATURATE:
        trainable = replace(kind, rounding=Rounding.NEAREST_EVEN, overflow=Overflow.SATURATE)
        raise ValueError(f"cannot be trained in; write {trainable}, which rounds to nearest even and saturates")
    return kind


TrainedType = Annotated[FixedPointText, AfterValidator(_trainable)]
"""A type of a recipe, from its text."""


def quantised(values: Any, to: FixedPoint) -> Any:
    """A tensor rounded and saturated to a type, whose gradient is 1 within the type's range and 0 beyond.

    Raises:
        ValueError: the type does not round to nearest even (a programming error: recipes have a `TrainedType`).
    """
    if to.rounding is not Rounding.NEAREST_EVEN:
        raise ValueError(f"{to} does not round to nearest even")
    within = ops.clip(values, *to.range)
    scale = 2.0**to.fraction_bits
    return within + ops.stop_gradient(ops.round(within * scale) / scale - within)


@dataclass(frozen=True)
class LayerTypes:
    """The types of a layer's numbers; an unsigned output is a ReLU.

    Attributes:
        output: of the outputs.
        weight: of the weights.
        bias: of the biases.
        exact: compute in these types; False: in float, with the ReLU where `output` is unsigned.
    """

    output: FixedPoint
    weight: FixedPoint = WEIGHTS
    bias: FixedPoint = BIASES
    exact: bool = True

    def outputs(self, sums: Any) -> Any:
        """What a layer gives for its sums."""
        if self.exact:
            return quantised(sums, self.output)
        return sums if self.output.signed else ops.relu(sums)

    def constants(self, kernel: Any, bias: Any) -> tuple[Any, Any]:
        """What a layer multiplies with and adds."""
        return (quantised(kernel, self.weight), quantised(bias, self.bias)) if self.exact else (kernel, bias)


class FakeQuantised(keras.layers.Layer):  # type: ignore[misc]
    """A layer that computes with quantised weights, biases and outputs, and learns the numbers behind them."""

    def __init__(self, types: LayerTypes, *, biased: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.types, self._biased = types, biased

    def _create(self, shape: tuple[int, ...]) -> None:
        self._kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self._bias = self.add_weight(shape=shape[-1:], initializer="zeros", trainable=self._biased)
        self._mask = self.add_weight(shape=shape, initializer="ones", trainable=False)

    def call(self, inputs: Any) -> Any:
        """Outputs of inputs."""
        kernel, bias = self.types.constants(self._kernel * self._mask, self._bias)
        return self.types.outputs(self._sums(inputs, kernel) + bias)

    @abstractmethod
    def _sums(self, inputs: Any, kernel: Any) -> Any:
        """Σ input·weight."""

    def prune(self, part: float) -> None:
        """From now on the given part of the weights, the smallest, are 0."""
        sizes = np.abs(self._kernel.numpy())
        mask = np.ones(sizes.size, np.float32)
        mask[np.argsort(sizes, axis=None, kind="stable")[: round(part * sizes.size)]] = 0.0
        self._mask.assign(mask.reshape(sizes.shape))

    def _constants(self) -> tuple[Any, Any]:
        kernel = self.types.weight.quantise(self._kernel.numpy() * self._mask.numpy())
        return kernel, self.types.bias.quantise(self._bias.numpy())


class FakeQuantisedDense(FakeQuantised):
    """A dense layer in fixed point."""

    def __init__(self, n_outputs: int, types: LayerTypes | FixedPoint, **kwargs: Any) -> None:
        super().__init__(LayerTypes(types) if isinstance(types, FixedPoint) else types, **kwargs)
        self._n_outputs = n_outputs

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables."""
        self._create((int(input_shape[-1] or 0), self._n_outputs))

    def _sums(self, inputs: Any, kernel: Any) -> Any:
        return ops.matmul(inputs, kernel)

    def follow(self, matrix: NDArray[np.float64], offset: NDArray[np.float64], constants: FixedPoint) -> None:
        """From now on the outputs, before rounding, are what they were · `matrix` + `offset`.

        Args:
            matrix: `(n_outputs, n_outputs)`.
            offset: `(n_outputs,)`.
            constants: new type of weights and biases.
        """
        kernel, bias = self._constants()
        self._kernel.assign((kernel @ matrix).astype(np.float32))
        self._bias.assign((bias @ matrix + offset).astype(np.float32))
        self.types = replace(self.types, weight=constants, bias=constants)

    def exported(self) -> DenseLayer:
        """The layer as it computes, free of Keras."""
        return DenseLayer(*self._constants(), self.types.output, self.types.weight, self.types.bias)


class FakeQuantisedConv(FakeQuantised):
    """A convolution in fixed point, of images (height, width, channels)."""

    def __init__(
        self,
        n_filters: int,
        size: tuple[int, int],
        types: LayerTypes,
        *,
        stride: tuple[int, int] = (1, 1),
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(types, **kwargs)
        self._n_filters, self._size, self._stride, self._padding = n_filters, size, stride, padding

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables."""
        self._create((*self._size, int(input_shape[-1] or 0), self._n_filters))

    def _sums(self, inputs: Any, kernel: Any) -> Any:
        return ops.conv(inputs, kernel, strides=self._stride, padding=self._padding)

    def exported(self) -> ConvLayer:
        """The layer as it computes, free of Keras."""
        kernel, bias = self._constants()
        return ConvLayer(
            kernel, bias, self._stride, self._padding, self.types.output, self.types.weight, self.types.bias
        )
