"""The calls in an hls4ml project's top-level function, as layers of a network description (`docs/networks.md`)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware.imports.cpp import split_list
from firmware.imports.declarations import Config, Declarations
from firmware.imports.distributed import distributed_layer
from firmware.imports.errors import ProjectUnreadable
from firmware.imports.project import Function
from firmware.imports.sources import Sources
from models.exact_types import exact_type_of_sums
from models.fixed_point import FixedPoint

_CALL: Final = re.compile(r"((?:\w+::)*)(\w+)\s*<(.*)>\s*\((.*)\)$", re.DOTALL)
_ALIAS: Final = re.compile(r"auto\s*&?\s*(\w+)\s*=\s*(\w+)$")
_BUFFER: Final = re.compile(r"(?:static\s+)?[\w:]+(?:\s*<.*>)?\s+(\w+)\s*\[[^\]]*\]$")
_LOADING: Final = re.compile(r"load_weights_from_txt|static\s+bool\s+loaded_weights|loaded_weights\s*=|^if\s*\(")
_DISTRIBUTED: Final = re.compile(r"dense_da_\w+")
_PRODUCT: Final = "mult"
Document = dict[str, Any]
Shape = tuple[int, ...]
_Reader = Callable[["LayerReader", Sequence[str], Sequence[str]], None]


@dataclass(frozen=True)
class Tensor:
    """A variable of the function: the tensor that it is, its shape, its type."""

    name: str
    shape: Shape
    type: FixedPoint


class LayerReader:
    """Reads the statements of the function one after the other.

    Attributes:
        layers: as `l1chain-network/1` writes them.
        tensors: by the name of the variable.
    """

    def __init__(self, function: Function, sources: Sources, given: Tensor) -> None:
        """Starts with the tensor that the function is given."""
        self.layers: list[Document] = []
        self.tensors = {function.given.name: given}
        self._aliases: dict[str, str] = {}
        self._function, self._sources = function, sources
        self._declared: Declarations = function.declared

    def read(self) -> Tensor:
        """All statements; returns the tensor that the function makes.

        Raises:
            ProjectUnreadable: a statement that no layer expresses.
        """
        for statement in re.split(r"[;{}]", re.sub(r"^\s*#.*$", "", self._function.body, flags=re.MULTILINE)):
            self._statement(" ".join(statement.split()))
        return self._tensor(self._function.made.name)

    def _statement(self, text: str) -> None:
        if not text or _BUFFER.match(text) or _LOADING.search(text):
            return
        if alias := _ALIAS.match(text):
            self._aliases[alias[1]] = alias[2]  # hls4ml 1.x writes it before the variable that it means is filled
            return
        call = _CALL.match(text)
        if call is None:
            raise ProjectUnreadable(f"function '{self._function.name}'", f"'{text[:80]}' is no layer that is known")
        _, name, types, arguments = call.groups()
        if _DISTRIBUTED.fullmatch(name):
            self._distributed(name, split_list(types), split_list(arguments))
            return
        if name not in _READERS:
            raise ProjectUnreadable(f"layer '{name}'", f"is none of {', '.join(sorted(_READERS))}")
        _READERS[name](self, split_list(types), split_list(arguments))

    def tensor(self, name: str, shape: Shape) -> str:
        """The name of the tensor that a variable is, in a shape; a reshaping is added where it has another one."""
        found = self._tensor(name)
        if found.shape == shape:
            return found.name
        if math.prod(found.shape) != math.prod(shape):
            raise ProjectUnreadable(f"variable '{name}'", f"has shape {found.shape}, and is read as {shape}")
        reshaped = f"{found.name}/{'x'.join(map(str, shape))}"
        if all(layer["output"] != reshaped for layer in self.layers):
            self.layers.append({"op": "reshape", "input": found.name, "output": reshaped, "shape": list(shape)})
        return reshaped

    def add(self, variable: str, shape: Shape, type_text: str, layer: Document) -> None:
        """A layer that makes a variable of a type."""
        kind = self._declared.fixed_point(type_text)
        self.tensors[variable] = Tensor(variable, shape, kind)
        self.layers.append(layer | {"output": variable, "output_type": str(kind)})

    def shape(self, name: str) -> Shape:
        """Of a variable."""
        return self._tensor(name).shape

    def type(self, name: str) -> FixedPoint:
        """Of a variable."""
        return self._tensor(name).type

    def config(self, name: str) -> Config:
        """A layer's configuration."""
        if name not in self._declared.configs:
            raise ProjectUnreadable(f"configuration '{name}'", "is nowhere declared")
        return self._declared.configs[name]

    def config_type(self, config: Config, name: str) -> FixedPoint:
        """A type that a configuration names."""
        if name not in config.types:
            raise ProjectUnreadable(f"configuration '{config.name}'", f"names no '{name}'")
        return self._declared.fixed_point(config.types[name], config.types)

    def numbers(self, name: str, shape: Shape) -> tuple[NDArray[np.float64], FixedPoint]:
        """Weights and their type."""
        return self._declared.numbers(name, shape)

    def _tensor(self, name: str) -> Tensor:
        for _ in range(len(self._aliases)):
            name = self._aliases.get(name, name)
        if name not in self.tensors:
            raise ProjectUnreadable(f"variable '{name}'", "is read before a layer makes it")
        return self.tensors[name]

    def _distributed(self, name: str, types: Sequence[str], arguments: Sequence[str]) -> None:
        if len(types) != 2 or len(arguments) != 2:
            raise ProjectUnreadable(f"layer '{name}'", f"has {len(types)} types and {len(arguments)} arguments")
        given = self._tensor(arguments[0])
        layer, n_out = distributed_layer(self._sources, name, given.type, math.prod(given.shape))
        flat = self.tensor(arguments[0], (math.prod(given.shape),))
        self.add(arguments[1], (n_out,), types[1], {"op": "dense", "input": flat} | layer)


