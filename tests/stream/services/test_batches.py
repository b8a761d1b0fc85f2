"""How a source is cut into batches (docs/architecture.md, rule 3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.services.batches import Block, cut, in_lumi_sections, prepare
from stream.wire.shelf import InMessages
from triggers.events.crossings import batch_of, column_view


def source(n: int, context: list[int], sizes: list[int]) -> Iterator[pa.RecordBatch]:
    """n rows, event k in row k, some of them context, in batches of varying size."""
    flags = np.zeros(n, np.bool_)
    flags[[k for k in context if k < n]] = True
    start = 0
    for k in range(n):
        size = sizes[k % len(sizes)]
        stop = min(n, start + size)
        if start < stop:
            rows = np.arange(start, stop)
            yield batch_of(
                {
                    "event": rows.astype(np.uint64),
                    "bx": (rows % 3564).astype(np.uint16),
                    "context": pa.array(flags[start:stop]),
                }
            )
        start = stop


def events(block: Block) -> list[int]:
    return [int(event) for event in column_view(block.rows.column("event"))]


def decided(block: Block) -> list[int]:
    flags = np.zeros(len(block.rows), bool) if block.context is None else block.context
    return [event for event, is_context in zip(events(block), flags, strict=True) if not is_context]


CASES = {
    "n": st.integers(0, 60),
    "context": st.lists(st.integers(0, 59), max_size=12),
    "sizes": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    "size": st.integers(1, 16),
    "neighbours": st.booleans(),
}


@settings(max_examples=200)
@given(**CASES)
def test_every_decided_crossing_is_in_one_block_in_order(
    n: int, context: list[int], sizes: list[int], size: int, neighbours: bool
) -> None:
    blocks = list(cut(source(n, context, sizes), size, neighbours))
    expected = [k for k in range(n) if k not in context]
    assert [event for block in blocks for event in decided(block)] == expected
    assert all(0 < block.crossings <= size for block in blocks)


@settings(max_examples=200)
@given(**CASES)
def test_with_neighbours_a_block_sees_two_rows_on_either_side(
    n: int, context: list[int], sizes: list[int], size: int, neighbours: bool
) -> None:
    for block in cut(source(n, context, sizes), size, neighbours=True):
        rows, own = events(block), decided(block)
        for offset in (1, 2):
            assert min(own) - offset in rows or min(own) - offset < 0
            assert max(own) + offset in rows or max(own) + offset >= n


@settings(max_examples=200)
@given(per_section=st.integers(1, 20), **CASES)
def test_no_block_crosses_a_lumi_section(
    n: int, context: list[int], sizes: list[int], size: int, neighbours: bool, per_section: int
) -> None:
    timed = list(in_lumi_sections(cut(source(n, context, sizes), size, neighbours), per_section, neighbours))
    index = 0
    for lumi_section, first, block in timed:
        assert (lumi_section - 1, first) == divmod(index, per_section)
        assert first + block.crossings <= per_section
        if neighbours:
            assert {max(decided(block)) + 1, max(decided(block)) + 2} & set(range(n)) <= set(events(block))
        index += block.crossings
    assert index == n - len({k for k in context if k < n})


def test_the_read_out_counts_crossings_without_context() -> None:
    (block,) = cut(source(6, [0, 3], [6]), 10, neighbours=True)
    assert block.context is not None
    read_out = block.events(np.array([0, 2, 3], np.uint32))
    assert column_view(read_out.column("event")).tolist() == [1, 4, 5]
    assert "context" not in read_out.schema.names


def test_prepared_blocks_keep_their_frames() -> None:
    carrier = InMessages()
    kept = prepare(cut(source(20, [0], [7]), 8, neighbours=True), ("bx", "jet"), carrier)
    assert sorted(kept[0].frames) == ["bx", "context", "jet"]
    jet = kept[0].frame("jet", carrier)
    kept[0].release(carrier)
    assert kept[0].frame("jet", carrier) is jet


def test_other_blocks_forget_their_frames_when_they_are_decided() -> None:
    (block,) = cut(source(6, [0, 3], [6]), 10, neighbours=True)
    block.frame("jet", InMessages())
    block.release(InMessages())
    assert not block.frames
