"""What evaluates the blocks of a replay: threads of this process, or others (`docs/replay.md`, "More machines")."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

from stream.run.evaluation import BlockEvaluator, Evaluated
from triggers.events.source import Source
from triggers.studies.selection import Selection

_AHEAD: Final = 3
"""Blocks in work for each thread, so that none waits for the one that counts."""


class Executor(Protocol):
    """Evaluates a source in parallel.

    Attributes:
        threads: of this process that evaluate.
    """

    @property
    def threads(self) -> int:
        """How many threads of this process evaluate."""
        ...

    def evaluated(
        self, evaluator: BlockEvaluator, source: Source, selection: Selection, batch_crossings: int
    ) -> Iterator[Evaluated]:
        """The selected crossings and their bits, in the order of the source."""
        ...


class ThreadExecutor:
    """Evaluates in threads of this process: the kernels release the interpreter's lock.

    Args:
        threads: how many; None: one for each core.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))

    def evaluated(
        self, evaluator: BlockEvaluator, source: Source, selection: Selection, batch_crossings: int
    ) -> Iterator[Evaluated]:
        """The selected crossings and their bits, in order; some blocks are evaluated ahead."""
        waiting: deque[Future[Evaluated]] = deque()
        with ThreadPoolExecutor(self.threads, "replay") as pool:
            try:
                for block in evaluator.blocks(source.batches(batch_crossings), selection, batch_crossings):
                    waiting.append(pool.submit(evaluator.evaluate, block))
                    if len(waiting) > _AHEAD * self.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
