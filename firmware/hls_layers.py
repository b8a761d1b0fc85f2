"""Layers as C++: hls4ml's own functions where they compute the layer, statements for each number elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from firmware.hls_design import SCORE, Design, Numbers, is_zero
from firmware.hls_products import write_conv2d, write_dense, write_dot
from firmware.hls_step import Step
from models.network import Network
from models.network_layers import (
    Add,
    Concatenate,
    Conv2D,
    Dense,
    Dot,
    GeometricMean,
    Layer,
    Linear,
    Multiply,
    Relu,
    Reshape,
    Subtract,
    Table,
)

_TABLE_SIZE: Final = 1024
"""What hls4ml writes for activations that need no table."""


def add_layers(design: Design, network: Network, first_index: int) -> None:
    """Add the layers of a network and of its score to a design that has the network's inputs."""
    stated = {layer.output: layer for layer in network.document.layers}
    for index, layer in enumerate(network.all_layers, first_index):
        output, read = network.tensors[layer.output], tuple(design.variables[name] for name in layer.inputs)
        if isinstance(layer, Reshape):
            design.variables[layer.output] = read[0]
            continue
        if layer.output == network.score_tensor:
            to = design.declare(output, SCORE, "result_t")
        else:
            design.statements.append(f"// {layer.output}")
            to = design.declare(output, f"layer{index}_out", f"layer{index}_t")
        if is_zero(output):
            design.zero(to)
        else:
            tensors = tuple(network.tensors[name] for name in layer.inputs)
            _WRITERS[type(layer)](layer, Step(design, index, read, tensors, to, output, stated.get(layer.output)))
        design.end_layer(output, to)


def _relu(_: Relu, step: Step) -> None:
    if step.has_one_type:
        _activation("relu", step)
        return
    x = step.read[0]
    step.convert(f"{x.name}[{i}] > 0 ? {x.name}[{i}] : {x.type_name}(0)" for i in range(x.size))


def _linear(_: Linear, step: Step) -> None:
    if step.has_one_type:
        _activation("linear", step)
        return
    step.convert(f"{step.read[0].name}[{i}]" for i in range(step.to.size))


def _activation(kind: str, step: Step) -> None:
    step.design.headers.add("nnet_activation.h")
    name = f"{kind}_config{step.index}"
    sizes: dict[str, int | str] = {
        "n_in": step.to.size,
        "table_size": _TABLE_SIZE,
        "io_type": "nnet::io_parallel",
        "reuse_factor": 1,
    }
    step.config("nnet::activ_config", sizes, name=name)
    step.call(f"nnet::{kind}", config=name)


def _merge(layer: Add | Subtract | Multiply, step: Step) -> None:
    (a, b), size = step.read, step.to.size
    name, sign = _MERGES[type(layer)]
    if not step.has_one_type:
        step.convert(f"{a.name}[{i}] {sign} {b.name}[{i}]" for i in range(size))
        return
    step.design.headers.add("nnet_merge.h")
    step.config("nnet::merge_config", {"n_elem": size, "n_elem1": size, "n_elem2": size, "reuse_factor": 1})
    step.call(f"nnet::{name}")


def _concatenate(_: Concatenate, step: Step) -> None:
    widths = [tensor.shape[-1] for tensor in step.read_tensors]
    row = sum(widths)
    if not step.has_one_type:
        step.convert(
            f"{part.name}[{i * width + column}]"
            for i in range(step.to.size // row)
            for part, width in zip(step.read, widths, strict=True)
            for column in range(width)
        )
        return
    first = 0
    for part, width in zip(step.read, widths, strict=True):
        place = f"ii / {width} * {row} + {first} + ii % {width}"
        step.design.statements += [
            f"for (int ii = 0; ii < {part.size}; ii++)",
            f"    {step.to.name}[{place}] = {part.name}[ii];",
        ]
        first += width


def _table(layer: Table, step: Step) -> None:
    kind, name = step.read_tensors[0].types[0], f"t{step.index}"
    step.design.numbers.append(Numbers(name, step.to.type_name, layer.values, step.to.kind.fraction_bits))
    code = f"ap_int<{kind.bits}>" if kind.signed and kind.bits else f"ap_uint<{max(kind.bits, 1)}>"
    lines = (f"static const int least_code = {kind.code_range[0]};", f"typedef {code} code_t;")
    step.config("", {"n_in": step.to.size, "table_size": layer.values.size}, lines)
    step.call("l1chain::lookup", f", {name}")


def _geometric_mean(_: GeometricMean, step: Step) -> None:
    squares, fraction_bits = step.read[0], step.output.types[0].fraction_bits
    n = squares.size
    shift = n * (2 * fraction_bits - squares.kind.fraction_bits)
    product_bits = n * squares.kind.bits + max(shift, 0)
    numbers = {
        "n_in": n,
        "shift": shift,
        "product_bits": product_bits,
        "root_bits": -(-product_bits // (2 * n)),
        "fraction_bits": fraction_bits,
    }
    step.config("", {}, [f"static const int {name} = {number};" for name, number in numbers.items()])
    step.call("l1chain::geometric_mean")


_MERGES: Final[Mapping[type[Layer], tuple[str, str]]] = {
    Add: ("add", "+"),
    Subtract: ("subtract", "-"),
    Multiply: ("multiply", "*"),
}
_WRITERS: Final[Mapping[type[Layer], Callable[[Any, Step], None]]] = {
    Dense: write_dense,
    Conv2D: write_conv2d,
    Dot: write_dot,
    Relu: _relu,
    Linear: _linear,
    Add: _merge,
    Subtract: _merge,
    Multiply: _merge,
    Concatenate: _concatenate,
    Table: _table,
    GeometricMean: _geometric_mean,
}
