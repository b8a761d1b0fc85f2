"""A replay evaluated by a dask cluster; decided here, in order (`docs/replay.md`, "More machines")."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from distributed import Client, Future, KilledWorker
from distributed.client import FutureCancelledError

from stream.run.dask_worker import Failure, Recipe, ReplayPlugin, evaluate_part
from stream.run.evaluation import BlockEvaluator, Evaluated
from stream.run.parts import parts_of
from stream.run.replay_source import Samples
from triggers.errors import BadValue, L1ChainError
from triggers.events.source import Source
from triggers.studies.selection import Selection

AHEAD: Final = 2
"""Parts in work or waiting to be counted, for each thread of the cluster."""
_LOOK_S: Final = 1.0
_ALONE_S: Final = 60.0
"""A cluster may be without any worker for so long, while one starts again."""
_WHERE: Final = "dask cluster"


class DaskExecutor:
    """Gives parts of the files to a cluster, at most `AHEAD` for each of its threads at a time.

    Args:
        client: of the cluster, whose workers read the files by the same paths.
        models: folder of model versions, on every worker; None: theirs.
    """

    threads: Final = 1

    def __init__(self, client: Client, models: Path | None) -> None:
        self._client, self._models = client, None if models is None else models.absolute()

    def evaluated(
        self, evaluator: BlockEvaluator, source: Source, selection: Selection, batch_crossings: int
    ) -> Iterator[Evaluated]:
        """The selected crossings of the files and their bits, in order.

        Raises:
            TypeError: the source is not made of files.
            L1ChainError: what a worker met in the input; a part that killed several workers; a cluster that is gone.
        """
        if not isinstance(source, Samples):
            raise TypeError(f"{source.info.name} has no files that other processes could read")
        files = tuple(file.absolute() for file in source.files)
        recipe = Recipe(
            files,
            evaluator.menus,
            evaluator.curves,
            self._models,
            dict(evaluator.digests),
            selection,
            batch_crossings,
        )
        name = f"l1chain-{secrets.token_hex(8)}"
        waiting: deque[Future] = deque()
        try:
            self._client.register_plugin(ReplayPlugin(recipe), name=name)
            for part in parts_of(files):
                waiting.append(self._client.submit(evaluate_part, name, part, key=f"{name}-{part}", pure=False))
                while len(waiting) > self._most():
                    yield from self._taken(waiting.popleft())
            while waiting:
                yield from self._taken(waiting.popleft())
            self._client.unregister_worker_plugin(name)
        finally:
            for future in waiting:
                future.release()

    def _most(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return AHEAD * max(1, sum(threads.values()))

    def _taken(self, future: Future) -> Iterator[Evaluated]:
        found = self._awaited(future)
        future.release()
        if isinstance(found, Failure):
            raise L1ChainError(found.where, found.what, found.remedy)
        if found is not None:
            yield found

    def _awaited(self, future: Future) -> Any:
        """The result; a part whose worker dies is done again by another, which dask sees to."""
        seen = time.monotonic()
        while True:
            try:
                return future.result(timeout=_LOOK_S)
            except TimeoutError:
                if self._client.status != "running":
                    raise BadValue(
                        _WHERE, "the scheduler does not answer any more", "start it, and replay again"
                    ) from None
                if self._client.nthreads():
                    seen = time.monotonic()
                if time.monotonic() - seen > _ALONE_S:
                    what = f"had no worker for {_ALONE_S:.0f} s"
                    raise BadValue(_WHERE, what, "start some with `dask worker`, and replay again") from None
            except KilledWorker as error:
                what = f"several workers died of one part, last {error.last_worker.address}"
                raise BadValue(_WHERE, what, "look into their logs; give them more memory") from None
            except FutureCancelledError as error:
                raise BadValue(_WHERE, f"lost the replay ({error})", "replay again") from None
