"""How much hardware a network's products take: effective bit operations (`docs/evaluation.md`, "Bit operations")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import zero_padded
from models.network import Network
from models.network_layers import Constants, Conv2D, Dense, Dot, Multiply, Tensor


def effective_bit_operations(network: Network) -> int:
    """Σ over all products, the score's too, of the bits of the weight times the bits of the number that it multiplies.

    The bits of a weight are those between its highest and its lowest set bit, so that 0 costs nothing and a power of
    two one; those of a number are its type's (C. Sun et al., HGQ, arXiv:2405.00645, section 3.3). A product of two
    numbers takes the bits of both. A convolution counts every window.
    """
    return sum(_of_layer(network))


def _of_layer(network: Network) -> Iterator[int]:
    for layer in network.all_layers:
        read = [_bits(network.tensors[name]) for name in layer.inputs]
        match layer:
            case Dense():
                yield int(read[0].ravel() @ weight_bits(layer.weights).sum(axis=1))
            case Conv2D():
                yield _convolution(layer, read[0], network.tensors[layer.output])
            case Dot() | Multiply():
                yield int((read[0] * read[1]).sum())


def _convolution(layer: Conv2D, bits: NDArray[np.int64], output: Tensor) -> int:
    """Padding is constant zeros, which multiply nothing."""
    padded = zero_padded(bits, (*layer.padding, (0, 0)))
    weights = weight_bits(layer.weights).sum(axis=-1)
    height, width, _ = weights.shape
    (down, right), (rows, columns, _) = layer.stride, output.shape
    windows = (
        padded[row * down : row * down + height, column * right : column * right + width]
        for row, column in np.ndindex(rows, columns)
    )
    return int(sum((window * weights).sum() for window in windows))


def _bits(tensor: Tensor) -> NDArray[np.int64]:
    return np.array([kind.bits for kind in tensor.element_types], np.int64).reshape(tensor.shape)


def weight_bits(constants: Constants) -> NDArray[np.int64]:
    """Bits from the highest to the lowest set one of each number, same shape; 0 for 0."""
    magnitudes = np.abs(constants.codes)
    odd = magnitudes // np.maximum(magnitudes & -magnitudes, 1)
    return np.frexp(odd.astype(np.float64))[1].astype(np.int64)
