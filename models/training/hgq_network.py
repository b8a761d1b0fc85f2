"""HGQ2 models as network descriptions: every quantiser's bits, element by element (`docs/models-import.md`, "HGQ2")."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.exact_types import exact_type_of_sums, narrowest_type
from models.fixed_point import NETWORK_BITS, FixedPoint, Overflow, Rounding
from models.network import Network, read_network
from models.network_document import NetworkInputs
from models.scaling import InputScaling
from models.scores import Score, ScoreKind
from models.training.keras_graph import KerasGraph, Step
from triggers.errors import BadValue

_ROUNDINGS: Final = {
    "RND": Rounding.NEAREST_UP,
    "RND_CONV": Rounding.NEAREST_EVEN,
    "TRN": Rounding.DOWN,
}
_OVERFLOWS: Final = {
    "WRAP": Overflow.WRAP,
    "SAT": Overflow.SATURATE,
    "SAT_SYM": Overflow.SATURATE_SYMMETRIC,
}
_DENSE: Final = ("QDense", "QBatchNormDense")
_MERGES: Final = {"QAdd": "add", "QSubtract": "subtract", "QMultiply": "multiply"}
_SHAPES: Final = ("Flatten", "Reshape")
_NOTHING: Final = ("Dropout",)
_EXACT_INPUT: Final = FixedPoint(18, 14)
"""Of what is given where nothing scales it: hardware integers, with sixteenths; Keras's float32 holds them exactly."""
Document = dict[str, Any]
Types = list[FixedPoint]


def is_hgq(graph: KerasGraph) -> bool:
    """Whether a layer of the model is one of HGQ2."""
    return any(type(step.layer).__module__.split(".")[0] == "hgq" for step in graph.steps)


def network_of_hgq(
    graph: KerasGraph, name: str, inputs: NetworkInputs, scaling: InputScaling | None, score: Score | None, source: str
) -> Network:
    """The model as a network, in exact fixed point.

    Args:
        graph: the model.
        name: for people.
        inputs: what it is given.
        scaling: before the model, if any.
        score: of its outputs; None: the one output.
        source: the file, for messages.

    Raises:
        BadValue: a layer or quantiser that a description does not express.
        NetworkInvalid: the description would break a rule.
    """
    reader = _Reader(graph, inputs, scaling, source)
    made = reader.read()
    document: Document = {
        "schema": "l1chain-network/1",
        "name": name,
        "inputs": inputs.model_dump(mode="json", exclude_none=True),
        "layers": reader.layers,
        "score": _score(made, reader.elements(made), score, source),
    }
    if scaling is not None:
        document["scaling"] = _scaling(scaling)
    return read_network(json.dumps(document).encode(), f"{source} as network")


def given_type(scaling: InputScaling | None) -> FixedPoint:
    """What every given number is converted to first."""
    return _EXACT_INPUT if scaling is None else scaling.unscaled_type


def _scaling(scaling: InputScaling) -> Document:
    offset_type = narrowest_type(scaling.offset)
    return {
        "unscaled_type": str(scaling.unscaled_type),
        "offset": list(scaling.offset),
        "offset_type": str(offset_type),
        "shift": list(scaling.shift),
        "shift_type": str(narrowest_type(scaling.shift)),
        "network_input_type": str(scaling.network_input_type),
    }


def _score(made: str, types: Types, score: Score | None, source: str) -> Document:
    if score is None:
        if len(types) != 1:
            remedy = "say in a file named with --manifest how they become the score"
            raise BadValue(source, f"has {len(types)} outputs", remedy)
        return {"kind": "network_output", "of": made, "type": str(types[0])}
    digits = score.integer_scale.bit_length() - 1
    if 1 << digits != score.integer_scale:
        raise BadValue(source, f"has integer_scale {score.integer_scale}", "use a power of 2 for fixed point")
    kind = FixedPoint(score.bits, score.bits - digits, signed=False, overflow=Overflow.SATURATE)
    if score.kind is ScoreKind.OUTPUT:
        return {"kind": "network_output", "of": made, "type": str(kind)}
    exact = exact_type_of_sums([(t, t) for t in types], FixedPoint(1, 1))
    return {"kind": "sum_of_squares", "of": made, "type": str(kind), "accumulator_type": str(exact)}


