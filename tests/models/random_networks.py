"""Small random networks with every layer, score, rounding and overflow: what all backends must agree on."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import NETWORK_BITS, FixedPoint, Overflow, Rounding
from models.network import Network, read_network

ALL_OPS = (
    "dense",
    "conv2d",
    "relu",
    "linear",
    "subtract",
    "add",
    "multiply",
    "dot",
    "concatenate",
    "reshape",
    "flatten",
    "table",
)
ALL_SCORES = ("sum_of_squares", "squared_difference", "kl", "r_z", "mahalanobis", "network_output")


def random_network(seed: int, ops: Collection[str] = ALL_OPS, scores: Collection[str] = ALL_SCORES) -> Network:
    """A network of a few layers; the same seed gives the same one."""
    return read_network(json.dumps(random_document(seed, ops, scores)).encode(), f"random network {seed}")


def random_document(seed: int, ops: Collection[str] = ALL_OPS, scores: Collection[str] = ALL_SCORES) -> dict[str, Any]:
    """The written form of `random_network`, as plain JSON values."""
    return _Generator(seed).document(tuple(ops), tuple(scores))


def random_inputs(network: Network, n: int, seed: int) -> NDArray[np.int64]:
    """Inputs `(n, n_inputs)` over the whole range of the input type, both ends included."""
    random = np.random.default_rng(seed)
    kind = network.given_type
    low, high = kind.code_range
    codes = random.integers(low, high, (n, network.n_inputs), endpoint=True)
    codes[0], codes[1] = low, high
    return codes >> kind.fraction_bits if kind.fraction_bits > 0 else codes << -kind.fraction_bits


class _Generator:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.types: dict[str, str | list[str]] = {}
        self.layers: list[dict[str, Any]] = []

    def document(self, ops: tuple[str, ...], scores: tuple[str, ...]) -> dict[str, Any]:
        inputs, scaling = self.inputs(image="conv2d" in ops and self.chance(0.5))
        for _ in range(self.integer(2, 6)):
            self.add(str(self.random.choice(ops)))
        document = {
            "schema": "l1chain-network/1",
            "name": "random",
            "inputs": inputs,
            "layers": self.layers,
            "score": self.score(str(self.random.choice(scores))),
        }
        return document | ({"scaling": scaling} if scaling else {})

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high, endpoint=True))

    def kind(
        self, bits: tuple[int, int] = (4, 10), fraction: tuple[int, int] = (-1, 5), signed: bool | None = None
    ) -> str:
        """A type; of a few bits, sometimes of hardly any, unless stated otherwise."""
        width = self.integer(0, 3) if bits == (4, 10) and self.chance(0.06) else self.integer(*bits)
        signed = self.chance(0.7) if signed is None else signed
        rounding = str(self.random.choice(list(Rounding)))
        overflow = str(self.random.choice(list(Overflow), p=[0.45, 0.45, 0.02, 0.08]))
        integer = width - self.integer(*fraction)
        return f"ap_{'' if signed else 'u'}fixed<{width},{integer},{rounding},{overflow}>"

    def kinds(self, size: int) -> str | list[str]:
        return [self.kind() for _ in range(size)] if self.chance(0.3) else self.kind()

    def accumulator(self) -> str:
        """A wide one, one that wraps, or one that drops digits and may saturate."""
        match self.integer(0, 5):
            case 0 | 1:
                return self.kind((30, 40), (10, 14))
            case 2:
                return self.kind((56, 70), (10, 24))
            case 3 | 4:
                width = self.integer(8, 14)
                return f"ap_fixed<{width},{width - 8}>"
            case _:
                return self.kind((8, 14), (0, 4))

    def numbers(self, shape: tuple[int, ...], kinds: str | list[str]) -> Any:
        """Numbers of the types, a part of them 0."""
        size = int(np.prod(shape))
        types = [FixedPoint.parse(kind, NETWORK_BITS) for kind in ([kinds] * size if isinstance(kinds, str) else kinds)]
        values = [
            0.0 if self.chance(0.1) else float(np.ldexp(self.integer(*kind.code_range), -kind.fraction_bits))
            for kind in types
        ]
        return np.array(values).reshape(shape).tolist()

    def inputs(self, image: bool) -> tuple[dict[str, Any], dict[str, Any] | None]:
        kind = f"ap_{'' if self.chance(0.5) else 'u'}fixed<{(bits := self.integer(3, 9))},{bits - self.integer(0, 1)}>"
        inputs: dict[str, Any] = {"tensor": "x", "type": kind}
        if image:
            shape: tuple[int, ...] = (self.integer(3, 5), self.integer(3, 5), 1)
            inputs["regions"] = {"rows": shape[0], "columns": shape[1]}
        else:
            shape = (self.integer(2, 6),)
            inputs["elements"] = [{"object": "jet", "rank": i, "quantity": "pt", "unit": "hw"} for i in range(shape[0])]
        size = int(np.prod(shape))
        if self.chance(0.4):
            self.made("x", shape, kind)
            return inputs, None
        scaled = self.kinds(size)
        self.made("x", shape, scaled)
        offset_type = self.kind((6, 9), (0, 1))
        return inputs, {
            "unscaled_type": f"ap_fixed<14,{self.integer(9, 11)}>",
            "offset": (self.random.integers(-20, 20, size) / 2).tolist(),
            "offset_type": offset_type,
            "shift": self.random.integers(-1, 4, size).tolist(),
            "shift_type": "ap_int<4>",
            "network_input_type": scaled,
        }

    def made(self, name: str, shape: tuple[int, ...], kinds: str | list[str]) -> None:
        self.shapes[name], self.types[name] = shape, kinds

    def emit(self, op: str, shape: tuple[int, ...], kinds: str | list[str], /, **fields: Any) -> str:
        name = f"t{len(self.layers)}"
        self.layers.append({"op": op, "output": name} | fields)
        self.made(name, shape, kinds)
        return name

    def pick(self) -> str:
        return str(self.random.choice(list(self.shapes)))

    def vector(self) -> str:
        """A tensor that is a vector, flattened if need be."""
        name = self.pick()
        if len(self.shapes[name]) == 1:
            return name
        return self.emit("flatten", (int(np.prod(self.shapes[name])),), self.types[name], input=name)

    def linear(self, name: str, kinds: str | list[str] | None = None, op: str = "linear") -> str:
        shape = self.shapes[name]
        kinds = kinds or self.kinds(int(np.prod(shape)))
        return self.emit(op, shape, kinds, input=name, output_type=kinds)

    def dense(self, name: str, n_out: int) -> str:
        shape = (self.shapes[name][0], n_out)
        weight_type, bias_type = self.kinds(shape[0] * shape[1]), self.kinds(n_out)
        kinds = self.kinds(n_out)
        return self.emit(
            "dense",
            (n_out,),
            kinds,
            input=name,
            weights=self.numbers(shape, weight_type),
            bias=self.numbers((n_out,), bias_type),
            weight_type=weight_type,
            bias_type=bias_type,
            accumulator_type=self.accumulator(),
            output_type=kinds,
        )

    def partner(self, name: str) -> str:
        """A tensor of the same shape: perhaps the same, perhaps a conversion of it, perhaps another one."""
        others = [other for other, shape in self.shapes.items() if shape == self.shapes[name]]
        return self.linear(name) if self.chance(0.4) else str(self.random.choice(others))

    def add(self, op: str) -> None:
        match op:
            case "dense":
                self.dense(self.vector(), self.integer(1, 5))
            case "conv2d":
                self.conv2d()
            case "relu" | "linear":
                name = "quantise" if op == "linear" and self.chance(0.3) else op
                self.linear(self.pick(), op=name)
            case "subtract" | "add" | "multiply":
                first = self.pick()
                shape, second = self.shapes[first], self.partner(first)
                kinds = self.kinds(int(np.prod(shape)))
                self.emit(op, shape, kinds, inputs=[first, second], output_type=kinds)
            case "dot":
                first = self.pick()
                kind, second = self.kind(), self.partner(first)
                accumulator = self.accumulator()
                self.emit(op, (1,), kind, inputs=[first, second], accumulator_type=accumulator, output_type=kind)
            case "concatenate":
                names = [self.vector() for _ in range(self.integer(1, 3))]
                size = sum(self.shapes[name][0] for name in names)
                kinds = self.kinds(size)
                self.emit(op, (size,), kinds, inputs=names, output_type=kinds)
            case "reshape":
                name = self.pick()
                shape = (int(np.prod(self.shapes[name])), 1, 1)
                self.emit(op, shape, self.types[name], input=name, shape=list(shape))
            case "flatten":
                name = self.pick()
                self.emit(op, (int(np.prod(self.shapes[name])),), self.types[name], input=name)
            case "table":
                self.table(self.pick())

    def table(self, name: str) -> str:
        kind, result = self.kind((1, 6), (0, 4)), self.kind()
        name = self.linear(name, kind)
        low, high = FixedPoint.parse(kind, NETWORK_BITS).code_range
        values = self.numbers((high - low + 1,), result)
        return self.emit("table", self.shapes[name], result, input=name, values=values, output_type=result)

    def conv2d(self) -> None:
        name = self.pick()
        if len(self.shapes[name]) != 3:
            shape = (int(np.prod(self.shapes[name])), 1, 1)
            name = self.emit("reshape", shape, self.types[name], input=name, shape=list(shape))
        rows, columns, channels = self.shapes[name]
        kernel = (self.integer(1, min(rows, 3)), self.integer(1, min(columns, 3)))
        stride, filters = (self.integer(1, 2), self.integer(1, 2)), self.integer(1, 3)
        same = self.chance(0.4)
        room = (0, 0) if same else (kernel[0] - 1, kernel[1] - 1)
        shape = (-(-(rows - room[0]) // stride[0]), -(-(columns - room[1]) // stride[1]), filters)
        weight_type, bias_type = self.kinds(int(np.prod(kernel)) * channels * filters), self.kinds(filters)
        kinds = self.kinds(int(np.prod(shape)))
        self.emit(
            "conv2d",
            shape,
            kinds,
            input=name,
            weights=self.numbers((*kernel, channels, filters), weight_type),
            bias=self.numbers((filters,), bias_type),
            stride=list(stride),
            padding="same" if same else "valid",
            weight_type=weight_type,
            bias_type=bias_type,
            accumulator_type=self.accumulator(),
            output_type=kinds,
        )

    def score(self, kind: str) -> dict[str, Any]:
        of = self.vector()
        size = self.shapes[of][0]
        common = {"kind": kind, "type": self.kind((4, 16), (0, 4), signed=self.chance(0.2))}
        accumulator = {"accumulator_type": self.accumulator()} if self.chance(0.5) else {}
        elements = {"element_type": self.kinds(size)}
        optional = elements if self.chance(0.5) else {}
        match kind:
            case "sum_of_squares":
                return common | {"of": of} | optional | accumulator
            case "squared_difference":
                return common | {"of": of, "reference": self.linear(of)} | elements | accumulator
            case "kl":
                return common | {"of": of, "variance_term": self.table(of)} | optional | accumulator
            case "r_z":
                return common | {"of": of, "inverse_sigma": self.table(of)} | elements | accumulator
            case "mahalanobis":
                return common | {"of": of} | self.clusters(size)
        return common | {"of": self.dense(of, 1)} | ({"element_type": self.kind()} if self.chance(0.5) else {})

    def clusters(self, size: int) -> dict[str, Any]:
        weight_type, bias_type, n_out = self.kind(), self.kind(), self.integer(1, 3)
        clusters = [
            {"weights": self.numbers((size, n_out), weight_type), "bias": self.numbers((n_out,), bias_type)}
            for _ in range(self.integer(1, 3))
        ]
        return {
            "clusters": clusters,
            "weight_type": weight_type,
            "bias_type": bias_type,
            "accumulator_type": self.accumulator(),
            "element_type": self.kind(),
            "distance_type": self.kind((4, 16), (0, 6), signed=False),
        }
