"""Values of a JSON payload that nobody vouches for, with the type that the receiver needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from stream.errors import ProtocolError, Refusal

MAX_NUMBER: Final = 2**63 - 1
MAX_TEXT: Final = 4096
_DAY_S: Final = 86_400
Value = TypeVar("Value")


class Fields:
    """The fields of a JSON object.

    Args:
        payload: the object.
        where: the receiver, for error messages.

    Every method raises `ProtocolError` if the field is missing and has no default, or is of another type or size.
    """

    def __init__(self, payload: Mapping[str, Any], where: str) -> None:
        self._payload, self._where = payload, where

    def text(self, name: str, default: str | None = None) -> str:
        """A text of at most 4096 characters."""
        value = self._get(name, str, default)
        if len(value) > MAX_TEXT:
            raise self._error(name, f"longer than {MAX_TEXT} characters")
        return value

    def number(self, name: str, default: int | None = None, least: int = 0, most: int = MAX_NUMBER) -> int:
        """An integer between two bounds, which are allowed."""
        value = self._get(name, int, default)
        if not least <= value <= most:
            raise self._error(name, f"not between {least} and {most}")
        return value

    def seconds(self, name: str) -> float:
        """A time of at most a day."""
        value = self._payload.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _DAY_S:
            raise self._error(name, "no time in seconds")
        return float(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        return self._get(name, bool, default)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self._get(name, list, None)
        if not all(type(value) is str and len(value) <= MAX_TEXT for value in values):
            raise self._error(name, "no list of texts")
        return tuple(values)

    def mapping(self, name: str) -> dict[str, Any]:
        """An object."""
        value: dict[str, Any] = self._get(name, dict, None)
        return value

    def inner(self, name: str) -> Fields:
        """The fields of an object inside."""
        return Fields(self.mapping(name), f"{self._where}, {name}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._payload.get(name) is not None

    def _get(self, name: str, kind: type[Value], default: Value | None) -> Value:
        value = self._payload.get(name, default)
        # `type`, because a bool is an int to `isinstance`.
        if type(value) is not kind:
            raise self._error(name, f"no {kind.__name__}")
        return value

    def _error(self, name: str, what: str) -> ProtocolError:
        return ProtocolError(self._where, f"field '{name}' is {what}", Refusal.JSON)
