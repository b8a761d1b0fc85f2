"""The input scaling inside of the training graph, bit for bit as in a network (`docs/networks.md`, "Input scaling")."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from models.fixed_point import FixedPoint
from models.scaling import InputScaling
from models.training.fake_quantised import quantised


class ScaledInputs:
    """From hardware integers `(n, n_inputs)` to network inputs; float32 holds all that happens in between."""

    def __init__(self, scaling: InputScaling | FixedPoint, *, exact: bool = True) -> None:
        """Prepares the constants.

        Args:
            scaling: the rule; a type alone: inputs are not scaled.
            exact: round as the network does; False: in float.
        """
        self.scaling, self._exact = scaling, exact
        if isinstance(scaling, InputScaling):
            self._offset = np.array(scaling.offset, np.float32)
            self._factor = np.ldexp(1.0, -np.array(scaling.shift)).astype(np.float32)
            self._digits = np.float32(2.0**scaling.unscaled_type.fraction_bits)

    def __call__(self, inputs: Any) -> Any:
        """Network inputs, float32, without gradient."""
        values = tf.cast(inputs, tf.float32)
        if not isinstance(self.scaling, InputScaling):
            return values
        scaled = (values - self._offset) * self._factor
        if not self._exact:
            return scaled
        return tf.stop_gradient(
            quantised(tf.floor(scaled * self._digits) / self._digits, self.scaling.network_input_type)
        )

    @property
    def type(self) -> FixedPoint:
        """Of the network inputs."""
        return self.scaling.network_input_type if isinstance(self.scaling, InputScaling) else self.scaling
