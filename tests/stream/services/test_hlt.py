"""The stage after the L1 accept is a fold over accepted crossings (docs/hlt.md)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.services.delivery import Position
from stream.services.hlt import HLT_NAMES, Hlt, HltSettings, with_hlt, without_hlt
from stream.services.scorers import Scorer
from stream.services.sinks.accepted import accepted_schema
from stream.services.sinks.committer import Commit
from triggers.events.crossings import column_view
from triggers.events.schema import schema_with

SECTION = 1000
BUNCHES = 100
SECOND = BUNCHES * 11_245.5
"""Crossings in a simulated second."""


class JetScore:
    """The energy of the first jet is the score."""

    needed_columns = ("jet",)

    def score(self, columns: Any) -> Any:
        return columns["jet"][:, 0].astype(np.int32)


def stage(threshold: int = 0, rate_hz: float = 10.0, burst: float = 2.0) -> Hlt:
    scorer = cast("Scorer", SimpleNamespace(backend=JetScore(), columns=("jet",), label="jets/v1"))
    return Hlt(scorer, HltSettings(threshold, rate_hz, burst, BUNCHES, SECTION))


def crossings(times: list[int], scores: list[int]) -> pa.RecordBatch:
    """Accepted crossings at these times from the start of the run."""
    n = len(times)
    jets = np.zeros((n, 12), np.uint32)
    jets[:, 0] = scores
    schema = accepted_schema((), ())
    columns: dict[str, pa.Array] = {}
    for field in schema:
        is_list = pa.types.is_fixed_size_list(field.type)
        columns[field.name] = pa.array([[0] * field.type.list_size] * n if is_list else [0] * n, field.type)
    columns["jet"] = pa.array(jets.tolist(), schema.field("jet").type)
    columns["run_lumi_section"] = pa.array([1 + time // SECTION for time in times], pa.uint32())
    columns["crossing"] = pa.array([time % SECTION for time in times], pa.uint64())
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def decisions(batches: list[pa.RecordBatch]) -> list[tuple[int, bool, bool]]:
    rows = [row for batch in batches for row in batch.select(HLT_NAMES).to_pylist()]
    return [(row["hlt_score"], row["hlt_passed"], row["hlt_accepted"]) for row in rows]


def test_a_crossing_has_its_score_and_what_became_of_it() -> None:
    times = [0, int(SECOND), int(SECOND) + 1, int(SECOND) + 2]
    (decided,) = stage(threshold=5, rate_hz=1.0).decide([crossings(times, [9, 4, 5, 6])])
    assert decisions([decided]) == [(9, True, False), (4, False, False), (5, True, True), (6, True, False)]
    assert decided.schema == with_hlt(accepted_schema((), ()))
    assert without_hlt(decided.schema) == accepted_schema((), ())


def test_a_crossing_below_the_threshold_costs_no_token() -> None:
    made = stage(threshold=5, rate_hz=1.0, burst=1.0)
    made.decide([crossings([int(SECOND) + 1], [4])])
    assert decisions(made.decide([crossings([int(SECOND) + 1], [5])])) == [(5, True, True)]


ASCENDING = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 9)), min_size=1, max_size=60).map(sorted)


@settings(max_examples=30)
@given(ASCENDING, st.integers(1, 60), st.integers(0, 9))
def test_how_crossings_are_cut_and_where_the_state_is_put_aside_changes_nothing(
    given_crossings: list[tuple[int, int]], cut: int, threshold: int
) -> None:
    times, scores = map(list, zip(*given_crossings, strict=True))
    whole, first, second = (stage(threshold, rate_hz=200.0) for _ in range(3))
    expected = whole.commit(Commit(Position(), {}, [crossings(times, scores)], []))
    parts = [crossings(t, s) for t, s in ((times[:cut], scores[:cut]), (times[cut:], scores[cut:])) if t]
    begun = first.commit(Commit(Position(), {"more": 1}, parts[:1], []))
    assert begun.state["more"] == 1
    second.restore(json.loads(json.dumps(begun.state)))
    ended = second.commit(Commit(Position(), {}, parts[1:], []))
    assert decisions([*begun.accepted, *ended.accepted]) == decisions(expected.accepted)
    assert ended.state == expected.state


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=80).map(sorted), st.sampled_from([1.0, 10.0, 40.0]))
def test_no_more_is_kept_than_the_rate_allows(times: list[int], rate_hz: float) -> None:
    (decided,) = stage(rate_hz=rate_hz, burst=2.0).decide([crossings(times, [1] * len(times))])
    kept = np.asarray(times)[np.asarray(decided.column("hlt_accepted"))]
    assert len(kept) <= rate_hz * times[-1] / SECOND + 1e-6
    for first in range(len(kept)):
        for last in range(first + 2, len(kept)):
            assert last - first + 1 <= 2 + rate_hz * (kept[last] - kept[first]) / SECOND + 1e-6


def test_lumi_sections_have_their_own_counts_which_add_up_to_the_runs() -> None:
    made = stage(threshold=2, rate_hz=1e9)
    rows = [{"lumi_section": number, "decided": SECTION} for number in (1, 2, 3)]
    batches = [crossings([1, 2, SECTION + 1], [1, 2, 3]), crossings([SECTION + 2], [4])]
    commit = made.commit(Commit(Position(), {}, batches, rows))
    told = [row["hlt"] for row in commit.rows]
    assert [row["scored"] for row in told] == [2, 2, 0]
    assert [row["passed"] for row in told] == [row["accepted"] for row in told] == [1, 2, 0]
    assert [row["score_sum"] for row in told] == [3, 7, 0]
    assert told[1]["accepted_hz"] == pytest.approx(2 / (SECTION / SECOND))
    assert "hlt" not in rows[0]
    summary = made.summary(3 * SECTION)
    assert {key: summary[key] for key in ("scored", "passed", "accepted", "score_sum")} == {
        "scored": 4,
        "passed": 3,
        "accepted": 3,
        "score_sum": 10,
    }
    assert commit.state["hlt"]["open"] == {}


def test_scores_are_of_the_columns_that_the_version_reads() -> None:
    batch = crossings([1, 2], [7, 8])
    assert stage().scores([batch]).tolist() == column_view(batch.column("jet"))[:, 0].tolist() == [7, 8]
    assert set(schema_with(()).names) < set(batch.schema.names)
