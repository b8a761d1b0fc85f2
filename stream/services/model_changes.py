"""Which versions of a model a run has in each lumi section (`docs/run-control.md`, section "Models")."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from stream.errors import ProtocolError
from stream.services.changes import Change, ChangeList
from stream.wire.messages import Header

_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: its multiples fill an interval evenly, whatever the period of the filling scheme."""
_NEVER: Final = 2**32
_WHERE: Final = "change of a model"


def score_stage(model: str) -> str:
    """The stage that scores with a model."""
    return f"score:{model}"


class ModelChange(StrEnum):
    """A kind of change that score stages and the combiner follow."""

    SWAP = "swap"
    SHADOW = "shadow"


@dataclass(frozen=True)
class RunVersion:
    """What all services of a run need to know of a model version.

    Attributes:
        model: its name.
        version: its version, no alias.
        digest: SHA-256 of its manifest, hex.
        backend: that runs it.
        thresholds: of its working points.
        edges: upper edges of its reference distribution, ascending; empty: it has none.
        parts: of the reference distribution below each edge, and above the last; they add up to 1.
        columns: of the event format that it reads.
    """

    model: str
    version: str
    digest: str
    backend: str
    thresholds: Mapping[str, int] = field(default_factory=dict)
    edges: tuple[int, ...] = ()
    parts: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """NAME/VERSION."""
        return f"{self.model}/{self.version}"

    @property
    def names(self) -> tuple[str, ...]:
        """What a menu's conditions call its score."""
        return self.label, f"{self.model}@{self.version}"

    def as_json(self) -> dict[str, Any]:
        """For a message or a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Any) -> Self:
        """A version that `as_json` wrote.

        Raises:
            ProtocolError: it is none.
        """
        try:
            texts = {name: str(payload[name]) for name in ("model", "version", "digest", "backend")}
            thresholds = {str(name): int(value) for name, value in payload["thresholds"].items()}
            edges, parts = tuple(map(int, payload["edges"])), tuple(map(float, payload["parts"]))
            columns = tuple(map(str, payload.get("columns", ())))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ProtocolError(_WHERE, "no model version") from None
        return cls(**texts, thresholds=thresholds, edges=edges, parts=parts, columns=columns)


@dataclass(frozen=True)
class Serving:
    """The versions of a model in a lumi section.

    Attributes:
        production: whose scores decide.
        also: others that the menu asks for by name.
        shadow: a candidate that runs beside production.
        fraction: of the crossings, that the candidate scores.
    """

    production: RunVersion
    also: tuple[RunVersion, ...] = ()
    shadow: RunVersion | None = None
    fraction: float = 0.0

    @property
    def scored(self) -> tuple[RunVersion, ...]:
        """Those that score every crossing, each once, production first."""
        return tuple({version.label: version for version in (self.production, *self.also)}.values())

    @property
    def versions(self) -> tuple[RunVersion, ...]:
        """All of them, each once."""
        shadow = () if self.shadow is None else (self.shadow,)
        return tuple({version.label: version for version in (*self.scored, *shadow)}.values())

    def shadowed(self, header: Header) -> NDArray[np.uint32]:
        """The decided crossings of a batch that the candidate scores, `(k,) uint32`, ascending.

        The choice depends on lumi section and crossing alone, not on how batches are cut.
        """
        if self.shadow is None:
            return np.empty(0, np.uint32)
        if self.fraction >= 1:
            return np.arange(header.crossings, dtype=np.uint32)
        start = np.uint64(header.lumi_section << 40 | header.first)
        places = (start + np.arange(header.crossings, dtype=np.uint64)) * _SPREAD
        return np.flatnonzero(places < np.uint64(self.fraction * 2.0**64)).astype(np.uint32)


def swapped(serving: Serving, change: Change) -> Serving:
    """The versions after a change.

    Raises:
        ProtocolError: the change is none of a model.
    """
    version = change.arguments.get("version")
    found = None if version is None else RunVersion.from_json(version)
    if change.kind == ModelChange.SWAP and found is not None:
        ends = serving.shadow is not None and serving.shadow.label == found.label
        shadow, fraction = (None, 0.0) if ends else (serving.shadow, serving.fraction)
        return replace(serving, production=found, shadow=shadow, fraction=fraction)
    if change.kind == ModelChange.SHADOW:
        return replace(serving, shadow=found, fraction=float(change.arguments.get("fraction", 0.0)) if found else 0.0)
    raise ProtocolError(_WHERE, f"'{change.kind}' is no kind of it")


class ModelTimeline:
    """The versions of one model in each lumi section.

    Args:
        base: those that the configuration names.
        aliases: what menus may call the production version, whichever that is; those that stood for it at the start.
    """

    def __init__(self, base: Serving, aliases: tuple[str, ...] = ()) -> None:
        self.model = base.production.model
        self.base, self._aliases = base, aliases
        self._changes = ChangeList()
        self._from: list[int] = []
        self._then: list[Serving] = []

    def concerns(self, change: Change) -> bool:
        """Whether a change is one of this model."""
        return change.kind in set(ModelChange) and change.arguments.get("model") == self.model

    def add(self, changes: Iterable[Change]) -> None:
        """Follow changes of this model; others are for others."""
        self._changes.add(change for change in changes if self.concerns(change))
        since, then, serving = [], [], self.base
        for change in self._changes.until(_NEVER):
            serving = swapped(serving, change)
            since.append(change.lumi_section)
            then.append(serving)
        self._from, self._then = since, then

    def serving_in(self, lumi_section: int) -> Serving:
        """The versions in a lumi section."""
        place = bisect_right(self._from, lumi_section)
        return self._then[place - 1] if place else self.base

    @property
    def servings(self) -> tuple[Serving, ...]:
        """All that were and will be, as far as it is agreed, in order."""
        return self.base, *self._then

    @property
    def latest(self) -> Serving:
        """The versions after all changes that are agreed on."""
        return self.servings[-1]

    def names_in(self, lumi_section: int) -> dict[str, int]:
        """What conditions may call scores, with the place of each in `Serving.scored`."""
        scored = self.serving_in(lumi_section).scored
        names = {name: k for k, version in enumerate(scored) for name in version.names}
        return names | dict.fromkeys(self.alias_names, 0)

    @property
    def alias_names(self) -> tuple[str, ...]:
        """What conditions may call the score of the production version, whichever that is."""
        return tuple(f"{self.model}@{alias}" for alias in self._aliases)
