"""A small JSON Schema checker: as much of it as `models/network.schema.json` uses, and an error for anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from models import network_document

_SCHEMA = json.loads(Path(network_document.__file__).with_name("network.schema.json").read_text(encoding="utf-8"))
_TYPES = {"object": dict, "array": list, "string": str, "null": type(None)}
_REMARKS = {"title", "description", "default", "$defs", "$schema", "discriminator", "examples"}


def violations(value: Any) -> list[str]:
    """Where and how a value breaks the schema of networks; empty if it does not."""
    return _check(value, _SCHEMA, "")


def _check(value: Any, schema: dict[str, Any], place: str) -> list[str]:
    found: list[str] = []
    for keyword, rule in schema.items():
        if keyword not in _REMARKS:
            found += [f"{place}: {keyword} {line}" for line in _KEYWORDS[keyword](value, rule, schema, place)]
    return found


def _type(value: Any, rule: str, *_: Any) -> list[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if rule in ("number", "integer"):
        return [] if number and (rule == "number" or isinstance(value, int)) else [rule]
    return [] if isinstance(value, _TYPES[rule]) else [rule]


def _one_of(value: Any, rule: list[Any], _: Any, place: str) -> list[str]:
    matching = [part for part in rule if not _check(value, part, place)]
    return [] if len(matching) == 1 else [f"{len(matching)} match"]


def _items(value: Any, rule: Any, schema: Any, place: str) -> list[str]:
    if not isinstance(value, list):
        return []
    rest = value[len(schema.get("prefixItems", [])) :]
    return [line for i, part in enumerate(rest) for line in _check(part, rule, f"{place}.{i}")]


_KEYWORDS: dict[str, Any] = {
    "$ref": lambda value, rule, _, place: _check(value, _SCHEMA["$defs"][rule.rpartition("/")[2]], place),
    "type": _type,
    "const": lambda value, rule, *_: [] if value == rule else [rule],
    "enum": lambda value, rule, *_: [] if value in rule else [rule],
    "pattern": lambda value, rule, *_: [] if not isinstance(value, str) or re.search(rule, value) else [rule],
    "minLength": lambda value, rule, *_: [] if not isinstance(value, str) or len(value) >= rule else [rule],
    "maxLength": lambda value, rule, *_: [] if not isinstance(value, str) or len(value) <= rule else [rule],
    "minItems": lambda value, rule, *_: [] if not isinstance(value, list) or len(value) >= rule else [rule],
    "maxItems": lambda value, rule, *_: [] if not isinstance(value, list) or len(value) <= rule else [rule],
    "minimum": lambda value, rule, *_: [] if not isinstance(value, int | float) or value >= rule else [rule],
    "maximum": lambda value, rule, *_: [] if not isinstance(value, int | float) or value <= rule else [rule],
    "required": lambda value, rule, *_: [name for name in rule if isinstance(value, dict) and name not in value],
    "properties": lambda value, rule, _, place: [
        line
        for name, part in rule.items()
        if isinstance(value, dict) and name in value
        for line in _check(value[name], part, f"{place}.{name}")
    ],
    "additionalProperties": lambda value, rule, schema, _: (
        [name for name in value if name not in schema["properties"]] if isinstance(value, dict) and not rule else []
    ),
    "prefixItems": lambda value, rule, _, place: [
        line
        for i, (part, one) in enumerate(zip(value, rule, strict=False))
        if isinstance(value, list)
        for line in _check(part, one, f"{place}.{i}")
    ],
    "items": _items,
    "oneOf": _one_of,
    "anyOf": lambda value, rule, _, place: [] if any(not _check(value, part, place) for part in rule) else ["none"],
}
