"""The ordered half of the chain as the combiner runs it: batch after batch, with a state that can be put aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.errors import ProtocolError, Refusal, RunFailed
from stream.services import expected, seeds
from stream.services.changes import Change
from stream.services.decision_changes import DecisionTimeline
from stream.services.delivery import DeadTime, Position
from stream.services.expected import ExpectedCheck
from stream.services.service import Frames
from stream.services.sinks.tables import RunTables
from stream.services.snapshot import pack_array, pack_state, unpack_into, unpack_state
from stream.wire.columns import ROWS, SCORE, ColumnDecoder, check_rows, words_field
from stream.wire.messages import Header
from triggers.decision.decide import Counts, DecisionSettings, DecisionState, decide
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.evaluate import Evaluator, SparseBits
from triggers.menu.model import WorkingPointCondition

_EXPECTED_WORDS: Final = 2 * ALGORITHM_WORDS
_WHERE: Final = "service combiner"


@dataclass(frozen=True)
class CombinerSettings:
    """What the combiner decides by.

    Attributes:
        decision: prescales, budgets, masks.
        score_names: by score stage, the names under which conditions know its score.
        thresholds: of the working points that the menu names.
        compare_expected: whether an `expected` stage sends the source's own bits.
    """

    decision: DecisionSettings
    score_names: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[WorkingPointCondition, int]
    compare_expected: bool

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose results a decision needs."""
        needed = {seeds.STAGE, *self.score_names}
        return frozenset(needed | {expected.STAGE} if self.compare_expected else needed)


@dataclass(frozen=True)
class Accepted:
    """The accepted crossings of a batch: rows of the batch, bits before prescale, bits that kept them, scores."""

    header: Header
    rows: NDArray[np.uint32]
    algorithms: NDArray[np.uint64]
    final: NDArray[np.uint64]
    scores: dict[str, NDArray[np.int32]]


Result = list[NDArray[Any]]


class ResultReader:
    """Reads the columns of results, checked."""

    def __init__(self, settings: CombinerSettings, n_words: int) -> None:
        shapes: dict[str, tuple[pa.Field, ...]] = {
            seeds.STAGE: (ROWS, words_field(n_words)),
            expected.STAGE: (ROWS, words_field(_EXPECTED_WORDS)),
            **dict.fromkeys(settings.score_names, (SCORE,)),
        }
        self._decoders = {
            stage: [ColumnDecoder(field, f"{_WHERE}, result of {stage}") for field in shapes[stage]]
            for stage in settings.stages
        }

    def read(self, stage: str, header: Header, frames: Frames) -> Result:
        """The columns of a stage's result.

        Raises:
            ProtocolError: they are not such columns, or not of that batch.
        """
        sparse, decoders = stage == seeds.STAGE, self._decoders[stage]
        if len(frames) != len(decoders):
            what = f"{len(frames)} columns, expected {len(decoders)}"
            raise ProtocolError(f"{_WHERE}, result of {stage}", what, Refusal.FRAMES)
        columns: Result = []
        for decoder, frame in zip(decoders, frames, strict=True):
            rows = header.crossings if not sparse else len(columns[0]) if columns else None
            columns.append(decoder.decode(frame.buffer, rows))
        if sparse:
            check_rows(columns[0].astype(np.uint32, copy=False), header.crossings, f"{_WHERE}, result of {stage}")
        return columns


