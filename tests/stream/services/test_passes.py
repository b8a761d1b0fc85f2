"""A source that is read more than once gives crossings that differ, in time order (docs/protocol.md, "Producer")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stream.services.passes import PassTimes
from stream.services.plan import Plan, PlanSettings
from stream.wire.shelf import InMessages
from triggers.events.crossings import batch_of, column_view
from triggers.events.readers.time_order import TimeOrder
from triggers.events.source import SourceInfo

ONE_SECTION = [(1, 7, 5, 100), (1, 7, 5, 103), (1, 7, 9, 4)]
TWO_SECTIONS = [(1, 7, 5, 100), (1, 7, 9, 4), (1, 8, 2, 0)]
TWO_RUNS = [(1, 7, 5, 100), (2, 7, 5, 100), (1, 7, 6, 0)]


class Times:
    """A source with the given runs, lumi sections, orbits and bx."""

    info = SourceInfo("times", 3, ())

    def __init__(self, rows: list[tuple[int, int, int, int]]) -> None:
        self.rows = rows

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(self.rows), n_rows):
            columns = np.array(self.rows[start : start + n_rows]).T
            names = ("run", "lumi_section", "orbit", "bx")
            types = (np.uint32, np.uint32, np.uint32, np.uint16)
            yield batch_of({name: np.ascontiguousarray(c, t) for name, c, t in zip(names, columns, types, strict=True)})


def times(batch: pa.RecordBatch) -> list[tuple[int, ...]]:
    names = ("run", "lumi_section", "orbit", "bx")
    return list(zip(*(column_view(batch.column(name)).tolist() for name in names), strict=True))


@pytest.mark.parametrize("rows", [ONE_SECTION, TWO_SECTIONS, TWO_RUNS])
@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("begin", [0, 1, 4, 9])
def test_passes_follow_each_other_in_time(rows: list[tuple[int, int, int, int]], prepare: bool, begin: int) -> None:
    settings = PlanSettings(100, 4, 2, neighbours=False, prepare=prepare)

    def found(first: int) -> list[tuple[int, ...]]:
        plan = Plan(Times(rows), settings, (), InMessages(), lambda n: Times(rows[n:]))
        order, found = TimeOrder(), []
        for _, _, block in plan.blocks(first):
            order.check(block.rows, Path("run"), len(found))
            found += times(block.rows)
        return found

    assert found(0)[:3] == rows
    assert len(set(found(0))) == 4 * len(rows)
    assert found(begin) == found(0)[begin:]


def test_a_pass_of_one_lumi_section_is_as_long_as_its_orbits() -> None:
    plan = Plan(Times(ONE_SECTION), PlanSettings(100, 2, 8, neighbours=False, prepare=True), (), InMessages())
    assert [times(block.rows) for _, _, block in plan.blocks(3)] == [[(1, 7, 10, 100), (1, 7, 10, 103), (1, 7, 14, 4)]]


def test_orbits_without_a_number_begin_a_lumi_section() -> None:
    passes = PassTimes()
    (rows,) = passes.learned(Times([(1, 1, 0, 0), (1, 1, 2**31 - 1, 0)]).batches(2))
    assert times(passes.of_pass(rows, 1)) == [(1, 1, 2**31, 0), (1, 1, 2**32 - 1, 0)]
    assert times(passes.of_pass(rows, 2)) == [(1, 2, 0, 0), (1, 2, 2**31 - 1, 0)]
