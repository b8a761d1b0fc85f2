"""What an HLS project is made of, before it is written as files: types, constants, configurations, statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware.hls_strategies import Strategy
from firmware.hls_types import ZERO_TYPE, common_type, cpp_type
from models.fixed_point import FixedPoint
from models.network_layers import Tensor

INPUT: Final = "x"
SCORE: Final = "score"


@dataclass(frozen=True)
class Variable:
    """An array of a tensor's numbers.

    Attributes:
        name: in C++.
        type_name: likewise.
        kind: holds every number of the tensor; its own type if it has one.
        size: numbers.
    """

    name: str
    type_name: str
    kind: FixedPoint
    size: int


@dataclass(frozen=True, eq=False)
class Numbers:
    """A constant array: weights, biases, offsets, shifts or a table; `codes` times 2^−`fraction_bits`.

    Attributes:
        name: in C++, and of its file.
        type_name: in C++.
        codes: of any shape.
        fraction_bits: of the codes.
    """

    name: str
    type_name: str
    codes: NDArray[np.int64]
    fraction_bits: int


@dataclass
class Design:
    """The parts of a project, in the order in which they are written; layers add to them.

    Attributes:
        strategy: how products become hardware.
        reuse: how many of them share a multiplier.
        exact_sums: layers, by output, whose exact sum, converted once, is what the accumulator holds.
        types: C++ type by name.
        numbers: constants.
        configs: structs.
        statements: of the top function.
        headers: of nnet_utils.
        variables: by the name of the tensor.
        traced: the tensors whose codes a tracing simulation writes, in this order.
        stack_bytes: what the arrays on the stack take, about.
    """

    strategy: Strategy = Strategy.LATENCY
    reuse: int = 1
    exact_sums: frozenset[str] = frozenset()
    types: dict[str, str] = field(default_factory=dict)
    numbers: list[Numbers] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)
    variables: dict[str, Variable] = field(default_factory=dict)
    traced: list[Tensor] = field(default_factory=list)
    stack_bytes: int = 0

    def add_type(self, name: str, kind: FixedPoint) -> str:
        """A new name for a type."""
        self.types[name] = cpp_type(kind)
        return name

    def declare(self, tensor: Tensor, name: str, type_name: str) -> Variable:
        """The array of a tensor; those of inputs and score are declared by the top function."""
        kind = common_type(tensor.types)
        variable = Variable(name, self.add_type(type_name, kind), kind, tensor.size)
        self.variables[tensor.name] = variable
        if name not in (INPUT, SCORE):
            self.scratch(variable)
        return variable

    def scratch(self, array: Variable) -> None:
        """Declare an array within the top function."""
        self.statements.append(f"{array.type_name} {array.name}[{array.size}];")
        self.statements.append(f"#pragma HLS ARRAY_PARTITION variable={array.name} complete dim=0")
        self.use_stack(array.kind, array.size)

    def use_stack(self, kind: FixedPoint, size: int) -> None:
        """Count what an array takes on the stack; up to 64 bits a number is held as 1, 2, 4 or 8 bytes."""
        self.stack_bytes += size * 8 * max(-(-kind.bits // 64), 1)

    def end_layer(self, output: Tensor, to: Variable) -> None:
        """What comes after the statements of a layer: where a simulation writes down its numbers.

        `score` is a pointer there, so its one number is copied.
        """
        self.traced.append(output)
        self.statements.append("#ifdef L1CHAIN_TRACE")
        if to.name == SCORE:
            self.statements.append(f"{to.type_name} {SCORE}_traced[1] = {{{SCORE}[0]}};")
        self.statements.append(f"l1chain::trace({f'{SCORE}_traced' if to.name == SCORE else to.name});")
        self.statements += ["#endif", ""]

    def zero(self, to: Variable) -> None:
        """A statement for a tensor that is always 0."""
        self.statements.append(f"for (int ii = 0; ii < {to.size}; ii++) {to.name}[ii] = 0;")


def is_zero(tensor: Tensor) -> bool:
    """Whether all elements have types of 0 bits."""
    return common_type(tensor.types) == ZERO_TYPE and not any(kind.bits for kind in tensor.types)
