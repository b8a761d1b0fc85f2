"""What a producer will make: the blocks of a source with their place in the run, from any crossing on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from stream.services.batches import Block, cut, decided_flags, in_lumi_sections, prepare, split
from stream.services.passes import PassTimes
from stream.wire.shelf import Carrier
from triggers.events.schema import MAX_BX_OFFSET
from triggers.events.source import Source

_CONTEXT: Final = pa.field("context", pa.bool_(), nullable=False)


@dataclass(frozen=True)
class PlanSettings:
    """How a source becomes blocks.

    Attributes:
        crossings_per_lumi_section: decided crossings in a full lumi section.
        repeat: passes over the source; None: without end.
        batch_crossings: decided crossings in a full block.
        neighbours: whether any stage looks at neighbouring crossings.
        prepare: read the source into memory first.
    """

    crossings_per_lumi_section: int
    repeat: int | None
    batch_crossings: int
    neighbours: bool
    prepare: bool


class Plan:
    """The blocks of a run in order, with lumi section (from 1) and index in it of each one's first crossing.

    A source gives the same crossings on every pass, so a producer that replaces another one goes on where that one was.

    Args:
        source: one pass.
        settings: how it is cut.
        columns: to encode beforehand, if the source is prepared.
        carrier: of these columns.
        skipped: the source without its first n crossings, for sources that can do that without reading them.
    """

    def __init__(
        self,
        source: Source,
        settings: PlanSettings,
        columns: tuple[str, ...],
        carrier: Carrier,
        skipped: Callable[[int], Source] | None = None,
    ) -> None:
        self._source, self._settings, self._skipped = source, settings, skipped
        self._columns, self._carrier = columns, carrier
        self._prepared: list[Block] | None = None
        self._times = PassTimes()

    def blocks(self, crossing: int) -> Iterator[tuple[int, int, Block]]:
        """The blocks from the given crossing of the run on.

        Raises:
            L1ChainError: the source failed; all crossings before that are in blocks.
        """
        settings = self._settings
        lumi_section, first = divmod(crossing, settings.crossings_per_lumi_section)
        blocks = self._from_memory(crossing) if settings.prepare else self._from_source(crossing)
        return in_lumi_sections(
            blocks, settings.crossings_per_lumi_section, settings.neighbours, lumi_section + 1, first
        )

    def _passes(self, done: int) -> Iterator[int]:
        repeat = self._settings.repeat
        return itertools.count(done) if repeat is None else iter(range(done, repeat))

    def _from_memory(self, crossing: int) -> Iterator[Block]:
        settings = self._settings
        if self._prepared is None:
            size = settings.batch_crossings
            blocks = cut(self._times.learned(self._source.batches(size)), size, settings.neighbours)
            self._prepared = prepare(blocks, self._columns, self._carrier)
        kept = self._prepared
        of_pass = sum(block.crossings for block in kept)
        done, rest = divmod(crossing, of_pass) if of_pass else (0, 0)
        for number in self._passes(done):
            for block in kept:
                if number == done and rest:
                    if rest >= block.crossings:
                        rest -= block.crossings
                        continue
                    block, rest = split(block, rest, settings.neighbours)[1], 0
                # Frames stay those of the first pass: stages compare times within a block only.
                yield replace(block, rows=self._times.of_pass(block.rows, number))

    def _from_source(self, crossing: int) -> Iterator[Block]:
        size, of_pass = self._settings.batch_crossings, self._source.info.n_crossings
        done, rest = divmod(crossing, of_pass) if of_pass else (0, crossing)
        source = self._source
        if rest and self._skipped is not None:
            source, rest = self._skipped(rest), 0
        if (done or source is not self._source) and self._settings.repeat != 1:
            for _ in self._times.learned(self._source.batches(size)):
                continue
        passes = (self._pass(source if number == done else self._source, number) for number in self._passes(done))
        rows = itertools.chain.from_iterable(passes)
        return cut(without_first(rows, rest), size, self._settings.neighbours)

    def _pass(self, source: Source, number: int) -> Iterator[pa.RecordBatch]:
        batches = source.batches(self._settings.batch_crossings)
        if not number and source is self._source:
            batches = self._times.learned(batches)
        return (self._times.of_pass(rows, number) for rows in batches)


def without_first(batches: Iterator[pa.RecordBatch], crossings: int) -> Iterator[pa.RecordBatch]:
    """The rows behind the given number of decided crossings; the two rows just before them stay, as context.

    Reading the others is what it costs: it is the way of sources that can only be read from the start.
    """
    rest = crossings
    before: pa.RecordBatch | None = None
    for batch in batches if crossings else ():
        rows = _with_context(batch)
        decided = np.flatnonzero(decided_flags(rows))
        is_last = rest < len(decided)
        together = rows if before is None else pa.concat_batches([before, rows if is_last else rows[-MAX_BX_OFFSET:]])
        if is_last:
            yield _context_until(together, len(together) - len(rows) + int(decided[rest]))
            break
        rest -= len(decided)
        before = together[-MAX_BX_OFFSET:]
    yield from map(_with_context, batches) if crossings else batches


def _with_context(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with a column `context`, so that all batches have one schema."""
    if "context" in rows.schema.names:
        return rows
    return rows.append_column(_CONTEXT, pa.array(np.zeros(len(rows), np.bool_)))


def _context_until(rows: pa.RecordBatch, begin: int) -> pa.RecordBatch:
    """The rows from `begin` on, behind up to two that become context."""
    keep = max(0, begin - MAX_BX_OFFSET)
    context = ~decided_flags(rows)
    context[:begin] = True
    return rows.set_column(rows.schema.get_field_index("context"), _CONTEXT, pa.array(context)).slice(keep)
