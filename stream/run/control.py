"""Commands to a running chain: typed, idempotent, audited (`docs/run-control.md`)."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

import zmq
from pydantic import Field

from stream.errors import ProtocolError
from stream.services.sinks.checkpoint import write_all
from stream.wire.messages import pack_json, unpack_json
from stream.wire.transport import Socket, Wiring
from triggers.errors import L1ChainError, UnknownName
from triggers.strict_yaml import StrictModel, validated

AUDIT_FILE: Final = "audit.jsonl"
CONTROL_FILE: Final = "control.json"
MAX_REQUEST_BYTES: Final = 1 << 16
_REMEMBERED: Final = 1024
_log = logging.getLogger("l1chain.stream.control")


class Request(StrictModel):
    """What a client asks.

    Attributes:
        id: chosen by the client; a request that comes again with the same id has the same answer and no other effect.
        who: who asks, for the audit.
        command: name of a command.
        arguments: of that command.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    who: Annotated[str, Field(max_length=128)] = ""
    command: Annotated[str, Field(max_length=64)]
    arguments: dict[str, Any] = Field(default_factory=dict)


Settle = Callable[[dict[str, Any] | L1ChainError], None]
"""Answers a request, once: with the result, or with what is wrong."""


Arguments = TypeVar("Arguments", bound=StrictModel)


@dataclass(frozen=True)
class Command(Generic[Arguments]):
    """A command that can be asked for.

    Attributes:
        name: of the command.
        arguments: their types.
        run: does it; answers at once or later, through `Settle`; may raise L1ChainError instead.
        is_question: it changes nothing, and is not audited.
    """

    name: str
    arguments: type[Arguments]
    run: Callable[[str, Arguments, Settle], None]
    is_question: bool = False


class Control:
    """The endpoint for commands.

    Args:
        folder: the run's folder, for audit and address.
        wiring: of the run.

    Attributes:
        socket: to be polled; `serve` reads it.
    """

    def __init__(self, folder: Path, wiring: Wiring) -> None:
        self._folder = folder
        self._commands: dict[str, Command[Any]] = {}
        self._answers: OrderedDict[str, dict[str, Any] | None] = OrderedDict()
        self._asking: dict[str, list[list[bytes]]] = {}
        self.socket: Socket = wiring.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        self.socket.setsockopt(zmq.LINGER, 1000)
        endpoint = f"ipc://{wiring.folder}/commands"
        self.socket.bind(endpoint)
        address = {"endpoint": endpoint, "pid": os.getpid(), "run": f"{wiring.run:016x}", "sockets": wiring.folder}
        write_private(folder / CONTROL_FILE, json.dumps(address).encode())

    @property
    def endpoint(self) -> str:
        """Where commands are taken, on this host."""
        return self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def is_question(self, name: str) -> bool:
        """Whether a command is there and changes nothing."""
        return name in self._commands and self._commands[name].is_question

    def register(self, command: Command[Any]) -> None:
        """Offer a command."""
        self._commands[command.name] = command

    def serve(self) -> None:
        """Take the requests that wait."""
        while self.socket.poll(0):
            sender, *frames = self.socket.recv_multipart()
            # A REQ socket puts an empty frame before its request, and wants it back.
            envelope = [sender, b""] if frames[:1] == [b""] else [sender]
            try:
                self._take(envelope, frames[len(envelope) - 1 :])
            except ProtocolError as error:
                _log.warning("refused: %s", error)

    def close(self) -> None:
        """Take no further request."""
        self.socket.close()
        (self._folder / CONTROL_FILE).unlink(missing_ok=True)

    def _take(self, sender: list[bytes], frames: list[bytes]) -> None:
        if len(frames) != 1:
            raise ProtocolError("control", f"a request of {len(frames)} frames")
        payload = unpack_json(frames[0], "control", MAX_REQUEST_BYTES)
        try:
            request = validated(payload, "control", Request)
        except L1ChainError as error:
            self._send([sender], {"id": str(payload.get("id", "")), "ok": False, "error": error.parts})
            return
        if request.id in self._answers:
            answer = self._answers[request.id]
            if answer is None:
                self._asking[request.id].append(sender)
            else:
                self._send([sender], answer)
            return
        self._answers[request.id] = None
        self._asking[request.id] = [sender]
        self._run(request)

    def _run(self, request: Request) -> None:
        command = self._commands.get(request.command)

        def settle(outcome: dict[str, Any] | L1ChainError) -> None:
            self._settle(request, outcome, is_audited=command is None or not command.is_question)

        try:
            if command is None:
                raise UnknownName("control", "command", request.command, self._commands)
            arguments = validated(request.arguments, f"command {command.name}", command.arguments)
            command.run(request.id, arguments, settle)
        except L1ChainError as error:
            settle(error)

    def _settle(self, request: Request, outcome: dict[str, Any] | L1ChainError, is_audited: bool) -> None:
        is_error = isinstance(outcome, L1ChainError)
        told = {"error": outcome.parts} if isinstance(outcome, L1ChainError) else {"result": outcome}
        answer = {"id": request.id, "ok": not is_error, **told}
        if is_audited:
            self._audit(request, answer)
        self._answers[request.id] = answer
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        self._send(self._asking.pop(request.id, []), answer)

    def _audit(self, request: Request, answer: dict[str, Any]) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **request.model_dump(), **answer}
        try:
            descriptor = os.open(self._folder / AUDIT_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                write_all(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            _log.error("a command could not be written to %s (%s): %s", AUDIT_FILE, error.strerror, line)

    def _send(self, receivers: list[list[bytes]], answer: dict[str, Any]) -> None:
        for receiver in receivers:
            self.socket.send_multipart([*receiver, pack_json(answer)], zmq.DONTWAIT)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this account may read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)
