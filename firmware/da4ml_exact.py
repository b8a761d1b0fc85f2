"""Makes da4ml count exactly, however large or small the numbers are (`docs/firmware.md`, "The logic").

da4ml 0.6 knows constants in units of 2^-32 to 2^31 only, calculates with 28 decimal digits, takes the logarithm of
2^50 + 1 for 50, and counts the cost of an adder in float32: numbers far from 1, or wide ones, would lose digits, get
too few bits, or cost infinitely much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, localcontext
from typing import Final

from da4ml import types
from da4ml.codegen.hls import hls_codegen
from da4ml.codegen.rtl.verilog import comb as verilog
from da4ml.codegen.rtl.vhdl import comb as vhdl
from da4ml.trace import FixedVariable, fixed_variable, tracer
from da4ml.types import CombLogic, QInterval, minimal_kif

from firmware.da4ml_package import MOST_BITS
from firmware.rtl_errors import NotLogic

_DIGITS: Final = 4096
"""Decimal digits of da4ml's calculations: more than any sum or product of a network's numbers has."""
_ZERO: Final = -32
"""What da4ml takes for the fraction bits of 0."""


def fraction_bits(constant: float | Decimal) -> int:
    """The least n for which the constant times 2^n is an integer; negative for multiples of powers of two."""
    numerator, denominator = constant.as_integer_ratio()
    if not numerator:
        return _ZERO
    return denominator.bit_length() - (numerator & -numerator).bit_length()


def log2(number: float | Decimal) -> float:
    """The logarithm to base 2 of a number of at most 53 bits: an integer for powers of two only."""
    value = float(number)
    found = math.log2(value)
    if not found.is_integer():
        return found
    power = math.ldexp(1.0, int(found))
    return found if value == power else math.nextafter(found, math.copysign(math.inf, value - power))


def cost_add(one: QInterval, other: QInterval, *how: int) -> tuple[float, float]:
    """Latency and cost of an adder, which are the same for numbers in units near 1."""
    _, exponent = math.frexp(max(one.step, other.step))
    near = (QInterval(*(math.ldexp(end, -exponent) for end in interval)) for interval in (one, other))
    found: tuple[float, float] = _cost_add(*near, *how)
    return found


class TooWide(ValueError):
    """A number has more bits than da4ml can tell apart."""

    def __init__(self, bits: int) -> None:
        super().__init__(f"it has numbers of {bits} bits, da4ml keeps {MOST_BITS}")


@contextmanager
def exact_numbers(name: str) -> Iterator[None]:
    """Within it da4ml's sums, products and quotients by powers of two have all their digits.

    Args:
        name: of what is made, for messages.

    Raises:
        NotLogic: `check_width` found a number that is too wide.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        try:
            yield
        except TooWide as error:
            raise NotLogic(name, str(error)) from None


def check_width(number: FixedVariable) -> None:
    """Raises `TooWide` if a number has more bits than da4ml can tell apart."""
    bits = int(sum(number.kif))
    if bits > MOST_BITS:
        raise TooWide(bits)


def check_widths(logic: CombLogic) -> None:
    """As `check_width`, for every number in some logic."""
    bits = max(int(sum(minimal_kif(op.qint))) for op in logic.ops)
    if bits > MOST_BITS:
        raise TooWide(bits)


_cost_add = fixed_variable.cost_add
fixed_variable.cost_add = cost_add
for _module in (fixed_variable, tracer, hls_codegen):
    _module._const_f = fraction_bits
for _module in (fixed_variable, tracer, types, verilog, vhdl):
    _module.log2 = log2
