"""From a written network to a resolved one: shapes, types, integer weights, order of layers (`docs/networks.md`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from models import network_document as written
from models.errors import NetworkInvalid
from models.fixed_codes import convert
from models.fixed_point import FixedPoint
from models.network_constants import as_array, constants, exact
from models.network_fields import MOST_ELEMENTS
from models.network_layers import (
    Add,
    Concatenate,
    Constants,
    Conv2D,
    Dense,
    Dot,
    Layer,
    Linear,
    Multiply,
    Padding,
    Relu,
    Reshape,
    Subtract,
    Table,
    Tensor,
)
from models.network_model import Network, Scaling
from models.network_score import score_layers
from triggers.errors import UnknownName

_WIDEST_TABLE_INPUT: Final = 16
_WIDEST_OFFSET: Final = 62
_MOST_PRODUCTS: Final = 1 << 26
_CORRECT: Final = "correct the network"


class TensorTable:
    """The tensors of a network while it is built; errors name the place in the file."""

    def __init__(self, source: str) -> None:
        self.source: Final = source
        self.place = ""
        self.tensors: Final[dict[str, Tensor]] = {}

    def invalid(self, what: str, remedy: str = _CORRECT) -> NetworkInvalid:
        """An error at the present place."""
        return NetworkInvalid(self.source, self.place, what, remedy)

    def get(self, name: str) -> Tensor:
        """A tensor that an earlier layer made.

        Raises:
            UnknownName: none did.
        """
        if name not in self.tensors:
            raise UnknownName(f"{self.source}, {self.place}", "tensor", name, self.tensors)
        return self.tensors[name]

    def add(self, name: str, shape: tuple[int, ...], types: tuple[FixedPoint, ...]) -> Tensor:
        """A new tensor.

        Raises:
            NetworkInvalid: it is too large, or has neither one type nor one per element.
        """
        size = math.prod(shape)
        if not 1 <= size <= MOST_ELEMENTS:
            raise self.invalid(f"gives {size} numbers per crossing, at most {MOST_ELEMENTS} are allowed")
        if len(types) not in (1, size):
            raise self.invalid(f"has {len(types)} output types for {size} numbers", "state one type, or one for each")
        self.tensors[name] = Tensor(name, shape, types)
        return self.tensors[name]

    def constants(self, values: Sequence[object], types: tuple[FixedPoint, ...] | None, what: str) -> Constants:
        """Numbers of a layer as integers.

        Raises:
            NetworkInvalid: a number is not one of its type (if there is one), or lists differ in length.
        """
        try:
            numbers = as_array(values, what)
            return exact(numbers, what) if types is None else constants(numbers, types, what)
        except ValueError as error:
            raise self.invalid(str(error)) from None


def build_network(document: written.NetworkDocument, source: str) -> Network:
    """The resolved network.

    Args:
        document: as written.
        source: the file, for messages.

    Raises:
        NetworkInvalid: it contradicts itself, or is larger than allowed.
        UnknownName: a layer or the score reads a tensor that nothing makes.
    """
    table = TensorTable(source)
    scaling = _add_inputs(table, document)
    layers = tuple(_add_layer(table, layer) for layer in _in_order(table, document))
    table.place = "score"
    made, score_tensor = score_layers(table, document.score)
    return Network(document, scaling, MappingProxyType(table.tensors), layers, made, score_tensor)


def _add_inputs(table: TensorTable, document: written.NetworkDocument) -> Scaling | None:
    table.place = "inputs"
    inputs = document.inputs
    if (inputs.elements is None) == (inputs.regions is None):
        raise table.invalid("states not exactly one of elements and regions", "state one of them")
    if inputs.regions is not None:
        shape: tuple[int, ...] = (inputs.regions.rows, inputs.regions.columns, 1)
    else:
        shape = (len(inputs.elements or ()),)
    scaling = document.scaling
    tensor = table.add(inputs.tensor, shape, scaling.network_input_type if scaling else (inputs.type,))
    if scaling is None:
        return None
    return _scaling(table, scaling, tensor.size)


def _scaling(table: TensorTable, scaling: written.IntegerScaling, n_inputs: int) -> Scaling:
    table.place = "scaling"
    for name, values in (("offset", scaling.offset), ("shift", scaling.shift)):
        if len(values) != n_inputs:
            raise table.invalid(f"has {len(values)} numbers in {name} for {n_inputs} inputs")
    table.constants(scaling.shift, (scaling.shift_type,), "shift")
    given = table.constants(scaling.offset, None, "offset")
    offset = convert(given.codes.astype(object), given.fraction_bits, scaling.offset_type)
    if max(map(abs, offset)).bit_length() > _WIDEST_OFFSET:
        raise table.invalid(f"has offsets of more than {_WIDEST_OFFSET} bits")
    shift = np.array(scaling.shift, np.int64)
    codes = offset.astype(np.int64)
    codes.flags.writeable = shift.flags.writeable = False
    return Scaling(scaling.unscaled_type, codes, scaling.offset_type.fraction_bits, shift)


def _in_order(table: TensorTable, document: written.NetworkDocument) -> tuple[written.LayerDocument, ...]:
    """The layers, each after those that make what it reads; otherwise in the order of the file."""
    made_by: dict[str, written.LayerDocument] = {}
    for layer in document.layers:
        table.place = f"layer '{layer.output}'"
        if layer.output in made_by or layer.output == document.inputs.tensor:
            raise table.invalid(f"'{layer.output}' is made twice", "give every layer's output a name of its own")
        made_by[layer.output] = layer
    known = {document.inputs.tensor, *made_by}
    for layer in document.layers:
        for name in _reads(layer):
            if name not in known:
                raise UnknownName(f"{table.source}, layer '{layer.output}'", "tensor", name, known)
    ordered: dict[str, written.LayerDocument] = {}
    waiting = list(document.layers)
    while waiting:
        ready = [layer for layer in waiting if all(name in ordered or name not in made_by for name in _reads(layer))]
        if not ready:
            table.place = f"layer '{waiting[0].output}'"
            raise table.invalid("is part of a cycle of layers, or behind one", "remove the cycle")
        ordered |= {layer.output: layer for layer in ready}
        waiting = [layer for layer in waiting if layer.output not in ordered]
    return tuple(ordered.values())


def _reads(layer: written.LayerDocument) -> tuple[str, ...]:
    match layer:
        case (
            written.AddLayer()
            | written.SubtractLayer()
            | written.MultiplyLayer()
            | written.DotLayer()
            | written.ConcatenateLayer()
        ):
            return layer.inputs
    return (layer.input,)


def _add_layer(table: TensorTable, layer: written.LayerDocument) -> Layer:
    table.place = f"layer '{layer.output}'"
    read = tuple(table.get(name) for name in _reads(layer))
    names, output = tuple(tensor.name for tensor in read), layer.output
    match layer:
        case written.DenseLayer():
            return _dense(table, layer, read[0])
        case written.Conv2DLayer():
            return _conv2d(table, layer, read[0])
        case written.TableLayer():
            return _table(table, layer, read[0])
        case written.ConcatenateLayer():
            return _concatenate(table, layer, read)
        case written.ReluLayer():
            table.add(output, read[0].shape, layer.output_type)
            return Relu(names, output)
        case written.LinearLayer():
            table.add(output, read[0].shape, layer.output_type)
            return Linear(names, output)
        case written.ReshapeLayer() | written.FlattenLayer():
            shape = layer.shape if isinstance(layer, written.ReshapeLayer) else (read[0].size,)
            if math.prod(shape) != read[0].size:
                raise table.invalid(f"{_shown(read[0])} cannot take the shape {shape}")
            table.add(output, shape, read[0].types)
            return Reshape(names, output)
        case written.DotLayer():
            _same_shape(table, read)
            table.add(output, (1,), layer.output_type)
            return Dot(names, output, layer.accumulator_type)
        case written.AddLayer() | written.SubtractLayer() | written.MultiplyLayer():
            _same_shape(table, read)
            table.add(output, read[0].shape, layer.output_type)
            kinds = {"add": Add, "subtract": Subtract, "multiply": Multiply}
            return kinds[layer.op](names, output)


def _dense(table: TensorTable, layer: written.DenseLayer, read: Tensor) -> Dense:
    if len(read.shape) != 1:
        raise table.invalid(f"{_shown(read)}, a dense layer reads a vector", "put a flatten layer between them")
    weights = table.constants(layer.weights, layer.weight_type, "weights")
    bias = table.constants(layer.bias, layer.bias_type, "bias")
    n_in, n_out = weights.codes.shape
    if n_in != read.size:
        raise table.invalid(f"{_shown(read)}, but weights have {n_in} rows", "state one row for each input")
    if bias.codes.shape != (n_out,):
        raise table.invalid(f"weights have {n_out} columns, bias has {bias.codes.size} numbers")
    table.add(layer.output, (n_out,), layer.output_type)
    return Dense((read.name,), layer.output, weights, bias, layer.accumulator_type)


def _conv2d(table: TensorTable, layer: written.Conv2DLayer, read: Tensor) -> Conv2D:
    if len(read.shape) != 3:
        raise table.invalid(f"{_shown(read)}, a convolution reads (height, width, channels)", "put a reshape between")
    weights = table.constants(layer.weights, layer.weight_type, "weights")
    bias = table.constants(layer.bias, layer.bias_type, "bias")
    *kernel, channels, filters = weights.codes.shape
    if channels != read.shape[2]:
        raise table.invalid(f"{_shown(read)}, but weights are for {channels} channels")
    if bias.codes.shape != (filters,):
        raise table.invalid(f"weights have {filters} filters, bias has {bias.codes.size} numbers")
    padding = tuple(
        _padding(layer.padding, size, width, stride)
        for size, width, stride in zip(read.shape, kernel, layer.stride, strict=False)
    )
    height, width = (
        (size + sum(around) - kernel_size) // stride + 1
        for size, around, kernel_size, stride in zip(read.shape, padding, kernel, layer.stride, strict=False)
    )
    if height < 1 or width < 1:
        raise table.invalid(f"{_shown(read)}, smaller than the kernel {tuple(kernel)}", "use padding 'same'")
    if height * width * weights.codes.size > _MOST_PRODUCTS:
        raise table.invalid(f"computes more than {_MOST_PRODUCTS} products per crossing")
    table.add(layer.output, (height, width, filters), layer.output_type)
    return Conv2D(
        (read.name,), layer.output, weights, bias, layer.accumulator_type, layer.stride, (padding[0], padding[1])
    )


def _padding(padding: Padding, size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after; for `same` so many that the output has ⌈size/stride⌉ places, the odd one after."""
    if padding is Padding.VALID:
        return 0, 0
    zeros = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return zeros // 2, zeros - zeros // 2


