"""What the headers of an hls4ml project declare: types, sizes, layer configurations, weights.

Patterns are of bounded length: a text that was made to keep them busy takes no longer than another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware.imports.cpp import closing, integer
from firmware.imports.errors import ProjectUnreadable
from models.fixed_point import NETWORK_BITS, FixedPoint

_STRUCT: Final = re.compile(r"\b(?:struct|class)\s+(\w+)[^;{}()]{0,300}\{")
_TYPE_NAME: Final = re.compile(r"\btypedef\s+([^;{}]{1,300}?)\s*\b(\w+)\s*;|\busing\s+(\w+)\s*=\s*([^;{}]{1,300});")
_TEMPLATE_NAME: Final = re.compile(r"\btemplate\s*<[^;{}]{0,300}?>\s*using\s+(\w+)\s*=\s*([^;{}]{1,300});")
_CONSTANT: Final = re.compile(r"\bconst(?:expr)?\s+[\w:\s]{0,100}?\b(\w+)\s*=\s*([^;{}]{1,300});")
_ARRAY: Final = re.compile(
    r"(?<![\w:])(?P<type>[A-Za-z_][\w:]{0,200}(?:\s*<[^;{}=]{0,200}?>)?)\s+(?P<name>\w{1,200})\s*"
    r"\[(?P<size>[^\[\];{}]{0,200})\]\s*=\s*\{(?P<values>[^{}]*)\}"
)
_C_INTEGERS: Final = {
    "bool": "ap_uint<1>",
    "int": "ap_int<32>",
    "unsigned": "ap_uint<32>",
    **{f"{sign}int{bits}_t": f"ap_{sign}int<{bits}>" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_NO_SATURATION_BITS: Final = re.compile(r",\s*AP_SAT\s*>$")
"""A fifth parameter that some write so: `AP_SAT` is 0 there."""
_MOST_ALIASES: Final = 32


@dataclass(frozen=True)
class Config:
    """A layer's `struct`.

    Attributes:
        name: of the struct.
        sizes: its constants that are integers, and those that stand for one of hls4ml's words: see `words`.
        words: the text of its other constants, such as `nnet::resource`.
        types: text by name, such as `accum_t`; templates too, such as `product`.
    """

    name: str
    sizes: Mapping[str, int]
    words: Mapping[str, str]
    types: Mapping[str, str]

    def size(self, name: str, default: int | None = None) -> int:
        """A constant.

        Raises:
            ProjectUnreadable: there is none, and no default.
        """
        value = self.sizes.get(name, default)
        if value is None:
            raise ProjectUnreadable(f"configuration '{self.name}'", f"states no '{name}' that can be read")
        return value


@dataclass(frozen=True)
class Declarations:
    """What a text declares outside of functions.

    Attributes:
        sizes: integers by name, macros among them.
        types: text by name.
        configs: by name.
        arrays: type and values, as they are written, by name.
    """

    sizes: Mapping[str, int]
    types: Mapping[str, str]
    configs: Mapping[str, Config]
    arrays: Mapping[str, tuple[str, str]] = field(repr=False)

    def fixed_point(self, text: str, local: Mapping[str, str] | None = None) -> FixedPoint:
        """The fixed-point type that a type's text means.

        Args:
            text: a name or a type.
            local: names that go before the others.

        Raises:
            ProjectUnreadable: it is another kind of type.
        """
        plain = " ".join(text.split())
        for _ in range(_MOST_ALIASES):
            name = plain.removeprefix("const ").rpartition("::")[2] if "<" not in plain else plain
            following = (local or {}).get(name) or self.types.get(name) or _C_INTEGERS.get(name)
            if following is None or following == plain:
                break
            plain = " ".join(following.split())
        plain = _NO_SATURATION_BITS.sub(">", plain) if plain.count(",") == 4 else plain
        try:
            return FixedPoint.parse(plain, NETWORK_BITS)
        except ValueError:
            raise ProjectUnreadable(f"type '{text}'", f"is '{plain[:80]}', no fixed-point type") from None

    def numbers(self, name: str, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], FixedPoint]:
        """An array with its type, in which its values are, as C++ converts them.

        Raises:
            ProjectUnreadable: there is none with values of that number.
        """
        where = f"array '{name}'"
        if name not in self.arrays:
            raise ProjectUnreadable(where, "has no values in the project's headers")
        kind = self.fixed_point(self.arrays[name][0])
        words = self.arrays[name][1].replace("f", "").split(",")
        try:
            values = np.array([word for word in words if word.strip()], np.float64)
        except ValueError:
            raise ProjectUnreadable(where, "holds what is no number") from None
        if values.size != np.prod(shape) or not np.isfinite(values).all():
            raise ProjectUnreadable(where, f"holds {values.size} numbers, not {' × '.join(map(str, shape))}")
        return kind.quantise(values).reshape(shape) + 0.0, kind


def declarations(text: str, macros: Mapping[str, str]) -> Declarations:
    """What a preprocessed text declares.

    Args:
        text: from `Sources.preprocessed`.
        macros: from the same.
    """
    structs = list(_structs(text))
    outside = _without(text, [(start, end) for _, start, end in structs])
    sizes = _sizes([*macros.items(), *_constants(outside)], {})[0]
    return Declarations(
        sizes=sizes,
        types=_types(outside),
        configs={name: _config(name, text[start:end], sizes) for name, start, end in structs},
        arrays={found["name"]: (found["type"], found["values"]) for found in _ARRAY.finditer(outside)},
    )


def _structs(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each outermost struct or class."""
    position = 0
    while found := _STRUCT.search(text, position):
        end = closing(text, found.end() - 1)
        if end < 0:
            return
        yield found[1], found.start(), end + 1
        position = end + 1


def _without(text: str, places: list[tuple[int, int]]) -> str:
    starts = [0, *(end for _, end in places)]
    ends = [*(start for start, _ in places), len(text)]
    return " ".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _types(text: str) -> dict[str, str]:
    return {found[2] or found[3]: found[1] or found[4] for found in _TYPE_NAME.finditer(text)}


def _constants(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in _CONSTANT.finditer(text)]


def _sizes(stated: list[tuple[str, str]], known: Mapping[str, int]) -> tuple[dict[str, int], dict[str, str]]:
    """Those that are integers, which may use earlier ones, and the text of the others."""
    sizes, words = dict(known), {}
    for name, text in stated:
        try:
            sizes[name] = integer(text, sizes)
        except ProjectUnreadable:
            words[name] = text.strip()
    return sizes, words


def _config(name: str, text: str, known: Mapping[str, int]) -> Config:
    sizes, words = _sizes(_constants(text), known)
    templates = {found[1]: found[2] for found in _TEMPLATE_NAME.finditer(text)}
    return Config(name, sizes, words, _types(text) | templates)
