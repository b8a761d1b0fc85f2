"""Watching a run: what its combiner tells whoever subscribes (`docs/protocol.md`, section "Watching")."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import zmq

from stream.run.control_client import Client, find_run
from stream.services.hlt import HLT_NAMES
from stream.services.sinks.accepted import decode_accepted
from stream.services.watchers import ACCEPTED, LUMI_SECTION
from stream.wire.messages import unpack_json
from triggers.errors import BadValue, L1ChainError

_SILENCE_MS: Final = 1000
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class HltMark:
    """What the stage after the L1 accept made of a crossing (`docs/hlt.md`)."""

    hlt_score: int
    hlt_passed: bool
    hlt_accepted: bool

    def __str__(self) -> str:
        made = "kept" if self.hlt_accepted else "over its budget" if self.hlt_passed else "below its threshold"
        return f"; HLT score {self.hlt_score:,}, {made}"


@dataclass(frozen=True)
class AcceptedLine:
    """An accepted crossing: where it is in the run, the algorithms that kept it, and what came after them."""

    lumi_section: int
    crossing: int
    algorithms: tuple[str, ...]
    hlt: HltMark | None = None

    def __str__(self) -> str:
        kept = f"lumi section {self.lumi_section}, crossing {self.crossing:,}: {', '.join(self.algorithms)}"
        return kept if self.hlt is None else f"{kept}{self.hlt}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        told = asdict(self)
        hlt = told.pop("hlt")
        return {"accepted": told | (hlt or {})}


@dataclass(frozen=True)
class LumiSectionLine:
    """A lumi section that is over: its row of the run record."""

    row: dict[str, Any]

    def __str__(self) -> str:
        row = self.row
        dead = f", dead time {row['dead']}" if row["dead"] else ""
        rate = f"{row['accepted_hz']:,.0f} Hz"
        return (
            f"lumi section {row['lumi_section']} is over: {row['decided']:,} decided, {row['accepted']:,} accepted, "
            f"{rate}{dead}"
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"lumi_section": self.row}


def follow(folder: Path | None, with_accepted: bool) -> Iterator[AcceptedLine | LumiSectionLine]:
    """What a run decides, until it ends.

    Args:
        folder: of the run; None: the latest that is running.
        with_accepted: whether to tell each accepted crossing.

    Raises:
        L1ChainError: there is no such run.
    """
    yield from follow_run(find_run(folder), with_accepted)


def follow_run(client: Client, with_accepted: bool) -> Iterator[AcceptedLine | LumiSectionLine]:
    """What a run on this host or another one decides, until it ends.

    Args:
        client: asks the run; on another host, with a key that may read.
        with_accepted: whether to tell each accepted crossing.

    Raises:
        L1ChainError: the run does not answer, or takes no watchers from other hosts.
    """
    names = _names(client) if with_accepted else {}
    topics = [LUMI_SECTION, ACCEPTED] if with_accepted else [LUMI_SECTION]
    with zmq.Context() as context:
        while (endpoint := _endpoint(client)) is not None:
            if not endpoint:
                # The combiner is not there yet, or not again.
                time.sleep(_SILENCE_MS / 1000)
                continue
            # Another incarnation of the combiner tells from another place.
            with context.socket(zmq.SUB) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                if client.security is not None:
                    client.security.join(socket)
                socket.connect(endpoint)
                for topic in topics:
                    socket.subscribe(topic)
                while socket.poll(_SILENCE_MS) or endpoint == _endpoint(client):
                    if socket.poll(0):
                        yield from _lines(socket.recv_multipart(), names)


def _endpoint(client: Client) -> str | None:
    """Where the combiner tells; empty without a combiner, None without a run."""
    try:
        status = client.ask("status", patience_s=_PATIENCE_S)
    except L1ChainError:
        return None
    if client.security is None or not status["watch"]:
        return str(status["watch"] or "")
    outside = status["watch_outside"]
    if outside is None:
        raise BadValue(str(client.folder), "takes no watchers from other hosts", "set security.watch of the run")
    # The host is called here as it was when it answered, whatever address of it the run listens on.
    return f"{client.endpoint.rpartition(':')[0]}:{outside.rpartition(':')[2]}"


def _lines(frames: list[bytes], names: dict[int, str]) -> Iterator[AcceptedLine | LumiSectionLine]:
    topic, content = frames
    if topic == LUMI_SECTION:
        yield LumiSectionLine(unpack_json(content, "watch"))
        return
    for batch in decode_accepted(pa.BufferReader(content), len(content)):
        words = batch.column("final").flatten().to_numpy().astype("<u8", copy=False)
        bits = np.unpackbits(words.view(np.uint8).reshape(len(batch), -1), axis=1, bitorder="little")
        places = zip(batch.column("run_lumi_section").to_pylist(), batch.column("crossing").to_pylist(), strict=True)
        for (lumi_section, crossing), row, hlt in zip(places, bits, _hlt_marks(batch), strict=True):
            kept = tuple(names.get(int(index), str(index)) for index in np.flatnonzero(row))
            yield AcceptedLine(lumi_section, crossing, kept, hlt)


def _hlt_marks(batch: pa.RecordBatch) -> list[HltMark] | list[None]:
    if HLT_NAMES[0] not in batch.schema.names:
        return [None] * len(batch)
    return [HltMark(**row) for row in batch.select(list(HLT_NAMES)).to_pylist()]


def _names(client: Client) -> dict[int, str]:
    told = client.ask("algorithms")["algorithms"]
    return {int(index): str(name) for index, name in told.items()}
