"""Commands from other hosts: keys, rights, and who stands in the audit (docs/security.md, section "Rights")."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq
from prometheus_client import CollectorRegistry

from stream.errors import Refusal
from stream.run.control import AUDIT_FILE, Command, Control
from stream.run.control_client import Client
from stream.run.remote_commands import RemoteCommands
from stream.wire.keys import make_pair
from stream.wire.peers import Right, allow
from stream.wire.refusals import Refusals
from stream.wire.security import open_security
from stream.wire.transport import Transport, Wiring, private_folder
from triggers.errors import BadValue, L1ChainError
from triggers.strict_yaml import StrictModel


class NoArguments(StrictModel):
    """Of both commands."""


@dataclass
class Remote:
    """A run's two doors for commands."""

    keys: Path
    folder: Path
    address: str
    refusals: Refusals

    def ask(self, name: str, command: str, patience_s: float = 20.0) -> Any:
        return Client.remote(self.address, self.keys, name).ask(command, patience_s=patience_s)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    keys = tmp_path / "keys"
    for name in ("server", "operator", "watcher", "chain", "stranger"):
        make_pair(keys, name)
    for name, right in (("operator", Right.CONTROL), ("watcher", Right.READ), ("chain", Right.DATA)):
        allow(keys, name, [right])
    refusals = Refusals(CollectorRegistry(), logging.getLogger("test.remote"))
    context: zmq.Context[Any] = zmq.Context()
    wiring = Wiring(Transport.TCP, 7, "", str(private_folder()), context, security=open_security(keys, "chain"))
    control = Control(tmp_path, wiring)
    control.register(Command("status", NoArguments, lambda _, __, settle: settle({"ok": "fine"}), is_question=True))
    control.register(Command("pause", NoArguments, lambda _, __, settle: settle({"lumi_section": 2})))
    door = RemoteCommands(wiring, "127.0.0.1:*", control.endpoint, control.is_question, refusals)
    door.start()
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            control.socket.poll(20)
            control.serve()

    thread = threading.Thread(target=serve)
    thread.start()
    yield Remote(keys, tmp_path, door.endpoint.removeprefix("tcp://"), refusals)
    stop.set()
    thread.join()
    control.close()
    context.term()
    door.join(5)
    assert not door.is_alive()


def test_who_has_the_right_to_control_commands_and_is_named_in_the_audit(remote: Remote) -> None:
    assert remote.ask("operator", "status") == {"ok": "fine"}
    assert remote.ask("operator", "pause") == {"lumi_section": 2}
    (line,) = (remote.folder / AUDIT_FILE).read_text().splitlines()
    assert json.loads(line)["who"] == "key operator"


def test_who_may_only_read_asks_but_does_not_command(remote: Remote) -> None:
    assert remote.ask("watcher", "status") == {"ok": "fine"}
    for command in ("pause", "stop", "no such command"):
        with pytest.raises(L1ChainError, match="peer 'watcher' has no right to control"):
            remote.ask("watcher", command)
    assert remote.refusals.counts == {Refusal.NO_RIGHT: 3}
    assert not (remote.folder / AUDIT_FILE).exists()


@pytest.mark.parametrize(("name", "reason"), [("chain", Refusal.NO_RIGHT), ("stranger", Refusal.UNAUTHENTICATED)])
def test_others_get_no_answer(remote: Remote, name: str, reason: Refusal) -> None:
    with pytest.raises(BadValue, match="did not answer"):
        remote.ask(name, "status", patience_s=0.5)
    assert remote.refusals.counts[reason] >= 1


def test_garbage_is_refused_and_others_are_still_served(remote: Remote) -> None:
    security = open_security(remote.keys, "operator")
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 1000
        security.join(socket)
        socket.connect(f"tcp://{remote.address}")
        for frames in ([b"{"], [b"[]"], [b"{}"], [b"x", b"y"], [b'{"id": 1}'], [b'{"id": "a", "command": []}']):
            socket.send_multipart(frames)
        socket.send_multipart([b'{"id": "b", "command": "status", "extra": 1}'])
        assert socket.poll(10_000)
        assert json.loads(socket.recv())["id"] == "b"
    assert remote.ask("operator", "status") == {"ok": "fine"}
    assert remote.refusals.total == 6
