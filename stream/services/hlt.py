"""The stage after the L1 accept: a network scores accepted crossings, and a budget keeps some (`docs/hlt.md`).

It works in the combiner, on what one commit takes, in the order of the crossings. Its state is part of the commit, so
whatever dies, a crossing is scored for the record once, and a resumed run goes on with the tokens that it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.services.scorers import Scorer
from stream.services.sinks.committer import Commit
from triggers.decision.settings import simulated_seconds
from triggers.events.crossings import column_view
from triggers.studies.rates import rate_and_error

HLT_FIELDS: Final = (
    pa.field("hlt_score", pa.int32(), nullable=False),
    pa.field("hlt_passed", pa.bool_(), nullable=False),
    pa.field("hlt_accepted", pa.bool_(), nullable=False),
)
"""What an accepted crossing has besides: score, whether it reaches the threshold, whether the budget keeps it too."""
_STATE: Final = "hlt"
HLT_NAMES: Final = tuple(wanted.name for wanted in HLT_FIELDS)


def with_hlt(schema: pa.Schema) -> pa.Schema:
    """The schema of accepted crossings that the stage has decided."""
    return pa.schema([*without_hlt(schema), *HLT_FIELDS])


def without_hlt(schema: pa.Schema) -> pa.Schema:
    """The schema of accepted crossings before the stage."""
    return pa.schema([wanted for wanted in schema if wanted.name not in HLT_NAMES])


@dataclass(frozen=True)
class HltSettings:
    """What the stage decides by.

    Attributes:
        threshold: the least score that passes.
        rate_hz: of kept crossings, per simulated second.
        burst: the most that can be saved up; at least 1.
        colliding_bunches: crossings an orbit, which sets the simulated time of a crossing.
        crossings_per_lumi_section: in a full one.
    """

    threshold: int
    rate_hz: float
    burst: float
    colliding_bunches: int
    crossings_per_lumi_section: int

    def seconds(self, crossings: int) -> float:
        """The simulated time of so many crossings."""
        return simulated_seconds(crossings, self.colliding_bunches)


@dataclass
class TokenBucket:
    """A budget in simulated time: empty when the run begins, and not emptied between lumi sections.

    Attributes:
        per_crossing: tokens that a crossing's time brings.
        burst: the most tokens that are saved up.
        tokens: at `time`.
        time: of the last crossing that asked, counted in crossings from the start of the run.
    """

    per_crossing: float
    burst: float
    tokens: float = 0.0
    time: int = 0

    def take(self, time: int) -> bool:
        """Take a token, if there is a whole one; times ascend."""
        self.tokens = min(self.burst, self.tokens + (time - self.time) * self.per_crossing)
        self.time = time
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class HltCounts:
    """What the stage counts, of the run or of a lumi section.

    Attributes:
        scored: L1 accepts.
        passed: of these, with a score from the threshold on.
        accepted: of these, within the budget.
        score_sum: all scores, added up.
    """

    scored: int = 0
    passed: int = 0
    accepted: int = 0
    score_sum: int = 0

    def add(self, scores: NDArray[np.int32], passed: NDArray[np.bool_], accepted: NDArray[np.bool_]) -> None:
        """Add crossings."""
        self.scored += len(scores)
        self.passed += int(np.count_nonzero(passed))
        self.accepted += int(np.count_nonzero(accepted))
        self.score_sum += int(scores.sum(dtype=np.int64))

    def with_rate(self, seconds: float) -> dict[str, Any]:
        """The counts, and the rate of accepted ones in so many simulated seconds."""
        rate_hz, error_hz = rate_and_error(self.accepted, seconds)
        return asdict(self) | {"accepted_hz": rate_hz, "accepted_error_hz": error_hz}


@dataclass
class Hlt:
    """Scores and decides accepted crossings, in order.

    Attributes:
        scorer: of the model version.
        settings: threshold and budget.
        total: of the whole run.
    """

    scorer: Scorer
    settings: HltSettings
    total: HltCounts = field(default_factory=HltCounts)

    def __post_init__(self) -> None:
        """Begins with an empty bucket."""
        self._bucket = TokenBucket(self.settings.rate_hz * self.settings.seconds(1), self.settings.burst)
        self._open: dict[int, HltCounts] = {}

    def commit(self, commit: Commit) -> Commit:
        """A commit with its accepted crossings decided, its lumi sections told of, and the state that follows."""
        accepted = self.decide(commit.accepted)
        rows = self.rows(commit.rows)
        return replace(commit, accepted=accepted, rows=rows, state=commit.state | {_STATE: self._snapshot()})

    def decide(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """The next accepted crossings of the run, without `HLT_FIELDS`, with them; all are scored at once."""
        if not batches:
            return []
        scores, sections = self.scores(batches), _joined(batches, "run_lumi_section").astype(np.int64)
        times = (sections - 1) * self.settings.crossings_per_lumi_section
        times += _joined(batches, "crossing").astype(np.int64)
        passed = scores >= self.settings.threshold
        accepted = np.zeros(len(scores), np.bool_)
        accepted[passed] = [self._bucket.take(time) for time in times[passed].tolist()]
        self._count(sections, scores, passed, accepted)
        columns = (pa.array(scores, pa.int32()), pa.array(passed), pa.array(accepted))
        schema, ends = with_hlt(batches[0].schema), np.cumsum([len(batch) for batch in batches]).tolist()
        return [
            pa.RecordBatch.from_arrays(
                [*batch.columns, *(c.slice(end - len(batch), len(batch)) for c in columns)], schema=schema
            )
            for batch, end in zip(batches, ends, strict=True)
        ]

    def _count(
        self,
        sections: NDArray[np.int64],
        scores: NDArray[np.int32],
        passed: NDArray[np.bool_],
        accepted: NDArray[np.bool_],
    ) -> None:
        self.total.add(scores, passed, accepted)
        for number in np.unique(sections).tolist():
            own = sections == number
            self._open.setdefault(number, HltCounts()).add(scores[own], passed[own], accepted[own])

    def scores(self, batches: Sequence[pa.RecordBatch]) -> NDArray[np.int32]:
        """The score of each crossing of some batches, at least one, `(n,)`; changes nothing."""
        return self.scorer.backend.score({name: _joined(batches, name) for name in self.scorer.columns})

    def rows(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of lumi sections that are over, each with its counts as `hlt`; they are forgotten here."""
        return [
            row
            | {"hlt": self._open.pop(row["lumi_section"], HltCounts()).with_rate(self.settings.seconds(row["decided"]))}
            for row in rows
        ]

    def summary(self, crossings: int) -> dict[str, Any]:
        """Counts and rate of the run so far, of so many decided crossings."""
        return self.total.with_rate(self.settings.seconds(crossings))

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to the state of a commit.

        Raises:
            KeyError, ValueError, TypeError: it is no commit of such a run.
        """
        packed = state[_STATE]
        self.total = HltCounts(**packed["total"])
        self._open = {int(number): HltCounts(**counts) for number, counts in packed["open"].items()}
        self._bucket.tokens, self._bucket.time = float(packed["tokens"]), int(packed["time"])

    def _snapshot(self) -> dict[str, Any]:
        """The state as JSON, whose numbers Python reads back bit for bit."""
        return {
            "tokens": self._bucket.tokens,
            "time": self._bucket.time,
            "total": asdict(self.total),
            "open": {str(number): asdict(counts) for number, counts in self._open.items()},
        }


def _joined(batches: Sequence[pa.RecordBatch], column: str) -> NDArray[Any]:
    return np.concatenate([column_view(batch.column(column)) for batch in batches])
