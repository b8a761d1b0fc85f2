"""Evaluates a menu: the stateless half of the decision (`docs/architecture.md`, rule 4).

The part that needs only the objects of a crossing runs anywhere (`Evaluator.objects`); algorithms with conditions on
network scores are added where the scores arrive (`Evaluator.complete`). What travels between the two is sparse: for the
crossings that have any, the algorithm bits, and a further bit for each object condition that such algorithms also need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import SchemaMismatch
from triggers.events.crossings import column_view
from triggers.events.schema import (
    ALGORITHM_SLOTS,
    ALGORITHM_WORDS,
    N_CALO_OBJECTS,
    N_EXTERNAL_WORDS,
    N_MUONS,
    N_SUMS,
    OBJECT_COLUMNS,
    SLOTS_PER_ORBIT,
)
from triggers.menu.block import Block, Events, new_block
from triggers.menu.conditions.expression import NO_SCORES, NO_THRESHOLDS, combine
from triggers.menu.conditions.score import ScoreCondition, Scores, Thresholds, score_condition, score_passes
from triggers.menu.conditions.support import coverage
from triggers.menu.kernel import evaluate_tables
from triggers.menu.model import Algorithm, Condition, ExternalCondition, Menu, ObjectCondition, conditions_of
from triggers.menu.places import PLACES
from triggers.menu.tables import WORD_BITS, Tables, n_words_for
from triggers.menu.tabulate import build_tables
from triggers.menu.trees import tree_of

Columns = Mapping[str, NDArray[np.generic]]
"""Columns of the event format by name, `(n,)` or `(n, width)`."""

_TIME_COLUMNS = ("orbit", "bx")


@dataclass(frozen=True)
class SparseBits:
    """Bits of the crossings that have any.

    Attributes:
        rows: `(k,) uint32`, ascending: rows of the batch with at least one bit; never rows that are only context.
        words: `(k, w) uint64`: 8 words of algorithm bits, then the words of object conditions that algorithms with
            scores need; `Evaluator.complete` removes the latter.
    """

    rows: NDArray[np.uint32]
    words: NDArray[np.uint64]

    def dense(self, n: int) -> NDArray[np.bool_]:
        """The algorithm bits of all `n` crossings, `(n, 512) bool`."""
        bits = np.zeros((n, ALGORITHM_SLOTS), np.bool_)
        octets = np.ascontiguousarray(self.words[:, :ALGORITHM_WORDS]).astype("<u8").view(np.uint8)
        bits[self.rows] = np.unpackbits(octets, axis=1, bitorder="little")
        return bits


class Evaluator:
    """A menu, ready to be evaluated; immutable, and safe to share between threads.

    Args:
        menu: the menu.
        scores: names of the scores that will be supplied, such as `axol1tl/v3` or `axol1tl@production`.

    Attributes:
        menu: the menu.
        evaluated: its algorithms that are evaluated.
        not_evaluated: why the others are not, one short sentence by name.
        needed_columns: the columns of the event format that `objects` reads; `context` is not among them.
        score_conditions: the scores with their thresholds or working points that evaluated algorithms use.

    Example:
        >>> from triggers.events.crossings import batch_of
        >>> from triggers.events.packing import pack
        >>> from triggers.menu.load import load_menu
        >>> evaluator = Evaluator(load_menu("shipped:menus/demo.yaml"))
        >>> jets = pack("jet", et=[[400] + 11 * [0]])
        >>> evaluator.evaluate(batch_of({"jet": jets})).rows
        array([0], dtype=uint32)
    """

    def __init__(self, menu: Menu, scores: Collection[str] = ()) -> None:
        self.menu = menu
        self.evaluated, self.not_evaluated = coverage(menu, scores)
        only_objects = [algorithm for algorithm in self.evaluated if not _scores_of(algorithm)]
        with_scores = [algorithm for algorithm in self.evaluated if _scores_of(algorithm)]
        self._scores_only = [algorithm for algorithm in with_scores if not _object_conditions_of(algorithm)]
        self._mixed = [algorithm for algorithm in with_scores if _object_conditions_of(algorithm)]
        self._true_of_nothing = any(map(_true_of_nothing, with_scores))
        self.score_conditions = tuple(dict.fromkeys(chain.from_iterable(map(_scores_of, with_scores))))
        travelling = dict.fromkeys(chain.from_iterable(map(_object_conditions_of, self._mixed)))
        self._bit_of: dict[Condition, int] = {
            condition: ALGORITHM_SLOTS + position for position, condition in enumerate(travelling)
        }
        outputs = [(algorithm.index, tree_of(algorithm.expression, menu.scales)) for algorithm in only_objects]
        outputs += [(bit, tree_of(condition, menu.scales)) for condition, bit in self._bit_of.items()]
        self._tables = build_tables(outputs, ALGORITHM_WORDS + n_words_for(len(self._bit_of)))
        self._free_blocks: list[Block] = []
        alone = chain.from_iterable(map(_object_conditions_of, only_objects))
        self.needed_columns = _needed_columns(chain(alone, travelling))

    @property
    def n_words(self) -> int:
        """How many words a row of `objects` has."""
        return self._tables.n_output_words

    @property
    def tables(self) -> Tables:
        """What drives the kernel."""
        return self._tables

    def with_tables(self, tables: Tables) -> Evaluator:
        """The same evaluator with other tables, to measure parts of its work (`stages.stages`)."""
        other = copy(self)
        other._tables, other._free_blocks = tables, []
        return other

    @property
    def on_scores(self) -> tuple[str, ...]:
        """Names of all algorithms of the menu that have a condition on a score, evaluated or not."""
        return tuple(algorithm.name for algorithm in self.menu.algorithms if _scores_of(algorithm))

    def objects(self, columns: Columns, context: NDArray[np.bool_] | None = None) -> SparseBits:
        """What can be told from a crossing's objects: the algorithms without scores, and what the others need.

        Args:
            columns: `needed_columns`; others are ignored.
            context: `(n,) bool`, rows that are only neighbours for others; None if there are none.

        Raises:
            SchemaMismatch: a column has the wrong shape.
        """
        events = _events(columns, self.needed_columns, context)
        try:  # threads share the free blocks; taking one is atomic, looking first would not be
            block = self._free_blocks.pop()
        except IndexError:
            block = new_block(self._tables)
        rows, words = evaluate_tables(self._tables, events, block)
        self._free_blocks.append(block)
        return SparseBits(rows, words)

    def complete(
        self,
        bits: SparseBits,
        scores: Scores = NO_SCORES,
        thresholds: Thresholds = NO_THRESHOLDS,
        context: NDArray[np.bool_] | None = None,
    ) -> SparseBits:
        """Adds the algorithms with scores to what `objects` found.

        Args:
            bits: from `objects`, for the same rows.
            scores: integer scores by name, `(n,)` each.
            thresholds: the threshold of each working point in `score_conditions`.
            context: as for `objects`.

        Returns:
            the bits of all evaluated algorithms, 8 words a row.

        Raises:
            UnknownName: a score or a working point's threshold is missing.
        """
        if not self.score_conditions:
            return bits
        fired = self._fired(scores, thresholds)
        if context is not None:
            fired &= ~context
        fired_rows = np.flatnonzero(fired).astype(np.uint32)
        rows, words = _with_rows(bits, fired_rows)
        positions = np.searchsorted(rows, fired_rows)
        self._set_bits(self._scores_only, words, fired_rows, positions, scores, thresholds)
        if self._mixed:
            self._set_bits(self._mixed, words, rows, np.arange(len(rows)), scores, thresholds)
            words = np.ascontiguousarray(words[:, :ALGORITHM_WORDS])
            positions = np.arange(len(rows))
        empty = positions[~words[positions].any(axis=1)]
        if len(empty):
            rows, words = np.delete(rows, empty), np.delete(words, empty, axis=0)
        return SparseBits(rows, words)

    def evaluate(
        self, batch: pa.RecordBatch, scores: Scores = NO_SCORES, thresholds: Thresholds = NO_THRESHOLDS
    ) -> SparseBits:
        """The bits of all evaluated algorithms for a record batch of the event format: `objects`, then `complete`.

        Raises:
            UnknownName: a score or a working point's threshold is missing.
        """
        columns = {name: column_view(batch.column(name)) for name in self.needed_columns}
        context = None
        if "context" in batch.schema.names:
            context = batch.column("context").to_numpy(zero_copy_only=False)
        return self.complete(self.objects(columns, context), scores, thresholds, context)

    def _fired(self, scores: Scores, thresholds: Thresholds) -> NDArray[np.bool_]:
        """The rows in which a condition on a score may hold, `(n,)`."""
        lowest: dict[str, int] = {}
        for wanted in self.score_conditions:
            threshold = wanted.threshold_at(thresholds)
            lowest[wanted.score] = min(threshold, lowest.get(wanted.score, threshold))
        fired = [
            score_passes(ScoreCondition(name, threshold), scores, thresholds) for name, threshold in lowest.items()
        ]
        return np.asarray(np.logical_or.reduce([*fired, np.full_like(fired[0], self._true_of_nothing)]))

    def _set_bits(
        self,
        algorithms: Sequence[Algorithm],
        words: NDArray[np.uint64],
        rows: NDArray[np.uint32],
        positions: NDArray[np.intp],
        scores: Scores,
        thresholds: Thresholds,
    ) -> None:
        """Sets the bits of algorithms in `words[positions]`, which belong to `rows`."""
        here = {name: scores[name][rows] for name in {wanted.score for wanted in self.score_conditions}}

        def value_of(condition: Condition) -> NDArray[np.bool_]:
            wanted = score_condition(condition)
            if wanted is not None:
                return score_passes(wanted, here, thresholds)
            word, bit = divmod(self._bit_of[condition], WORD_BITS)
            return np.asarray(words[positions, word] >> np.uint64(bit) & np.uint64(1) == 1)

        for algorithm in algorithms:
            word, bit = divmod(algorithm.index, WORD_BITS)
            words[positions, word] |= combine(algorithm.expression, value_of).astype(np.uint64) << np.uint64(bit)


def _with_rows(bits: SparseBits, rows: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Rows and words of `bits` and of further rows without bits; the words may be written to."""
    places = np.searchsorted(bits.rows, rows)
    known = np.zeros(len(rows), np.bool_)
    inside = places < len(bits.rows)
    known[inside] = bits.rows[places[inside]] == rows[inside]
    if known.all():
        return bits.rows, bits.words.copy()
    new = places[~known]
    return np.insert(bits.rows, new, rows[~known]), np.insert(bits.words, new, np.uint64(0), axis=0)


