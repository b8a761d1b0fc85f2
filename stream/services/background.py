"""Getting ready for changes in a thread of its own, while its service works on."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final

from stream.errors import RunFailed
from stream.services.changes import Change
from triggers.errors import L1ChainError

_SHORT_TURN_S: Final = 2e-4
_log = logging.getLogger("l1chain.stream.background")


class ShortTurns:
    """While anybody is within, Python's threads take turns of 0.2 ms instead of 5 ms.

    A service lets the interpreter go for every message and kernel. Beside a thread that computes in Python it waits
    5 ms each time to get it back, and so holds up the whole chain.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._usual_s = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(_SHORT_TURN_S, self._usual_s))
            self._within += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                sys.setswitchinterval(self._usual_s)


_SHORT_TURNS: Final = ShortTurns()
"""One for all: the length of a turn is the interpreter's."""


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
            with _SHORT_TURNS:
                prepare(change)
        except L1ChainError as found:
            error = found
        except Exception as found:  # noqa: BLE001 — whatever it is, who asked must hear of it
            _log.exception("a change could not be prepared")
            error = RunFailed("stage", f"the change could not be prepared ({type(found).__name__}: {found})")
        self._done.put((change, error))
