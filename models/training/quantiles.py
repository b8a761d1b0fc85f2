"""The input scaling of a network, from quantiles of zero bias (`docs/training.md`, "Input scaling")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.layouts import LayoutName, named_elements, named_layout
from models.scaling import InputScaling
from models.training.data import TrainingData
from models.training.errors import TrainingDataUnfit
from triggers.errors import BadValue

UNSCALED: Final = FixedPoint.parse("ap_fixed<18,13>")
_CENTRAL: Final = (16, 50, 84)
_MOMENTA: Final = ("pt", "et")
_LEAST_SHIFT: Final = -1
_STEP_GEV: Final = MappingProxyType({"hw": 0.5, "hw >> 1": 1.0})
"""Of momenta, by the unit that a list has them in."""
LEAST_PRESENT: Final = 100
"""Crossings with an object from which quantiles of its quantities are taken."""


def momentum_inputs(layout: LayoutName) -> NDArray[np.intp]:
    """For every input the index of the momentum of its object: the object is there if that is above 0."""
    elements = named_elements(layout)
    places = {(e.object, e.rank): i for i, e in enumerate(elements) if e.quantity in _MOMENTA}
    return np.array([places[element.object, element.rank] for element in elements], np.intp)


def saturated_values(layout: LayoutName) -> NDArray[np.int64]:
    """For every input the greatest value if it is a momentum, whose scale ends there; else one beyond all values."""
    elements, fields = named_elements(layout), named_layout(layout).fields
    beyond = int(np.iinfo(np.int16).max)
    ends = [
        place.field.allowed[1] if element.quantity in _MOMENTA else beyond
        for element, place in zip(elements, fields, strict=True)
    ]
    return np.array(ends, np.int64)


def quantile_scaling(
    data: TrainingData,
    network_input: FixedPoint,
    *,
    allow_constant: bool,
    momentum_shift: Mapping[str, int] = MappingProxyType({}),
    momentum_limit_gev: Mapping[str, float] = MappingProxyType({}),
) -> InputScaling:
    """Median and half of the central 68 % of each input, where its object is present, as offset and power of two.

    An object that is present too rarely, such as a fourth muon, is scaled as the one before it.

    Args:
        data: zero bias.
        network_input: type of the scaled inputs.
        allow_constant: inputs that do not vary are scaled by 1, instead of an error.
        momentum_shift: by object, the power of two that its momenta are divided by, instead of that of the quantiles.
        momentum_limit_gev: by object, where its momenta end: instead of the median the offset is what makes this the
            end of `network_input`.

    Raises:
        BadValue: a limit cannot be the end of `network_input`, which has no room for 0 then.
        TrainingDataUnfit: no object of a kind is present, or a quantity of present objects does not vary.
    """
    momentum, elements = momentum_inputs(data.layout), named_elements(data.layout)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    scales = []
    for i, (element, place) in enumerate(zip(elements, named_layout(data.layout).fields, strict=True)):
        present = data.inputs[data.inputs[:, momentum[i]] > 0, i]
        key = element.object, element.quantity
        if len(present) >= LEAST_PRESENT or key not in found:
            if place.field.bits and not allow_constant:
                _check_varies(data, present, f"{element.object} {element.rank} {element.quantity}")
            largest = max(abs(value) for value in place.field.allowed) if place.field.bits else 0
            found[key] = _scale(present, _LEAST_SHIFT if 2 * largest <= UNSCALED.range[1] else 0)
        offset, shift = found[key]
        if i == momentum[i]:
            shift = momentum_shift.get(element.object, shift)
            if element.object in momentum_limit_gev:
                limit = round(momentum_limit_gev[element.object] / _STEP_GEV[element.unit])
                offset = _offset_of_limit(limit, shift, network_input, element.object)
        scales.append((offset, shift))
    offsets, shifts = zip(*scales, strict=True)
    return InputScaling(unscaled_type=UNSCALED, network_input_type=network_input, offset=offsets, shift=shifts)


def _offset_of_limit(limit: int, shift: int, network_input: FixedPoint, name: str) -> int:
    """The offset by which a momentum of `limit`, in the list's unit, is scaled to the end of the type."""
    reach = math.ldexp(1.0, network_input.integer_bits - network_input.signed + shift)
    offset = limit - math.floor(reach)
    least = math.ldexp(network_input.range[0], shift)
    if offset != limit - reach or -offset < least:
        room = math.floor(reach - least)
        what = f"is {limit} in the list's unit; scaled by 2^-{shift}, momenta have room for {room} in {network_input}"
        raise BadValue(f"momentum_limit_gev of '{name}'", what, "give a larger momentum_shift or a smaller limit")
    return offset


def _scale(present: NDArray[np.int16], least_shift: int) -> tuple[int, int]:
    low, median, high = np.percentile(present, _CENTRAL) if len(present) else (0, 0, 0)
    return round(float(median)), max(round(float(np.log2(max(high - low, 2) / 2))), least_shift)


def _check_varies(data: TrainingData, present: NDArray[np.int16], name: str) -> None:
    if len(present) and present.min() != present.max():
        return
    found = f"is {present[0]} wherever its object is there" if len(present) else "is of an object that is never there"
    what = f"'{name}' {found}, in {len(data.inputs)} crossings"
    raise TrainingDataUnfit(data.sample, what, "give other or more crossings, or allow it with --allow-constant")
