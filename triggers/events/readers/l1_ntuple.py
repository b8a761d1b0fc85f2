"""Reads CMS L1 ntuples (`docs/formats.md`, section "L1 ntuples")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events import schema
from triggers.events.l1_names import L1_NAMES, LACKING_PARTS
from triggers.events.lacking import NEIGHBOURS, lacking_sums
from triggers.events.packing import SUMS
from triggers.events.readers.damage import damage_told
from triggers.events.readers.foreign import Chunk, ForeignSource, pileup_column
from triggers.events.readers.foreign_times import RawTimes
from triggers.events.readers.l1_ntuple_layout import (
    BX_BRANCHES,
    DECISIONS,
    EXTRA_NAMES,
    PILEUP,
    SUM_BRANCHES,
    SUM_BX,
    NtupleLayout,
    NtupleTrees,
    ntuple_layout,
    ntuple_trees,
)
from triggers.events.readers.object_lists import ObjectLists, packed_slots
from triggers.events.readers.root_trees import NUMBERS, Tree, stretches
from triggers.events.readers.sum_lists import packed_sums

_NEVER: Final = ("muon.shower", "external", NEIGHBOURS)
_TIME_ENTRIES: Final = 1 << 18


class L1NtupleSource(ForeignSource):
    """L1 ntuples as one run: the central crossing of each entry.

    Args:
        paths: the files.
        emulated: whether the emulator's objects are taken; None: those that were read out, if there are any.
    """

    format_name = "L1 ntuple"

    def __init__(self, paths: Sequence[Path], emulated: bool | None = None) -> None:
        """Takes the files in the order given, and looks at their branches.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is damaged, or lacks a tree or a branch.
            BadValue: a file has other trees or branches than the first.
        """
        super().__init__(paths)
        self._emulated = emulated
        layouts = [self._layout_of(path) for path in self._paths]
        self._layout = layouts[0]
        for path, layout in zip(self._paths, layouts, strict=True):
            if layout != self._layout:
                what = f"has other trees or branches than {self._paths[0]}"
                raise BadValue(path, what, "read them apart, or convert one with `l1chain events convert`")

    def _layout_of(self, path: Path) -> NtupleLayout:
        with ntuple_trees(path, self._emulated) as trees:
            return ntuple_layout(trees)

    def _optional_columns(self) -> tuple[str, ...]:
        pileup = ("pileup",) if self._has_pileup else ()
        return (*pileup, *(("expected", "expected_known") if self._layout.decisions else ()))

    @cached_property
    def _has_pileup(self) -> bool:
        """Whether it is known: real data have −1."""
        if not self._layout.pileup:
            return False
        path = self._paths[0]
        with ntuple_trees(path, self._emulated) as trees, damage_told(path, self.format_name):
            first = np.zeros(0) if trees.event is None else trees.event.numbers(PILEUP, 0, min(1, trees.n), NUMBERS)
        return bool(len(first) and first[0] >= 0)

    def _lacking(self) -> tuple[str, ...]:
        absent = tuple(
            f"{column}.{LACKING_PARTS.get(field, field)}"
            for column, names in L1_NAMES.items()
            for field in (*names, *EXTRA_NAMES[column])
            if field not in self._layout.fields[column]
        )
        # Which types of sums are there differs from entry to entry; the score of CICADA never is.
        return (*absent, *_NEVER, *lacking_sums(name for name in SUMS if not name.startswith("cicada")))

    def _sentences(self) -> tuple[str, ...]:
        sentences = [f"objects: those of the tree {self._layout.tree}"]
        if self._layout.decisions:
            sentences.append(
                "expected bits: by index, in the menu that the ntuple was made with; compare with that one"
            )
        return tuple(sentences)

    def _count(self, path: Path) -> int:
        with ntuple_trees(path, self._emulated) as trees:
            return trees.n

    def _times(self, path: Path) -> Iterator[RawTimes]:
        with ntuple_trees(path, self._emulated) as trees:
            for start, stop in stretches(trees.n, _TIME_ENTRIES):
                yield self._raw_times(trees, start, stop)

    def _chunks(self, path: Path, n_rows: int) -> Iterator[Chunk]:
        with ntuple_trees(path, self._emulated) as trees:
            for start, stop in stretches(trees.n, n_rows):
                columns = self._objects(trees.objects, start, stop)
                if self._has_pileup and trees.event is not None:
                    columns["pileup"] = pileup_column(trees.event.numbers(PILEUP, start, stop, NUMBERS))
                if self._layout.decisions and trees.ugt is not None:
                    columns |= _expected(trees.ugt, start, stop)
                yield Chunk(self._raw_times(trees, start, stop), columns)

    def _objects(self, tree: Tree, start: int, stop: int) -> dict[str, NDArray[Any]]:
        where = tree.where(start)
        columns: dict[str, NDArray[Any]] = {}
        for column, fields in self._layout.fields.items():
            lists = central(tree.lists({**fields, "crossing": BX_BRANCHES[column]}, start, stop))
            columns[column] = packed_slots(column, lists, where)
        # The ntuples keep the crossing of sums as a floating-point number.
        sums = tree.lists({**SUM_BRANCHES, "crossing": SUM_BX}, start, stop, NUMBERS)
        columns["sums"] = packed_sums(central(sums), where)
        return columns

    def _raw_times(self, trees: NtupleTrees, start: int, stop: int) -> RawTimes:
        if trees.event is None:
            return RawTimes(stop - start)
        found = {ours: trees.event.numbers(theirs, start, stop) for ours, theirs in self._layout.times.items()}
        return RawTimes(stop - start, **found)


def central(lists: ObjectLists) -> ObjectLists:
    """The objects whose field `crossing`, which is dropped, is 0."""
    kept = lists.only(lists.fields["crossing"] == 0)
    return ObjectLists(kept.counts, {name: values for name, values in kept.fields.items() if name != "crossing"})


def _expected(tree: Tree, start: int, stop: int) -> dict[str, NDArray[np.uint64]]:
    """The decisions before prescales of all algorithms, from lists of 512."""
    lists = tree.lists({"bits": DECISIONS}, start, stop)
    if (lists.counts != schema.ALGORITHM_SLOTS).any():
        row = int(np.argmax(lists.counts != schema.ALGORITHM_SLOTS))
        what = f"branch '{DECISIONS}' has {lists.counts[row]} decisions instead of {schema.ALGORITHM_SLOTS}"
        raise FileUnreadable(tree.where(start).row(row), what)
    bits = lists.fields["bits"].reshape(stop - start, schema.ALGORITHM_SLOTS) != 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return {"expected": words, "expected_known": np.full_like(words, np.iinfo(np.uint64).max)}
