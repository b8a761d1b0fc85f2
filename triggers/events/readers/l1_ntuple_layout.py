"""The trees and branches of CMS L1 ntuples (`docs/formats.md`, section "L1 ntuples")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triggers.errors import BadValue, FileUnreadable
from triggers.events.l1_names import L1_NAMES, NEEDED_FIELDS
from triggers.events.readers.root_trees import Tree, root_trees

UNPACKED_TREE: Final = "l1UpgradeTree/L1UpgradeTree"
EMULATED_TREE: Final = "l1UpgradeEmuTree/L1UpgradeTree"
EVENT_TREE: Final = "l1EventTree/L1EventTree"
UGT_TREE: Final = "l1uGTTree/L1uGTTree"
EMULATED_UGT_TREE: Final = "l1uGTEmuTree/L1uGTTree"
DECISIONS: Final = "m_algoDecisionInitial"
TIME_BRANCHES: Final = {"run": "run", "lumi_section": "lumi", "orbit": "orbit", "bx": "bx", "event": "event"}
PILEUP: Final = "nPV_True"
SUM_BRANCHES: Final = {"type": "sumType", "et": "sumIEt", "phi": "sumIPhi"}
SUM_BX: Final = "sumBx"
BX_BRANCHES: Final = {"muon": "muonBx", "eg": "egBx", "tau": "tauBx", "jet": "jetBx"}
EXTRA_NAMES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "muon": {"isolation": ("muonIso",), "impact_parameter": ("muonDxy", "muonIDXY")},
    "eg": {},
    "tau": {},
    "jet": {},
}
"""Fields that the ntuples have beyond the open data set, with the names that they have had."""


@dataclass(frozen=True)
class NtupleTrees:
    """The trees of one open file, entry by entry side by side."""

    objects: Tree
    event: Tree | None
    ugt: Tree | None

    @property
    def n(self) -> int:
        """Crossings."""
        return self.objects.n_entries


@dataclass(frozen=True)
class NtupleLayout:
    """What the files of a source have; the same for all of them.

    Attributes:
        tree: where the objects are.
        fields: the branch of each field, by object column.
        times: the branch of each time column that is there.
        pileup: whether the pile-up is there.
        decisions: whether algorithm bits are there.
    """

    tree: str
    fields: dict[str, dict[str, str]]
    times: dict[str, str]
    pileup: bool
    decisions: bool


@contextmanager
def ntuple_trees(path: Path, emulated: bool | None) -> Iterator[NtupleTrees]:
    """The trees of a file.

    Args:
        path: the file.
        emulated: whether the emulator's objects are wanted; None: those read out, if there are any.

    Raises:
        FileUnreadable: the file is damaged, or has no such tree.
        BadValue: its trees have different numbers of entries.
    """
    wanted = {None: (UNPACKED_TREE, EMULATED_TREE), False: (UNPACKED_TREE,), True: (EMULATED_TREE,)}[emulated]
    with root_trees(path, (UNPACKED_TREE, EMULATED_TREE, EVENT_TREE, UGT_TREE, EMULATED_UGT_TREE)) as found:
        objects = next((found[name] for name in wanted if name in found), None)
        if objects is None:
            raise FileUnreadable(path, f"has no tree '{' or '.join(wanted)}'", "give an L1 ntuple or a NanoAOD file")
        ugt = found.get(UGT_TREE if objects.name == UNPACKED_TREE else EMULATED_UGT_TREE)
        trees = NtupleTrees(objects, found.get(EVENT_TREE), ugt)
        for other in (trees.event, trees.ugt):
            if other is not None and other.n_entries != trees.n:
                what = f"tree '{other.name}' has {other.n_entries:,} entries, but '{objects.name}' has {trees.n:,}"
                raise BadValue(path, what, "fetch or write the file again")
        yield trees


def ntuple_layout(trees: NtupleTrees) -> NtupleLayout:
    """What an open file has.

    Raises:
        FileUnreadable: a branch is missing without which no crossing can be made.
    """
    tree = trees.objects
    for column, names in L1_NAMES.items():
        tree.need([*(name for field, name in names.items() if field in NEEDED_FIELDS), BX_BRANCHES[column]])
    tree.need([*SUM_BRANCHES.values(), SUM_BX])
    fields = {
        column: {field: name for field, name in names.items() if tree.has(name)}
        | {
            field: next(filter(tree.has, given))
            for field, given in EXTRA_NAMES[column].items()
            if any(map(tree.has, given))
        }
        for column, names in L1_NAMES.items()
    }
    event = trees.event
    times = {ours: theirs for ours, theirs in TIME_BRANCHES.items() if event is not None and event.has(theirs)}
    return NtupleLayout(
        tree=tree.name,
        fields=fields,
        times=times,
        pileup=event is not None and event.has(PILEUP),
        decisions=trees.ugt is not None and trees.ugt.has(DECISIONS),
    )
