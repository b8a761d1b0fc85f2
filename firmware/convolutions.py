"""Large convolutions: the cost of one window times the resource factor ρ (`docs/firmware.md`, "Report")."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from da4ml.types import CombLogic

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
        block_luts: look-up tables of one window by yosys, after packing; None if it did not run.
        rho: how many times (h/s)(w/s)·d_in·d_out of the layer is that of the window.
    """

    layer: str
    block_cost: float
    block_luts: int | None
    rho: float

    @property
    def cost(self) -> float:
        """Of the whole layer, as da4ml counts."""
        return self.block_cost * self.rho

    @property
    def luts(self) -> float:
        """Of the whole layer: yosys's, or else da4ml's estimate."""
        return self.cost if self.block_luts is None else self.block_luts * self.rho


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


def windows_of(network: Network) -> Mapping[str, CombLogic]:
    """The logic of one window of each convolution, by the layer's output."""
    return {layer.output: window_logic(network, layer) for layer in network.all_layers if isinstance(layer, Conv2D)}


def convolution_estimates(
    network: Network, windows: Mapping[str, CombLogic], luts_of: Callable[[CombLogic], int | None] | None = None
) -> tuple[ConvolutionEstimate, ...]:
    """Each convolution of a network, from one window.

    Args:
        network: whose convolutions.
        windows: from `windows_of`.
        luts_of: tells the look-up tables that logic takes, if it can.
    """
    found = []
    for layer in network.all_layers:
        if isinstance(layer, Conv2D):
            height, width, _ = network.tensors[layer.inputs[0]].shape
            window = windows[layer.output]
            luts = None if luts_of is None else luts_of(window)
            rho = resource_factor(layer, height, width)
            found.append(ConvolutionEstimate(layer.output, float(window.cost), luts, rho))
    return tuple(found)
