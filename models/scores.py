"""From a network's outputs to the integer that a menu compares with its threshold (`docs/models.md`, "Score")."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import InputsInvalid
from triggers.strict_yaml import StrictModel


class ScoreKind(StrEnum):
    """How the outputs of a network become one number."""

    SUM_OF_SQUARES = "sum_of_squares"
    """Σ μᵢ² over all outputs: the distance from the latent space's origin, squared."""
    OUTPUT = "output"
    """The one number that the network gives; below 0 it is 0."""


class Score(StrictModel):
    """A version's score: the menu's integer is ⌊`integer_scale` · score⌋, at most 2^`bits` − 1.

    Attributes:
        kind: how the outputs become the score.
        integer_scale: integers per unit of the score; 16 is four fraction bits.
        bits: width of the menu's integer.
    """

    kind: Annotated[ScoreKind, Field(strict=False)]
    integer_scale: Annotated[int, Field(ge=1, le=1 << 16)]
    bits: Annotated[int, Field(ge=1, le=31)]

    @property
    def largest_integer(self) -> int:
        """The integer at which the score saturates."""
        return (1 << self.bits) - 1

    def integers(self, outputs: NDArray[np.float32]) -> NDArray[np.int32]:
        """The menu's integers `(n,) int32` from the network's outputs `(n, n_outputs)`.

        Raises:
            InputsInvalid: the outputs are not two-dimensional.
        """
        if outputs.ndim != 2:
            raise InputsInvalid("network outputs", f"shape {outputs.shape}", "(n, n_outputs)")
        if self.kind is ScoreKind.OUTPUT:
            return self._of_output(outputs)
        integers = np.empty(len(outputs), np.int32)
        _sums_of_squares(np.ascontiguousarray(outputs), float(self.integer_scale), self.largest_integer, integers)
        return integers

    def _of_output(self, outputs: NDArray[np.float32]) -> NDArray[np.int32]:
        if outputs.shape[1] != 1:
            raise InputsInvalid("network outputs", f"{outputs.shape[1]} numbers", "one, which is the score")
        scaled = np.floor(outputs[:, 0].astype(np.float64) * self.integer_scale)
        return np.where(scaled < self.largest_integer, np.maximum(scaled, 0.0), self.largest_integer).astype(np.int32)


@numba.njit(nogil=True, cache=True)
def _sums_of_squares(outputs: Any, scale: Any, largest: Any, integers: Any) -> None:
    for row in range(len(outputs)):
        total = 0.0  # float64: a fixed-point output of up to 24 bits is squared and summed exactly
        for i in range(outputs.shape[1]):
            total += np.float64(outputs[row, i]) * np.float64(outputs[row, i])
        # compared before converted: what is beyond int32, or no number, must not wrap
        scaled = np.floor(total * scale)
        integers[row] = np.int32(scaled) if scaled < largest else largest