def _table(table: TensorTable, layer: written.TableLayer, read: Tensor) -> Table:
    kind = read.uniform_type
    if kind is None or kind.bits > _WIDEST_TABLE_INPUT:
        raise table.invalid(
            f"'{read.name}' has not one type of at most {_WIDEST_TABLE_INPUT} bits", "put a linear layer between them"
        )
    low, high = kind.code_range
    if len(layer.values) != high - low + 1:
        raise table.invalid(f"{len(layer.values)} values for the {high - low + 1} numbers of type {kind}")
    given = table.constants(layer.values, (layer.output_type,), "values")
    values = convert(given.codes.astype(object), given.fraction_bits, layer.output_type)
    if layer.output_type.bits > _WIDEST_OFFSET:
        raise table.invalid(f"output type {layer.output_type} has more than {_WIDEST_OFFSET} bits")
    codes = values.astype(np.int64)
    codes.flags.writeable = False
    table.add(layer.output, read.shape, (layer.output_type,))
    return Table((read.name,), layer.output, codes)


def _concatenate(table: TensorTable, layer: written.ConcatenateLayer, read: tuple[Tensor, ...]) -> Concatenate:
    if len({tensor.shape[:-1] for tensor in read}) != 1:
        raise table.invalid(f"inputs of shapes {', '.join(str(tensor.shape) for tensor in read)} do not fit together")
    shape = (*read[0].shape[:-1], sum(tensor.shape[-1] for tensor in read))
    table.add(layer.output, shape, layer.output_type or concatenated_types(read))
    return Concatenate(layer.inputs, layer.output)


def concatenated_types(read: Sequence[Tensor]) -> tuple[FixedPoint, ...]:
    """The types of the tensors' elements, one tensor after the other along the last axis."""
    order = np.concatenate(
        [np.array([(n, i) for i in range(tensor.size)]).reshape(*tensor.shape, 2) for n, tensor in enumerate(read)],
        axis=-2,
    )
    types = [tensor.element_types for tensor in read]
    return tuple(types[n][i] for n, i in order.reshape(-1, 2))


def _same_shape(table: TensorTable, read: tuple[Tensor, ...]) -> None:
    if read[0].shape != read[1].shape:
        raise table.invalid(f"{_shown(read[0])} and {_shown(read[1])}", "combine tensors of one shape")


def _shown(tensor: Tensor) -> str:
    return f"'{tensor.name}' has shape {tensor.shape}"
