"""Cuts a source into batches: runs of crossings of one lumi section with their neighbours.

The rule is `docs/architecture.md`, rule 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import zmq
from numpy.typing import NDArray

from stream.wire.columns import encode_column, event_field
from stream.wire.shelf import Carrier
from triggers.errors import L1ChainError
from triggers.events.schema import MAX_BX_OFFSET


@dataclass(frozen=True)
class Block:
    """Rows of a source that travel together.

    Attributes:
        rows: the record batch, context included.
        context: which rows are only neighbours, `(n,) bool`; None if none is.
        frames: the columns as frames, encoded when first asked for and kept.
        is_kept: the block is sent again and again, and its frames stay.
    """

    rows: pa.RecordBatch
    context: NDArray[np.bool_] | None
    frames: dict[str, zmq.Frame] = field(default_factory=dict, compare=False)
    is_kept: bool = False

    @property
    def crossings(self) -> int:
        """Decided crossings."""
        return len(self.rows) if self.context is None else int(len(self.rows) - np.count_nonzero(self.context))

    def frame(self, column: str, carrier: Carrier) -> zmq.Frame:
        """A column as it travels; sending it again copies nothing."""
        if column not in self.frames:
            if column == "context":
                flags = np.zeros(len(self.rows), np.bool_) if self.context is None else self.context
                values = flags.view(np.uint8)
            else:
                values = self.rows.column(column)
            self.frames[column] = carrier.carry(encode_column(event_field(column), values))
        return self.frames[column]

    def release(self, carrier: Carrier) -> None:
        """Forget the frames until they are asked for again, unless the block is kept."""
        if not self.is_kept:
            for frame in self.frames.values():
                carrier.release(frame)
            self.frames.clear()

    def events(self, crossings: NDArray[np.uint32]) -> pa.RecordBatch:
        """The given decided crossings (counted without context) as a record batch without the context column."""
        rows = crossings if self.context is None else np.flatnonzero(~self.context)[crossings]
        names = [name for name in self.rows.schema.names if name != "context"]
        return self.rows.select(names).take(pa.array(rows, pa.uint32()))


def cut(batches: Iterator[pa.RecordBatch], size: int, neighbours: bool) -> Iterator[Block]:
    """Blocks of at most `size` decided crossings.

    With `neighbours`, a block carries up to two rows on either side of its own as context, so that crossing offsets
    see across its edges; without, context rows are dropped.

    Raises:
        L1ChainError: the source failed; all crossings before that are in blocks.
    """
    failures: list[L1ChainError] = []
    good = _until_failure(batches, failures)
    yield from _with_neighbours(good, size) if neighbours else _plain(good, size)
    for failure in failures:
        raise failure


def _until_failure(batches: Iterator[pa.RecordBatch], failures: list[L1ChainError]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except L1ChainError as error:
        failures.append(error)


def in_lumi_sections(
    blocks: Iterator[Block], crossings: int, neighbours: bool, lumi_section: int = 1, first: int = 0
) -> Iterator[tuple[int, int, Block]]:
    """Lumi section (from 1) and index in it of each block's first crossing; blocks are split at the boundaries.

    Args:
        blocks: in order.
        crossings: decided crossings in a lumi section.
        neighbours: whether the parts of a split block see each other as context.
        lumi_section: of the first block.
        first: index in that lumi section of its first crossing.
    """
    for whole in blocks:
        rest: Block | None = whole
        while rest is not None:
            room = crossings - first
            block, rest = split(rest, room, neighbours) if rest.crossings > room else (rest, None)
            yield lumi_section, first, block
            first += block.crossings
            if first == crossings:
                lumi_section, first = lumi_section + 1, 0


def _plain(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[Block]:
    for batch in batches:
        rows = _without_context(batch)
        for start in range(0, len(rows), size):
            yield Block(rows.slice(start, size), None)


def _with_neighbours(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[Block]:
    held: pa.RecordBatch | None = None
    begin = 0
    for batch in batches:
        held = batch if held is None else pa.concat_batches([held, batch])
        end = _end_of(held, begin, size)
        while end is not None and end + MAX_BX_OFFSET <= len(held):
            yield _block(held, begin, end)
            held, begin = _forget(held, end)
            end = _end_of(held, begin, size)
    while held is not None:
        end = _end_of(held, begin, size) or len(held)
        block = _block(held, begin, end)
        if not block.crossings:
            return
        yield block
        held, begin = _forget(held, end)


def split(block: Block, n: int, neighbours: bool) -> tuple[Block, Block]:
    """The first n decided crossings of a block, and the rest; with `neighbours` they see each other as context."""
    flags = np.zeros(len(block.rows), np.bool_) if block.context is None else block.context
    middle = int(np.flatnonzero(~flags)[n])
    if not neighbours:
        return Block(block.rows.slice(0, middle), None), Block(block.rows.slice(middle), None)
    head_end, tail_begin = min(len(flags), middle + MAX_BX_OFFSET), max(0, middle - MAX_BX_OFFSET)
    head, tail = flags[:head_end].copy(), flags[tail_begin:].copy()
    head[middle:] = True
    tail[: middle - tail_begin] = True
    return Block(block.rows.slice(0, head_end), head), Block(block.rows.slice(tail_begin), tail)


def decided_flags(rows: pa.RecordBatch) -> NDArray[np.bool_]:
    """Which rows of a source are decided, not only context, `(n,) bool`."""
    return ~_flags(rows)


def _flags(rows: pa.RecordBatch) -> NDArray[np.bool_]:
    if "context" not in rows.schema.names:
        return np.zeros(len(rows), np.bool_)
    flags: NDArray[np.bool_] = rows.column("context").to_numpy(zero_copy_only=False)
    return flags


def _without_context(batch: pa.RecordBatch) -> pa.RecordBatch:
    if "context" not in batch.schema.names:
        return batch
    flags = _flags(batch)
    return batch.filter(pa.array(~flags)) if flags.any() else batch


def _end_of(rows: pa.RecordBatch, begin: int, n: int) -> int | None:
    """The row after the n-th decided crossing from `begin`, or None if there are fewer."""
    decided = np.flatnonzero(~_flags(rows)[begin:])
    return begin + int(decided[n - 1]) + 1 if len(decided) >= n else None


def _block(rows: pa.RecordBatch, begin: int, end: int) -> Block:
    first, last = max(0, begin - MAX_BX_OFFSET), min(len(rows), end + MAX_BX_OFFSET)
    context = _flags(rows)[first:last].copy()
    context[: begin - first] = True
    context[end - first :] = True
    return Block(rows.slice(first, last - first), context if context.any() else None)


def _forget(rows: pa.RecordBatch, end: int) -> tuple[pa.RecordBatch, int]:
    """Drop what no later block needs; the rows and where the next block begins in them."""
    keep = max(0, end - MAX_BX_OFFSET)
    return rows.slice(keep), end - keep


def prepare(blocks: Iterator[Block], columns: tuple[str, ...], carrier: Carrier) -> list[Block]:
    """Read blocks into memory with the given columns encoded."""
    kept = []
    for block in blocks:
        for column in columns if block.context is None else (*columns, "context"):
            block.frame(column, carrier)
        kept.append(replace(block, is_kept=True))
    return kept
