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
from stream.services.budget_control import BudgetControl, BudgetControllers
from stream.services.changes import Change
from stream.services.decision_changes import DecisionTimeline
from stream.services.delivery import DeadTime, Position
from stream.services.expected import ExpectedCheck
from stream.services.model_changes import ModelTimeline
from stream.services.scoring import Scoring
from stream.services.service import Frames
from stream.services.sinks.tables import RunTables
from stream.services.snapshot import pack_array, pack_state, unpack_into, unpack_state
from stream.wire.columns import ROWS, SCORE, ColumnDecoder, check_rows, words_field
from stream.wire.messages import Header
from triggers.decision.decide import Counts, DecisionSettings, DecisionState, decide
from triggers.decision.groups import GroupKind
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.evaluate import Evaluator, SparseBits

_EXPECTED_WORDS: Final = 2 * ALGORITHM_WORDS
_WHERE: Final = "service combiner"


@dataclass(frozen=True)
class CombinerSettings:
    """What the combiner decides by.

    Attributes:
        decision: prescales, budgets, masks.
        models: the versions in each lumi section, by score stage.
        compare_expected: whether an `expected` stage sends the source's own bits.
        controls: the budgets that act.
    """

    decision: DecisionSettings
    models: Mapping[str, ModelTimeline]
    compare_expected: bool
    controls: tuple[BudgetControl, ...] = ()

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose results a decision needs."""
        needed = {seeds.STAGE, *self.models}
        return frozenset(needed | {expected.STAGE} if self.compare_expected else needed)


@dataclass(frozen=True)
class Accepted:
    """The accepted crossings of a batch.

    Attributes:
        header: of the batch.
        rows: of the batch.
        algorithms: bits before prescale.
        final: bits that kept them.
        scores: by score stage, of the version that decides.
        versions: that version, by score stage.
    """

    header: Header
    rows: NDArray[np.uint32]
    algorithms: NDArray[np.uint64]
    final: NDArray[np.uint64]
    scores: dict[str, NDArray[np.int32]]
    versions: dict[str, str]


Result = list[NDArray[Any]]


class ResultReader:
    """Reads the columns of results, checked."""

    def __init__(self, settings: CombinerSettings, n_words: int) -> None:
        self._models = settings.models
        shapes: dict[str, tuple[pa.Field, ...]] = {
            seeds.STAGE: (ROWS, words_field(n_words)),
            expected.STAGE: (ROWS, words_field(_EXPECTED_WORDS)),
        }
        self._decoders = {
            stage: [ColumnDecoder(field, f"{_WHERE}, result of {stage}") for field in shapes.get(stage, (SCORE, ROWS))]
            for stage in settings.stages
        }

    def read(self, stage: str, header: Header, frames: Frames, version: object = None) -> Result:
        """The columns of a stage's result.

        Args:
            stage: whose result it is.
            header: of the batch.
            frames: the columns.
            version: the model version that made it, as a score stage says.

        Raises:
            ProtocolError: they are not such columns, or not of that batch, or of another version than is due.
        """
        if stage in self._models:
            return self._read_scores(stage, header, frames, version)
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

    def _read_scores(self, stage: str, header: Header, frames: Frames, version: object) -> Result:
        """Scores by version; with a shadow, then its rows and its scores."""
        where, serving = f"{_WHERE}, result of {stage}", self._models[stage].serving_in(header.lumi_section)
        if version != serving.production.label:
            what = f"scores of {version} in lumi section {header.lumi_section}, which has {serving.production.label}"
            raise ProtocolError(where, what)
        n_scored, n_shadow = len(serving.scored), 0 if serving.shadow is None else 2
        if len(frames) != n_scored + n_shadow:
            raise ProtocolError(where, f"{len(frames)} columns, expected {n_scored + n_shadow}", Refusal.FRAMES)
        score, rows = self._decoders[stage]
        columns: Result = [score.decode(frame.buffer, header.crossings) for frame in frames[:n_scored]]
        if n_shadow:
            chosen = rows.decode(frames[n_scored].buffer)
            check_rows(chosen.astype(np.uint32, copy=False), header.crossings, where)
            columns += [chosen, score.decode(frames[-1].buffer, len(chosen))]
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
        self.scoring = Scoring(evaluator, settings.models)
        self.budgets = BudgetControllers(settings.controls, timeline, self.scoring)

    def warm_up(self) -> None:
        """Compile the decision, or load it from the cache."""
        settings, n_budgets = self._settings.decision, len(self._settings.decision.budgets)
        nothing = SparseBits(np.zeros(1, np.uint32), np.zeros((1, ALGORITHM_WORDS), np.uint64))
        decision = decide(settings, DecisionState(n_budgets), Counts(n_budgets), nothing, np.zeros(1, np.int64))
        RunTables.warm_up(decision.final_words)

    def decide(self, header: Header, results: Mapping[str, Result]) -> Accepted:
        """Decide a batch.

        Raises:
            RunFailed: it is not the next one.
        """
        self._advance(header)
        rows, words = results[seeds.STAGE]
        scores = self.scoring.scores(results)
        bits = self._evaluator.complete(SparseBits(rows, words), scores, self.scoring.thresholds)
        if self._settings.compare_expected:
            self._check.add(bits, results[expected.STAGE][1])
        counts = Counts(len(self._current.budgets))
        decision = decide(self._current, self._state, counts, bits, header.first + bits.rows.astype(np.int64))
        counts.crossings = header.crossings
        self.tables.add(counts, decision.final_words)
        accepted = decision.rows
        algorithms = bits.words[np.searchsorted(bits.rows, accepted)]
        self.scoring.count(results, self.tables)
        self.budgets.add(results)
        kept = {stage: results[stage][0][accepted] for stage in self._settings.models}
        return Accepted(header, accepted, algorithms, decision.words, kept, self.scoring.versions)

    def check(self, change: Change) -> None:
        """Check a change.

        Raises:
            L1ChainError: it cannot be made.
        """
        self.budgets.check(change)
        if not self.scoring.check(change):
            self._timeline.check(change)

    def follow(self, change: Change) -> None:
        """Follow a change; it may hold already in the lumi section to which a commit led back."""
        self._timeline.add([change])
        self.scoring.follow(change, self._lumi_section)
        if self._lumi_section:
            self._begin()
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

    def finish(self) -> dict[str, Any]:
        """End the last lumi section; what the run record says of the tables beside their rows, and of budgets."""
        self._end_lumi_section()
        about = self.tables.finish()
        return about | ({"budget_control": self.budgets.summary()} if self.budgets.controllers else {})

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
            "scores": self.scoring.snapshot(),
            "budgets": self.budgets.snapshot(),
        }

    def restore(self, position: Position, packed: dict[str, Any]) -> None:
        """Go back to a snapshot.

        Args:
            position: where it was taken.
            packed: what `snapshot` made.

        Raises:
            KeyError, ValueError: it is no snapshot of such a run.
        """
        self.position = position
        self.tables.forget_lumi_section()
        self._lumi_section = int(packed["lumi_section"])
        self.budgets.restore(packed["budgets"])
        self._start_lumi_section()
        unpack_state(self._state, packed["decision"])
        self._check.crossings = int(packed["expected"]["crossings"])
        unpack_into(self._check.differing, packed["expected"]["differing"])
        self.tables.restore(packed["tables"])
        self.scoring.restore(packed["scores"])

    def _advance(self, header: Header) -> None:
        place, found = self.position, Position(header.sequence, header.lumi_section, header.first)
        if found != place:
            raise RunFailed("combiner", f"got the batch at {found} where the one at {place} was due")
        if header.lumi_section != self._lumi_section:
            self._end_lumi_section()
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

    def _end_lumi_section(self) -> None:
        """Let budgets act on what the lumi section counted."""
        if self._lumi_section and self.budgets.controllers:
            counts, groups = self.tables.current
            kept = groups.of(GroupKind.BUDGET)
            self.tables.budget_control = self.budgets.end(self._lumi_section, self._current, counts, kept)

    def _start_lumi_section(self) -> None:
        if self._lumi_section:
            self.scoring.start_lumi_section(self._lumi_section)
            self._begin()
            masked = self._timeline.masked_names(self._current)
            self.tables.start_lumi_section(self._lumi_section, self._current, masked)

    def _begin(self) -> None:
        """Let the settings of the present lumi section hold; the scoring has its versions already."""
        self._current = self.budgets.begin(self._lumi_section)
        self.scoring.thresholds |= self.budgets.thresholds
