"""Changes of a running chain that take effect at a lumi-section boundary (`docs/protocol.md`, section "Changes")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from stream.errors import ProtocolError


@dataclass(frozen=True)
class Change:
    """A change that somebody asked for.

    Attributes:
        id: of the command that asked for it.
        kind: what changes, e.g. `prescale`.
        arguments: of that kind, JSON values.
        lumi_section: the first that has it; 0 while that is not agreed.
    """

    id: str
    kind: str
    arguments: dict[str, Any]
    lumi_section: int = 0

    def at(self, lumi_section: int) -> Change:
        """The change from that lumi section on."""
        return replace(self, lumi_section=lumi_section)

    def as_json(self) -> dict[str, Any]:
        """For a message or a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Any, where: str) -> Change:
        """A change that `as_json` wrote.

        Raises:
            ProtocolError: it is none.
        """
        types = {"id": str, "kind": str, "arguments": dict, "lumi_section": int}
        if not isinstance(payload, dict) or any(type(payload.get(name)) is not kind for name, kind in types.items()):
            raise ProtocolError(where, "no change")
        return cls(*(payload[name] for name in types))


class ChangeList:
    """The agreed changes that a service follows, in the order of their lumi section."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}

    def add(self, changes: Iterable[Change]) -> None:
        """Take changes; those that are there already are left as they are."""
        for change in changes:
            self._changes.setdefault(change.id, change)

    def until(self, lumi_section: int) -> tuple[Change, ...]:
        """All that hold in a lumi section; later ones of one lumi section stand behind those agreed before."""
        due = [change for change in self._changes.values() if change.lumi_section <= lumi_section]
        return tuple(sorted(due, key=lambda change: change.lumi_section))
