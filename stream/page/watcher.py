"""Watches a run in a thread of its own, and only while somebody looks at the page."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stream.page import view
from stream.page.choices import model_versions, prescale_columns
from stream.page.crossings import AcceptedCrossings
from stream.page.listener import Listener
from stream.page.lumi_sections import LumiSections
from stream.page.scrape import Scrape, scrape
from stream.run.budgets_on_scores import budgets_on_scores
from stream.run.control_client import Client
from stream.run.finished import FinishedRun, read_run
from stream.services.sinks.files import ACCEPTED_FILE
from triggers.errors import L1ChainError

PERIOD_S: Final = 1.0
_LOOKED_AT_S: Final = 15.0
"""After the last request for data, somebody still looks."""
_WINDOW_S: Final = 10.0
"""Speed, cost and latency are those of the last seconds."""
_PATIENCE_S: Final = 2.0
_MOST_LATENCIES: Final = 600
_log = logging.getLogger("l1chain.stream.page")


class Watcher:
    """Knows the state of a run.

    Args:
        folder: of the run.

    Attributes:
        folder: of the run.

    Raises:
        FileMissing, FileUnreadable: it is not the folder of a run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = read_run(folder)
        self._rows = LumiSections(folder)
        self._accepted = AcceptedCrossings(self._run.record)
        self._scrapes: deque[Scrape] = deque()
        self._latencies: deque[dict[str, Any]] = deque(maxlen=_MOST_LATENCIES)
        self._columns = prescale_columns(self._run.record["config"])
        self._acting: list[dict[str, Any]] = []
        self._on_scores = budgets_on_scores(self._run.record)
        self._told = b"{}"
        self._is_over = False
        self._wanted = threading.Event()
        self._last_wanted_s = -_LOOKED_AT_S
        self._fresh = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="page-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        self._wanted.set()
        self._thread.join()

    def told(self, patience_s: float = 0.0) -> bytes:
        """The latest state, JSON; asked for now and then, it stays up to date.

        Args:
            patience_s: how long to wait for one, if nobody has asked for a while.
        """
        self._last_wanted_s = time.monotonic()
        self._wanted.set()
        self._fresh.wait(patience_s)
        return self._told

    def ask(self, command: str, arguments: dict[str, Any], request_id: str, who: str) -> Any:
        """The run's answer to a command.

        Raises:
            L1ChainError: it refused, or did not answer.
        """
        return Client(self.folder).ask(command, arguments, request_id=request_id, who=who)

    def _watch(self) -> None:
        with Listener() as listener:
            while not self._ended.is_set():
                if self._is_over or time.monotonic() - self._last_wanted_s > _LOOKED_AT_S:
                    listener.listen_to(None)
                    if not self._is_over:
                        self._fresh.clear()
                    self._wanted.clear()
                    self._wanted.wait(PERIOD_S)
                    continue
                status = self._status()
                listener.listen_to(status["watch"] if status else None)
                self._look(status)
                self._fresh.set()
                if (content := listener.latest(PERIOD_S, self._ended)) is not None:
                    self._accepted.add_told(content)

    def _status(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = Client(self.folder).ask("status", patience_s=_PATIENCE_S)
        except L1ChainError:
            return None
        return status

    def _look(self, status: dict[str, Any] | None) -> None:
        try:
            self._rows.read_on()
            if status is None and (ended := read_run(self.folder)).has_ended:
                self._end(ended)
                return
            now = scrape(status["metrics"]) if status and status.get("metrics") else None
            told = self._live(status, now)
        except L1ChainError as error:
            _log.warning("%s", error)
            return
        self._told = json.dumps(told, allow_nan=False, ensure_ascii=False).encode()

    def _live(self, status: dict[str, Any] | None, now: Scrape | None) -> dict[str, Any]:
        before = self._before(now)
        self._acting = status["budgets"] if status else self._acting
        if now and before and (found := view.latencies(now, before)):
            self._latencies.append({"time": _now(), "stages": found})
        return self._shared() | {
            "state": status["state"] if status else "not answering",
            "progress": status and {key: status[key] for key in ("lumi_section", "produced", "decided", "accepted")},
            "problem": status["problem"] if status else None,
            "pauses": status["pauses"] if status else [],
            "changes": status["changes"] if status else [],
            "acting": self._acting,
            "has_metrics": bool(status and status["metrics"]),
            "limits": view.limits(self._run.record["config"], now),
            "algorithms": view.algorithms_counted(now) if now else [],
            "scores": view.scores_counted(now) if now else [],
            "latency": list(self._latencies),
            "speed": view.speed(now, before) if now else None,
            "services": view.services(status, now, before) if status else [],
            "controls": self._controls() if status else None,
        }

    def _shared(self) -> dict[str, Any]:
        record = self._run.record
        bunches = record["config"]["run"]["colliding_bunches"]
        return {
            "run": self.folder.name,
            "menu": record["menu"]["name"],
            "on_scores": record["menu"]["on_scores"],
            "budgets_on_scores": self._on_scores,
            "started": record["started"],
            "time": _now(),
            "lumi_sections": view.lumi_sections_told(self._rows.rows(), bunches),
            "accepted": self._accepted.shown(),
        }

    def _before(self, now: Scrape | None) -> Scrape | None:
        """The reading at the beginning of the window, which moves on with each."""
        if now is None:
            return None
        while len(self._scrapes) > 1 and now.time_s - self._scrapes[1].time_s >= _WINDOW_S:
            self._scrapes.popleft()
        before = self._scrapes[0] if self._scrapes else None
        self._scrapes.append(now)
        return before

    def _controls(self) -> dict[str, Any]:
        models = Client(self.folder).ask("models", patience_s=_PATIENCE_S)["models"]
        versions = model_versions(self._run.record["config"])
        return {
            "columns": self._columns,
            "models": [
                {"model": m["model"], "production": m["production"], "versions": versions.get(m["model"], [])}
                for m in models
            ],
        }

    def _end(self, ended: FinishedRun) -> None:
        """Show what the run has left behind, once for all."""
        record = ended.record
        self._rows.add(record["lumi_sections"])
        self._accepted.add_last(self.folder / ACCEPTED_FILE)
        told = self._shared() | {
            "state": "ended",
            "progress": {key: record[key] for key in ("produced", "decided", "accepted")}
            | {"lumi_section": len(record["lumi_sections"])},
            "ended": record["ended"],
            "problem": record.get("failure"),
            "pauses": [],
            "changes": [],
            "acting": record.get("budget_control", []),
            "has_metrics": True,
            "limits": view.limits(record["config"], None),
            "algorithms": view.algorithms_written(ended.rates),
            "scores": view.scores_counted(self._scrapes[-1]) if self._scrapes else [],
            "latency": list(self._latencies),
            "speed": None,
            "services": [],
            "controls": None,
        }
        self._told = json.dumps(told, allow_nan=False, ensure_ascii=False).encode()
        self._is_over = True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
