"""Scores, made of the same layers as networks, so that every backend has them all (`docs/networks.md`, "Score")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models import network_document as written
from models.fixed_point import FixedPoint, Overflow
from models.network_layers import (
    Concatenate,
    Constants,
    Dense,
    Dot,
    GeometricMean,
    Layer,
    Linear,
    Multiply,
    Reshape,
    Subtract,
    Tensor,
)

if TYPE_CHECKING:
    from models.network_build import TensorTable

SCORE_TENSOR: Final = "score:integer"
_INT32: Final = (-(1 << 31), (1 << 31) - 1)


def score_layers(table: TensorTable, score: written.ScoreDocument) -> tuple[tuple[Layer, ...], str]:
    """The layers that make the score, and the tensor that is it.

    Raises:
        NetworkInvalid: it contradicts the tensors it is made of.
        UnknownName: it reads a tensor that nothing makes.
    """
    low, high = score.type.code_range
    if score.type.fraction_bits < 0 or low < _INT32[0] or high > _INT32[1]:
        raise table.invalid(
            f"type {score.type} is no integer of 32 bits, sign included, in a menu",
            "use at most 31 bits (32 with sign) and no fewer bits than integer bits",
        )
    made = _ScoreMaker(table, score)
    made.make()
    return tuple(made.layers), SCORE_TENSOR


class _ScoreMaker:
    """Collects the layers of one score."""

    def __init__(self, table: TensorTable, score: written.ScoreDocument) -> None:
        self._table, self._score = table, score
        self.layers: list[Layer] = []

    def make(self) -> None:
        score, of = self._score, self._vector(self._score.of)
        match score:
            case written.NetworkOutput():
                if of.size != 1:
                    raise self._table.invalid(f"'{score.of}' has {of.size} numbers, the score is one of them")
                self._linear(self._elements(of, score.element_type), SCORE_TENSOR, (score.type,))
            case written.SumOfSquares():
                self._squares(self._elements(of, score.element_type), score.accumulator_type)
            case written.SquaredDifference():
                reference = self._same_size(of, score.reference)
                self._table.add("score:differences", of.shape, score.element_type)
                self.layers.append(Subtract((of.name, reference.name), "score:differences"))
                self._squares(self._table.get("score:differences"), score.accumulator_type)
            case written.PullScore():
                inverse = self._same_size(of, score.inverse_sigma)
                self._table.add("score:pulls", of.shape, score.element_type)
                self.layers.append(Multiply((of.name, inverse.name), "score:pulls"))
                self._squares(self._table.get("score:pulls"), score.accumulator_type)
            case written.DivergenceScore():
                self._divergence(score, self._elements(of, score.element_type))
            case written.MahalanobisScore():
                self._mahalanobis(score, of)

    def _vector(self, name: str) -> Tensor:
        """The tensor as a vector."""
        tensor = self._table.get(name)
        if len(tensor.shape) == 1:
            return tensor
        flat = f"score:{name}"
        if flat not in self._table.tensors:
            self._table.add(flat, (tensor.size,), tensor.types)
            self.layers.append(Reshape((name,), flat))
        return self._table.get(flat)

    def _same_size(self, of: Tensor, name: str) -> Tensor:
        other = self._vector(name)
        if other.size != of.size:
            raise self._table.invalid(f"'{self._score.of}' has {of.size} numbers, '{name}' has {other.size}")
        return other

    def _elements(self, of: Tensor, types: tuple[FixedPoint, ...] | None) -> Tensor:
        return of if types is None else self._linear(of, "score:elements", types)

    def _linear(self, of: Tensor, output: str, types: tuple[FixedPoint, ...]) -> Tensor:
        self.layers.append(Linear((of.name,), output))
        return self._table.add(output, of.shape, types)

    def _squares(self, elements: Tensor, accumulator: FixedPoint | None) -> None:
        self._table.add(SCORE_TENSOR, (1,), (self._score.type,))
        self.layers.append(Dot((elements.name, elements.name), SCORE_TENSOR, accumulator or self._score.type))

    def _divergence(self, score: written.DivergenceScore, elements: Tensor) -> None:
        terms = self._same_size(elements, score.variance_term)
        squares = self._table.add("score:squares", elements.shape, tuple(map(_square_type, elements.types)))
        self.layers.append(Multiply((elements.name, elements.name), squares.name))
        both = self._table.add("score:terms", (2 * terms.size,), squares.element_types + terms.element_types)
        self.layers.append(Concatenate((squares.name, terms.name), both.name))
        weights = np.repeat(np.array([[1], [2]], np.int64), terms.size, axis=0)
        weights.flags.writeable = False
        bias = np.zeros(1, np.int64)
        bias.flags.writeable = False
        self._table.add(SCORE_TENSOR, (1,), (score.type,))
        accumulator = score.accumulator_type or score.type
        self.layers.append(Dense((both.name,), SCORE_TENSOR, Constants(weights, 1), Constants(bias, 0), accumulator))

    def _mahalanobis(self, score: written.MahalanobisScore, of: Tensor) -> None:
        if score.distance_type.signed:
            raise self._table.invalid(f"distance type {score.distance_type} has a sign", "use an ap_ufixed type")
        distances = tuple(self._distance(score, cluster, n, of) for n, cluster in enumerate(score.clusters))
        self._table.add("score:distances", (len(distances),), (score.distance_type,))
        self.layers.append(Concatenate(distances, "score:distances"))
        self._table.add(SCORE_TENSOR, (1,), (score.type,))
        self.layers.append(GeometricMean(("score:distances",), SCORE_TENSOR))

    def _distance(self, score: written.MahalanobisScore, cluster: written.Cluster, n: int, of: Tensor) -> str:
        weights = self._table.constants(cluster.weights, score.weight_type, f"weights of cluster {n}")
        bias = self._table.constants(cluster.bias, score.bias_type, f"bias of cluster {n}")
        if weights.codes.shape != (of.size, bias.codes.size):
            raise self._table.invalid(
                f"weights of cluster {n} have shape {weights.codes.shape}, expected {(of.size, bias.codes.size)}"
            )
        white = self._table.add(f"score:whitened:{n}", bias.codes.shape, score.element_type)
        self.layers.append(Dense((of.name,), white.name, weights, bias, score.accumulator_type))
        distance = self._table.add(f"score:distance:{n}", (1,), (score.distance_type,))
        self.layers.append(Dot((white.name, white.name), distance.name, score.distance_type))
        return distance.name


def _square_type(kind: FixedPoint) -> FixedPoint:
    """The type that holds every square of `kind`."""
    return FixedPoint(2 * kind.bits, 2 * kind.integer_bits, signed=False, overflow=Overflow.WRAP)
