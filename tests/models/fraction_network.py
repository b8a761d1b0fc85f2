"""The meaning of a written network in exact fractions, one crossing at a time; shares no code with the backends."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import Any

Value = dict[tuple[int, ...], Fraction]
"""A tensor: its numbers by index."""


def convert(value: Fraction, text: str) -> Fraction:
    """The value in a type, from the words of `docs/networks.md`, "Arithmetic"."""
    name, *parameters = re.split(r"[<,>]", text.replace(" ", "").rstrip(">"))
    bits, integer = int(parameters[0]), int(parameters[1] if "fixed" in name else parameters[0])
    rounding, overflow = (
        [*parameters[2:], "AP_TRN", "AP_WRAP"] if len(parameters) < 3 else [*parameters[2:], "AP_WRAP"]
    )[:2]
    unit = Fraction(2) ** (integer - bits)
    code = _rounded(value / unit, rounding)
    signed = "u" not in name
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed and bits else (0, 2**bits - 1)
    if overflow == "AP_SAT_SYM" and signed and bits:
        low = min(-high, -1)
    if not low <= code <= high:
        code = {"AP_WRAP": (code - low) % 2**bits + low, "AP_SAT_ZERO": 0}.get(overflow, low if code < low else high)
    return code * unit


def _rounded(value: Fraction, rounding: str) -> int:
    below = math.floor(value)
    if value == below:
        return below
    if rounding == "AP_TRN":
        return below
    if rounding == "AP_TRN_ZERO":
        return math.trunc(value)
    if value - below != Fraction(1, 2):
        return math.floor(value + Fraction(1, 2))
    ties = {
        "AP_RND": below + 1,
        "AP_RND_MIN_INF": below,
        "AP_RND_ZERO": math.trunc(value),
        "AP_RND_INF": below + 1 if value > 0 else below,
        "AP_RND_CONV": below + below % 2,
    }
    return ties[rounding]


class FractionNetwork:
    """Evaluates a document of the present form."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def score(self, given: list[Fraction]) -> int:
        """The menu's integer."""
        tensors = {self.document["inputs"]["tensor"]: self._inputs(given)}
        for layer in self.document["layers"]:
            tensors[layer["output"]] = self._table(layer, tensors) if layer["op"] == "table" else _layer(layer, tensors)
        score = self.document["score"]
        value = convert(_score(score, tensors), score["type"])
        bits, integer = map(int, re.findall(r"-?\d+", score["type"])[:2])
        return int(value * 2 ** (bits - integer))

    def _inputs(self, given: list[Fraction]) -> Value:
        inputs, scaling = self.document["inputs"], self.document.get("scaling")
        values = [convert(value, inputs["type"]) for value in given]
        if scaling:
            unscaled = scaling["unscaled_type"]
            for i, (offset, shift) in enumerate(zip(scaling["offset"], scaling["shift"], strict=True)):
                difference = convert(values[i], unscaled) - convert(Fraction(offset), scaling["offset_type"])
                values[i] = convert(convert(difference, unscaled) / Fraction(2) ** shift, unscaled)
        shape = (len(values),) if "elements" in inputs else (inputs["regions"]["rows"], inputs["regions"]["columns"], 1)
        numbers = dict(zip(_indices(shape), values, strict=True))
        return _stored(numbers, scaling["network_input_type"]) if scaling else numbers

    def _table(self, layer: dict[str, Any], tensors: dict[str, Value]) -> Value:
        (kind,) = (made["output_type"] for made in self.document["layers"] if made["output"] == layer["input"])
        bits, integer = map(int, re.findall(r"-?\d+", kind)[:2])
        unit = Fraction(2) ** (integer - bits)
        least = min(convert(code * unit, kind) for code in range(-(2**bits), 2**bits + 1))
        numbers = tensors[layer["input"]].items()
        return {index: Fraction(layer["values"][int((number - least) / unit)]) for index, number in numbers}


def _indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, shape)))


def _shape(tensor: Value) -> tuple[int, ...]:
    return tuple(n + 1 for n in max(tensor))


def _stored(values: Value, types: str | list[str]) -> Value:
    kinds = [types] * len(values) if isinstance(types, str) else types
    return {index: convert(values[index], kind) for index, kind in zip(sorted(values), kinds, strict=True)}


def _sum(terms: list[Fraction], start: Fraction, accumulator: str) -> Fraction:
    total = convert(start, accumulator)
    for term in terms:
        total = convert(total + convert(term, accumulator), accumulator)
    return total


def _flat(tensor: Value) -> list[Fraction]:
    return [tensor[index] for index in sorted(tensor)]


