"""What a producer makes next: the coming block of its source, or why there is none any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from stream.services.batches import Block
from stream.services.gates import Gates
from stream.services.plan import Plan, PlanSettings
from stream.wire.shelf import Carrier
from triggers.errors import L1ChainError
from triggers.events.source import Source


class ComingBlock(NamedTuple):
    """A block that nobody has yet, and its place in the run.

    Attributes:
        lumi_section: from 1.
        first: index of its first crossing in the lumi section.
        block: the crossings.
    """

    lumi_section: int
    first: int
    block: Block


class Upcoming:
    """The blocks of a run one after the other, until its source, its lumi sections or a stop end it.

    Args:
        source: one pass.
        settings: how it becomes blocks.
        lumi_sections: how many to make; None: until the source ends.
        gates: know where a stop was agreed.
        skipped: the source without its first n crossings, for sources that can do that without reading them.

    Attributes:
        ending: why no further block comes; None while the run goes on.
        source_ns: CPU time of the source, which is not the chain's.
    """

    def __init__(
        self,
        source: Source,
        settings: PlanSettings,
        lumi_sections: int | None,
        gates: Gates,
        skipped: Callable[[int], Source] | None = None,
    ) -> None:
        self._source, self._settings, self._skipped = source, settings, skipped
        self._lumi_sections, self._gates = lumi_sections, gates
        self._blocks: Iterator[tuple[int, int, Block]] | None = None
        self._next: ComingBlock | None = None
        self.ending: str | None = None
        self.source_ns = 0

    @property
    def has_begun(self) -> bool:
        """Whether it is known where the run goes on."""
        return self._blocks is not None

    @property
    def waiting(self) -> ComingBlock | None:
        """The block that was looked at and not taken."""
        return self._next

    def begin(self, crossing: int, columns: Callable[[], tuple[str, ...]], carrier: Carrier) -> None:
        """Let the run go on at a crossing.

        Args:
            crossing: of the run, from 0.
            columns: what a prepared source encodes beforehand; asked for with the first block, when stages are there.
            carrier: of these columns.
        """

        def made() -> Iterator[tuple[int, int, Block]]:
            yield from Plan(self._source, self._settings, columns(), carrier, self._skipped).blocks(crossing)

        self._blocks = made()

    def end(self, reason: str) -> None:
        """Let no further block come."""
        self.ending = self.ending or reason

    def peek(self) -> ComingBlock | None:
        """The next block; None if the run has not begun or has ended.

        Raises:
            L1ChainError: the source failed; the run has ended then.
        """
        if self.ending is None and self._next is None and self._blocks is not None:
            self._next = self._read(self._blocks)
        if self.ending is None and self._next is not None:
            lumi_section = self._next.lumi_section
            if self._lumi_sections is not None and lumi_section > self._lumi_sections:
                self.ending = "all lumi sections"
            elif self._gates.is_end(lumi_section):
                self.ending = "stopped"
        return self._next if self.ending is None else None

    def take(self) -> None:
        """The block that was looked at has left, or was let go."""
        self._next = None

    def end_of(self, coming: ComingBlock) -> int:
        """The crossing of the run behind a block."""
        before = (coming.lumi_section - 1) * self._settings.crossings_per_lumi_section
        return before + coming.first + coming.block.crossings

    def _read(self, blocks: Iterator[tuple[int, int, Block]]) -> ComingBlock | None:
        begun = time.thread_time_ns()
        try:
            return ComingBlock(*next(blocks))
        except StopIteration:
            self.ending = "end of the source"
            return None
        except L1ChainError as error:
            self.ending = f"source failed: {error}"
            raise
        finally:
            self.source_ns += time.thread_time_ns() - begun
