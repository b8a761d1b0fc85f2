"""Fixed-point types as the hardware names them: `ap_fixed<8,6,AP_RND_CONV,AP_SAT>` (`docs/models.md`, "Numbers")."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, PlainSerializer


class Rounding(StrEnum):
    """What happens to the digits that a type does not have."""

    DOWN = "AP_TRN"
    NEAREST_EVEN = "AP_RND_CONV"
    NEAREST_UP = "AP_RND"
    TOWARDS_ZERO = "AP_TRN_ZERO"
    NEAREST_TOWARDS_ZERO = "AP_RND_ZERO"
    NEAREST_AWAY_FROM_ZERO = "AP_RND_INF"
    NEAREST_DOWN = "AP_RND_MIN_INF"


class Overflow(StrEnum):
    """What happens to a value beyond a type's range."""

    WRAP = "AP_WRAP"
    SATURATE = "AP_SAT"
    ZERO = "AP_SAT_ZERO"
    SATURATE_SYMMETRIC = "AP_SAT_SYM"


FLOAT_BITS: Final = range(1, 51)
"""Widths of the types all of whose values float64 holds."""

NETWORK_BITS: Final = range(129)
"""Widths of the types in a network description; with 0 bits every value is 0."""

_HALF: Final = 0.5


def _nearest_up(values: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.floor(values)
    return whole + (values - whole >= _HALF)  # a sum with one half may have more digits than float64


def _nearest_down(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return -_nearest_up(-values)


def _nearest_towards_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.copysign(_nearest_down(np.abs(values)), values)


def _nearest_away_from_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.copysign(_nearest_up(np.abs(values)), values)


_ROUND: Final[dict[Rounding, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    Rounding.DOWN: np.floor,
    Rounding.NEAREST_EVEN: np.rint,
    Rounding.NEAREST_UP: _nearest_up,
    Rounding.TOWARDS_ZERO: np.trunc,
    Rounding.NEAREST_TOWARDS_ZERO: _nearest_towards_zero,
    Rounding.NEAREST_AWAY_FROM_ZERO: _nearest_away_from_zero,
    Rounding.NEAREST_DOWN: _nearest_down,
}
TYPE_PATTERN: Final = (
    r"ap_(?P<unsigned>u?)(?:int<(?P<bits>\d{1,4})>|fixed<(?P<width>\d{1,4}),\s*(?P<integer>-?\d{1,4})"
    rf"(?:,\s*(?P<rounding>{'|'.join(Rounding)})(?:,\s*(?P<overflow>{'|'.join(Overflow)})(?:,\s*0)?)?)?>)"
)
_TYPE: Final = re.compile(TYPE_PATTERN)


@dataclass(frozen=True)
class FixedPoint:
    """A fixed-point type: its values are the integers of `bits` bits, times 2^−`fraction_bits`.

    Attributes:
        bits: all bits, sign included.
        integer_bits: bits before the binary point, sign included.
        signed: two's complement, else unsigned.
        rounding: used by `quantise`.
        overflow: used by `quantise`.
    """

    bits: int
    integer_bits: int
    signed: bool = True
    rounding: Rounding = Rounding.DOWN
    overflow: Overflow = Overflow.WRAP

    @classmethod
    def parse(cls, text: str, widths: range = FLOAT_BITS) -> FixedPoint:
        """The type that a text such as `ap_ufixed<10,6,AP_RND_CONV,AP_SAT>` or `ap_int<5>` names.

        Args:
            text: the type; a fifth parameter of 0 (no saturation bits) changes nothing.
            widths: the bits that it may have.

        Raises:
            ValueError: it names none, or one of another width.
        """
        match = _TYPE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"'{text}' is no fixed-point type such as ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
        bits = int(match["bits"] or match["width"])
        if bits not in widths:
            raise ValueError(f"'{text}' has {bits} bits, allowed are {widths[0]} to {widths[-1]}")
        return cls(
            bits=bits,
            integer_bits=int(match["integer"] or bits),
            signed=not match["unsigned"],
            rounding=Rounding(match["rounding"] or Rounding.DOWN),
            overflow=Overflow(match["overflow"] or Overflow.WRAP),
        )

    @property
    def fraction_bits(self) -> int:
        """Bits after the binary point."""
        return self.bits - self.integer_bits

    @property
    def code_range(self) -> tuple[int, int]:
        """The least and the greatest integer, in units of 2^−`fraction_bits`."""
        if self.signed and self.bits:
            half = 1 << (self.bits - 1)
            low = -max(half - 1, 1) if self.overflow is Overflow.SATURATE_SYMMETRIC else -half
            return low, half - 1
        return 0, (1 << self.bits) - 1

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value."""
        low, high = self.code_range
        return float(np.ldexp(low, -self.fraction_bits)), float(np.ldexp(high, -self.fraction_bits))

    def quantise(self, values: ArrayLike) -> NDArray[np.float64]:
        """The values converted to this type (of at most 50 bits), same shape: rounded, then brought into range."""
        low, high = self.code_range
        codes = _ROUND[self.rounding](np.ldexp(self._near(np.asarray(values, np.float64)), self.fraction_bits))
        match self.overflow:
            case Overflow.WRAP:
                codes = low + np.mod(codes - low, 2.0**self.bits)
            case Overflow.ZERO:
                codes = np.where((codes < low) | (codes > high), 0.0, codes)
            case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
                codes = np.clip(codes, low, high)
        return np.ldexp(codes, -self.fraction_bits)

    def _near(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers that convert to the same codes, none so great that float64 lacks digits for what follows."""
        if self.overflow is Overflow.WRAP:
            return np.fmod(values, 2.0**self.integer_bits)
        beyond = 2.0 ** (self.integer_bits + 1)
        return np.clip(values, -beyond, beyond)

    def __str__(self) -> str:
        kind = "ap_fixed" if self.signed else "ap_ufixed"
        return f"{kind}<{self.bits},{self.integer_bits},{self.rounding},{self.overflow}>"


def _parsed(value: Any) -> Any:
    return FixedPoint.parse(value) if isinstance(value, str) else value


FixedPointText = Annotated[FixedPoint, BeforeValidator(_parsed), PlainSerializer(str)]
"""A fixed-point type in a pydantic model, written as text."""