def _dense(x: list[Fraction], weights: list[list[float]], bias: list[float], accumulator: str) -> Value:
    return {
        (j,): _sum([x[i] * Fraction(weights[i][j]) for i in range(len(x))], Fraction(bias[j]), accumulator)
        for j in range(len(bias))
    }


def _conv2d(layer: dict[str, Any], image: Value) -> Value:
    rows, columns, channels = _shape(image)
    weights = layer["weights"]
    kernel = len(weights), len(weights[0])
    first, sizes = [], []
    for size, width, step in zip((rows, columns), kernel, layer["stride"], strict=True):
        if layer["padding"] == "same":
            sizes.append(math.ceil(size / step))
            first.append(-(max((sizes[-1] - 1) * step + width - size, 0) // 2))
        else:
            sizes.append((size - width) // step + 1)
            first.append(0)
    result = {}
    for row, column, number in _indices((*sizes, len(layer["bias"]))):
        terms = []
        for i, j, channel in _indices((*kernel, channels)):
            at = first[0] + row * layer["stride"][0] + i, first[1] + column * layer["stride"][1] + j, channel
            terms.append(image.get(at, Fraction(0)) * Fraction(weights[i][j][channel][number]))
        result[row, column, number] = _sum(terms, Fraction(layer["bias"][number]), layer["accumulator_type"])
    return result


def _layer(layer: dict[str, Any], tensors: dict[str, Value]) -> Value:
    read = [tensors[name] for name in layer.get("inputs", [layer.get("input")])]
    x = read[0]
    match layer["op"]:
        case "flatten" | "reshape":
            shape = tuple(layer.get("shape", (len(x),)))
            return dict(zip(_indices(shape), _flat(x), strict=True))
        case "dense":
            value = _dense(_flat(x), layer["weights"], layer["bias"], layer["accumulator_type"])
        case "conv2d":
            value = _conv2d(layer, x)
        case "relu":
            value = {index: max(number, Fraction(0)) for index, number in x.items()}
        case "linear" | "quantise":
            value = x
        case "add":
            value = {index: x[index] + read[1][index] for index in x}
        case "subtract":
            value = {index: x[index] - read[1][index] for index in x}
        case "multiply":
            value = {index: x[index] * read[1][index] for index in x}
        case "dot":
            products = [a * b for a, b in zip(_flat(x), _flat(read[1]), strict=True)]
            value = {(0,): _sum(products, Fraction(0), layer["accumulator_type"])}
        case "concatenate":
            numbers = [number for part in read for number in _flat(part)]
            value = {(i,): number for i, number in enumerate(numbers)}
    return _stored(value, layer["output_type"])


def _score(score: dict[str, Any], tensors: dict[str, Value]) -> Fraction:
    of = _flat(tensors[score["of"]])
    accumulator = score.get("accumulator_type", score["type"])

    def elements(values: list[Fraction]) -> list[Fraction]:
        types = score.get("element_type")
        kinds = types if isinstance(types, list) else [types] * len(values)
        return [convert(value, kind) for value, kind in zip(values, kinds, strict=True)] if types else values

    match score["kind"]:
        case "network_output":
            return elements(of)[0]
        case "sum_of_squares":
            return _sum([value**2 for value in elements(of)], Fraction(0), accumulator)
        case "squared_difference":
            differences = [a - b for a, b in zip(of, _flat(tensors[score["reference"]]), strict=True)]
            return _sum([value**2 for value in elements(differences)], Fraction(0), accumulator)
        case "r_z":
            pulls = [a * b for a, b in zip(of, _flat(tensors[score["inverse_sigma"]]), strict=True)]
            return _sum([value**2 for value in elements(pulls)], Fraction(0), accumulator)
        case "kl":
            squares = [value**2 / 2 for value in elements(of)]
            return _sum(squares + _flat(tensors[score["variance_term"]]), Fraction(0), accumulator)
    distances = []
    for cluster in score["clusters"]:
        white = _dense(of, cluster["weights"], cluster["bias"], score["accumulator_type"])
        numbers = _flat(_stored(white, score["element_type"]))
        distances.append(_sum([number**2 for number in numbers], Fraction(0), score["distance_type"]))
    return _root(math.prod(distances), 2 * len(distances), score["type"])


def _root(value: Fraction, order: int, kind: str) -> Fraction:
    """The greatest multiple of the type's unit whose power is at most the value."""
    bits, integer = map(int, re.findall(r"-?\d+", kind)[:2])
    unit, code = Fraction(2) ** (integer - bits), 0
    step = 1 << 24
    while step:
        if ((code + step) * unit) ** order <= value:
            code += step
        else:
            step >>= 1
    return code * unit
