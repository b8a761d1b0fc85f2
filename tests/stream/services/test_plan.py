"""A producer that replaces another goes on at any crossing (docs/protocol.md, "Delivery", rule 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.services.batches import Block
from stream.services.plan import Plan, PlanSettings
from stream.wire.shelf import InMessages
from tests.stream.services.test_batches import decided, events, source
from triggers.events.source import SourceInfo


@dataclass(frozen=True)
class Rows:
    """A source of numbered rows."""

    n: int
    context: tuple[int, ...]
    sizes: tuple[int, ...]
    tells_length: bool

    @property
    def info(self) -> SourceInfo:
        n = self.n - len({k for k in self.context if k < self.n})
        return SourceInfo("rows", n if self.tells_length else None, ())

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        return source(self.n, list(self.context), [min(size, n_rows) for size in self.sizes])


@settings(max_examples=300)
@given(
    rows=st.builds(
        Rows,
        st.integers(1, 60),
        st.lists(st.integers(0, 59), max_size=8).map(tuple),
        st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
        st.booleans(),
    ),
    per_section=st.integers(1, 30),
    size=st.integers(1, 16),
    begin=st.integers(0, 150),
    repeat=st.integers(1, 3),
    neighbours=st.booleans(),
    prepare=st.booleans(),
)
def test_the_crossings_behind_a_position_are_those_of_the_whole_run(
    rows: Rows, per_section: int, size: int, begin: int, repeat: int, neighbours: bool, prepare: bool
) -> None:
    plan = Plan(rows, PlanSettings(per_section, repeat, size, neighbours, prepare), (), InMessages())
    whole = crossings(list(plan.blocks(0)), per_section)
    rest = list(plan.blocks(begin))
    assert crossings(rest, per_section) == whole[begin:]
    if neighbours and rest and begin:
        lumi_section, first, block = rest[0]
        own = decided(block)[0]
        assert own == 0 or own - 1 in events(block) or (lumi_section, first) == (1, 0)


def crossings(blocks: list[tuple[int, int, Block]], per_section: int) -> list[tuple[int, int]]:
    """Each decided crossing: its number in the run, and its event."""
    found = []
    for lumi_section, first, block in blocks:
        start = (lumi_section - 1) * per_section + first
        found += [(start + k, event) for k, event in enumerate(decided(block))]
    assert [number for number, _ in found] == list(range(found[0][0], found[0][0] + len(found))) if found else True
    return found


def test_a_source_that_can_skip_is_not_read_from_its_start() -> None:
    made = []

    def skipped(n: int) -> Rows:
        made.append(n)
        return Rows(0, (), (1,), True)

    plan = Plan(Rows(10, (), (4,), True), PlanSettings(100, 2, 4, False, False), (), InMessages(), skipped)
    (_, first, block) = next(iter(plan.blocks(7)))
    assert made == [7]
    assert first == 7
    assert np.array_equal(decided(block), [0, 1, 2, 3])
