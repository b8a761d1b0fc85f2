"""A float Keras model as an ONNX graph, layer by layer, so that running it needs no TensorFlow."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.onnx_writer import OnnxGraph
from models.training.keras_graph import KerasGraph, Step
from triggers.errors import BadValue

_AFFINE: Final = frozenset(
    {
        "Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "BatchNormalization", "AveragePooling2D",
        "GlobalAveragePooling2D", "ZeroPadding2D", "Cropping2D", "Permute", "Rescaling", "Normalization",
    }
)  # fmt: skip
"""Layers whose output is a matrix times their input, plus a vector."""
_NOTHING: Final = frozenset(
    {
        "Flatten", "Reshape", "Dropout", "GaussianNoise", "GaussianDropout", "SpatialDropout2D",
        "ActivityRegularization",
    }
)  # fmt: skip
_MERGES: Final = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Maximum": "Max", "Concatenate": "Concat"}
_FUNCTIONS: Final = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "elu": "Elu", "selu": "Selu",
    "exponential": "Exp", "softmax": "Softmax", "softsign": "Softsign",
}  # fmt: skip
_LINEAR: Final = "linear"
_MOST_WEIGHTS: Final = 1 << 24
_ROWS: Final = 256


def onnx_of_keras(graph: KerasGraph, source: str) -> bytes:
    """The ONNX graph from `(n, n_inputs)` to `(n, n_outputs)`, float32; images are vectors in C order.

    Raises:
        BadValue: a layer that has no counterpart here.
    """
    return _Writer(graph, source).content()


class _Writer:
    """Writes the layers of one model."""

    def __init__(self, graph: KerasGraph, source: str) -> None:
        self._graph, self._source = graph, source
        self._onnx = OnnxGraph("keras", "inputs", np.dtype(np.float32), graph.n_inputs)
        self._names = {graph.given: "inputs"}
        self._shapes = {graph.given: graph.given_shape}

    def content(self) -> bytes:
        for step in self._graph.steps:
            self._names[step.output] = self._written(step)
            self._shapes[step.output] = step.shape
        made = self._onnx.node("Identity", self._names[self._graph.made])
        return self._onnx.finished(made, np.dtype(np.float32), math.prod(self._graph.made_shape))

    def _written(self, step: Step) -> str:
        inputs = [self._names[key] for key in step.inputs]
        if step.kind in _NOTHING:
            return inputs[0]
        if step.kind in _AFFINE:
            return self._activated(step, self._affine(step, inputs[0]))
        if step.kind in _MERGES or step.kind == "Average":
            return self._merged(step, inputs)
        if step.kind in ("Activation", "ELU", "Softmax", "ReLU", "LeakyReLU"):
            return self._activation(step, inputs[0])
        raise BadValue(f"{self._source}, layer '{step.layer.name}'", f"is a {step.kind}", "use other layers")

    def _affine(self, step: Step, given: str) -> str:
        weights, bias = self._matrix(step)
        product = self._onnx.node("MatMul", given, self._onnx.constant(weights, np.float32))
        return self._onnx.node("Add", product, self._onnx.constant(bias, np.float32))

    def _matrix(self, step: Step) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the layer does to the unit vectors, and to none: its matrix and its vector."""
        shape, n_out = self._shapes[step.inputs[0]], math.prod(step.shape)
        n_in = math.prod(shape)
        if n_in * n_out > _MOST_WEIGHTS:
            what = f"would be a matrix of {n_in} × {n_out}"
            raise BadValue(
                f"{self._source}, layer '{step.layer.name}'", what, "convert the model to ONNX, and import that"
            )
        layer = step.layer
        activation, layer.activation = getattr(layer, "activation", None), _identity
        try:
            zero = np.asarray(layer(np.zeros((1, *shape), np.float32)), np.float32).reshape(n_out)
            if step.kind == "Dense" and len(shape) == 1:
                return np.asarray(layer.kernel, np.float32), zero
            units = np.eye(n_in, dtype=np.float32)
            rows = [np.asarray(layer(units[i : i + _ROWS].reshape(-1, *shape))) for i in range(0, n_in, _ROWS)]
            return np.concatenate(rows).reshape(n_in, n_out) - zero, zero
        finally:
            layer.activation = activation

    def _activated(self, step: Step, given: str) -> str:
        function = getattr(step.layer, "activation", None)
        return given if function is None else self._function(step, given, function)

    def _function(self, step: Step, given: str, function: Any) -> str:
        name = getattr(function, "__name__", str(function))
        if name == _LINEAR:
            return given
        if name not in _FUNCTIONS or (name == "softmax" and len(step.shape) != 1):
            where = f"{self._source}, layer '{step.layer.name}'"
            raise BadValue(where, f"has activation '{name}'", f"use one of {', '.join(sorted(_FUNCTIONS))}")
        return self._onnx.node(_FUNCTIONS[name], given)

    def _activation(self, step: Step, given: str) -> str:
        layer = step.layer
        if step.kind == "Activation":
            return self._function(step, given, layer.activation)
        if step.kind == "LeakyReLU":
            slope = self._onnx.constant(np.float32(layer.negative_slope), np.float32)
            return self._onnx.node("Max", given, self._onnx.node("Mul", given, slope))
        plain = {"ReLU": layer.__dict__.get("max_value") is None and not layer.__dict__.get("negative_slope")}
        plain |= {"ELU": getattr(layer, "alpha", 1.0) == 1.0, "Softmax": len(step.shape) == 1}
        if not plain[step.kind]:
            raise BadValue(f"{self._source}, layer '{layer.name}'", f"is a {step.kind} with options", "use a plain one")
        return self._onnx.node({"ReLU": "Relu", "ELU": "Elu", "Softmax": "Softmax"}[step.kind], given)

    def _merged(self, step: Step, inputs: list[str]) -> str:
        shapes = {self._shapes[key] for key in step.inputs}
        if step.kind == "Concatenate":
            if any(len(shape) != 1 for shape in shapes):
                where = f"{self._source}, layer '{step.layer.name}'"
                raise BadValue(where, "joins images", "flatten them before")
            return self._onnx.node("Concat", *inputs, axis=1)
        if len(shapes) != 1:
            raise BadValue(f"{self._source}, layer '{step.layer.name}'", "merges tensors of several shapes", "use one")
        total = inputs[0]
        for other in inputs[1:]:
            total = self._onnx.node(_MERGES.get(step.kind, "Add"), total, other)
        if step.kind != "Average":
            return total
        return self._onnx.node("Mul", total, self._onnx.constant(np.float32(1 / len(inputs)), np.float32))


def _identity(values: Any) -> Any:
    return values
