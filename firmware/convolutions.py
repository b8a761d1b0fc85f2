"""Large convolutions: the cost of one window times the resource factor ρ (`docs/firmware.md`, "Report")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from firmware.logic import window_logic
from models.network import Network
from models.network_layers import Conv2D

_WINDOW: Final = 1
"""Output places of the block that is made."""


@dataclass(frozen=True)
class ConvolutionEstimate:
    """A convolution, from one of its windows.

    Attributes:
        layer: its output.
        block_cost: da4ml's cost of one window, all channels and filters.
        rho: how many times (h/s)(w/s)·d_in·d_out of the layer is that of the window.
    """

    layer: str
    block_cost: float
    rho: float

    @property
    def cost(self) -> float:
        """Of the whole layer."""
        return self.block_cost * self.rho


def resource_factor(layer: Conv2D, height: int, width: int, block_places: int = _WINDOW) -> float:
    """ρ: (h_in/s_h)·(w_in/s_w)·d_in·d_out over the same of a block that has all channels and filters.

    Args:
        layer: the convolution.
        height: of its input.
        width: of its input.
        block_places: output places of the block.
    """
    down, right = layer.stride
    channels, filters = (int(n) for n in layer.weights.codes.shape[2:])
    block = block_places * channels * filters
    return math.ceil(height / down) * math.ceil(width / right) * channels * filters / block


def convolution_estimates(network: Network) -> tuple[ConvolutionEstimate, ...]:
    """Each convolution of a network, from one window."""
    found = []
    for layer in network.all_layers:
        if isinstance(layer, Conv2D):
            height, width, _ = network.tensors[layer.inputs[0]].shape
            cost = float(window_logic(network, layer).cost)
            found.append(ConvolutionEstimate(layer.output, cost, resource_factor(layer, height, width)))
    return tuple(found)
