"""Simulated rates against measured ones (`docs/simulation.md`, "Validation")."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.simulation.rates_table import MeasuredRate, pooled
from triggers.events.simulation.source import HARDEST_SHIFT
from triggers.events.source import Source
from triggers.events.summary import decided_rows
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import Algorithm, Function, Menu, ObjectCondition, ObjectType, conditions_of

WINDOW: Final = 3.5
"""Measured bins count for a simulated pile-up if they are at most so far from it."""
LEAST_MEASURED: Final = 30
"""Accepts that a measured rate needs, to be judged."""
FACTORS: Final = (1.5, 3.0)
_SIGMAS: Final = 2.0
_ROWS: Final = 16_384
_OBJECTS: Final = (ObjectType.MU, ObjectType.EG, ObjectType.TAU, ObjectType.JET)


class SeedKind(StrEnum):
    """What an algorithm asks for."""

    SINGLE = "single"
    DOUBLE = "double"
    SUM = "sum"
    OTHER = "other"


class Half(StrEnum):
    """Whether an algorithm's measured rate was used for tuning."""

    TUNED = "tuned"
    UNTUNED = "untuned"


@dataclass(frozen=True)
class Comparison:
    """One algorithm at one pile-up, measured and simulated; probabilities per crossing.

    Attributes:
        algorithm: its name.
        kind: what it asks for.
        half: whether it was tuned on.
        pileup: of the simulated crossings.
        measured, measured_error: probability.
        n_measured: crossings in which it fired.
        simulated, simulated_error: probability, zero error if it never fired.
        n_distinct: distinct hard interactions behind it.
    """

    algorithm: str
    kind: SeedKind
    half: Half
    pileup: float
    measured: float
    measured_error: float
    n_measured: int
    simulated: float
    simulated_error: float
    n_distinct: int

    @property
    def ratio(self) -> float:
        """Simulated over measured."""
        return self.simulated / self.measured if self.measured > 0 else math.inf

    @property
    def ratio_error(self) -> float:
        """The ratio's statistical error, both sides."""
        if not (self.simulated > 0 and self.measured > 0):
            return math.inf
        parts = self.simulated_error / self.simulated, self.measured_error / self.measured
        return self.ratio * math.hypot(*parts)

    @property
    def judged(self) -> bool:
        """Whether enough was measured."""
        return self.n_measured >= LEAST_MEASURED

    def within(self, factor: float) -> bool:
        """Whether the ratio is between 1/factor and factor, allowing for two standard deviations."""
        if not self.simulated > 0:
            return False
        margin = _SIGMAS * self.ratio_error
        return self.ratio - margin <= factor and self.ratio + margin >= 1 / factor


def half_of(algorithm: str) -> Half:
    """The half of an algorithm: by the lowest bit of the first byte of its name's SHA-256; even ones are tuned on."""
    return Half.UNTUNED if hashlib.sha256(algorithm.encode()).digest()[0] % 2 else Half.TUNED


def kind_of(algorithm: Algorithm) -> SeedKind:
    """What an algorithm asks for: one object, two of them, one sum, or more than that."""
    conditions = [c for c in conditions_of(algorithm.expression) if isinstance(c, ObjectCondition)]
    if len(conditions) != 1:
        return SeedKind.OTHER
    needed = conditions[0].requirements
    if conditions[0].function is Function.SINGLE:
        return SeedKind.SINGLE if needed[0].object in _OBJECTS else SeedKind.SUM
    both = all(requirement.object in _OBJECTS for requirement in needed)
    return SeedKind.DOUBLE if len(needed) == 2 and both else SeedKind.OTHER


@dataclass
class _Count:
    """What is summed over the crossings of one group of lumi sections."""

    weight: float = 0.0
    pileup: float = 0.0
    fired: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    hardest: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def compare_rates(
    source: Source,
    menu: Menu,
    rates: Sequence[MeasuredRate],
    pileup: float | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Comparison]:
    """Hold the rates of a source's crossings against measured ones.

    Lumi sections count for the measured bins that are at most `WINDOW` from their mean pile-up.

    Args:
        source: crossings, weighted or not.
        menu: the algorithms.
        rates: measured.
        pileup: of a source that does not tell it.
        advance: is called with the number of rows done.

    Raises:
        BadValue: the source does not tell its pile-up, or no measured bin is near it.
    """
    if pileup is None and "pileup" not in source.info.optional_columns:
        raise BadValue(source.info.name, "does not tell its pile-up", "give it with --pileup")
    algorithms = list(Evaluator(menu).evaluated)
    bins = sorted({rate.pileup for rate in rates})
    groups: dict[tuple[float, ...], _Count] = defaultdict(_Count)
    for mean, count in _counts(source, menu, algorithms, pileup, advance):
        key = tuple(value for value in bins if abs(value - mean) <= WINDOW)
        _add(groups[key], count)
    found = [row for key, count in sorted(groups.items()) if key for row in _rows(count, algorithms, rates, key)]
    if not found:
        what = "no measured pile-up is near that of the crossings, or no algorithm is in both"
        raise BadValue(source.info.name, what, f"simulate at a pile-up of {bins[0]:g} to {bins[-1]:g}")
    return found


