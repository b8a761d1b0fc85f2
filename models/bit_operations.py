"""How much hardware a network's products take: effective bit operations (`docs/evaluation.md`, "Bit operations")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.network import Network
from models.network_layers import Constants, Conv2D, Dense, Dot, Multiply


def effective_bit_operations(network: Network) -> int:
    """Σ over all products of the bits of the weight times the bits of the number it multiplies.

    The bits of a weight are those between its highest and its lowest set bit, so that 0 costs nothing and a power of
    two one; those of a number are its type's (C. Sun et al., HGQ, arXiv:2405.00645, section 3.3). A product of two
    numbers takes the bits of both.
    """
    total = 0
    for layer in network.all_layers:
        first = network.tensors[layer.inputs[0]]
        bits = np.array([kind.bits for kind in first.element_types], np.int64).reshape(first.shape)
        match layer:
            case Dense():
                total += int((weight_bits(layer.weights) * bits[:, None]).sum())
            case Conv2D():
                # a channel counts with its widest pixel: which pixels meet a weight depends on the place
                height, width, _ = network.tensors[layer.output].shape
                widest = bits.max(axis=(0, 1))
                total += int((weight_bits(layer.weights) * widest[:, None]).sum()) * height * width
            case Dot() | Multiply():
                second = network.tensors[layer.inputs[1]]
                others = np.array([kind.bits for kind in second.element_types], np.int64).reshape(second.shape)
                total += int((bits * others).sum())
    return total


def weight_bits(constants: Constants) -> NDArray[np.int64]:
    """Bits from the highest to the lowest set one of each number, same shape; 0 for 0."""
    magnitudes = np.abs(constants.codes)
    odd = np.where(magnitudes > 0, magnitudes // np.maximum(magnitudes & -magnitudes, 1), 0)
    return np.ceil(np.log2(odd + 1.0)).astype(np.int64)
