"""`l1chain join`: a stage replica on this host for a run on another (`docs/protocol.md`, "Joining")."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import zmq

from stream.run.assembly import Assembly
from stream.run.config import ChainConfig, MetricsSection, ModelsSection, SecuritySection
from stream.services.delivery import Peer
from stream.services.service import Service
from stream.wire.fields import Fields
from stream.wire.inbox import Inbox, Message
from stream.wire.messages import NO_RUN, Header, Kind, pack_json
from stream.wire.refusals import Refusals
from stream.wire.security import Security
from stream.wire.transport import Transport, Wiring, frame_limit
from triggers.errors import BadValue, L1ChainError
from triggers.strict_yaml import validated

ORPHAN_EXIT: Final = 3
_ASK_AGAIN_S: Final = 1.0
_POLL_MS: Final = 100
_WHERE: Final = "join"


@dataclass(frozen=True)
class Place:
    """Where to join, and as what.

    Attributes:
        control: endpoint of the run's supervisor.
        stage: the stage's name.
        models: folder of model versions; None: this host's, with those that ship.
    """

    control: str
    stage: str
    models: Path | None


class Joiner:
    """Asks a run for work and is its replica until the run ends, again and again.

    Args:
        place: where, and as what.
        security: its keys.
        patience_s: how long to ask while no run answers.
        ready_file: touched each second while the replica has its orders and the supervisor answers; None: none.
        notice: told of what happens.
    """

    def __init__(
        self,
        place: Place,
        security: Security | None,
        patience_s: float,
        ready_file: Path | None,
        notice: Callable[[str], None],
    ) -> None:
        self._place, self._security = place, security
        self._patience_s, self._ready_file, self._notice = patience_s, ready_file, notice
        self._service: Service | None = None
        self._is_leaving = threading.Event()

    def leave(self) -> None:
        """Tell the run good-bye; from a signal handler."""
        self._is_leaving.set()
        if self._service is not None:
            self._service.finish()

    def run(self) -> int:
        """Serve until there is no run any more, or `leave`; how often a run was joined.

        Raises:
            BadValue: no run answered at all, or it has another menu or model version than this host.
            L1ChainError: the run refuses the replica, and why.
        """
        joined = 0
        while not self._is_leaving.is_set():
            context: zmq.Context[Any] = zmq.Context()
            try:
                welcome = self._ask(context)
                if welcome is None:
                    break
                joined += 1
                self._serve(welcome, context)
            finally:
                context.term()
        if not joined and not self._is_leaving.is_set():
            what = f"no run answers within {self._patience_s:g} s"
            remedy = "check the address, and that this host's key is allowed: `l1chain keys show` on the run's host"
            raise BadValue(f"--connect {self._place.control.removeprefix('tcp://')}", what, remedy)
        return joined

    def _wiring(self, context: zmq.Context[Any], run: int) -> Wiring:
        return Wiring(Transport.TCP, run, self._place.control, "", context, security=self._security)

    def _ask(self, context: zmq.Context[Any]) -> Message | None:
        """The supervisor's WELCOME; None if none comes in time."""
        wiring = self._wiring(context, NO_RUN)
        socket = wiring.dealer(wiring.control, f"join-{secrets.token_hex(8)}")
        inbox = Inbox(socket, wiring, _WHERE, Refusals.unwatched())
        question = [
            Header(Kind.JOIN, NO_RUN).pack(),
            pack_json({"stage": self._place.stage, "l1chain": version("l1chain")}),
        ]
        answers: list[Message] = []

        def take(message: Message) -> None:
            if message.header.kind is Kind.WELCOME:
                answers.append(message)

        deadline, next_ask = time.monotonic() + self._patience_s, 0.0
        try:
            while not answers and time.monotonic() < deadline and not self._is_leaving.is_set():
                if time.monotonic() >= next_ask:
                    next_ask = time.monotonic() + _ASK_AGAIN_S
                    socket.send_multipart(question, zmq.DONTWAIT)
                if socket.poll(_POLL_MS):
                    inbox.serve(take, 1)
        finally:
            socket.close(linger=0)
        return answers[0] if answers else None

    def _serve(self, welcome: Message, context: zmq.Context[Any]) -> None:
        fields = Fields(welcome.json(), _WHERE)
        if fields.has("error"):
            error = Fields(fields.mapping("error"), _WHERE)
            raise L1ChainError(*(error.text(part) for part in ("where", "what", "remedy")))
        with tempfile.TemporaryDirectory(prefix="l1chain-") as folder:
            assembly = self.local_assembly(fields, welcome.payload[-1].bytes, Path(folder))
            peer = Peer(fields.text("service"), fields.number("incarnation"))
            limit = frame_limit(assembly.config.batch.crossings)
            wiring = replace(self._wiring(context, fields.number("run")), max_frame_bytes=limit)
            self._notice(f"joined as {peer.name}")
            service = assembly.service(peer, wiring, time.process_time_ns, Path(folder), leave=_leave_if_stuck)
            self._service = service
            with _ReadyFile(self._ready_file, service):
                service.run()
            self._service = None
            if isinstance(service.failure, L1ChainError):
                raise service.failure
            self._notice(f"{peer.name} ended")

    def local_assembly(self, fields: Fields, content: bytes, folder: Path) -> Assembly:
        """The run's parts on this host: its menu as it was sent, model versions as they are here.

        Args:
            fields: of WELCOME.
            content: of the menu's file.
            folder: where it is put.

        Raises:
            BadValue: they are not the run's.
            L1ChainError: a model version is not here.
        """
        menu = Fields(fields.mapping("menu"), _WHERE)
        path = folder / Path(menu.text("name")).name
        path.write_bytes(content)
        config = validated(fields.mapping("config"), _WHERE, ChainConfig)
        local = Assembly(
            config.model_copy(
                update={
                    "menu": config.menu.model_copy(update={"path": str(path)}),
                    "models": ModelsSection(repository=self._place.models),
                    "security": SecuritySection(),
                    "metrics": MetricsSection(address=None),
                }
            )
        )
        if local.menu.digest != menu.text("digest"):
            raise BadValue(_WHERE, "the menu that came is not the run's", "install the same version of l1chain")
        models = fields.mapping("models")
        for here in (here for stage in local.score_stages for here in stage.versions):
            if models.get(here.label) != here.digest:
                what = f"{here.label} is not here, or another one than the run's"
                raise BadValue("--models", what, "copy the run's version to this host")
        return local


class _ReadyFile:
    """Keeps a file fresh while a service is well, for probes."""

    def __init__(self, path: Path | None, service: Service) -> None:
        self._path, self._service = path, service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ready file", daemon=True)

    def __enter__(self) -> None:
        if self._path is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._path is not None:
            self._thread.join()
            self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while self._path is not None and not self._stop.wait(1.0):
            with suppress(OSError):
                if self._service.is_well:
                    self._path.touch()
                else:
                    self._path.unlink(missing_ok=True)


def _leave_if_stuck() -> None:
    """End the process when the heart asks for it: the service does not. A service that ended may join again."""
    if threading.current_thread() is not threading.main_thread():
        os._exit(ORPHAN_EXIT)