class Fold:
    """Decides batches in order.

    Attributes:
        position: of the next batch.
    """

    def __init__(
        self, evaluator: Evaluator, settings: CombinerSettings, timeline: DecisionTimeline, tables: RunTables
    ) -> None:
        self._evaluator, self._settings = evaluator, settings
        self._timeline, self.tables = timeline, tables
        self._current = settings.decision
        self._state = DecisionState(len(settings.decision.budgets))
        self._check = ExpectedCheck(evaluator.evaluated)
        self._lumi_section = 0
        self.position = Position()

    def warm_up(self) -> None:
        """Compile the decision, or load it from the cache."""
        settings, n_budgets = self._settings.decision, len(self._settings.decision.budgets)
        nothing = SparseBits(np.zeros(1, np.uint32), np.zeros((1, ALGORITHM_WORDS), np.uint64))
        decide(settings, DecisionState(n_budgets), Counts(n_budgets), nothing, np.zeros(1, np.int64))

    def decide(self, header: Header, results: Mapping[str, Result]) -> Accepted:
        """Decide a batch.

        Raises:
            RunFailed: it is not the next one.
        """
        self._advance(header)
        rows, words = results[seeds.STAGE]
        by_stage = {stage: results[stage][0] for stage in self._settings.score_names}
        scores = {name: by_stage[stage] for stage, names in self._settings.score_names.items() for name in names}
        bits = self._evaluator.complete(SparseBits(rows, words), scores, self._settings.thresholds)
        if self._settings.compare_expected:
            self._check.add(bits, results[expected.STAGE][1])
        counts = Counts(len(self._current.budgets))
        decision = decide(self._current, self._state, counts, bits, header.first + bits.rows.astype(np.int64))
        counts.crossings = header.crossings
        self.tables.add(counts)
        accepted = decision.rows
        algorithms = bits.words[np.searchsorted(bits.rows, accepted)]
        kept = {stage: values[accepted] for stage, values in by_stage.items()}
        return Accepted(header, accepted, algorithms, decision.words, kept)

    def follow(self, change: Change) -> None:
        """Follow a change; it may hold already in the lumi section to which a commit led back."""
        self._timeline.add([change])
        if self._lumi_section:
            self._current = self._timeline.settings_in(self._lumi_section)
            self.tables.use(self._current, self._timeline.masked_names(self._current))

    def pass_dead(self, header: Header) -> None:
        """Count crossings that were not taken.

        Raises:
            RunFailed: they are not the next ones.
        """
        self._advance(header)
        self.tables.add_dead(DeadTime(header.cause).name.lower(), header.crossings)

    @property
    def lumi_section(self) -> int:
        """The lumi section of the last batch, from 1; 0 before the first."""
        return self._lumi_section

    def check_summary(self) -> dict[str, object] | None:
        """How the bits compare with those that the source knows."""
        return self._check.summary() if self._settings.compare_expected else None

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON, bit for bit."""
        return {
            "lumi_section": self._lumi_section,
            "decision": pack_state(self._state),
            "expected": {"crossings": self._check.crossings, "differing": pack_array(self._check.differing)},
            "tables": self.tables.snapshot(),
        }

    def restore(self, position: Position, packed: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """Go back to a snapshot.

        Args:
            position: where it was taken.
            packed: what `snapshot` made.
            rows: of the lumi sections that were over, at least.

        Raises:
            KeyError, ValueError: it is no snapshot of such a run.
        """
        self.position = position
        self.tables.forget_lumi_section()
        self._lumi_section = int(packed["lumi_section"])
        self._start_lumi_section()
        unpack_state(self._state, packed["decision"])
        self._check.crossings = int(packed["expected"]["crossings"])
        unpack_into(self._check.differing, packed["expected"]["differing"])
        self.tables.restore(packed["tables"], rows)

    def _advance(self, header: Header) -> None:
        place, found = self.position, Position(header.sequence, header.lumi_section, header.first)
        if found != place:
            raise RunFailed("combiner", f"got the batch at {found} where the one at {place} was due")
        if header.lumi_section != self._lumi_section:
            self._lumi_section = header.lumi_section
            self._start_lumi_section()
            self._state.start_lumi_section(self._current)
        first = header.first + header.crossings
        is_over = first == self._settings.decision.crossings_per_lumi_section
        self.position = (
            Position(header.sequence + 1, header.lumi_section + 1)
            if is_over
            else Position(header.sequence + 1, header.lumi_section, first)
        )

    def _start_lumi_section(self) -> None:
        if self._lumi_section:
            self._current = self._timeline.settings_in(self._lumi_section)
            masked = self._timeline.masked_names(self._current)
            self.tables.start_lumi_section(self._lumi_section, self._current, masked)
