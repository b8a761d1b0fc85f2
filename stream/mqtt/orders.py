"""Obeys orders: authorised, once, audited (`docs/mqtt.md`, "Commands")."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stream.mqtt.errors import CommandRefused
from stream.mqtt.payloads import Answer, Order, checked_order
from stream.run.control import AUDIT_FILE
from stream.run.control_client import Client
from triggers.errors import L1ChainError, UnknownName

START: Final = "start"
PATIENCE_S: Final = 60.0
_REMEMBERED: Final = 1024
_SUFFIX: Final = ".yaml"


class Orders:
    """Does what operators ask of the run that is running, or starts one.

    Args:
        runs: folder of run folders; what concerns no run is audited there.
        configurations: what `start` may name.
        operators: secrets by name.
        running: the run that is running.
    """

    def __init__(
        self,
        runs: Path,
        configurations: Path | None,
        operators: dict[str, bytes],
        running: Callable[[], Client | None],
    ) -> None:
        self._runs, self._configurations = runs, configurations
        self._operators, self._running = operators, running
        self._answers: OrderedDict[str, tuple[str | None, Answer]] = OrderedDict()
        self._started: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def obey(self, payload: bytes, now_s: float) -> tuple[str | None, Answer]:
        """Where the answer goes (None: to the default) and what it is."""
        try:
            order = checked_order(payload, self._operators, now_s)
        except CommandRefused as error:
            answer = Answer(id="", ok=False, error=error.parts)
            self._audit({"refused": True}, answer)
            return None, answer
        if order.id not in self._answers:
            self._answers[order.id] = order.reply_to, self._answer(order)
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[order.id]

    def close(self) -> None:
        """Runs that were started go on; they are only not waited for any more."""
        for process in self._started:
            process.poll()

    def _answer(self, order: Order) -> Answer:
        try:
            if order.command == START:
                with self._lock:
                    known = self._answers.get(order.id)
                    return known[1] if known else Answer(id=order.id, ok=True, result=self._start(order))
            result = self._ask(order)
        except L1ChainError as error:
            return Answer(id=order.id, ok=False, error=error.parts)
        return Answer(id=order.id, ok=True, result=result)

    def _ask(self, order: Order) -> Any:
        client = self._running()
        if client is None:
            error = CommandRefused("came, but no run is running", "start one first")
            self._audit(order.model_dump(), Answer(id=order.id, ok=False, error=error.parts))
            raise error
        return client.ask(order.command, order.arguments, PATIENCE_S, request_id=order.id, who=f"mqtt:{order.who}")

    def _start(self, order: Order) -> dict[str, Any]:
        try:
            path = self._configuration(order.arguments)
            if self._running() is not None or any(process.poll() is None for process in self._started):
                raise CommandRefused("asks to start a run while one is running or starting", "stop it first")
            self._runs.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "stream.cli", "run", str(path), "--set", f"run.out={self._runs.resolve()}"]
            with (self._runs / "started.log").open("ab") as log:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 (ours)
        except L1ChainError as error:
            self._audit(order.model_dump(), Answer(id=order.id, ok=False, error=error.parts))
            raise
        self._started.append(process)
        result = {"pid": process.pid, "configuration": path.name}
        self._audit(order.model_dump(), Answer(id=order.id, ok=True, result=result))
        return result

    def _configuration(self, arguments: dict[str, Any]) -> Path:
        """The configuration that an order names, one of those that may be named."""
        folder = self._configurations
        if folder is None:
            raise CommandRefused("asks to start a run, which is not offered here", "serve with --configurations FOLDER")
        found = {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        name = arguments.get("configuration")
        if not isinstance(name, str) or name not in found:
            raise UnknownName("MQTT command", "configuration", str(name), found)
        return found[name]

    def _audit(self, asked: dict[str, Any], answer: Answer) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asked, **answer.model_dump()}
        self._runs.mkdir(parents=True, exist_ok=True)
        with (self._runs / AUDIT_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
