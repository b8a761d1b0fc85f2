"""The layers of a Keras model, in order, with the tensors between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from triggers.errors import BadValue


@dataclass(frozen=True)
class Step:
    """One layer that is applied once.

    Attributes:
        layer: Keras's own object.
        kind: the name of its class.
        inputs: keys of the tensors it reads.
        output: key of the tensor it makes.
        shape: of that tensor, without crossings.
    """

    layer: Any
    kind: str
    inputs: tuple[int, ...]
    output: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class KerasGraph:
    """A model from one tensor to one tensor.

    Attributes:
        steps: without input layers.
        given: key of the input.
        given_shape: its shape, without crossings.
        made: key of the output.
        made_shape: its shape.
    """

    steps: tuple[Step, ...]
    given: int
    given_shape: tuple[int, ...]
    made: int
    made_shape: tuple[int, ...]

    @property
    def n_inputs(self) -> int:
        """Numbers given per crossing."""
        return math.prod(self.given_shape)


def keras_graph(model: Any, source: str) -> KerasGraph:
    """The layers of a model.

    Raises:
        BadValue: it has several inputs or outputs, sizes that are open, nested models, or layers that are used twice.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        what = f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise BadValue(source, what, "import a model of one input and one output")
    steps = [_step(layer, source) for layer in model.layers if type(layer).__name__ != "InputLayer"]
    given, made = model.inputs[0], model.outputs[0]
    return KerasGraph(tuple(steps), id(given), _shape(given, source), id(made), _shape(made, source))


def _step(layer: Any, source: str) -> Step:
    where = f"{source}, layer '{layer.name}'"
    if hasattr(layer, "layers"):
        raise BadValue(where, "is a model in the model", "write its layers into the outer model")
    try:
        given, made = layer.input, layer.output
    except (AttributeError, ValueError):
        raise BadValue(where, "is used more than once, or never", "use a layer of its own for each use") from None
    if isinstance(made, list | tuple):
        raise BadValue(where, "makes several tensors", "use layers of one output")
    inputs = given if isinstance(given, list | tuple) else [given]
    return Step(layer, type(layer).__name__, tuple(map(id, inputs)), id(made), _shape(made, where))


def _shape(tensor: Any, where: str) -> tuple[int, ...]:
    shape = tuple(tensor.shape[1:])
    if not shape or None in shape:
        raise BadValue(where, f"has a tensor of shape {tuple(tensor.shape)}", "state all sizes but that of the batch")
    return shape