def _parts(types: Sequence[str], arguments: Sequence[str], n_types: int, n_arguments: int, name: str) -> None:
    if len(types) != n_types or len(arguments) != n_arguments:
        raise ProjectUnreadable(f"layer '{name}'", f"has {len(types)} types and {len(arguments)} arguments")


def _sums(reader: LayerReader, config: Config, bias: str, n_out: int) -> Document:
    """What all layers of weights have: bias, its type, accumulator. Products must be products."""
    if "product" in config.types and not re.search(rf"\b{_PRODUCT}\s*<", config.types["product"]):
        raise ProjectUnreadable(f"configuration '{config.name}'", f"multiplies by '{config.types['product'][:60]}'")
    values, kind = reader.numbers(bias, (n_out,))
    accumulator = reader.config_type(config, "accum_t")
    return {"bias": values.tolist(), "bias_type": str(kind), "accumulator_type": str(accumulator)}


def _transposed(config: Config) -> bool:
    """Whether weights stand output by output: so for the strategy that shares multipliers."""
    kernel = config.types.get("kernel", "")
    return "Resource" in kernel or (not kernel and "resource" in config.words.get("strategy", ""))


def _dense(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
    _parts(types, arguments, 3, 4, "dense")
    config = reader.config(types[2])
    n_in, n_out = config.size("n_in"), config.size("n_out")
    weights, kind = reader.numbers(arguments[2], (n_out, n_in) if _transposed(config) else (n_in, n_out))
    weights = weights.T if _transposed(config) else weights
    layer = {
        "op": "dense",
        "input": reader.tensor(arguments[0], (n_in,)),
        "weights": weights.tolist(),
        "weight_type": str(kind),
    }
    reader.add(arguments[1], (n_out,), types[1], layer | _sums(reader, config, arguments[3], n_out))


def _conv2d(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
    _parts(types, arguments, 3, 4, "conv_2d_cl")
    config = reader.config(types[2])
    size = config.size
    kernel = size("filt_height"), size("filt_width"), size("n_chan"), size("n_filt")
    if _transposed(config):
        weights, kind = reader.numbers(arguments[2], (kernel[3], *kernel[:3]))
        weights = np.moveaxis(weights, 0, 3)
    else:
        weights, kind = reader.numbers(arguments[2], kernel)
    image = size("in_height"), size("in_width"), size("n_chan")
    layer = {
        "op": "conv2d",
        "input": reader.tensor(arguments[0], image),
        "weights": weights.tolist(),
        "weight_type": str(kind),
        "stride": [size("stride_height"), size("stride_width")],
        "padding": _padding(config),
    }
    shape = size("out_height"), size("out_width"), size("n_filt")
    reader.add(arguments[1], shape, types[1], layer | _sums(reader, config, arguments[3], kernel[3]))


def _padding(config: Config) -> str:
    """`valid` or `same`, as the numbers of zeros say."""
    if config.size("dilation_height", 1) != 1 or config.size("dilation_width", 1) != 1:
        raise ProjectUnreadable(f"configuration '{config.name}'", "dilates its kernel")
    zeros = [config.size(f"pad_{side}", 0) for side in ("top", "bottom", "left", "right")]
    if not any(zeros):
        return "valid"
    same: list[int] = []
    for axis in ("height", "width"):
        n, kernel, stride = (config.size(f"{part}_{axis}") for part in ("in", "filt", "stride"))
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        same += [total // 2, total - total // 2]
    if zeros != same:
        raise ProjectUnreadable(f"configuration '{config.name}'", f"pads by {zeros}, which is neither valid nor same")
    return "same"


def _normalize(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
    """scale·x + bias is the dense layer of a diagonal matrix, if its accumulator drops nothing."""
    _parts(types, arguments, 3, 4, "normalize")
    config = reader.config(types[2])
    n, n_filters = config.size("n_in"), config.size("n_filt", -1)
    n_scales = n if n_filters < 0 else n_filters
    (scale, scale_kind), (bias, bias_kind) = (reader.numbers(name, (n_scales,)) for name in arguments[2:])
    try:
        accumulator = exact_type_of_sums([(reader.type(arguments[0]), scale_kind)] * n, bias_kind)
    except ValueError as error:
        raise ProjectUnreadable("layer 'normalize'", str(error)) from None
    layer = {
        "op": "dense",
        "input": reader.tensor(arguments[0], (n,)),
        "weights": np.diag(np.resize(scale, n)).tolist(),
        "weight_type": str(scale_kind),
        "bias": np.resize(bias, n).tolist(),
        "bias_type": str(bias_kind),
        "accumulator_type": str(accumulator),
    }
    reader.add(arguments[1], (n,), types[1], layer)


def _unary(op: str) -> _Reader:
    def read(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
        _parts(types, arguments, 3, 2, op)
        shape = reader.shape(arguments[0])
        if reader.config(types[2]).size("n_in") != math.prod(shape):
            raise ProjectUnreadable(f"configuration '{types[2]}'", f"is not of the {math.prod(shape)} numbers it gets")
        reader.add(arguments[1], shape, types[1], {"op": op, "input": reader.tensor(arguments[0], shape)})

    return read


def _binary(op: str) -> _Reader:
    def read(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
        _parts(types, arguments, 4, 3, op)
        shape = reader.shape(arguments[0])
        inputs = [reader.tensor(name, shape) for name in arguments[:2]]
        reader.add(arguments[2], shape, types[2], {"op": op, "inputs": inputs})

    return read


def _dot(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
    _parts(types, arguments, 4, 3, "dot1d")
    config = reader.config(types[3])
    shape = (config.size("n_in"),)
    layer = {
        "op": "dot",
        "inputs": [reader.tensor(name, shape) for name in arguments[:2]],
        "accumulator_type": str(reader.config_type(config, "accum_t")),
    }
    reader.add(arguments[2], (1,), types[2], layer)


def _concatenate(reader: LayerReader, types: Sequence[str], arguments: Sequence[str]) -> None:
    _parts(types, arguments, 4, 3, "concatenate1d")
    shapes = [(math.prod(reader.shape(name)),) for name in arguments[:2]]
    inputs = [reader.tensor(name, shape) for name, shape in zip(arguments[:2], shapes, strict=True)]
    reader.add(arguments[2], (shapes[0][0] + shapes[1][0],), types[2], {"op": "concatenate", "inputs": inputs})


_READERS: Final[dict[str, _Reader]] = {
    "dense": _dense,
    "conv_2d_cl": _conv2d,
    "pointwise_conv_2d_cl": _conv2d,
    "normalize": _normalize,
    "relu": _unary("relu"),
    "linear": _unary("linear"),
    "add": _binary("add"),
    "subtract": _binary("subtract"),
    "multiply": _binary("multiply"),
    "dot1d": _dot,
    "concatenate1d": _concatenate,
}
