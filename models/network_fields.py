"""The kinds of fields that a written network has: types, names, numbers, and their limits (`docs/networks.md`)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, FiniteFloat, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema

from models.fixed_point import NETWORK_BITS, FixedPoint

MOST_LAYERS: Final = 1000
MOST_ELEMENTS: Final = 1 << 16
"""Numbers in a tensor, per crossing."""
MOST_WEIGHTS: Final = 1 << 20
"""Numbers in a list of weights, biases or table values."""
_LARGEST_EXPONENT: Final = 256
_TYPE_SCHEMA: Final = {
    "type": "string",
    "pattern": (
        r"^ap_u?(int<\d{1,4}>|fixed<\d{1,4}, *-?\d{1,4}"
        r"(, *AP_(TRN|TRN_ZERO|RND|RND_ZERO|RND_INF|RND_MIN_INF|RND_CONV)"
        r"(, *AP_(WRAP|SAT|SAT_ZERO|SAT_SYM)(, *0)?)?)?>)$"
    ),
    "examples": ["ap_fixed<8,6,AP_RND_CONV,AP_SAT>"],
}


def _type(value: Any) -> FixedPoint:
    if not isinstance(value, str):
        raise ValueError("write a type as text, such as ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
    kind = FixedPoint.parse(value, NETWORK_BITS)
    if abs(kind.integer_bits) > _LARGEST_EXPONENT:
        raise ValueError(f"'{value}' has {kind.integer_bits} integer bits, at most ±{_LARGEST_EXPONENT} are allowed")
    return kind


def _types(value: Any) -> tuple[FixedPoint, ...]:
    if not isinstance(value, list):
        return (_type(value),)
    if not 1 <= len(value) <= MOST_WEIGHTS:
        raise ValueError(f"a list of {len(value)} types, allowed are 1 to {MOST_WEIGHTS}")
    cache: dict[Any, FixedPoint] = {}
    return tuple(cache.get(text) or cache.setdefault(text, _type(text)) for text in map(_hashable, value))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str) else _type(value)


def _written_types(types: tuple[FixedPoint, ...]) -> str | list[str]:
    return str(types[0]) if len(types) == 1 else [str(kind) for kind in types]


def _without_negative_zero(value: float) -> float:
    return value + 0.0


OneType = Annotated[FixedPoint, PlainValidator(_type), PlainSerializer(str), WithJsonSchema(_TYPE_SCHEMA)]
"""A fixed-point type."""
Types = Annotated[
    tuple[FixedPoint, ...],
    PlainValidator(_types),
    PlainSerializer(_written_types),
    WithJsonSchema({"anyOf": [_TYPE_SCHEMA, {"type": "array", "minItems": 1, "items": _TYPE_SCHEMA}]}),
]
"""One type for all elements, or a list of one type per element in C order (last index fastest)."""
TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_./-]{0,127}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,31}$")]
Number = Annotated[FiniteFloat, PlainSerializer(_without_negative_zero)]
List = Field(strict=False, min_length=1)
Vector = Annotated[tuple[Number, ...], List]
Matrix = Annotated[tuple[Vector, ...], List]
Kernel = Annotated[tuple[Annotated[tuple[Matrix, ...], List], ...], List]
Size = Annotated[int, Field(ge=1, le=MOST_ELEMENTS)]
Pair = Annotated[tuple[Size, Size], Field(strict=False)]
TwoNames = Annotated[tuple[TensorName, TensorName], Field(strict=False)]
