"""An hls4ml project as a network description, where its layers allow (`docs/networks.md`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from firmware.imports.cpp import integer
from firmware.imports.declarations import Declarations
from firmware.imports.errors import ProjectUnreadable
from firmware.imports.layers import LayerReader, Tensor
from firmware.imports.project import Project
from models.fixed_point import FixedPoint, Overflow
from models.network import Network, read_network
from models.network_document import NetworkInputs

INPUT_TENSOR: Final = "inputs"
_SCALED: Final = re.compile(r"-\s*(?:\w+::)*(\w+)\s*\[\s*\w+\s*\].*?>>\s*(?:\w+::)*(\w+)\s*\[\s*\w+\s*\]", re.DOTALL)
_SQUARED: Final = re.compile(r"(\w+)\s*\[\s*\w+\s*\]\s*\*\s*\1\s*\[\s*\w+\s*\]")
_OFFSET_NAME: Final = re.compile(r".*offsets?.*", re.IGNORECASE)
_SHIFT_NAME: Final = re.compile(r".*shifts?.*", re.IGNORECASE)


@dataclass(frozen=True)
class ScalingNames:
    """The arrays of the input scaling, and what declares them."""

    offsets: str
    shifts: str
    declared: Declarations


def scaling_names(project: Project) -> ScalingNames | None:
    """Which arrays scale the inputs: those that the emulator uses, else those that the header holds."""
    if project.emulator is not None:
        used = _SCALED.search(project.emulator.text)
        return ScalingNames(used[1], used[2], project.emulator.declared) if used else None
    if project.scaling_declared is None:
        return None
    arrays = project.scaling_declared.arrays
    offsets, shifts = ([n for n in arrays if pattern.match(n)] for pattern in (_OFFSET_NAME, _SHIFT_NAME))
    return ScalingNames(offsets[0], shifts[0], project.scaling_declared) if offsets and shifts else None


def sums_squares(project: Project) -> bool:
    """Whether the emulator squares the network's outputs."""
    return project.emulator is not None and _SQUARED.search(project.emulator.text) is not None


def describe(
    project: Project, name: str, inputs: NetworkInputs, score_type: FixedPoint, *, squared: bool, scaled: bool
) -> Network:
    """The project as a network.

    Args:
        project: what to read.
        name: for people.
        inputs: what it is given, with the type that the compiled project states.
        score_type: of its score, as the compiled project states.
        squared: whether the score is the sum of the squares of its outputs.
        scaled: whether its inputs are scaled before its layers.

    Raises:
        ProjectUnreadable: something in it that a description does not express.
        L1ChainError: the description would contradict itself.
    """
    top = project.top
    network_type = top.declared.fixed_point(top.given.type)
    size = integer(top.given.size, top.declared.sizes)
    grid = inputs.regions
    shape = (size,) if grid is None else (grid.rows, grid.columns, 1)
    reader = LayerReader(top, project.sources, Tensor(INPUT_TENSOR, shape, network_type))
    made = reader.read()
    document: dict[str, Any] = {
        "schema": "l1chain-network/1",
        "name": name,
        "inputs": inputs.model_dump(mode="json", exclude_none=True) | {"tensor": INPUT_TENSOR},
        "layers": reader.layers,
        "score": _score(made, score_type, squared),
    }
    if scaled:
        document["scaling"] = _scaling(project, size, inputs.type, network_type)
    elif network_type != inputs.type:
        raise ProjectUnreadable("inputs", f"are given as {inputs.type}, and read as {network_type}")
    return read_network(json.dumps(document).encode(), f"{top.unit} as network")


def _scaling(project: Project, size: int, unscaled: FixedPoint, network_type: FixedPoint) -> dict[str, Any]:
    names = scaling_names(project)
    if names is None:
        raise ProjectUnreadable("input scaling", "is not of the form (x - offset[i]) >> shift[i]")
    offsets, offset_type = names.declared.numbers(names.offsets, (size,))
    shifts, shift_type = names.declared.numbers(names.shifts, (size,))
    if (shifts % 1).any():
        raise ProjectUnreadable(f"array '{names.shifts}'", "holds shifts that are no integers")
    return {
        "unscaled_type": str(unscaled),
        "offset": offsets.tolist(),
        "offset_type": str(offset_type),
        "shift": [int(shift) for shift in shifts],
        "shift_type": str(shift_type),
        "network_input_type": str(network_type),
    }


def _score(made: Tensor, score_type: FixedPoint, squared: bool) -> dict[str, Any]:
    if not squared:
        if made.shape != (1,):
            raise ProjectUnreadable(f"output '{made.name}'", f"has shape {made.shape}, and the score is one number")
        return {"kind": "network_output", "of": made.name, "type": str(score_type)}
    if score_type.overflow is not Overflow.WRAP:
        raise ProjectUnreadable("score", f"is summed in {score_type}, which depends on the order")
    return {"kind": "sum_of_squares", "of": made.name, "type": str(score_type)}
