"""Reads the L1 objects of NanoAOD (`docs/formats.md`, section "NanoAOD")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events.lacking import NEIGHBOURS, lacking_sums
from triggers.events.packing import SUMS as SUM_QUANTITIES
from triggers.events.readers import nanoaod_layout as layouts
from triggers.events.readers.foreign import Chunk, ForeignSource, pileup_column
from triggers.events.readers.foreign_times import RawTimes, time_columns
from triggers.events.readers.neighbours import OFFSETS, SPACING, Neighbourhoods, rows_of
from triggers.events.readers.object_lists import ObjectLists, Where, packed_slots
from triggers.events.readers.root_trees import NUMBERS, Tree, stretches
from triggers.events.readers.sum_lists import packed_sums

_TIME_ENTRIES: Final = 1 << 18
_LACKING_NAMES: Final = {"hw_charge": "charge", "hw_quality": "displaced"}
_THIN: Final = (
    "central NanoAOD: no hardware integers, and only e/γ from 10, taus from 24, jets from 30 GeV and muons from 3 GeV "
    "with quality 8 or more; conditions below that and models such as AXOL1TL cannot be evaluated bit for bit"
)
_THIN_SUMS: Final = ("htt", "etm", "htm", "etmhf")
"""The sums that central NanoAOD keeps."""


@dataclass(frozen=True)
class _NeighbouredChunk(Chunk):
    """Columns `(n, 5, width)`, one for each of `OFFSETS`; which of these crossings were stored, `(n, 5)`."""

    present: NDArray[np.bool_]


class NanoAodSource(ForeignSource):
    """NanoAOD files as one run: the crossing of each event, with the stored ones around it as context."""

    format_name = "NanoAOD"
    made_spacing = SPACING

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the files in the order given, and looks at their branches.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is damaged, has no tree `Events`, or lacks a branch.
            BadValue: a file has other branches than the first.
        """
        super().__init__(paths)
        found = [self._layout_of(path) for path in self._paths]
        self._layout = found[0]
        for path, layout in zip(self._paths, found, strict=True):
            if layout != self._layout:
                what = f"has other L1 branches than {self._paths[0]}"
                raise BadValue(path, what, "read them apart, or convert one with `l1chain events convert`")

    def _layout_of(self, path: Path) -> layouts.NanoLayout:
        with layouts.nano_tree(path) as tree:
            return layouts.nano_layout(tree)

    def _optional_columns(self) -> tuple[str, ...]:
        return ("pileup", "context") if self._layout.pileup else ("context",)

    def _lacking(self) -> tuple[str, ...]:
        layout = self._layout
        absent = [
            f"{column}.{_LACKING_NAMES.get(field, field)}"
            for column in layouts.COLLECTIONS
            for field in layouts.HARDWARE[column]
            if field not in layout.hardware[column] and field not in layout.physical[column]
        ]
        known = [name for name in SUM_QUANTITIES if not name.startswith("cicada")]
        if layout.is_thin:
            known = [*_THIN_SUMS, *(f"{name}_phi" for name in _THIN_SUMS)]
        around = () if layout.crossings else (NEIGHBOURS,)
        return (*absent, "muon.shower", "external", *around, *lacking_sums(known))

    def _sentences(self) -> tuple[str, ...]:
        thin = (_THIN,) if self._layout.is_thin else ()
        charge = () if self._layout.charge_valid else ("muon charges: taken as known, hwChargeValid is not stored",)
        bits = "expected bits: left out; the branches L1_… hold decisions after prescales and masks"
        return (*thin, *charge, bits)

    def _count(self, path: Path) -> int:
        with layouts.nano_tree(path) as tree:
            return tree.n_entries

    def _times(self, path: Path) -> Iterator[RawTimes]:
        with layouts.nano_tree(path) as tree:
            for start, stop in stretches(tree.n_entries, _TIME_ENTRIES):
                yield self._raw_times(tree, start, stop)

    def _rows(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        return rows_of(self._neighbourhoods(n_rows))

    def _neighbourhoods(self, n_rows: int) -> Iterator[Neighbourhoods]:
        first = 0
        for path in self._paths:
            for chunk in self._told(path, self._chunks(path, n_rows)):
                times = time_columns(chunk.times, self.kept, first, self.made_spacing)
                first += chunk.times.n
                yield Neighbourhoods(times, chunk.columns, chunk.present)

    def _chunks(self, path: Path, n_rows: int) -> Iterator[_NeighbouredChunk]:
        with layouts.nano_tree(path) as tree:
            for start, stop in stretches(tree.n_entries, n_rows):
                yield self._chunk(tree, start, stop)

    def _chunk(self, tree: Tree, start: int, stop: int) -> _NeighbouredChunk:
        where, n = tree.where(start), stop - start
        present = np.zeros((n, len(OFFSETS)), np.bool_)
        columns: dict[str, NDArray[Any]] = {}
        for column in (*layouts.COLLECTIONS, "sums"):
            lists, crossing = self._lists(tree, column, start, stop)
            packed = []
            for k, offset in enumerate(OFFSETS):
                chosen = lists.only(crossing == offset)
                present[:, k] |= chosen.counts > 0
                packed.append(packed_sums(chosen, where) if column == "sums" else packed_slots(column, chosen, where))
            columns[column] = np.stack(packed, axis=1)
        present[:, OFFSETS.index(0)] = True
        if self._layout.pileup:
            columns["pileup"] = pileup_column(tree.numbers(layouts.PILEUP, start, stop, NUMBERS))
        return _NeighbouredChunk(self._raw_times(tree, start, stop), columns, present)

    def _lists(self, tree: Tree, column: str, start: int, stop: int) -> tuple[ObjectLists, NDArray[np.int64]]:
        """The objects of all stored crossings in hardware integers, and the crossing of each."""
        layout = self._layout
        prefix = layouts.COLLECTIONS.get(column, layouts.SUMS)
        integers = dict(layout.hardware[column])
        if layout.crossings:
            integers["crossing"] = f"{prefix}_{layouts.CROSSING}"
        if column == "muon" and layout.charge_valid:
            integers["charge_valid"] = f"{prefix}_{layouts.CHARGE_VALID}"
        branches = integers | layout.physical[column]
        lists = tree.lists(branches, start, stop, NUMBERS)
        fields = dict(lists.fields)
        for field in layout.physical[column]:
            fields[field] = layouts.PHYSICAL[column][field][1](fields[field])
        crossing = fields.pop("crossing", np.zeros(int(lists.counts.sum()), np.int64))
        fields = _with_charge(fields, lists, tree.where(start))
        return ObjectLists(lists.counts, fields), crossing

    def _raw_times(self, tree: Tree, start: int, stop: int) -> RawTimes:
        found = {ours: tree.numbers(theirs, start, stop) for ours, theirs in self._layout.times.items()}
        return RawTimes(stop - start, **found)


def _with_charge(fields: dict[str, NDArray[Any]], lists: ObjectLists, where: Where) -> dict[str, NDArray[Any]]:
    """The fields with the charge bits of muons: `hwCharge` is 1 for negative ones."""
    if "hw_charge" not in fields:
        return {name: values for name, values in fields.items() if name != "charge_valid"}
    negative = fields.pop("hw_charge")
    if len(negative) and (negative.min() < 0 or negative.max() > 1):
        row = int(lists.rows()[np.argmax((negative < 0) | (negative > 1))])
        what = "a muon's hwCharge is neither 0 (positive) nor 1 (negative)"
        raise BadValue(where.row(row), what, "write CMSSW's hwCharge(), not the charge")
    valid = fields.pop("charge_valid", np.ones_like(negative)) != 0
    return {**fields, "charge_valid": valid, "charge_negative": (negative != 0) & valid}
