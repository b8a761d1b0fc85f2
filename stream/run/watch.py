"""Watching a run: what its combiner tells whoever subscribes (`docs/protocol.md`, section "Watching")."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import zmq

from stream.run.control_client import Client, find_run
from stream.run.record import RECORD_FILE
from stream.services.sinks.accepted import decode_accepted
from stream.services.watchers import ACCEPTED, LUMI_SECTION
from stream.wire.messages import unpack_json
from triggers.errors import L1ChainError
from triggers.menu.load import load_menu

_SILENCE_MS: Final = 1000
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class AcceptedLine:
    """An accepted crossing: where it is in the run, and the algorithms that kept it."""

    lumi_section: int
    crossing: int
    algorithms: tuple[str, ...]

    def __str__(self) -> str:
        return f"lumi section {self.lumi_section}, crossing {self.crossing:,}: {', '.join(self.algorithms)}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"accepted": asdict(self)}


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
    client = find_run(folder)
    names = _names(client.folder) if with_accepted else {}
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
                socket.connect(endpoint)
                for topic in topics:
                    socket.subscribe(topic)
                while socket.poll(_SILENCE_MS) or endpoint == _endpoint(client):
                    if socket.poll(0):
                        yield from _lines(socket.recv_multipart(), names)


def _endpoint(client: Client) -> str | None:
    """Where the combiner tells; empty without a combiner, None without a run."""
    try:
        told = client.ask("status", patience_s=_PATIENCE_S)["watch"]
    except L1ChainError:
        return None
    return str(told) if told else ""


def _lines(frames: list[bytes], names: dict[int, str]) -> Iterator[AcceptedLine | LumiSectionLine]:
    topic, content = frames
    if topic == LUMI_SECTION:
        yield LumiSectionLine(unpack_json(content, "watch"))
        return
    for batch in decode_accepted(pa.py_buffer(content)):
        words = batch.column("final").flatten().to_numpy().astype("<u8", copy=False)
        bits = np.unpackbits(words.view(np.uint8).reshape(len(batch), -1), axis=1, bitorder="little")
        places = zip(batch.column("run_lumi_section").to_pylist(), batch.column("crossing").to_pylist(), strict=True)
        for (lumi_section, crossing), row in zip(places, bits, strict=True):
            kept = tuple(names.get(int(index), str(index)) for index in np.flatnonzero(row))
            yield AcceptedLine(lumi_section, crossing, kept)


def _names(folder: Path) -> dict[int, str]:
    record = json.loads((folder / RECORD_FILE).read_bytes())
    menu = load_menu(record["menu"]["path"])
    return {algorithm.index: algorithm.name for algorithm in menu.algorithms}