def _scores_of(algorithm: Algorithm) -> tuple[ScoreCondition, ...]:
    wanted = (score_condition(condition) for condition in conditions_of(algorithm.expression))
    return tuple(score for score in wanted if score is not None)


def _object_conditions_of(algorithm: Algorithm) -> tuple[ObjectCondition | ExternalCondition, ...]:
    return tuple(
        condition
        for condition in conditions_of(algorithm.expression)
        if isinstance(condition, ObjectCondition | ExternalCondition) and score_condition(condition) is None
    )


def _true_of_nothing(algorithm: Algorithm) -> bool:
    """Whether an algorithm is true where none of its conditions is."""
    return bool(combine(algorithm.expression, lambda _: np.zeros(1, np.bool_))[0])


def _needed_columns(conditions: Iterable[ObjectCondition | ExternalCondition]) -> tuple[str, ...]:
    needed: set[str] = set()
    for condition in conditions:
        if isinstance(condition, ExternalCondition):
            needed.add("external")
            offsets = [condition.bx_offset]
        else:
            needed |= {PLACES[requirement.object].column for requirement in condition.requirements}
            offsets = [requirement.bx_offset for requirement in condition.requirements]
        if any(offsets):
            needed.update(_TIME_COLUMNS)
    return tuple(name for name in (*_TIME_COLUMNS, *OBJECT_COLUMNS) if name in needed)


