"""Widths of inputs: as the network declares them, or as packed words fill them (`docs/firmware.md`, "RTL")."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.inputs import WordField
from models.repository import LoadedVersion


class Ports(StrEnum):
    """How wide the inputs of a design are."""

    DECLARED = "declared"
    PACKED = "packed"


def port_types(loaded: LoadedVersion, ports: Ports) -> tuple[FixedPoint, ...]:
    """The type of each input of the design.

    Declared ports hold every number of the network's input type. Packed ports hold what the links can carry, no more:
    the design is smaller, and the same for every crossing.

    Raises:
        InputsInvalid: an input cannot be made of packed words, for `packed`.
        ModelError: the version has no network, or a damaged one.
    """
    network = loaded.network
    declared = network.given_type
    if ports is Ports.DECLARED:
        return (declared,) * network.n_inputs
    return tuple(_packed(place, declared) for place in loaded.layout.fields)


def _packed(place: WordField, declared: FixedPoint) -> FixedPoint:
    """The field's own type, if the declared one holds all of it; a field of no bits still is a port."""
    (low, high), (least, greatest) = place.field.allowed, declared.range
    bits = max(place.field.bits, 1)
    fits = least <= low and high <= greatest and declared.fraction_bits >= 0
    return FixedPoint(bits, bits, place.field.signed) if fits else declared


def fitting_rows(values: NDArray[np.float64], kinds: tuple[FixedPoint, ...]) -> NDArray[np.bool_]:
    """Which rows `(n,)` of numbers `(n, n_inputs)` the ports can carry without loss."""
    fits = np.ones(len(values), np.bool_)
    for column, kind in zip(values.T, kinds, strict=True):
        fits &= kind.quantise(column) == column
    return fits
