"""From hardware integers to a network's inputs: offset, shift, types (`docs/models.md`, "Input scaling")."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, FiniteFloat, model_validator

from models.fixed_point import FixedPointText
from triggers.strict_yaml import StrictModel


class InputScaling(StrictModel):
    """The scaling x′ = (x − offset) · 2^−shift of each input, in the order of the layout.

    Attributes:
        unscaled_type: x, x − offset and x′ are each converted to this type.
        network_input_type: what x′ is converted to at last.
        offset: subtracted, hardware units; halves occur where energies are halved.
        shift: halvings; negative ones double.
    """

    unscaled_type: FixedPointText
    network_input_type: FixedPointText
    offset: Annotated[tuple[FiniteFloat, ...], Field(strict=False)]
    shift: Annotated[tuple[Annotated[int, Field(ge=-16, le=16)], ...], Field(strict=False)]

    @model_validator(mode="after")
    def _one_shift_per_offset(self) -> InputScaling:
        if len(self.offset) != len(self.shift):
            raise ValueError(
                f"{len(self.offset)} offsets and {len(self.shift)} shifts; there must be one of each per input"
            )
        return self

    def apply(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Network inputs `(n, n_inputs) float32` from inputs `(n, n_inputs)` in hardware units."""
        unscaled = self.unscaled_type
        difference = unscaled.quantise(unscaled.quantise(inputs) - np.array(self.offset, np.float64))
        scaled = unscaled.quantise(np.ldexp(difference, -np.array(self.shift)))
        return self.network_input_type.quantise(scaled).astype(np.float32)


class FloatScaling(StrictModel):
    """The scaling x′ = (x − offset) · factor of each input, computed in float64, rounded to float32.

    Attributes:
        offset: subtracted, hardware units; one for all inputs, or one of each.
        factor: as many, or one for all.
    """

    offset: Annotated[tuple[FiniteFloat, ...], Field(strict=False, min_length=1)] = (0.0,)
    factor: Annotated[tuple[FiniteFloat, ...], Field(strict=False, min_length=1)] = (1.0,)

    def apply(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Network inputs `(n, n_inputs) float32` from inputs `(n, n_inputs)` in hardware units."""
        difference = np.asarray(inputs, np.float64) - np.array(self.offset, np.float64)
        scaled: NDArray[np.float32] = (difference * np.array(self.factor, np.float64)).astype(np.float32)
        return scaled
