"""Follows the run that is running, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stream.run.control_client import Client, find_run
from stream.run.finished import read_run
from stream.run.watch import LumiSectionLine, follow
from triggers.errors import L1ChainError

_SEARCH_PERIOD_S: Final = 1.0
_log = logging.getLogger("l1chain.stream.mqtt")

Hear = Callable[[str, dict[str, Any], float], None]


class Follower:
    """Finds the latest running run and hands on its lumi sections.

    Args:
        runs: folder of run folders.
        hear: called in the event loop with the run's name, the row of each lumi section that ends, and the run's
            `metrics.l1_rate_limit_hz`.
    """

    def __init__(self, runs: Path, hear: Hear) -> None:
        self._runs, self._hear = runs, hear
        self._client: Client | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def client(self) -> Client | None:
        """The run that is running, if there is one."""
        return self._client

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self._follow, args=(loop,), name="mqtt-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do not follow any further."""
        self._ended.set()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._ended.is_set():
            try:
                self._client = find_run(None, self._runs)
                folder = self._client.folder
                limit_hz = read_run(folder).record["config"]["metrics"]["l1_rate_limit_hz"]
                for line in follow(folder, with_accepted=False):
                    if self._ended.is_set():
                        return
                    if isinstance(line, LumiSectionLine):
                        loop.call_soon_threadsafe(self._hear, folder.name, line.row, limit_hz)
            except L1ChainError:
                pass  # no run yet, or it has just ended
            except RuntimeError:
                return  # the event loop is closed
            except Exception:  # noqa: BLE001 — whatever one run tells, the next one is to be followed
                _log.exception("following goes on after an error")
            self._client = None
            self._ended.wait(_SEARCH_PERIOD_S)
