"""Accepted crossings as the event display shows them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.services.sinks.accepted import decode_accepted
from triggers.errors import L1ChainError
from triggers.events.show import crossing_record
from triggers.menu.load import load_menu

MOST_SHOWN: Final = 12
"""Crossings of each kind that the page offers: the latest, and the latest that an algorithm on scores kept."""
_FROM_A_COMMIT: Final = 3
_SUMS: Final = ("etmhf", "etm", "htt", "ett")


class AcceptedCrossings:
    """The latest accepted crossings of a run.

    Args:
        record: the run record.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._names = _names(record)
        on_scores = set(record["menu"]["on_scores"])
        self._on_scores = [index for index, name in self._names.items() if name in on_scores]
        self._latest: deque[dict[str, Any]] = deque(maxlen=MOST_SHOWN)
        self._by_scores: deque[dict[str, Any]] = deque(maxlen=MOST_SHOWN)

    def shown(self) -> list[dict[str, Any]]:
        """The crossings that are kept, latest first."""
        both = {
            (crossing["lumi_section"], crossing["crossing"]): crossing for crossing in (*self._latest, *self._by_scores)
        }
        return [both[place] for place in sorted(both, reverse=True)]

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take some of the crossings of a commit: the last ones."""
        for batch in batches:
            bits = _bits(batch)
            by_scores = np.count_nonzero(bits[:, self._on_scores], axis=1) > 0
            for row in range(max(0, len(batch) - _FROM_A_COMMIT), len(batch)):
                self._latest.append(self._told(batch, row, bits[row], bool(by_scores[row])))
            for row in np.flatnonzero(by_scores)[-_FROM_A_COMMIT:].tolist():
                self._by_scores.append(self._told(batch, row, bits[row], True))

    def add_told(self, content: bytes) -> None:
        """Take what the combiner tells those who watch (`docs/protocol.md`, "Watching")."""
        self.add(decode_accepted(pa.BufferReader(content), len(content)))

    def add_last(self, path: Path) -> None:
        """Take the last crossings of a run that has ended, from its `accepted.parquet`; none if that is unreadable."""
        try:
            with pq.ParquetFile(path) as file:
                if file.num_row_groups:
                    last = file.read_row_group(file.num_row_groups - 1)
                    self.add(last.combine_chunks().to_batches())
        except (OSError, pa.ArrowException):
            return

    def _told(self, batch: pa.RecordBatch, row: int, bits: NDArray[np.uint8], by_scores: bool) -> dict[str, Any]:
        record = crossing_record(batch, row)
        scores = [name.removeprefix("score_") for name in batch.schema.names if name.startswith("score_")]
        return {
            "lumi_section": batch.column("run_lumi_section")[row].as_py(),
            "crossing": batch.column("crossing")[row].as_py(),
            "orbit": record["orbit"],
            "bx": record["bx"],
            "algorithms": [self._names.get(int(index), str(index)) for index in np.flatnonzero(bits)],
            "by_scores": by_scores,
            "scores": [
                {
                    "model": name,
                    "version": batch.column(f"version_{name}")[row].as_py(),
                    "score": batch.column(f"score_{name}")[row].as_py(),
                }
                for name in scores
            ],
            "objects": [_object(entry) for entry in record["objects"]],
            "sums": {name: record["sums"][name] for name in _SUMS},
        }


def _object(entry: Mapping[str, Any]) -> dict[str, Any]:
    pt_gev = entry["pt_gev"] if "pt_gev" in entry else entry["et_gev"]
    shown = {"object": entry["object"], "pt_gev": pt_gev, "overflow": entry["overflow"]}
    return shown | {"eta": entry["eta"], "phi_rad": entry["phi_rad"]}


def _bits(batch: pa.RecordBatch) -> NDArray[np.uint8]:
    """Which algorithms kept each crossing, `(n, 512)`."""
    words = batch.column("final").flatten().to_numpy().astype("<u8", copy=False)
    return np.unpackbits(words.view(np.uint8).reshape(len(batch), -1), axis=1, bitorder="little")


def _names(record: Mapping[str, Any]) -> dict[int, str]:
    """Algorithm names by bit; none if the menu is no longer the one of the run."""
    try:
        menu = load_menu(record["menu"]["path"])
    except L1ChainError:
        return {}
    if menu.digest != record["menu"]["digest"]:
        return {}
    return {algorithm.index: algorithm.name for algorithm in menu.algorithms}