def _counts(
    source: Source,
    menu: Menu,
    algorithms: Sequence[Algorithm],
    pileup: float | None,
    advance: Callable[[int], None],
) -> Iterator[tuple[float, _Count]]:
    """Mean pile-up and counts of each lumi section of a pass."""
    evaluator = Evaluator(menu)
    sections: dict[int, _Count] = {}
    index = np.array([algorithm.index for algorithm in algorithms], np.int64)
    for batch in source.batches(_ROWS):
        n = batch.num_rows
        has = batch.schema.names
        weight = column_view(batch.column("weight")).astype(np.float64) if "weight" in has else np.ones(n)
        weight = np.where(decided_rows(batch), weight, 0.0)
        mean = np.full(n, pileup) if pileup is not None else column_view(batch.column("pileup")).astype(np.float64)
        event = column_view(batch.column("event"))
        hardest = event >> np.uint64(HARDEST_SHIFT) if "process" in has else event
        bits = evaluator.evaluate(batch).dense(n)[:, index]
        lumi_section = column_view(batch.column("lumi_section"))
        for section in np.unique(lumi_section):
            rows = (lumi_section == section) & (weight > 0)
            count = sections.setdefault(int(section), _Count())
            _add(count, _count(weight[rows], mean[rows], bits[rows], hardest[rows]))
        advance(n)
    for count in sections.values():
        if count.weight > 0:
            yield count.pileup / count.weight, count


def _count(
    weight: NDArray[np.float64], pileup: NDArray[np.float64], bits: NDArray[np.bool_], hardest: NDArray[np.uint64]
) -> _Count:
    count = _Count(float(weight.sum()), float((weight * pileup).sum()), weight @ bits, weight**2 @ bits)
    for column in np.flatnonzero(bits.any(axis=0)):
        count.hardest[int(column)] = set(np.unique(hardest[bits[:, column]]).tolist())
    return count


def _add(total: _Count, part: _Count) -> None:
    total.weight += part.weight
    total.pileup += part.pileup
    if part.fired.size:
        total.fired = part.fired + (total.fired if total.fired.size else 0.0)
        total.squares = part.squares + (total.squares if total.squares.size else 0.0)
    for column, hardest in part.hardest.items():
        total.hardest[column] |= hardest


def _rows(
    count: _Count, algorithms: Sequence[Algorithm], rates: Iterable[MeasuredRate], bins: tuple[float, ...]
) -> Iterator[Comparison]:
    measured = pooled(rates, bins)
    for column, algorithm in enumerate(algorithms):
        known = measured.get(algorithm.name)
        if known is None:
            continue
        yield Comparison(
            algorithm.name,
            kind_of(algorithm),
            half_of(algorithm.name),
            count.pileup / count.weight,
            known.n_fired / known.n_zero_bias,
            math.sqrt(max(known.n_fired, 1)) / known.n_zero_bias,
            known.n_fired,
            float(count.fired[column]) / count.weight,
            math.sqrt(float(count.squares[column])) / count.weight,
            len(count.hardest[column]),
        )


@dataclass(frozen=True)
class Agreement:
    """How many of some comparisons agree.

    Attributes:
        n: judged comparisons.
        within: how many are within each of `FACTORS`, two standard deviations allowed.
        supported: how many have at least 100 distinct hard interactions behind them.
    """

    n: int
    within: tuple[int, ...]
    supported: int


def agreement(rows: Iterable[Comparison]) -> Agreement:
    """How many of the judged comparisons agree."""
    judged = [row for row in rows if row.judged]
    within = tuple(sum(row.within(factor) for row in judged) for factor in FACTORS)
    return Agreement(len(judged), within, sum(row.n_distinct >= 100 for row in judged))
