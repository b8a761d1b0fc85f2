"""Layers in distributed arithmetic, which hls4ml writes as sums and shifts in code, as dense layers.

A variable is a sum Σ cᵢ·inputᵢ + c. It is that exactly, if its type holds it: every value that it can have, and all of
its digits. Then the whole function is one dense layer, with an accumulator that drops nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from firmware.imports.cpp import closing, without_comments
from firmware.imports.declarations import Declarations, declarations
from firmware.imports.errors import ProjectUnreadable
from firmware.imports.sources import Sources
from models.exact_types import exact_type_of_sums, narrowest_type
from models.fixed_point import FixedPoint

_TERM: Final = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?:"
    r"bit_shift<(?P<shift>-?\d+)>\((?P<shifted>[\w\[\]]+)\)|"
    r"(?P<cast>ap_u?(?:fixed|int)<[^<>]*>)\((?P<inner>-?[\d.eE+-]+|[\w\[\]]+|bit_shift<-?\d+>\([\w\[\]]+\))\)|"
    r"(?P<number>\d[\d.]*(?:[eE][+-]?\d+)?)|"
    r"(?P<plain>[A-Za-z_]\w*(?:\[\d+\])?)"
    r")"
)
_ASSIGNMENT: Final = re.compile(r"(?:(?P<type>.*?)\s+)?(?P<name>\w+(?:\[\d+\])?)\s*=\s*(?P<sum>.*)$", re.DOTALL)
_ELEMENT: Final = re.compile(r"(\w+)\[(\d+)\]")
_LONGEST_FUNCTION: Final = 16 << 20


@dataclass(frozen=True)
class _Sum:
    """Σ coefficients·inputs + constant, in float64: each is a small integer times a power of 2, so exact."""

    coefficients: np.ndarray[Any, np.dtype[np.float64]]
    constant: float


def distributed_layer(sources: Sources, name: str, given: FixedPoint, n_in: int) -> tuple[dict[str, Any], int]:
    """The keys of a dense layer, without its tensors, and the number of its outputs.

    Args:
        sources: where a function template of that name is defined.
        name: of the function.
        given: the type of its inputs.
        n_in: how many there are.

    Raises:
        ProjectUnreadable: it is not defined, or does other things than sums and shifts, or drops digits.
    """
    parameters, body, declared = _function(sources, name)
    reader = _SumReader(name, parameters, given, n_in, declared)
    for statement in re.sub(r"^\s*#.*$", "", body, flags=re.MULTILINE).split(";"):
        reader.statement(" ".join(statement.split()))
    sums = reader.outputs()
    weights = np.array([found.coefficients for found in sums]).T
    bias = np.array([found.constant for found in sums])
    try:
        weight_type, bias_type = (narrowest_type(numbers) for numbers in (weights, bias))
        accumulator = exact_type_of_sums([(given, weight_type)] * n_in, bias_type)
    except ValueError as error:
        raise ProjectUnreadable(f"layer '{name}'", str(error)) from None
    layer = {
        "weights": weights.tolist(),
        "weight_type": str(weight_type),
        "bias": bias.tolist(),
        "bias_type": str(bias_type),
        "accumulator_type": str(accumulator),
    }
    return layer, len(sums)


def _function(sources: Sources, name: str) -> tuple[tuple[str, str], str, Declarations]:
    """The names of the function's two parameters, its body, and what its file declares."""
    pattern = re.compile(rf"\bvoid\s+{name}\s*\(([^()]*)\)\s*\{{")
    for content in sources.files.values():
        if name not in content or len(content) > _LONGEST_FUNCTION:
            continue
        text = without_comments(content)
        found = pattern.search(text)
        names = re.findall(r"(\w+)\s*\[", found[1]) if found else []
        end = closing(text, found.end() - 1) if found else -1
        if found and len(names) == 2 and end > 0:
            return (names[0], names[1]), text[found.end() : end], declarations("", {})
    raise ProjectUnreadable(f"layer '{name}'", "is nowhere defined as a function of two arrays")


