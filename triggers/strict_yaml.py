"""Reads YAML strictly: no duplicate keys, no unknown ones, and every error names the file and the path inside it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from triggers.errors import BadValue, FileUnreadable, L1ChainError, UnknownName

_UNKNOWN_KEY = "unknown_key"
_LONGEST_SHOWN = 40


class StrictModel(BaseModel):
    """A frozen model without conversions, whose unknown keys are errors that say which ones are allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    context = {"key": str(key), "allowed": list(cls.model_fields)}
                    raise PydanticCustomError(_UNKNOWN_KEY, "unknown key", context)
        return data


Model = TypeVar("Model", bound=StrictModel)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader to which a key that stands twice is an error, instead of the last one winning."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a single value", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(content: bytes, source: str, model: type[Model]) -> Model:
    """The content of a YAML file as a model.

    Args:
        content: the file's bytes, UTF-8.
        source: the file, as messages name it.
        model: what it should hold.

    Raises:
        FileUnreadable: it is not YAML, or has a key twice.
        UnknownName, BadValue: as `validated`.
    """
    return validated(parse_yaml(content, source), source, model)


def parse_yaml(content: bytes, source: str) -> Any:
    """The content of a YAML file as plain values.

    Raises:
        FileUnreadable: it is not YAML, or has a key twice.
    """
    try:
        return yaml.load(content.decode("utf-8-sig"), Loader=_UniqueKeyLoader)  # noqa: S506 - derived from SafeLoader
    except UnicodeDecodeError as error:
        raise FileUnreadable(source, f"not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        raise FileUnreadable(place, f"not valid YAML: {error.problem or error.context}", "correct the file") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise FileUnreadable(source, f"not valid YAML: {first_line}", "correct the file") from error


def validated(data: Any, source: str, model: type[Model]) -> Model:
    """Plain values as a model.

    Raises:
        UnknownName: there is a key that the model has not.
        BadValue: a key is missing, or a value is of another type or not allowed.
    """
    if not isinstance(data, dict):
        raise BadValue(source, f"holds {_shown(data)}", f"write the keys {', '.join(model.model_fields)}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _raise_first(error, source)


def _raise_first(error: ValidationError, source: str) -> NoReturn:
    raise _translated(error.errors(include_url=False)[0], source) from error


def _translated(details: ErrorDetails, source: str) -> L1ChainError:
    path = ".".join(str(part) for part in details["loc"])
    where = f"{source}, {path}" if path else source
    context = details.get("ctx", {})
    if details["type"] == _UNKNOWN_KEY:
        return UnknownName(where, "key", context["key"], context["allowed"])
    if details["type"] == "missing":
        parent, _, key = path.rpartition(".")
        return BadValue(f"{source}, {parent}" if parent else source, f"key '{key}' is missing", "add it")
    message = details["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return BadValue(where, f"found {_shown(details['input'])}", message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
