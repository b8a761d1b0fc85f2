"""Writes crossings as a CMS L1 ntuple (`docs/formats.md`, section "L1 ntuples")."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import uproot
from numpy.typing import NDArray

from triggers.events import packing
from triggers.events.crossings import column_view
from triggers.events.l1_names import L1_NAMES
from triggers.events.readers.l1_ntuple_layout import (
    BX_BRANCHES,
    DECISIONS,
    EVENT_TREE,
    EXTRA_NAMES,
    PILEUP,
    SUM_BRANCHES,
    SUM_BX,
    UGT_TREE,
    UNPACKED_TREE,
)
from triggers.events.readers.object_lists import ObjectLists
from triggers.events.readers.sum_lists import QUANTITIES, WITH_PHI, SumType
from triggers.events.schema import ALGORITHM_SLOTS
from triggers.events.word_lists import decided, unpacked_lists

_COUNTERS: Final = {"muon": "nMuons", "eg": "nEGs", "tau": "nTaus", "jet": "nJets", "sum": "nSums"}
_EVENT_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "run": np.dtype("u4"),
    "lumi": np.dtype("u4"),
    "event": np.dtype("u8"),
    "bx": np.dtype("u4"),
    "orbit": np.dtype("u8"),
    PILEUP: np.dtype("i4"),
}
_UNKNOWN_PILEUP: Final = -1
_CENTRALITY_SHIFT: Final = 4


class L1NtupleWriter:
    """One ntuple with the trees of objects, of times, and, where bits are known, of decisions."""

    def __init__(self, partial: Path, optional_columns: tuple[str, ...]) -> None:
        import awkward as ak

        self._ak = ak
        self._file = uproot.recreate(partial)
        lists = {name: ak.types.from_datashape(_record_type(name), highlevel=False) for name in _COUNTERS}
        self._objects = self._file.mktree(
            UNPACKED_TREE, lists, counter_name=_COUNTERS.__getitem__, field_name=lambda outer, inner: outer + inner
        )
        self._event = self._file.mktree(EVENT_TREE, _EVENT_TYPES)
        self._ugt = None
        if "expected" in optional_columns:
            self._ugt = self._file.mktree(UGT_TREE, {DECISIONS: np.dtype(("?", (ALGORITHM_SLOTS,)))})

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows; context rows are left out."""
        rows = decided(batch)
        if not rows.num_rows:
            return
        lists = {column: _object_lists(column, rows) for column in L1_NAMES}
        lists["sum"] = _sum_lists(column_view(rows.column("sums")))
        self._objects.extend({name: self._records(name, found) for name, found in lists.items()})
        self._event.extend(_times(rows))
        if self._ugt is not None:
            self._ugt.extend({DECISIONS: _decisions(rows)})

    def _records(self, name: str, lists: ObjectLists) -> Any:
        records = {field.removeprefix(name): values.astype(np.int16) for field, values in lists.fields.items()}
        return self._ak.unflatten(self._ak.zip(records), lists.counts)

    def flush(self) -> None:
        """Nothing is pending: each batch is a basket of every branch."""

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def _branches(name: str) -> dict[str, str]:
    """The branch of each field of an object column, or of the sums."""
    if name == "sum":
        return {**SUM_BRANCHES, "crossing": SUM_BX}
    extra = {field: names[0] for field, names in EXTRA_NAMES[name].items()}
    return {**L1_NAMES[name], **extra, "crossing": BX_BRANCHES[name]}


def _record_type(name: str) -> str:
    fields = ", ".join(f"{branch.removeprefix(name)}: int16" for branch in _branches(name).values())
    return f"var * {{{fields}}}"


def _object_lists(column: str, rows: pa.RecordBatch) -> ObjectLists:
    lists = unpacked_lists(column, rows)
    fields = {**lists.fields, "crossing": np.zeros(int(lists.counts.sum()), np.int64)}
    return ObjectLists(lists.counts, {branch: fields[field] for field, branch in _branches(column).items()})


def _sum_lists(sums: NDArray[np.uint32]) -> ObjectLists:
    """All types in every crossing, as the calorimeter trigger sends them."""
    values = {type_: packing.sum_values(sums, name) for type_, name in QUANTITIES.items()}
    high, low = (packing.sum_values(sums, f"centrality_{half}") for half in ("high", "low"))
    values[SumType.CENTRALITY] = high << _CENTRALITY_SHIFT | low
    phi = [
        packing.sum_values(sums, f"{QUANTITIES[type_]}_phi") if QUANTITIES.get(type_) in WITH_PHI else 0 * low
        for type_ in values
    ]
    n = len(sums)
    fields = {
        SUM_BRANCHES["type"]: np.tile(np.array(list(values), np.int64), n),
        SUM_BRANCHES["et"]: np.stack(list(values.values()), axis=1).ravel(),
        SUM_BRANCHES["phi"]: np.stack(phi, axis=1).ravel(),
        SUM_BX: np.zeros(n * len(values), np.int64),
    }
    return ObjectLists(np.full(n, len(values), np.int64), fields)


def _times(rows: pa.RecordBatch) -> dict[str, NDArray[Any]]:
    names = {"run": "run", "lumi": "lumi_section", "event": "event", "bx": "bx", "orbit": "orbit"}
    columns = {theirs: column_view(rows.column(ours)).astype(_EVENT_TYPES[theirs]) for theirs, ours in names.items()}
    if "pileup" in rows.schema.names:
        pileup = np.rint(column_view(rows.column("pileup"))).astype(np.int32)
    else:
        pileup = np.full(rows.num_rows, _UNKNOWN_PILEUP, np.int32)
    return {**columns, PILEUP: pileup}


def _decisions(rows: pa.RecordBatch) -> NDArray[np.bool_]:
    bits = column_view(rows.column("expected"))
    if "expected_known" in rows.schema.names:
        bits = bits & column_view(rows.column("expected_known"))
    octets = np.ascontiguousarray(bits).astype("<u8").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little").astype(np.bool_)