class _SumReader:
    """Follows the variables of one function."""

    def __init__(
        self, name: str, parameters: tuple[str, str], given: FixedPoint, n_in: int, declared: Declarations
    ) -> None:
        self._where = f"layer '{name}'"
        self._given, self._made = parameters
        self._declared = declared
        low, high = (Fraction(code) / Fraction(2) ** given.fraction_bits for code in given.code_range)
        self._low, self._high, self._digits = float(low), float(high), given.fraction_bits
        self._n_in = n_in
        self._sums: dict[str, _Sum] = {}
        self._out: dict[int, _Sum] = {}

    def statement(self, text: str) -> None:
        if not text:
            return
        found = _ASSIGNMENT.match(text)
        if found is None:
            raise ProjectUnreadable(self._where, f"'{text[:60]}' is no assignment")
        total = self._sum(found["sum"])
        element = _ELEMENT.fullmatch(found["name"])
        if element and element[1] == self._made and not found["type"]:
            self._out[int(element[2])] = total
        elif found["type"] and not element:
            kind = found["type"].removeprefix("const ").strip()
            if kind != "auto":
                self._check(total, self._declared.fixed_point(kind), found["name"])
            self._sums[found["name"]] = total
        else:
            raise ProjectUnreadable(self._where, f"'{text[:60]}' is no new variable and no output")

    def outputs(self) -> list[_Sum]:
        if not self._out or sorted(self._out) != list(range(len(self._out))):
            raise ProjectUnreadable(self._where, "does not make all of its outputs")
        return [self._out[i] for i in range(len(self._out))]

    def _sum(self, text: str) -> _Sum:
        coefficients, constant, position = np.zeros(self._n_in), 0.0, 0
        while position < len(text.rstrip()):
            term = _TERM.match(text, position)
            if term is None or (position and not term["sign"]):
                raise ProjectUnreadable(self._where, f"'{text[:60]}' is no sum of shifted numbers")
            sign = -1.0 if term["sign"] == "-" else 1.0
            part = self._term(term.groupdict())
            coefficients, constant = coefficients + sign * part.coefficients, constant + sign * part.constant
            position = term.end()
        return _Sum(coefficients, constant)

    def _term(self, term: Mapping[str, str | None]) -> _Sum:
        if term["cast"] and term["inner"]:
            inner = self._sum(term["inner"])
            self._check(inner, self._declared.fixed_point(term["cast"]), term["inner"])
            return inner
        if term["number"]:
            return _Sum(np.zeros(self._n_in), self._number(term["number"]))
        part = self._variable(term["shifted"] or term["plain"] or "")
        factor = 2.0 ** int(term["shift"] or 0)
        return _Sum(part.coefficients * factor, part.constant * factor)

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise ProjectUnreadable(self._where, f"'{text[:40]}' is no number") from None

    def _variable(self, name: str) -> _Sum:
        element = _ELEMENT.fullmatch(name)
        if element and element[1] == self._given and int(element[2]) < self._n_in:
            unit = np.zeros(self._n_in)
            unit[int(element[2])] = 1.0
            return _Sum(unit, 0.0)
        if name not in self._sums:
            raise ProjectUnreadable(self._where, f"'{name[:40]}' is read before it is made")
        return self._sums[name]

    def _check(self, total: _Sum, kind: FixedPoint, name: str) -> None:
        """That a type changes none of the values which a sum can have."""
        positive, negative = np.clip(total.coefficients, 0, None).sum(), np.clip(total.coefficients, None, 0).sum()
        least = positive * self._low + negative * self._high + total.constant
        greatest = positive * self._high + negative * self._low + total.constant
        unit = 2.0**-kind.fraction_bits
        low, high = (code * unit for code in kind.code_range)
        parts = np.append(total.coefficients * 2.0**-self._digits, total.constant) / unit
        if least < low or greatest > high or (parts != np.round(parts)).any():
            raise ProjectUnreadable(self._where, f"type {kind} of '{name}' does not hold all that it can be")
