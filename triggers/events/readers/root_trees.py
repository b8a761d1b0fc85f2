"""Trees of ROOT files as NumPy arrays, a stretch of entries at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import uproot
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events.readers.damage import damage_told
from triggers.events.readers.object_lists import ObjectLists, Where

_TREES: Final = (uproot.TTree, uproot.behaviors.RNTuple.HasFields)
"""TTree, and its successor RNTuple, which newer programs write under the same names."""
ENTRIES_AT_ONCE: Final = 1 << 15
"""Baskets hold about as many entries: with less at once, each would be decompressed several times."""
_INTEGERS: Final = "iub"
NUMBERS: Final = "iubf"
"""Kinds of NumPy dtypes: whole numbers and others."""


class Tree:
    """One tree of an open file; branches are found by the last part of their names, as split objects nest them."""

    def __init__(self, path: Path, name: str, tree: Any) -> None:
        self.path, self.name = path, name
        self.n_entries = int(tree.num_entries)
        self._branches = {branch.name.rpartition(".")[2]: branch for branch in tree.itervalues(recursive=True)}

    def has(self, branch: str) -> bool:
        """Whether the tree has the branch."""
        return branch in self._branches

    def need(self, branches: Sequence[str]) -> None:
        """Holds the tree to its branches.

        Raises:
            FileUnreadable: one is missing.
        """
        for name in branches:
            if not self.has(name):
                remedy = "give a file with all branches of docs/formats.md"
                raise FileUnreadable(self.path, f"tree '{self.name}' has no branch '{name}'", remedy)

    def where(self, start: int) -> Where:
        """The place of an entry, for messages."""
        return Where(str(self.path), start)

    def numbers(self, branch: str, start: int, stop: int, kinds: str = _INTEGERS) -> NDArray[Any]:
        """A branch with one number an entry, `(stop - start,)`.

        Raises:
            FileUnreadable: it holds something else.
        """
        values = self._branches[branch].array(entry_start=start, entry_stop=stop, library="np", array_cache=None)
        if values.ndim != 1 or values.dtype.kind not in kinds:
            raise self._wrong(branch, f"does not hold one {'integer' if kinds == _INTEGERS else 'number'} an entry")
        return np.asarray(values)

    def lists(self, branches: dict[str, str], start: int, stop: int, kinds: str = _INTEGERS) -> ObjectLists:
        """Branches with a list of numbers an entry, as fields by the names given.

        Raises:
            FileUnreadable: one holds something else.
            BadValue: their lists have different lengths in an entry.
        """
        counts: NDArray[np.int64] | None = None
        fields: dict[str, NDArray[Any]] = {}
        for field, branch in branches.items():
            found, fields[field] = self._jagged(branch, start, stop, kinds)
            if counts is None:
                counts = found
            elif not np.array_equal(found, counts):
                row = int(np.argmax(found != counts))
                first = next(iter(branches.values()))
                what = f"branch '{branch}' has {found[row]} values, but '{first}' has {counts[row]}"
                raise BadValue(self.where(start).row(row), what, "fetch or write the file again")
        return ObjectLists(np.zeros(stop - start, np.int64) if counts is None else counts, fields)

    def _jagged(self, branch: str, start: int, stop: int, kinds: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        import awkward as ak  # 0.2 s that other formats need not wait for

        array = self._branches[branch].array(entry_start=start, entry_stop=stop, library="ak", array_cache=None)
        if array.ndim != 2:
            raise self._wrong(branch, "does not hold a list of numbers an entry")
        values = np.asarray(ak.to_numpy(ak.flatten(array)))
        if values.dtype.kind not in kinds:
            raise self._wrong(branch, f"holds {values.dtype}, not integers")
        return np.asarray(ak.to_numpy(ak.num(array)), np.int64), values

    def _wrong(self, branch: str, what: str) -> FileUnreadable:
        remedy = "give a file with the branches of docs/formats.md"
        return FileUnreadable(self.path, f"branch '{branch}' of tree '{self.name}' {what}", remedy)


def stretches(n_entries: int, n_rows: int) -> Iterator[tuple[int, int]]:
    """First and last-plus-one entry of the stretches that are read at once, for batches of `n_rows` rows."""
    step = max(n_rows, ENTRIES_AT_ONCE)
    for start in range(0, n_entries, step):
        yield start, min(start + step, n_entries)


@contextmanager
def root_trees(path: Path, names: Sequence[str]) -> Iterator[dict[str, Tree]]:
    """Those of the named trees that a ROOT file has.

    Raises:
        FileUnreadable: the file is damaged, or no ROOT file.
    """
    with damage_told(path, "ROOT"):
        # Plain reads: pages of a mapped file would count as memory.
        file = uproot.open(path, handler=uproot.source.file.MultithreadedFileSource, num_workers=1, object_cache=None)
    with file:
        yield {name: tree for name in names if (tree := _tree(path, name, file)) is not None}


def _tree(path: Path, name: str, file: Any) -> Tree | None:
    with damage_told(path, "ROOT"):
        found = file.get(name, None)
        if found is None or not isinstance(found, _TREES):
            return None
        return Tree(path, name, found)
