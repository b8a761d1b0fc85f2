"""The layers of a network, resolved: integer weights, named tensors with shapes and types (`docs/networks.md`).

Every backend executes these classes and nothing else; a score is made of them too (`models/network_score.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint


@dataclass(frozen=True)
class Tensor:
    """A named tensor: per crossing `shape` numbers, in C order, each an integer code times 2^−(fraction bits).

    Attributes:
        name: unique in its network.
        shape: without the crossings; images are (height, width, channels).
        types: one type for all elements, or one per element in C order.
    """

    name: str
    shape: tuple[int, ...]
    types: tuple[FixedPoint, ...]

    @property
    def size(self) -> int:
        """How many numbers there are per crossing."""
        return math.prod(self.shape)

    @property
    def element_types(self) -> tuple[FixedPoint, ...]:
        """One type per element, in C order."""
        return self.types * self.size if len(self.types) == 1 else self.types

    @property
    def uniform_type(self) -> FixedPoint | None:
        """The type that all elements share, or None."""
        return self.types[0] if len(set(self.types)) == 1 else None

    @property
    def fraction_bits(self) -> NDArray[np.int64]:
        """Of each element, in the tensor's shape."""
        return np.array([kind.fraction_bits for kind in self.element_types], np.int64).reshape(self.shape)

    def by_type(self) -> Iterator[tuple[FixedPoint, NDArray[np.intp]]]:
        """Each distinct type with the indices (in C order) of the elements that have it."""
        types = self.element_types
        for kind in dict.fromkeys(types):
            yield kind, np.flatnonzero([other == kind for other in types])


@dataclass(frozen=True, eq=False)
class Constants:
    """Numbers that a layer holds: `codes` times 2^−`fraction_bits`; read-only."""

    codes: NDArray[np.int64]
    fraction_bits: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One step: `inputs` and `output` are names of tensors."""

    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """bias + Σ input·weight, in the accumulator, then converted to the output's type.

    Attributes:
        weights: codes `(n_in, n_out)`.
        bias: codes `(n_out,)`.
        accumulator: bias and every product are converted to it and added in it, in the order of the inputs.
    """

    weights: Constants
    bias: Constants
    accumulator: FixedPoint


class Padding(StrEnum):
    """What a convolution does at the image's edges."""

    VALID = "valid"
    SAME = "same"


@dataclass(frozen=True, eq=False)
class Conv2D(Layer):
    """A convolution of an image (height, width, channels); its arithmetic is `Dense`'s for every output pixel.

    Attributes:
        weights: codes `(kernel height, kernel width, channels, filters)`; products are added in that order.
        bias: codes `(filters,)`.
        accumulator: as in `Dense`.
        stride: rows, columns.
        padding: rows and columns of zeros around the image: ((top, bottom), (left, right)).
    """

    weights: Constants
    bias: Constants
    accumulator: FixedPoint
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Relu(Layer):
    """The greater of 0 and the input, converted to the output's type."""


@dataclass(frozen=True, eq=False)
class Linear(Layer):
    """The input, converted to the output's type."""


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """The exact sum of two inputs of one shape, converted to the output's type."""


@dataclass(frozen=True, eq=False)
class Subtract(Layer):
    """The exact difference, first minus second input, converted to the output's type."""


@dataclass(frozen=True, eq=False)
class Multiply(Layer):
    """The exact product of two inputs of one shape, element by element, converted to the output's type."""


@dataclass(frozen=True, eq=False)
class Dot(Layer):
    """Σ first·second over all elements: one number, from 0, in the accumulator, then converted to the output's type."""

    accumulator: FixedPoint


@dataclass(frozen=True, eq=False)
class Concatenate(Layer):
    """The inputs one after the other along their last axis, converted to the output's types."""


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The same numbers in C order in another shape; types stay with their elements."""


@dataclass(frozen=True, eq=False)
class Table(Layer):
    """A look-up table.

    Attributes:
        values: codes of the output's type; the first is that of the least code of the input's one type.
    """

    values: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GeometricMean(Layer):
    """The geometric mean of the square roots of n numbers that are not negative: (Π dᵢ²)^(1/2n), cut, then converted.

    The output's code before overflow is the greatest integer m with m^(2n) ≤ Π dᵢ² · 2^(2n·(output's fraction bits)).
    """
