"""Fixed-point dense layers as an ONNX graph that float32 computes exactly (`docs/models.md`, "Numbers")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.fixed_point import FixedPoint, Overflow, Rounding
from models.training.dense_layer import DenseLayer
from triggers.errors import BadValue

OPSET = 18
IR_VERSION = 8
FLOAT32_EXACT_BITS = 24


def onnx_graph(layers: Sequence[DenseLayer], inputs: FixedPoint, description: str) -> bytes:
    """The ONNX model, serialised: `inputs (n, n_inputs) float32` → `outputs (n, n_outputs) float32`.

    Between the layers numbers are in units of the layer's last bit (the weights hold the factor), so that rounding is
    the operator Round, to nearest even, and saturation is Clip; the last layer's are brought back to their real unit.

    Args:
        layers: first to last; every output type rounds to nearest even and saturates.
        inputs: type of the network inputs.
        description: stored in the model.

    Raises:
        BadValue: a sum can need more than 24 bits, so that float32 might round it.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: float | NDArray[np.float64]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    tensor, unit_bits, before = "inputs", 0, inputs
    for i, layer in enumerate(layers):
        _check_exact(i, layer, before)
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
        tensor, unit_bits, before = f"codes_{i}", layer.output.fraction_bits, layer.output
    nodes.append(helper.make_node("Mul", [tensor, constant("unit", 2.0**-unit_bits)], ["outputs"]))
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["n", layers[0].weights.shape[0]])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["n", layers[-1].weights.shape[1]])],
        constants,
        doc_string=description,
    )
    model = helper.make_model(
        graph, producer_name="l1chain", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _check_exact(index: int, layer: DenseLayer, inputs: FixedPoint) -> None:
    """Every partial sum, in whatever order, is an integer multiple of the last bit's product, below 2^24 of them."""
    if layer.output.rounding is not Rounding.NEAREST_EVEN or layer.output.overflow is not Overflow.SATURATE:
        raise BadValue(
            f"layer {index}", f"output type {layer.output} is not exported", "round to nearest even, saturate"
        )
    largest_input = max(abs(limit) for limit in inputs.range)
    largest_sum = np.abs(layer.weights).sum(axis=0) * largest_input + np.abs(layer.biases)
    weight_bits = _fraction_bits(layer.weights)
    step_bits = max(inputs.fraction_bits + weight_bits, _fraction_bits(layer.biases))
    if largest_sum.max() * 2.0**step_bits >= 2.0**FLOAT32_EXACT_BITS:
        raise BadValue(
            f"layer {index}", f"a sum can need more than {FLOAT32_EXACT_BITS} bits", "use fewer bits or smaller weights"
        )


def _fraction_bits(values: NDArray[np.float64]) -> int:
    """The least number of bits after the binary point that holds all the values."""
    bits = 0
    while np.any(np.ldexp(values, bits) % 1):
        bits += 1
    return bits
