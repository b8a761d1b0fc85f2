"""Writes ONNX models without the package `onnx`, which nothing needs that only runs networks.

An ONNX file is a protocol-buffers message (`docs/networks.md`, "Backends"); the few fields that a graph of plain
operators has are written here, with the numbers that `onnx.proto3` (ONNX 1.17, IR version 8) gives them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

OPSET: Final = 18
IR_VERSION: Final = 8
_VARINT: Final = 0
_BYTES: Final = 2


class _Model(IntEnum):
    IR_VERSION = 1
    PRODUCER = 2
    GRAPH = 7
    OPSETS = 8


class _Graph(IntEnum):
    NODES = 1
    NAME = 2
    CONSTANTS = 5
    INPUTS = 11
    OUTPUTS = 12


class _Node(IntEnum):
    INPUTS = 1
    OUTPUTS = 2
    OPERATOR = 4
    ATTRIBUTES = 5


class _Attribute(IntEnum):
    NAME = 1
    INTEGER = 3
    KIND = 20


class _Tensor(IntEnum):
    DIMENSIONS = 1
    KIND = 2
    NAME = 8
    DATA = 9


_INTEGER_ATTRIBUTE: Final = 2
_KINDS: Final = {
    np.dtype(np.float32): 1,
    np.dtype(np.int32): 6,
    np.dtype(np.int64): 7,
    np.dtype(np.bool_): 9,
    np.dtype(np.float64): 11,
}
"""ONNX's numbers of element types."""


class OnnxGraph:
    """A graph that is written node by node; nodes must be added after those whose outputs they read.

    Example:
        >>> graph = OnnxGraph("double", "x", np.dtype(np.float32), 3)
        >>> content = graph.finished(graph.node("Add", "x", "x"), np.dtype(np.float32), 3)
    """

    def __init__(self, name: str, input_name: str, dtype: np.dtype[Any], n_inputs: int) -> None:
        self._name: Final = name
        self._input: Final = _value(input_name, dtype, n_inputs)
        self._nodes: Final[list[bytes]] = []
        self._constants: Final[dict[tuple[Any, ...], tuple[str, bytes]]] = {}
        self.operators: Final[list[str]] = []
        """The operators of the nodes, in order."""

    def constant(self, values: ArrayLike, dtype: np.dtype[Any] | type[np.generic]) -> str:
        """The name of a constant tensor; the same for equal ones."""
        array = np.ascontiguousarray(np.asarray(values, dtype))
        array = array.reshape(np.shape(values))
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = (name, _tensor(name, array))
        return self._constants[key][0]

    def node(self, operator: str, *inputs: str, **attributes: int) -> str:
        """Add a node with one output, and return the output's name."""
        output = f"{operator}_{len(self._nodes)}"
        self.operators.append(operator)
        self._nodes.append(
            b"".join(_text(_Node.INPUTS, name) for name in inputs)
            + _text(_Node.OUTPUTS, output)
            + _text(_Node.OPERATOR, operator)
            + b"".join(_bytes(_Node.ATTRIBUTES, _attribute(name, value)) for name, value in attributes.items())
        )
        return output

    def cast(self, tensor: str, dtype: np.dtype[Any] | type[np.generic]) -> str:
        """A node that converts to another element type."""
        return self.node("Cast", tensor, to=_KINDS[np.dtype(dtype)])

    def finished(self, output: str, dtype: np.dtype[Any] | type[np.generic], n_outputs: int) -> bytes:
        """The ONNX model whose graph gives one tensor `(n, n_outputs)`."""
        graph = (
            b"".join(_bytes(_Graph.NODES, node) for node in self._nodes)
            + _text(_Graph.NAME, self._name)
            + b"".join(_bytes(_Graph.CONSTANTS, content) for _, content in self._constants.values())
            + _bytes(_Graph.INPUTS, self._input)
            + _bytes(_Graph.OUTPUTS, _value(output, np.dtype(dtype), n_outputs))
        )
        return (
            _integer(_Model.IR_VERSION, IR_VERSION)
            + _text(_Model.PRODUCER, "l1chain")
            + _bytes(_Model.GRAPH, graph)
            + _bytes(_Model.OPSETS, _text(1, "") + _integer(2, OPSET))
        )


def _value(name: str, dtype: np.dtype[Any], width: int) -> bytes:
    """A graph's input or output `(n, width)`: ValueInfoProto ⊃ TypeProto ⊃ Tensor ⊃ TensorShapeProto ⊃ Dimension."""
    shape = _bytes(1, _text(2, "n")) + _bytes(1, _integer(1, width))
    tensor = _integer(1, _KINDS[dtype]) + _bytes(2, shape)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    return (
        b"".join(_integer(_Tensor.DIMENSIONS, size) for size in array.shape)
        + _integer(_Tensor.KIND, _KINDS[array.dtype])
        + _text(_Tensor.NAME, name)
        + _bytes(_Tensor.DATA, array.astype(array.dtype.newbyteorder("<")).tobytes())
    )


def _attribute(name: str, value: int) -> bytes:
    kind = _integer(_Attribute.KIND, _INTEGER_ATTRIBUTE)
    return _text(_Attribute.NAME, name) + _integer(_Attribute.INTEGER, value) + kind


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
