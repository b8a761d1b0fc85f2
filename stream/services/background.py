"""Getting ready for changes in a thread of its own, while its service works on."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator

from stream.errors import RunFailed
from stream.services.changes import Change
from triggers.errors import L1ChainError

_log = logging.getLogger("l1chain.stream.background")


class Background:
    """Prepares each change once; another question about one that is being prepared has no effect."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._done: queue.SimpleQueue[tuple[Change, L1ChainError | None]] = queue.SimpleQueue()

    def begin(self, change: Change, prepare: Callable[[Change], None]) -> None:
        """Begin to prepare a change."""
        if change.id not in self._running:
            self._running.add(change.id)
            threading.Thread(target=self._run, args=(change, prepare), name="prepare", daemon=True).start()

    def done(self) -> Iterator[tuple[Change, L1ChainError | None]]:
        """The changes that are prepared since, each with what is wrong, if something is."""
        while not self._done.empty():
            change, error = self._done.get()
            self._running.discard(change.id)
            yield change, error

    def _run(self, change: Change, prepare: Callable[[Change], None]) -> None:
        error: L1ChainError | None = None
        try:
            prepare(change)
        except L1ChainError as found:
            error = found
        except Exception as found:  # noqa: BLE001 — whatever it is, who asked must hear of it
            _log.exception("a change could not be prepared")
            error = RunFailed("stage", f"the change could not be prepared ({type(found).__name__}: {found})")
        self._done.put((change, error))
