"""ONNX graphs as users bring them: fixed-point dense layers that float32 computes exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.training.dense_layer import DenseLayer


def onnx_graph(layers: Sequence[DenseLayer]) -> bytes:
    """`inputs (n, n_inputs) float32` → `outputs (n, n_outputs) float32`, rounded to nearest even and clipped.

    Between the layers numbers are in units of the layer's last bit (the weights hold the factor); the last layer's are
    brought back to their real unit.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: float | NDArray[np.float64]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    tensor, unit_bits = "inputs", 0
    for i, layer in enumerate(layers):
        to_units = 2.0**layer.output.fraction_bits
        low, high = layer.output.code_range
        weights = constant(f"weights_{i}", layer.weights * to_units / 2.0**unit_bits)
        biases = constant(f"biases_{i}", layer.biases * to_units)
        bounds = [constant(f"low_{i}", low), constant(f"high_{i}", high)]
        nodes += [
            helper.make_node("Gemm", [tensor, weights, biases], [f"sums_{i}"]),
            helper.make_node("Round", [f"sums_{i}"], [f"rounded_{i}"]),
            helper.make_node("Clip", [f"rounded_{i}", *bounds], [f"codes_{i}"]),
        ]
        tensor, unit_bits = f"codes_{i}", layer.output.fraction_bits
    nodes.append(helper.make_node("Mul", [tensor, constant("unit", 2.0**-unit_bits)], ["outputs"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("inputs", layers[0].weights.shape[0]), ("outputs", layers[-1].weights.shape[1]))
    ]
    graph = helper.make_graph(nodes, "encoder", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    return bytes(model.SerializeToString(deterministic=True))
