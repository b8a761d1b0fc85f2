"""Receives messages that nobody vouches for: what is not allowed is refused and counted, and the service goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

from stream.errors import ProtocolError, Refusal
from stream.wire.messages import FRAME_COUNTS, MAX_FRAMES, Header, unpack_header, unpack_json
from stream.wire.peers import Domain, Peer, Right
from stream.wire.refusals import Refusals
from stream.wire.security import Security
from stream.wire.transport import Socket, Wiring


@dataclass(frozen=True)
class Message:
    """A message whose header, size and sender are checked; its payload is not yet.

    Attributes:
        header: the header.
        payload: the frames after the header.
        sender: routing identity on a ROUTER; empty on a DEALER.
        peer: who sent it, on a guarded socket.
        where: the receiver, for error messages.
    """

    header: Header
    payload: list[zmq.Frame]
    sender: bytes
    peer: Peer | None
    where: str

    def json(self, place: int = 0) -> dict[str, Any]:
        """The JSON object in a frame of the payload.

        Raises:
            ProtocolError: there is none.
        """
        if place >= len(self.payload):
            raise ProtocolError(self.where, f"{self.header.kind.name} without its payload", Refusal.FRAMES)
        return unpack_json(self.payload[place].buffer, self.where)


class Gate:
    """Tells who sent a message, and refuses those who have no right to send it.

    Args:
        socket: a socket; on one that is not guarded everybody passes as nobody.
        security: of the process.
        where: the receiver, for error messages.
        domain: what the socket is for.
    """

    def __init__(self, socket: Socket, security: Security | None, where: str, domain: Domain) -> None:
        is_guarded = socket.type == zmq.ROUTER and bool(socket.curve_server)
        self._security = security if is_guarded else None
        self._where, self._rights = where, domain.admits

    def peer(self, frame: zmq.Frame) -> Peer | None:
        """Who sent the message that the frame belongs to; None on a socket that is not guarded.

        Raises:
            ProtocolError: somebody who may not; the allow-list may have changed since he came in.
        """
        if self._security is None:
            return None
        try:
            user_id = str(frame.get("User-Id"))
        except zmq.ZMQError:
            user_id = None
        peer = self._security.peer(user_id)
        if peer is None:
            raise ProtocolError(self._where, "a message of a peer whose key is not allowed", Refusal.UNAUTHENTICATED)
        self.demand(peer, *self._rights)
        return peer

    def demand(self, peer: Peer | None, *rights: Right) -> None:
        """Refuse a peer that has none of the rights; who sent through a socket that is not guarded has all.

        Raises:
            ProtocolError: that is the case.
        """
        if peer is not None and not peer.may(*rights):
            needed = " or ".join(sorted(rights))
            raise ProtocolError(self._where, f"peer '{peer.name}' has no right to {needed}", Refusal.NO_RIGHT)


class Inbox:
    """The receiving side of one socket.

    Args:
        socket: a ROUTER or DEALER.
        wiring: of the run.
        where: the receiver, for error messages.
        refusals: where refused messages are counted.
        domain: what the socket is for; matters if it is guarded.

    Attributes:
        received_bytes: of all messages that were not refused for their form, without headers.
    """

    def __init__(
        self, socket: Socket, wiring: Wiring, where: str, refusals: Refusals, domain: Domain = Domain.SERVICES
    ) -> None:
        self._socket, self._run, self._where, self._refusals = socket, wiring.run, where, refusals
        self._is_router = socket.type == zmq.ROUTER
        self._gate = Gate(socket, wiring.security, where, domain)
        self._max_frame_bytes = wiring.max_frame_bytes
        self.received_bytes = 0

    def serve(self, handle: Callable[[Message], None], most: int) -> int:
        """Give waiting messages to `handle`, at most so many; how many there were, refused ones included.

        A `ProtocolError`, also one that `handle` raises, is counted and leaves the rest untouched.
        """
        for taken in range(most):
            try:
                message = self._receive()
                if message is None:
                    return taken
                handle(message)
            except ProtocolError as error:
                self._refusals.refuse(error)
        return most

    def _receive(self) -> Message | None:
        """The next message, or None if none waits.

        Raises:
            ProtocolError: it is refused.
        """
        if self._socket.closed:  # by the handler of the message before
            return None
        try:
            frame: zmq.Frame = self._socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        frames, excess = [frame], 0
        while frame.more:
            frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            if len(frames) < MAX_FRAMES:
                frames.append(frame)
            else:
                excess += 1
        peer = self._gate.peer(frames[-1])
        if excess:
            raise ProtocolError(self._where, f"a message of {len(frames) + excess} frames", Refusal.FRAMES)
        message = checked_message(frames, self._run, self._where, self._is_router, self._max_frame_bytes, peer)
        self.received_bytes += sum(map(len, message.payload))
        return message


def checked_message(
    frames: list[zmq.Frame], run: int, where: str, is_router: bool, max_frame_bytes: int, peer: Peer | None = None
) -> Message:
    """A message of which header, number and size of frames are as the protocol allows.

    Args:
        frames: as they came.
        run: the run that the receiver belongs to.
        where: the receiver, for error messages.
        is_router: whether the first frame is the sender's routing identity.
        max_frame_bytes: of the largest frame that is allowed.
        peer: who sent it, if that is known.

    Raises:
        ProtocolError: they are not.
    """
    first = 1 if is_router else 0
    if len(frames) <= first:
        raise ProtocolError(where, "a message without a header", Refusal.FRAMES)
    header = unpack_header(frames[first].buffer, run, where)
    payload = frames[first + 1 :]
    fewest, most = FRAME_COUNTS.get(header.kind, (0, MAX_FRAMES))
    if not fewest <= len(payload) <= most:
        raise ProtocolError(where, f"{header.kind.name} with {len(payload)} frames after the header", Refusal.FRAMES)
    largest = max((len(frame) for frame in payload), default=0)
    if largest > max_frame_bytes:
        raise ProtocolError(where, f"{header.kind.name} with a frame of {largest} bytes", Refusal.OVERSIZED)
    return Message(header, payload, frames[0].bytes if is_router else b"", peer, where)
