"""Rewrites the older form of a network description as `l1chain-network/1` (`docs/networks.md`, "Older form").

The older form names no `schema`, leaves out the inputs' tensor, flattens in words, states the types that a layer reads,
and states in numbers what its weights show. What it states twice is compared here; the rest where the new form is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from models.errors import NetworkInvalid
from models.fixed_point import NETWORK_BITS, FixedPoint
from triggers.errors import BadValue, UnknownName

_KEYS: Final = ("name", "inputs", "inputs_note", "note", "unscaled_type", "scaling", "layers", "score")
_SCALING_KEYS: Final = ("rule", "offset", "offset_type", "shift", "shift_type", "network_input_type")
_SCORE_NOTES: Final = ("rule", "menu_integer")
_FLATTENED: Final = re.compile(r"(?P<name>\S+) \(flattened(?:: height, width, (?:filter|channel)s?)?\)")
_INPUT_NAME: Final = re.compile(r"(?P<object>[A-Za-z]+(?:_[A-Za-z]+)*?)(?P<rank>\d*)_(?P<quantity>[A-Za-z]+)")
_REGIONS: Final = re.compile(r"(?P<n>[1-9]\d{0,5}) .*\bindex = (?P<columns>[1-9]\d{0,5}) ?\* ?iphi \+ ieta")
_TYPE_IN_WORDS: Final = re.compile(r"\bap_u?(?:int|fixed)<[^>]*>")
_ANY_HARDWARE_NUMBER: Final = "ap_fixed<40,28>"
_MENU_INTEGER: Final = re.compile(r"score \* (?P<scale>\d{1,9})")
_OTHER_NAMES: Final = {"quantize": "quantise", "concat": "concatenate", "sub": "subtract"}
_DROPPED: Final = ("input_type", "input_types", "n_in", "n_out", "kernel", "filters", "input_shape", "name")
_HALVED: Final = "pt"


def modernised(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The same network in the present form; `data` is not changed.

    Raises:
        NetworkInvalid: what is stated twice differs, or cannot be expressed.
        UnknownName: an unknown key.
        BadValue: a key is missing or of another kind.
    """
    return _Rewriter(data, source).document()


