"""How the products of a dense layer become hardware in an HLS project (`docs/firmware.md`, "Project").

By default all at once (`latency`); multipliers that take turns (`resource`); or adders alone, whose sub-sums are shared
between outputs (`distributed_arithmetic`). All give the same bits: a layer for which one would not, stays `latency`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from firmware.da4ml_package import MOST_BITS, SOLVER_BITS
from models.fixed_point import FixedPoint, Overflow
from models.intervals import analyse
from models.network import Network
from models.network_layers import Constants, Dense, Tensor

if TYPE_CHECKING:
    from firmware.hls_step import Step

_PARTIAL_BITS: Final = 4
"""Of the sums of constant multiples that da4ml adds and subtracts, beyond those of the whole sum."""


class Strategy(StrEnum):
    """How matrix products become hardware."""

    LATENCY = "latency"
    RESOURCE = "resource"
    DISTRIBUTED_ARITHMETIC = "distributed_arithmetic"


def exact_sums(network: Network) -> frozenset[str]:
    """The layers, by output, whose exact sum, converted once, is what the accumulator holds, and da4ml can make."""
    names = set()
    for layer in network.all_layers:
        if isinstance(layer, Dense):
            node, largest = analyse(network)[layer.output], int(np.abs(layer.weights.codes).max())
            used, wraps = node.accumulator, layer.accumulator.overflow is Overflow.WRAP
            narrow = node.value_bits + _PARTIAL_BITS <= MOST_BITS and largest < 1 << SOLVER_BITS
            if narrow and used is not None and not used.rounds and (wraps or not used.overflows):
                names.add(layer.output)
    return frozenset(names)


@dataclass(frozen=True)
class Kernel:
    """hls4ml's function for a dense layer.

    Attributes:
        strategy: as the layer's configuration states it.
        name: of the class.
        reuse: how many products share a multiplier.
        transposed: whether it reads weights `[output][input]`.
    """

    strategy: Strategy
    name: str
    reuse: int
    transposed: bool


def kernel_of(layer: Dense, strategy: Strategy, reuse: int) -> Kernel:
    """The function for a layer; the order of an accumulator that wraps does not matter."""
    if strategy is not Strategy.RESOURCE or layer.accumulator.overflow is not Overflow.WRAP:
        return Kernel(Strategy.LATENCY, "DenseLatency", reuse, transposed=False)
    n_in, n_out = layer.weights.codes.shape
    closest = closest_reuse(n_in, n_out, reuse)
    name = "DenseResource_rf_leq_nin" if closest <= n_in else "DenseResource_rf_gt_nin_rem0"
    return Kernel(Strategy.RESOURCE, name, closest, transposed=True)


def closest_reuse(n_in: int, n_out: int, reuse: int) -> int:
    """The factor that hls4ml's functions allow and that is closest to the one asked for; the smaller one of two."""
    allowed = (factor for factor in range(1, n_in * n_out + 1) if _allowed(n_in, n_out, factor))
    return min(allowed, key=lambda factor: abs(factor - reuse))


def _allowed(n_in: int, n_out: int, factor: int) -> bool:
    multipliers = -(-n_in * n_out // min(n_in, factor))
    whole_columns = factor >= n_in or multipliers % n_out == 0
    return whole_columns and (factor < n_in or factor % n_in == 0) and n_in * n_out % factor == 0


def transposed(weights: Constants) -> Constants:
    """The weights `[output][input]`."""
    return Constants(np.ascontiguousarray(weights.codes.T), weights.fraction_bits)


def write_distributed(layer: Dense, step: Step) -> None:
    """A function of adders, by da4ml, as hls4ml has it; its sums are then converted like an accumulator's."""
    from firmware.hls_design import Variable

    function = f"dense_da_{step.index}"
    step.design.headers.add("nnet_dense.h")
    step.design.configs.append(_adders(layer, step.read_tensors[0], function))
    type_name = step.design.add_type(f"accum{step.index}_t", layer.accumulator)
    sums = Variable(f"layer{step.index}_acc", type_name, layer.accumulator, step.to.size)
    step.design.scratch(sums)
    step.design.statements.append(
        f"{function}<{step.read[0].type_name}, {type_name}>({step.read[0].name}, {sums.name});"
    )
    step.convert(f"{sums.name}[{i}]" for i in range(sums.size))


def _adders(layer: Dense, read: Tensor, function: str) -> str:
    from da4ml.codegen.hls.hls_codegen import hls_logic_and_bridge_gen
    from da4ml.trace import comb_trace

    from firmware.da4ml_exact import check_widths, exact_numbers
    from firmware.logic import dense_sums, input_port

    ports = [input_port(kind if kind.bits else FixedPoint(1, 1, signed=False)) for kind in read.element_types]
    with exact_numbers(layer.output):
        logic = comb_trace(ports, dense_sums(layer, ports), keep_dead_inputs=True)
        check_widths(logic)
    first_lines = ("#pragma HLS INLINE", "using nnet::bit_shift;")
    code, _ = hls_logic_and_bridge_gen(logic, function, "vitis", pragmas=first_lines)
    return str(code).rstrip()
