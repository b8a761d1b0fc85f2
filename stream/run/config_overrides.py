"""`KEY=VALUE` overrides of a configuration (`docs/configuration.md`)."""

from __future__ import annotations

from typing import Any

import yaml

from stream.errors import OverrideInvalid


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set a value inside a configuration that is not checked yet.

    Args:
        content: of the file, changed.
        override: dotted key, `=`, YAML value, e.g. `seeds.replicas=3`.

    Raises:
        OverrideInvalid: it is not of that form, or names no place.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise OverrideInvalid(override, "not KEY=VALUE", "write for example --set seeds.replicas=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise OverrideInvalid(override, f"'{text}' is not a YAML value", "quote it") from None
    *parents, last = key.split(".")
    here: Any = content
    for parent in parents:
        here = _child(here, parent, override)
    if isinstance(here, list):
        here[_position(here, last, override)] = value
    else:
        here[last] = value


def _child(here: Any, key: str, override: str) -> Any:
    if isinstance(here, list):
        child = here[_position(here, key, override)]
    else:
        if here.get(key) is None:
            here[key] = {}
        child = here[key]
    if not isinstance(child, dict | list):
        raise OverrideInvalid(override, f"'{key}' has no keys below it", "check the key")
    return child


def _position(items: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(items):
        raise OverrideInvalid(override, f"'{key}' is no position in a list of {len(items)}", "count from 0")
    return int(key)