_WIDTHS = {"muon": N_MUONS, "sums": N_SUMS, "external": N_EXTERNAL_WORDS}
_DTYPES = {"muon": np.uint64, "external": np.uint64}


def _events(columns: Columns, needed: Collection[str], context: NDArray[np.bool_] | None) -> Events:
    """The columns as the kernel takes them: contiguous and read-only, so that it is compiled for one type only."""
    n = next((len(columns[name]) for name in needed), 0 if context is None else len(context))
    arrays = {name: _column(columns, name, n if name in needed else 0) for name in OBJECT_COLUMNS}
    slots = np.empty(0, np.int64)
    if "orbit" in needed:
        slots = columns["orbit"].astype(np.int64) * SLOTS_PER_ORBIT + columns["bx"].astype(np.int64)
    mask = np.empty(0, np.bool_) if context is None else context
    return Events(n, **arrays, slots=_read_only(slots), context=_read_only(mask))


def _column(columns: Columns, name: str, n: int) -> NDArray[Any]:
    """A column with `n` rows; the kernel trusts its shape."""
    expected = (n, _WIDTHS.get(name, N_CALO_OBJECTS))
    array = _read_only(columns[name] if n else np.empty(expected), _DTYPES.get(name, np.uint32))
    if array.shape != expected:
        raise SchemaMismatch("batch", name, f"of shape {array.shape}", f"shape {expected}")
    return array


def _read_only(array: NDArray[Any], dtype: type[np.generic] | None = None) -> NDArray[Any]:
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view