class _Rewriter:
    def __init__(self, data: Mapping[str, Any], source: str) -> None:
        self._data, self._source = data, source
        self._only(data, _KEYS, "")
        self._layers = [self._layer(layer, f"layer number {n}") for n, layer in enumerate(self._list("layers"))]
        self._types: dict[str, Any] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._written: list[dict[str, Any]] = []

    def document(self) -> dict[str, Any]:
        """The whole document."""
        tensor = self._input_tensor()
        inputs, scaling = self._inputs(tensor), self._scaling()
        self._types[tensor] = scaling.get("network_input_type") if scaling else self._given_type(self._first(tensor))
        for layer in self._layers:
            self._add(layer)
        notes = [str(self._data[key]) for key in ("note", "inputs_note") if self._data.get(key)]
        document = {"name": self._data.get("name"), "inputs": inputs, "layers": self._written, "score": self._score()}
        return document | ({"scaling": scaling} if scaling else {}) | ({"note": " ".join(notes)} if notes else {})

    def _input_tensor(self) -> str:
        made = {layer["output"] for layer in self._layers}
        read = [name for layer in self._layers for name in self._reads(layer) if name not in made]
        if len(set(read)) != 1:
            names = ", ".join(sorted(set(read))) or "none"
            raise NetworkInvalid(
                self._source,
                "layers",
                f"read the tensors {names} that no layer makes; exactly one must be the inputs",
                "correct the names of the layers' inputs",
            )
        return read[0]

    def _first(self, tensor: str) -> Mapping[str, Any]:
        return next(layer for layer in self._layers if tensor in self._reads(layer))

    def _reads(self, layer: Mapping[str, Any]) -> list[str]:
        names = layer["inputs"] if "inputs" in layer else [layer.get("input")]
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise BadValue(self._place(layer), "states no inputs", "add the key input or inputs with names of tensors")
        return [match["name"] if (match := _FLATTENED.fullmatch(name)) else name for name in names]

    def _inputs(self, tensor: str) -> dict[str, Any]:
        names = self._data.get("inputs")
        first = self._first(tensor)
        given = {"tensor": tensor, "type": self._data.get("unscaled_type") or self._given_type(first)}
        if isinstance(names, list):
            self._shapes[tensor] = (len(names),)
            return self._converted(given | {"elements": [self._element(name) for name in names]})
        shape = self._regions(names, first)
        self._shapes[tensor] = (*shape, 1)
        return self._converted(given | {"regions": {"rows": shape[0], "columns": shape[1]}})

    def _given_type(self, first: Mapping[str, Any]) -> Any:
        """What the first layer reads: one type, or a list of types."""
        stated = next(iter(self._read_types(first)), None)
        in_words = _TYPE_IN_WORDS.search(str(self._data.get("inputs")))
        return in_words[0] if stated is None and in_words else stated

    def _converted(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The same inputs; where each has a type of its own, through a conversion layer."""
        if not isinstance(inputs["type"], list):
            return inputs
        tensor, given = inputs["tensor"], f"{inputs['tensor']}/given"
        self._written.append({"op": "linear", "input": given, "output": tensor, "output_type": inputs["type"]})
        return inputs | {"tensor": given, "type": _ANY_HARDWARE_NUMBER}

    def _regions(self, words: Any, first: Mapping[str, Any]) -> tuple[int, int]:
        """Rows and columns of the regions, from the shape that the first layer states, or from words."""
        shape, match = self._shape(first, "input_shape"), _REGIONS.match(str(words))
        found: set[tuple[int, int]] = set()
        if shape:
            found.add((shape[0], shape[1]) if len(shape) == 3 and shape[2] == 1 else (0, 0))
        if match:
            rows, rest = divmod(int(match["n"]), int(match["columns"]))
            found.add((rows, int(match["columns"])) if not rest else (0, 0))
        if len(found) != 1 or (0, 0) in found:
            raise NetworkInvalid(
                self._source,
                "inputs",
                "are no list of names, nor regions that a convolution of input shape (iphi, ieta, 1) reads",
                "list the names of the inputs, or write '252 regions, index = 14*iphi + ieta'",
            )
        return found.pop()

    def _element(self, name: Any) -> dict[str, Any]:
        if not isinstance(name, str):
            raise BadValue(f"{self._source}, inputs", f"found {name!r:.60}", "write a name")
        match = _INPUT_NAME.fullmatch(name)
        if match is None:
            return {"object": name, "quantity": "value", "unit": "hw"}
        quantity = match["quantity"]
        unit = "hw >> 1" if quantity == _HALVED else "hw"
        return {"object": match["object"], "rank": int(match["rank"] or 0), "quantity": quantity, "unit": unit}

    def _scaling(self) -> dict[str, Any] | None:
        if self._data.get("scaling") is None:
            return None
        scaling = self._mapping(self._data["scaling"], "scaling")
        self._only(scaling, _SCALING_KEYS, "scaling")
        kept = {key: value for key, value in scaling.items() if key != "rule"}
        return kept | {"unscaled_type": self._data.get("unscaled_type")}

    def _add(self, layer: Mapping[str, Any]) -> None:
        op, output = _OTHER_NAMES.get(layer["op"], layer["op"]), layer["output"]
        read = self._read_tensors(layer, op)
        written = {key: value for key, value in layer.items() if key not in (*_DROPPED, "inputs", "input", "op")}
        written |= {"op": op, "inputs": read} if "inputs" in layer else {"op": op, "input": read[0]}
        for key, found in self._stated_twice(layer, op).items():
            if key in layer and layer[key] != found:
                raise NetworkInvalid(
                    self._source,
                    f"layer '{output}'",
                    f"{key} is {layer[key]!r:.60}, its weights show {found}",
                    "correct the one or the other",
                )
        self._written.append(written)
        self._types[output] = layer.get("output_type")
        self._shapes[output] = self._output_shape(written, op, read)

    def _read_tensors(self, layer: Mapping[str, Any], op: str) -> list[str]:
        """What the layer reads; flattened or reshaped where the layer needs it."""
        names = self._reads(layer)
        for name, stated in zip(names, self._read_types(layer), strict=False):
            self._check_type(layer, name, stated)
        flattened = any(_FLATTENED.fullmatch(name) for name in [layer.get("input")] if isinstance(name, str))
        shape = self._shapes.get(names[0], ())
        if len(shape) > 1 and (flattened or op == "dense"):
            return [self._reshaped(names[0], (math.prod(shape),), "flattened")]
        stated_shape = self._shape(layer, "input_shape")
        if op == "conv2d" and stated_shape and stated_shape != shape:
            if len(shape) > 1:
                raise NetworkInvalid(
                    self._source,
                    f"layer '{layer['output']}'",
                    f"input_shape is {stated_shape}, '{names[0]}' has shape {shape}",
                    "correct the shape",
                )
            return [self._reshaped(names[0], stated_shape, "image")]
        return names

    def _reshaped(self, name: str, shape: tuple[int, ...], suffix: str) -> str:
        output = f"{name}/{suffix}"
        if output not in self._shapes:
            self._written.append({"op": "reshape", "input": name, "output": output, "shape": list(shape)})
            self._shapes[output], self._types[output] = shape, self._types.get(name)
        return output

    def _read_types(self, layer: Mapping[str, Any]) -> list[Any]:
        """The type that the layer states for each tensor it reads; empty if it states none."""
        if "input_types" in layer:
            types = layer["input_types"]
            return types if isinstance(types, list) else [types]
        return [layer["input_type"]] * len(self._reads(layer)) if "input_type" in layer else []

    def _check_type(self, layer: Mapping[str, Any], name: str, stated: Any) -> None:
        made = self._types.get(name)
        if name in self._types and _formats(stated) != _formats(made):
            raise NetworkInvalid(
                self._source,
                f"layer '{layer['output']}'",
                f"reads '{name}' as {stated!s:.80}, which is {made!s:.80}",
                "state the type that it has, or put a linear layer between them",
            )

    def _stated_twice(self, layer: Mapping[str, Any], op: str) -> dict[str, Any]:
        sizes = _sizes(layer.get("weights"))
        if op == "dense" and len(sizes) == 2:
            return {"n_in": sizes[0], "n_out": sizes[1]}
        if op == "conv2d" and len(sizes) == 4:
            return {"kernel": sizes[:2], "filters": sizes[3]}
        return {}

    def _output_shape(self, layer: Mapping[str, Any], op: str, read: list[str]) -> tuple[int, ...]:
        shape, sizes = self._shapes.get(read[0], ()), _sizes(layer.get("weights"))
        if op == "dense":
            return tuple(sizes[1:2])
        if op == "dot":
            return (1,)
        if op == "flatten":
            return (math.prod(shape),)
        if op == "reshape":
            return self._shape(layer, "shape") or ()
        if op == "concatenate":
            return (*shape[:-1], sum(self._shapes.get(name, (0,))[-1] for name in read))
        if op == "conv2d" and len(sizes) == 4 and len(shape) == 3:
            steps = (*(self._shape(layer, "stride") or ()), 1, 1)
            room = [0, 0] if layer.get("padding") == "same" else [sizes[0] - 1, sizes[1] - 1]
            rows, columns = (-(-(shape[i] - room[i]) // steps[i]) for i in (0, 1))
            return rows, columns, sizes[3]
        return shape

    def _score(self) -> dict[str, Any]:
        score = dict(self._mapping(self._data.get("score"), "score"))
        scale = score.get("menu_integer")
        kind = _parsed_type(score.get("type"))
        if scale is not None and kind is not None:
            match = _MENU_INTEGER.fullmatch(str(scale))
            if match is None or int(match["scale"]) != 2.0**kind.fraction_bits:
                raise NetworkInvalid(
                    self._source,
                    "score",
                    f"menu_integer is {scale!r:.60}, a score of type {kind} has {kind.fraction_bits} fraction bits",
                    "write 'score * ' and 2 to the power of the fraction bits",
                )
        if isinstance(score.get("of"), list) and score.get("kind") == "squared_difference" and len(score["of"]) == 2:
            score["of"], score["reference"] = score["of"]
        return {key: value for key, value in score.items() if key not in _SCORE_NOTES}

    def _shape(self, layer: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
        shape = layer.get(key)
        if shape is None:
            return None
        if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
            raise BadValue(f"{self._place(layer)}, {key}", f"found {shape!r:.60}", "write a list of positive integers")
        return tuple(shape)

    def _place(self, layer: Mapping[str, Any]) -> str:
        return f"{self._source}, layer '{layer['output']}'"

    def _list(self, key: str) -> list[Any]:
        value = self._data.get(key)
        if not isinstance(value, list):
            raise BadValue(self._source, f"key '{key}' holds no list", "add it, or state the schema of the file")
        return value

    def _mapping(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise BadValue(f"{self._source}, {place}", f"found {value!r:.60}", "write an object with keys")
        return value

    def _layer(self, value: Any, place: str) -> dict[str, Any]:
        layer = self._mapping(value, place)
        for key in ("op", "output"):
            if not isinstance(layer.get(key), str):
                raise BadValue(f"{self._source}, {place}, {key}", f"found {layer.get(key)!r:.60}", "write a name")
        return layer

    def _only(self, data: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> None:
        for key in data:
            if key not in allowed:
                raise UnknownName(f"{self._source}, {place}" if place else self._source, "key", key, allowed)


def _parsed_type(text: Any) -> FixedPoint | None:
    """The type, or None where the new form's reader will complain."""
    try:
        return FixedPoint.parse(text, NETWORK_BITS) if isinstance(text, str) else None
    except ValueError:
        return None


def _formats(types: Any) -> Any:
    """What two types must have in common for a number to be the same in both; rounding does not matter."""
    if isinstance(types, list):
        formats = [_formats(kind) for kind in types]
        return formats[0] if formats and all(one == formats[0] for one in formats) else formats
    kind = _parsed_type(types)
    return (kind.bits, kind.integer_bits, kind.signed) if kind else types


def _sizes(weights: Any) -> list[int]:
    """Lengths of nested lists, outermost first."""
    sizes = []
    while isinstance(weights, list):
        sizes.append(len(weights))
        weights = weights[0] if weights else None
    return sizes