class _Reader:
    """Reads the layers of one model."""

    def __init__(self, graph: KerasGraph, inputs: NetworkInputs, scaling: InputScaling | None, source: str) -> None:
        self.layers: list[Document] = []
        self._graph, self._source = graph, source
        first = inputs.type if scaling is None else scaling.network_input_type
        self.types: dict[str, Types] = {inputs.tensor: [first] * graph.n_inputs}
        self._shapes: dict[str, tuple[int, ...]] = {inputs.tensor: (graph.n_inputs,)}
        if inputs.regions is not None:
            self._shapes[inputs.tensor] = (inputs.regions.rows, inputs.regions.columns, 1)
        self._names = {graph.given: inputs.tensor}

    def read(self) -> str:
        """All layers; returns the name of the output."""
        given = self._names[self._graph.given]
        self._names[self._graph.given] = self._shaped(given, self._graph.given_shape)
        for step in self._graph.steps:
            self._names[step.output] = self._layer(step)
        return self._names[self._graph.made]

    def _layer(self, step: Step) -> str:
        layer, name = step.layer, step.layer.name
        given = [self._names[key] for key in step.inputs]
        if step.kind in _NOTHING:
            return given[0]
        if step.kind in _SHAPES:
            return self._shaped(given[0], step.shape)
        if step.kind in (*_DENSE, "QConv2D"):
            made = self._weighted(step, self._quantised(step, given[0], self._input_quantiser(layer, 0), "iq"))
        elif step.kind in _MERGES:
            parts = [
                self._quantised(step, tensor, self._input_quantiser(layer, i), f"iq{i}")
                for i, tensor in enumerate(given)
            ]
            made = self._merged(step, parts)
        elif step.kind in ("ReLU", "Activation"):
            made = given[0]
        elif step.kind == "Quantizer":
            return self._quantised(step, given[0], layer, "q")
        else:
            raise BadValue(f"{self._source}, layer '{name}'", f"is a {step.kind}", "use QDense, QConv2D, QAdd, ReLU, …")
        made = self._activated(step, made)
        quantiser = layer.oq if getattr(layer, "enable_oq", False) else None
        return self._quantised(step, made, quantiser, "oq")

    def _input_quantiser(self, layer: Any, i: int) -> Any:
        if not layer.enable_iq:
            return None
        return layer.iqs[i] if hasattr(layer, "iqs") else layer.iq

    def _quantised(self, step: Step, tensor: str, quantiser: Any, suffix: str) -> str:
        if quantiser is None:
            return tensor
        shape = self._shapes[tensor]
        types = self._types_of(step, quantiser, shape)
        return self._add(f"{step.layer.name}/{suffix}", {"op": "quantise", "input": tensor}, shape, types)

    def _types_of(self, step: Step, quantiser: Any, shape: tuple[int, ...]) -> Types:
        """The types that a quantiser converts to, element by element."""
        inner = quantiser.quantizer
        rounding, overflow = str(inner.round_mode), str(inner.overflow_mode)
        where = f"{self._source}, layer '{step.layer.name}'"
        plain = not any(getattr(quantiser, part, None) for part in ("scaler", "affine"))
        if rounding not in _ROUNDINGS or overflow not in _OVERFLOWS or not hasattr(inner, "kif") or not plain:
            raise BadValue(where, f"quantises by {rounding}, {overflow}", "use RND, RND_CONV or TRN, and WRAP or SAT")
        parts = [np.broadcast_to(np.asarray(part)[0], shape).ravel().astype(int) for part in inner.kif]
        types = []
        for signed, whole, digits in zip(*parts, strict=True):
            bits = int(max(signed + whole + digits, 0))
            if bits not in NETWORK_BITS:
                raise BadValue(where, f"quantises to {bits} bits", f"use at most {NETWORK_BITS[-1]}")
            integer_bits = int(signed + whole) if bits else 0
            types.append(FixedPoint(bits, integer_bits, bool(signed), _ROUNDINGS[rounding], _OVERFLOWS[overflow]))
        return types

    def _weighted(self, step: Step, tensor: str) -> str:
        layer = step.layer
        kernel = np.asarray(layer.qkernel, np.float64)
        bias = np.zeros(kernel.shape[-1]) if layer.qbias is None else np.asarray(layer.qbias, np.float64)
        try:
            weight_type, bias_type = narrowest_type(kernel), narrowest_type(bias)
            products = [(kind, weight_type) for kind in self._reach(tensor, kernel)]
            accumulator = exact_type_of_sums(products, bias_type)
        except ValueError as error:
            raise BadValue(f"{self._source}, layer '{layer.name}'", str(error), "use coarser quantisers") from None
        document = {
            "input": tensor,
            "weights": kernel.tolist(),
            "bias": bias.tolist(),
            "weight_type": str(weight_type),
            "bias_type": str(bias_type),
            "accumulator_type": str(accumulator),
        }
        return self._add(layer.name, document | self._operation(step, tensor), step.shape, [accumulator])

    def _reach(self, tensor: str, kernel: NDArray[np.float64]) -> Types:
        """A type for each product of one output."""
        types = self.types[tensor]
        widest = FixedPoint(
            bits=max(t.integer_bits for t in types) + max(t.fraction_bits for t in types) + 1,
            integer_bits=max(t.integer_bits for t in types) + 1,
        )
        return [widest] * int(np.prod(kernel.shape[:-1]))

    def _operation(self, step: Step, tensor: str) -> Document:
        layer = step.layer
        if step.kind in _DENSE:
            if len(self._shapes[tensor]) != 1:
                raise BadValue(f"{self._source}, layer '{layer.name}'", "reads an image", "flatten it before")
            return {"op": "dense"}
        if tuple(layer.dilation_rate) != (1, 1) or layer.groups != 1:
            raise BadValue(f"{self._source}, layer '{layer.name}'", "has dilation or groups", "use neither")
        return {"op": "conv2d", "stride": list(layer.strides), "padding": layer.padding}

    def _merged(self, step: Step, given: list[str]) -> str:
        where = f"{self._source}, layer '{step.layer.name}'"
        if len(given) != 2 or len({self._shapes[tensor] for tensor in given}) != 1:
            raise BadValue(where, f"merges {len(given)} tensors, or of several shapes", "merge two of one shape")
        pairs = zip(*(self.elements(tensor) for tensor in given), strict=True)
        one = FixedPoint(2, 2)
        if step.kind == "QMultiply":
            types = [exact_type_of_sums([(a, b)], FixedPoint(1, 1)) for a, b in pairs]
        else:
            types = [exact_type_of_sums([(a, one), (b, one)], FixedPoint(1, 1)) for a, b in pairs]
        layer = {"op": _MERGES[step.kind], "inputs": given}
        return self._add(step.layer.name, layer, self._shapes[given[0]], types)

    def _activated(self, step: Step, tensor: str) -> str:
        function = getattr(step.layer, "activation", None)
        name = "relu" if step.kind == "ReLU" else getattr(function, "__name__", "linear")
        if name == "linear":
            return tensor
        if name != "relu":
            where = f"{self._source}, layer '{step.layer.name}'"
            raise BadValue(where, f"has activation '{name}'", "use relu or linear")
        return self._add(
            f"{step.layer.name}/relu", {"op": "relu", "input": tensor}, self._shapes[tensor], self.types[tensor]
        )

    def _shaped(self, tensor: str, shape: tuple[int, ...]) -> str:
        if self._shapes[tensor] == shape:
            return tensor
        name = f"{tensor}/{'x'.join(map(str, shape))}"
        if name not in self.types:
            self.layers.append({"op": "reshape", "input": tensor, "output": name, "shape": list(shape)})
            self.types[name], self._shapes[name] = self.types[tensor], shape
        return name

    def elements(self, tensor: str) -> Types:
        """The type of each number of a tensor."""
        types = self.types[tensor]
        return types * int(np.prod(self._shapes[tensor])) if len(types) == 1 else types

    def _add(self, name: str, layer: Document, shape: tuple[int, ...], types: Types) -> str:
        texts = [str(kind) for kind in types]
        written = texts[0] if len(set(texts)) == 1 else texts
        self.layers.append(layer | {"output": name, "output_type": written})
        self.types[name], self._shapes[name] = types, shape
        return name
