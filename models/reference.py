"""Reference inputs of a network and their scores: what every backend must reproduce (`docs/models.md`, "Reference")."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends import fixed
from models.errors import InputsInvalid
from models.fixed_point import FixedPoint
from models.layouts import layout_of
from models.network import Network
from models.network_document import NetworkInputs

N_RANDOM: Final = 256
"""Rows of each kind of random inputs."""
_LARGEST: Final = 1 << 52
"""Numbers beyond this are not drawn: float64 holds the others exactly."""
_PART_PRESENT: Final = 0.3
_STEEPNESS: Final = 5


def reference_inputs(network: Network, seed: int) -> NDArray[np.generic]:
    """Inputs `(n, n_inputs)`: over whole ranges, few of them present, small ones, at the ends; int64 or float64.

    Ranges are those of the fields that the inputs are in packed words; the last rows are random numbers of the input
    type, also with fractions.

    Args:
        network: whose inputs.
        seed: of the random numbers.
    """
    return inputs_to_compare(network.document.inputs, network.n_inputs, seed)


def inputs_to_compare(inputs: NetworkInputs, n_inputs: int, seed: int) -> NDArray[np.generic]:
    """As `reference_inputs`, for what has no network but such inputs."""
    random = np.random.default_rng(seed)
    low, high = _ranges(inputs, n_inputs)
    shape = (N_RANDOM, n_inputs)
    uniform = random.integers(low, high, shape, endpoint=True)
    present = np.where(random.random(shape) < _PART_PRESENT, random.integers(low, high, shape, endpoint=True), 0)
    sizes = random.random(shape) ** _STEEPNESS
    small = np.where(random.random(shape) < 0.5, np.trunc(low * sizes), np.trunc(high * sizes)).astype(np.int64)
    ends = np.where(random.random(shape) < 0.5, low, high)
    rows = [uniform, present, small, ends, low[None], high[None], np.zeros_like(low[None])]
    return np.concatenate([*rows, _of_type(inputs.type, random, shape)])


def _ranges(inputs: NetworkInputs, n_inputs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and greatest integer that stands in packed words for each input, else that its type holds."""
    try:
        allowed = [place.field.allowed for place in layout_of(inputs, "inputs").fields]
    except InputsInvalid:
        kind = inputs.type
        least, greatest = (_clipped(_whole(code, kind.fraction_bits), _LARGEST) for code in kind.code_range)
        allowed = [(least, greatest)] * n_inputs
    low, high = np.array(allowed, np.int64).T
    return low, high


def _of_type(kind: FixedPoint, random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.generic]:
    """Random numbers of a type, then its ends."""
    left = max(-kind.fraction_bits, 0)
    least, greatest = (_clipped(code, _LARGEST >> left) for code in kind.code_range)
    ends = np.array([[least], [greatest]], np.int64).repeat(shape[1], axis=1)
    codes = np.concatenate([random.integers(least, greatest, shape, endpoint=True), ends])
    return codes << left if kind.fraction_bits <= 0 else np.ldexp(codes.astype(np.float64), -kind.fraction_bits)


def _whole(code: int, fraction_bits: int) -> int:
    return code >> fraction_bits if fraction_bits >= 0 else code << -fraction_bits


def _clipped(number: int, bound: int) -> int:
    return max(-bound, min(bound, number))


def reference_file(inputs: NDArray[np.generic], scores: NDArray[np.int64]) -> bytes:
    """The bytes of `reference.npz`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, inputs=inputs, score=scores)
    return buffer.getvalue()


def reference_scores(network: Network, inputs: NDArray[np.generic]) -> NDArray[np.int64]:
    """The score integers `(n,) int64` of inputs `(n, n_inputs)`, in the reference arithmetic."""
    return fixed.score(network, inputs)
