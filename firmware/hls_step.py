"""One layer while it is written as C++: what it reads, where its numbers go, and the forms that layers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware.hls_design import Design, Variable
from firmware.hls_types import cpp_type
from models.fixed_point import FixedPoint
from models.network_document import LayerDocument
from models.network_layers import Tensor

PRODUCT: Final = "template <class x_T, class y_T> using product = nnet::product::mult<x_T, y_T>;"
"""In a configuration: how hls4ml's functions multiply."""


@dataclass(frozen=True)
class Step:
    """One layer.

    Attributes:
        design: what is added to.
        index: in the layer's names.
        read: arrays that it reads.
        read_tensors: the tensors that these hold.
        to: the array that it fills.
        output: the tensor that this holds.
        stated: the layer as the network's file has it; None for layers of the score.
    """

    design: Design
    index: int
    read: tuple[Variable, ...]
    read_tensors: tuple[Tensor, ...]
    to: Variable
    output: Tensor
    stated: LayerDocument | None

    @property
    def has_one_type(self) -> bool:
        """Whether all numbers of the output have the same type, so that hls4ml's functions can write them."""
        return self.output.uniform_type is not None

    def call(self, function: str, more: str = "", config: str = "", to: Variable | None = None) -> None:
        """A call of a function that reads the inputs and fills the output, or `to`, after a configuration."""
        written = to or self.to
        types = ", ".join([*(one.type_name for one in self.read), written.type_name, config or f"config{self.index}"])
        arguments = ", ".join([*(one.name for one in self.read), written.name])
        self.design.statements.append(f"{function}<{types}>({arguments}{more});")

    def config(self, base: str, constants: Mapping[str, int | str], lines: Sequence[str] = (), name: str = "") -> None:
        """A configuration, `config<index>` unless it has another name; `base`: what it inherits, if anything."""
        members = [f"static const unsigned {key} = {value};" for key, value in constants.items()]
        body = "\n".join(f"    {line}" for line in (*members, *lines))
        head = f"struct {name or f'config{self.index}'}{f' : {base}' if base else ''}"
        self.design.configs.append(f"{head} {{\n{body}\n}};")

    def convert(self, values: Iterable[str]) -> None:
        """Statements that convert each value to the type of its element."""
        convert(self.design, self.to, self.output, values)

    def accumulate(self, function: str, accumulator: FixedPoint, constants: str) -> None:
        """A call that sums in an accumulator; if the output's numbers have types of their own, they are converted."""
        if self.has_one_type:
            self.call(function, constants)
            return
        sums = Variable(f"layer{self.index}_acc", f"accum{self.index}_t", accumulator, self.to.size)
        self.design.scratch(sums)
        self.call(function, constants, to=sums)
        self.convert(f"{sums.name}[{i}]" for i in range(sums.size))


def convert(design: Design, to: Variable, output: Tensor, values: Iterable[str]) -> None:
    """Statements that convert each value to the type of its element of `output`, whose array is `to`."""
    for i, (kind, value) in enumerate(zip(output.element_types, values, strict=True)):
        design.statements.append(f"{to.name}[{i}] = {f'{cpp_type(kind)}({value})' if kind.bits else '0'};")
