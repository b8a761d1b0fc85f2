"""What a controller of a budget moves, and what each of its positions would have let pass (`docs/budgets.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream.services.budget_kinds import MovedBy
from stream.services.changes import Change
from stream.services.model_changes import RunVersion
from stream.services.scoring import Scoring
from stream.services.snapshot import pack_array, unpack_into
from triggers.decision.budgets import Budget
from triggers.decision.counts import Counts, Step
from triggers.decision.prescales import INCREMENT
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue, UnknownName
from triggers.menu.model import WorkingPointCondition

Setting = str | int
"""A prescale column, or a threshold."""
Results = Mapping[str, list[NDArray[Any]]]
THRESHOLD_STEPS: Final = 1024


@dataclass(frozen=True, eq=False)
class Column:
    """A prescale column and its factors by algorithm index, `(512,) int64`."""

    name: str
    factors: NDArray[np.int64]


@dataclass(frozen=True)
class MovedPoint:
    """A working point of the menu whose threshold moves.

    Attributes:
        condition: as the menu names it.
        by: between working points only, or also to thresholds among them.
        between: the working points with the lowest and the highest threshold; None: those of the version.
    """

    condition: WorkingPointCondition
    by: MovedBy
    between: tuple[str, str] | None = None

    def options(self, version: RunVersion) -> tuple[int, ...]:
        """The thresholds that a version offers, ascending: the loosest first.

        Raises:
            UnknownName: the version lacks a working point.
            BadValue: there is nothing to move between.
        """
        for name in (self.condition.working_point, *(self.between or ())):
            if name not in version.thresholds:
                where = f"working point of {version.label} for a budget"
                raise UnknownName(where, "working point", name, version.thresholds)
        ends = self.between or tuple(version.thresholds)
        low, high = (f(version.thresholds[name] for name in ends) for f in (min, max))
        inside = {threshold for threshold in version.thresholds.values() if low <= threshold <= high}
        if self.by is MovedBy.THRESHOLD:
            inside |= {low + (high - low) * step // THRESHOLD_STEPS for step in range(THRESHOLD_STEPS)}
        inside.add(version.thresholds[self.condition.working_point])
        if len(inside) == 1:
            what = f"its thresholds for '{self.condition.working_point}' leave nothing to move between"
            raise BadValue(version.label, what, "calibrate further working points (`l1chain models calibrate`)")
        return tuple(sorted(inside))


class Lever:
    """Something with positions; it counts in each lumi section what each would have let pass. This one has none.

    Attributes:
        options: the positions, the loosest first.
    """

    options: tuple[Setting, ...] = ()

    @property
    def scale(self) -> str:
        """What positions mean something for: a model version; empty: always the same."""
        return ""

    def check(self, change: Change, /) -> None:
        """Check that it can follow a change.

        Raises:
            L1ChainError: it cannot.
        """

    def begin(self) -> None:
        """Let what the present lumi section brings hold; may be asked for again."""

    def setting(self, _settings: DecisionSettings, /) -> Setting | None:
        """The position without a controller."""
        return None

    def add(self, results: Results, /) -> None:
        """Count a batch."""

    def passed(self, _settings: DecisionSettings, _counts: Counts, _setting: Setting | None, /) -> NDArray[np.float64]:
        """What each option, and at the end the setting that held, let pass in a lumi section, `(n + 1,)`.

        Args:
            _settings: that it had.
            _counts: of it.
            _setting: that held.
        """
        return np.zeros(1, np.float64)

    def clear(self) -> None:
        """Begin to count anew."""

    def snapshot(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {}

    def restore(self, packed: dict[str, Any], /) -> None:
        """Go back to what `snapshot` made."""


class ColumnLever(Lever):
    """The prescale column; what a column lets pass is worked out from how often the group's algorithms fired.

    Args:
        columns: the loosest first.
        budget: whose algorithms count.
    """

    def __init__(self, columns: tuple[Column, ...], budget: Budget) -> None:
        self.columns = {column.name: column for column in columns}
        self.options = tuple(self.columns)
        self._budget = budget

    def setting(self, settings: DecisionSettings, /) -> Setting | None:
        """The column of the run."""
        return settings.column

    def passed(self, settings: DecisionSettings, counts: Counts, _: Setting | None, /) -> NDArray[np.float64]:
        """The sum over the algorithms that spend the budget of how often each would have passed its prescale."""
        words = settings.spenders(self._budget).astype("<u8")
        fired = counts.of(Step.BEFORE_PRESCALE) * np.unpackbits(words.view(np.uint8), bitorder="little")
        factors = [*(column.factors for column in self.columns.values()), settings.factors]
        return np.array([_passing(fired, by_index) for by_index in factors], np.float64)


def _passing(fired: NDArray[np.int64], factors: NDArray[np.int64]) -> float:
    is_on = factors > 0
    return float(np.sum(fired[is_on] * INCREMENT / factors[is_on]))


class ThresholdLever(Lever):
    """The threshold of a working point; what a threshold lets pass is the number of scores that reach it.

    Counts are kept with the version whose thresholds they are for: a combiner that comes back to a commit hears only
    afterwards which version that was.

    Args:
        point: that moves.
        scoring: tells which version decides, and where its scores are.
    """

    def __init__(self, point: MovedPoint, scoring: Scoring) -> None:
        self.point, self._scoring = point, scoring
        self._counts, self._counted = np.zeros(0, np.int64), ""
        self._stage, self._place, self._version = scoring.source_of(point.condition)
        self._offer()

    def check(self, change: Change, /) -> None:
        """A version that is swapped in needs working points to move between."""
        version = self._scoring.source_after(self.point.condition, change)
        if version is not None:
            self.point.options(version)

    def begin(self) -> None:
        """Let the version that decides hold, with its thresholds."""
        self._stage, self._place, version = self._scoring.source_of(self.point.condition)
        if version != self._version:
            self._version = version
            self._offer()

    def _offer(self) -> None:
        thresholds = self.point.options(self._version)
        self.options = thresholds
        self._thresholds = np.array(thresholds, np.int64)

    @property
    def scale(self) -> str:
        """The version: its thresholds mean nothing for another."""
        return f"{self._version.label} {self._version.digest}"

    def setting(self, _: DecisionSettings, /) -> Setting | None:
        """The version's own threshold."""
        return self._version.thresholds[self.point.condition.working_point]

    def add(self, results: Results, /) -> None:
        """Count the scores between thresholds."""
        if self._counted != self.scale:
            self._counts, self._counted = np.zeros(len(self.options), np.int64), self.scale
        scores = results[self._stage][self._place]
        high = scores[scores >= self._thresholds[0]]
        places = np.searchsorted(self._thresholds, high, side="right") - 1
        self._counts += np.bincount(places, minlength=len(self._counts))

    def passed(self, _: DecisionSettings, __: Counts, setting: Setting | None, /) -> NDArray[np.float64]:
        """How many scores reach each threshold."""
        if self._counted != self.scale:
            return np.zeros(len(self.options) + 1, np.float64)
        reached = np.cumsum(self._counts[::-1])[::-1].astype(np.float64)
        present = reached[self.options.index(setting)] if setting in self.options else 0.0
        return np.append(reached, present)

    def clear(self) -> None:
        """Begin to count anew."""
        self._counts, self._counted = np.zeros(0, np.int64), ""

    def snapshot(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {"of": self._counted, "options": len(self._counts), "counts": pack_array(self._counts)}

    def restore(self, packed: dict[str, Any], /) -> None:
        """Go back to what `snapshot` made."""
        self._counts, self._counted = np.zeros(int(packed["options"]), np.int64), str(packed["of"])
        unpack_into(self._counts, packed["counts"])
