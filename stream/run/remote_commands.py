"""The door for commands from other hosts: checks keys and rights, and hands on what may pass (`docs/security.md`)."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import zmq

from stream.errors import ProtocolError, Refusal
from stream.run.control import MAX_REQUEST_BYTES
from stream.wire.fields import Fields
from stream.wire.inbox import Gate
from stream.wire.messages import pack_json, unpack_json
from stream.wire.peers import Domain, Peer, Right
from stream.wire.refusals import Refusals
from stream.wire.transport import Socket, Wiring
from triggers.errors import L1ChainError

_WHERE: Final = "commands from other hosts"
_POLL_MS: Final = 500
_WAITING: Final = 1024
_ENDED: Final = (zmq.ETERM, zmq.ENOTSOCK)
_log = logging.getLogger("l1chain.stream.remote_commands")


class RemoteCommands(threading.Thread):
    """Takes requests on a guarded socket and passes them to the run's own endpoint for commands.

    The audit names the peer's key, whatever the request says of who asks. Ends with the context.

    Args:
        wiring: of the run, with keys.
        address: `HOST:PORT` to listen on.
        local: the run's own endpoint.
        is_question: whether a command changes nothing; peers with `read` may ask only such.
        refusals: where what is refused is counted.

    Attributes:
        endpoint: where it listens.
    """

    def __init__(
        self, wiring: Wiring, address: str, local: str, is_question: Callable[[str], bool], refusals: Refusals
    ) -> None:
        super().__init__(name="remote commands", daemon=True)
        limited = replace(wiring, max_frame_bytes=MAX_REQUEST_BYTES)
        self._outside, self.endpoint = limited.router(f"tcp://{address}", Domain.COMMANDS, refusals)
        self._gate = Gate(self._outside, wiring.security, _WHERE, Domain.COMMANDS)
        self._inside: Socket = wiring.context.socket(zmq.DEALER)
        self._inside.linger = 0
        self._inside.connect(local)
        self._is_question, self._refusals = is_question, refusals
        self._asked: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def run(self) -> None:
        """Pass requests and answers on until the context ends."""
        poller = zmq.Poller()
        poller.register(self._outside, zmq.POLLIN)
        poller.register(self._inside, zmq.POLLIN)
        while True:
            try:
                for socket, _ in poller.poll(_POLL_MS):
                    self._pass_in() if socket is self._outside else self._pass_out()
            except ProtocolError as error:
                self._refusals.refuse(error)
            except zmq.ZMQError as error:
                if error.errno in _ENDED:
                    break
                _log.exception("commands from other hosts are taken on after an error")
            except Exception:  # noqa: BLE001 — one request must not end the service of all
                _log.exception("commands from other hosts are taken on after an error")
        self._outside.close(linger=0)
        self._inside.close(linger=0)

    def _pass_in(self) -> None:
        sender, *frames = self._outside.recv_multipart(copy=False)
        peer = self._gate.peer(sender)
        if len(frames) != 1 or peer is None:
            raise ProtocolError(_WHERE, f"a request of {len(frames)} frames", Refusal.FRAMES)
        request = unpack_json(frames[0].buffer, _WHERE, MAX_REQUEST_BYTES)
        fields = Fields(request, _WHERE)
        number, command = fields.text("id"), fields.text("command")
        try:
            if not self._is_question(command):
                self._gate.demand(peer, Right.CONTROL)
        except ProtocolError as error:
            self._answer(sender.bytes, {"id": number, "ok": False, "error": _told(error)})
            raise
        inner = _inner_id(peer, number)
        self._asked[inner] = sender.bytes, number
        if len(self._asked) > _WAITING:
            self._asked.popitem(last=False)
        self._inside.send(pack_json(request | {"id": inner, "who": f"key {peer.name}"}), zmq.DONTWAIT)

    def _pass_out(self) -> None:
        answer = unpack_json(self._inside.recv(), _WHERE)
        asked = self._asked.pop(str(answer.get("id")), None)
        if asked is not None:
            sender, number = asked
            self._answer(sender, answer | {"id": number})

    def _answer(self, sender: bytes, answer: dict[str, Any]) -> None:
        self._outside.send_multipart([sender, pack_json(answer)], zmq.DONTWAIT)


def _inner_id(peer: Peer, number: str) -> str:
    """A request's id inside: another peer's request with the same id is another request."""
    return hashlib.sha256(f"{peer.key} {number}".encode()).hexdigest()


def _told(error: L1ChainError) -> dict[str, str]:
    return error.parts | {"remedy": "ask who gives rights: `l1chain keys allow`"}
