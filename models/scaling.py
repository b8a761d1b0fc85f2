"""From hardware integers to a network's inputs: offset, shift, types (`docs/models.md`, "Input scaling")."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from models.fixed_point import FixedPointText


class InputScaling(BaseModel):
    """The scaling x′ = (x − offset) · 2^−shift of each input, in the order of the layout.

    Attributes:
        unscaled_type: x, x − offset and x′ are each converted to this type.
        network_input_type: what x′ is converted to at last.
        offset: subtracted, hardware units; halves occur where energies are halved.
        shift: halvings; negative ones double.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unscaled_type: FixedPointText
    network_input_type: FixedPointText
    offset: tuple[FiniteFloat, ...]
    shift: tuple[Annotated[int, Field(ge=-16, le=16)], ...]

    @model_validator(mode="after")
    def _one_shift_per_offset(self) -> InputScaling:
        if len(self.offset) != len(self.shift):
            raise ValueError(
                f"{len(self.offset)} offsets and {len(self.shift)} shifts; there must be one of each per input"
            )
        return self

    def apply(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Network inputs `(n, n_inputs) float32` from inputs `(n, n_inputs)` in hardware units."""
        return self._scaled(inputs, np.array(self.offset, np.float64), np.array(self.shift))

    def apply_to(self, index: int, values: ArrayLike) -> NDArray[np.float32]:
        """Network inputs `(n,) float32` from values `(n,)` of one input in hardware units."""
        return self._scaled(values, np.array(self.offset[index], np.float64), np.array(self.shift[index]))

    def _scaled(self, values: ArrayLike, offset: NDArray[np.float64], shift: NDArray[np.int64]) -> NDArray[np.float32]:
        difference = self.unscaled_type.quantise(self.unscaled_type.quantise(values) - offset)
        scaled = self.unscaled_type.quantise(np.ldexp(difference, -shift))
        return self.network_input_type.quantise(scaled).astype(np.float32)
