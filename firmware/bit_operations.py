"""Effective bit operations of a network: what its products take, whatever makes them (`docs/firmware.md`, "Report")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.fixed_codes import zero_padded
from models.network import Network
from models.network_layers import Conv2D, Dense, Dot, Multiply, Tensor


def effective_bit_operations(network: Network) -> int:
    """Σ bits(a)·bits(b) over all products of a crossing, those of the score too.

    A constant has the bits from its highest to its lowest one, without a sign: 0 for 0, 1 for a power of two. An
    activation has those of its type. A convolution counts every window.
    """
    return sum(_of_layer(network))


def _of_layer(network: Network) -> Iterator[int]:
    for layer in network.all_layers:
        read = [_bits(network.tensors[name]) for name in layer.inputs]
        match layer:
            case Dense():
                yield int(read[0].ravel() @ _constant_bits(layer.weights.codes).sum(axis=1))
            case Conv2D():
                yield _convolution(layer, read[0], network.tensors[layer.output])
            case Dot() | Multiply():
                yield int((read[0] * read[1]).sum())


def _convolution(layer: Conv2D, bits: NDArray[np.int64], output: Tensor) -> int:
    """Padding is constant zeros, which multiply nothing."""
    padded = zero_padded(bits, (*layer.padding, (0, 0)))
    weights = _constant_bits(layer.weights.codes).sum(axis=-1)
    height, width, _ = weights.shape
    (down, right), (rows, columns, _) = layer.stride, output.shape
    windows = (
        padded[row * down : row * down + height, column * right : column * right + width]
        for row, column in np.ndindex(rows, columns)
    )
    return int(sum((window * weights).sum() for window in windows))


def _bits(tensor: Tensor) -> NDArray[np.int64]:
    return np.array([kind.bits for kind in tensor.element_types], np.int64).reshape(tensor.shape)


def _constant_bits(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """From the highest to the lowest one of each number."""
    sizes = [0 if not code else abs(code).bit_length() - _trailing_zeros(code) for code in codes.ravel().tolist()]
    return np.array(sizes, np.int64).reshape(codes.shape)


def _trailing_zeros(code: int) -> int:
    return (code & -code).bit_length() - 1
