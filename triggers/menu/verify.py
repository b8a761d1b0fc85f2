"""Holds a menu's bits against those that a source knows (`docs/menu-commands.md`, "verify")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.crossings import column_view
from triggers.events.schema import ALGORITHM_SLOTS, MAX_BX_OFFSET, TIME_COLUMNS
from triggers.events.summary import expected_known
from triggers.menu.conditions.external import WORD_BITS
from triggers.menu.describe import offset_text
from triggers.menu.evaluate import SparseBits
from triggers.menu.explain.moment import Moment
from triggers.menu.explain.objects import object_texts
from triggers.menu.model import (
    NETWORK_SCORES,
    Algorithm,
    ExternalCondition,
    Menu,
    ObjectCondition,
    ObjectType,
    ScaleSet,
    conditions_of,
)


@dataclass(frozen=True)
class Example:
    """A crossing in which a bit differs.

    Attributes:
        crossing: its number in the source, from 0.
        time: run, lumi section, orbit, bx, event.
        expected: the bit that the source knows.
        objects: what the algorithm looks at, in words.
    """

    crossing: int
    time: dict[str, int]
    expected: bool
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Mismatch:
    """An algorithm whose bit differs in some crossings.

    Attributes:
        index: its bit.
        name: its name.
        missing: crossings in which the source has the bit and the evaluation has not.
        extra: crossings in which the evaluation has the bit and the source has not.
        first: the first of these crossings.
    """

    index: int
    name: str
    missing: int
    extra: int
    first: tuple[Example, ...]

    @property
    def differing(self) -> int:
        """Crossings in which the bit differs."""
        return self.missing + self.extra


class BitComparison:
    """Counts, per algorithm, the crossings in which the evaluated bit is not the known one; memory stays bounded."""

    def __init__(self, menu: Menu, evaluated: Iterable[Algorithm], n_examples: int = 3) -> None:
        self._menu, self._n_examples = menu, n_examples
        self._algorithms = {algorithm.index: algorithm for algorithm in evaluated}
        self._compared = np.zeros(ALGORITHM_SLOTS, np.bool_)
        self._compared[list(self._algorithms)] = True
        self._missing = np.zeros(ALGORITHM_SLOTS, np.int64)
        self._extra = np.zeros(ALGORITHM_SLOTS, np.int64)
        self._known = np.zeros(ALGORITHM_SLOTS, np.int64)
        self._examples: dict[int, list[Example]] = {index: [] for index in self._algorithms}
        self.crossings = 0

    def add(self, rows: pa.RecordBatch, decided: NDArray[np.intp], bits: SparseBits) -> None:
        """Compares a block.

        Args:
            rows: crossings of the event format with `expected`, neighbours included.
            decided: the rows that are compared, ascending.
            bits: what fires, by row.
        """
        found = bits.dense(rows.num_rows)[decided]
        expected = _dense(column_view(rows.column("expected"))[decided])
        known = _dense(expected_known(rows)[decided]) & self._compared
        differing = (found ^ expected) & known
        self._known += known.sum(axis=0)
        self._missing += (differing & expected).sum(axis=0)
        self._extra += (differing & found).sum(axis=0)
        for index in np.flatnonzero(differing.any(axis=0)).tolist():
            wanted = self._n_examples - len(self._examples[index])
            for position in np.flatnonzero(differing[:, index])[:wanted].tolist():
                row = int(decided[position])
                example = self._example(rows, row, self.crossings + position, index, bool(expected[position, index]))
                self._examples[index].append(example)
        self.crossings += len(decided)

    @property
    def compared(self) -> int:
        """How many algorithms the source knows in at least one crossing."""
        return int(np.count_nonzero(self._known))

    @property
    def decisions(self) -> int:
        """How many bits were compared."""
        return int(self._known.sum())

    def mismatches(self) -> tuple[Mismatch, ...]:
        """The algorithms that differ, by index."""
        return tuple(
            Mismatch(
                index, algorithm.name, int(self._missing[index]), int(self._extra[index]), tuple(self._examples[index])
            )
            for index, algorithm in self._algorithms.items()
            if self._missing[index] or self._extra[index]
        )

    def _example(self, rows: pa.RecordBatch, row: int, crossing: int, index: int, expected: bool) -> Example:
        first = max(0, row - MAX_BX_OFFSET)
        moment = Moment.of_row(rows.slice(first, row + MAX_BX_OFFSET + 1 - first), row - first)
        time = {name: int(rows.column(name)[row].as_py()) for name in TIME_COLUMNS}
        objects = involved_objects(self._algorithms[index], moment, self._menu.scales)
        return Example(crossing, time, expected, tuple(objects))


def involved_objects(algorithm: Algorithm, moment: Moment, scales: ScaleSet) -> Iterator[str]:
    """The objects and signals of a crossing that an algorithm looks at, in words."""
    for kind, offset in _looked_at(algorithm):
        for text in object_texts(kind, moment.at(offset), scales):
            yield ", ".join(filter(None, (text, offset_text(offset))))
    for condition in dict.fromkeys(conditions_of(algorithm.expression)):
        if isinstance(condition, ExternalCondition) and condition.channel is not None:
            word, bit = divmod(condition.channel, WORD_BITS)
            state = int(moment.at(condition.bx_offset)["external"][0, word].astype(np.uint64)) >> bit & 1
            signal = f"{condition.signal} is {'set' if state else 'not set'}"
            yield ", ".join(filter(None, (signal, offset_text(condition.bx_offset))))


def _looked_at(algorithm: Algorithm) -> dict[tuple[ObjectType, int], Any]:
    conditions = conditions_of(algorithm.expression)
    requirements = [r for c in conditions if isinstance(c, ObjectCondition) for r in c.requirements]
    return dict.fromkeys((r.object, r.bx_offset) for r in requirements if r.object not in NETWORK_SCORES)


def _dense(words: NDArray[Any]) -> NDArray[np.bool_]:
    """Bits `(n, 512)` of words `(n, 8)`."""
    octets = np.ascontiguousarray(words).astype("<u8").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little").astype(np.bool_)
