"""The L1 branches of NanoAOD, with hardware integers or without (`docs/formats.md`, section "NanoAOD")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import FileUnreadable
from triggers.events import scales
from triggers.events.l1_names import NEEDED_FIELDS
from triggers.events.readers.root_trees import Tree, root_trees
from triggers.events.scales import Scale

TREE: Final = "Events"
COLLECTIONS: Final = {"muon": "L1Mu", "eg": "L1EG", "tau": "L1Tau", "jet": "L1Jet"}
SUMS: Final = "L1EtSum"
CROSSING: Final = "bx"
CHARGE_VALID: Final = "hwChargeValid"
PILEUP: Final = "Pileup_nTrueInt"
TIME_BRANCHES: Final = {
    "run": "run",
    "lumi_section": "luminosityBlock",
    "orbit": "orbitNumber",
    "bx": "bunchCrossing",
    "event": "event",
}
HARDWARE: Final = {
    "muon": {
        "pt": "hwPt",
        "eta": "hwEtaAtVtx",
        "phi": "hwPhiAtVtx",
        "quality": "hwQual",
        "isolation": "hwIso",
        "hw_charge": "hwCharge",
        "index": "tfMuonIndex",
        "phi_raw": "hwPhi",
        "pt_unconstrained": "hwPtUnconstrained",
        "impact_parameter": "hwDXY",
    },
    "eg": {"et": "hwPt", "eta": "hwEta", "phi": "hwPhi", "isolation": "hwIso"},
    "tau": {"et": "hwPt", "eta": "hwEta", "phi": "hwPhi", "isolation": "hwIso"},
    "jet": {"et": "hwPt", "eta": "hwEta", "phi": "hwPhi", "hw_quality": "hwQual"},
    "sums": {"et": "hwPt", "phi": "hwPhi", "type": "etSumType"},
}
"""The branch of each field, after the collection's name, in hardware integers."""

_TOLERANCE: Final = 0.1
"""Of a bin: more than the 12 bits of precision of NanoAOD lose, less than the way from an edge to the centre."""


def _bin(scale: Scale) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """The index of a bin of which a value is the lower edge or the centre, with the precision of NanoAOD."""
    return lambda values: scale.index(values.astype(np.float64) + _TOLERANCE * scale.step)


def _unconstrained(values: NDArray[Any]) -> NDArray[np.int64]:
    """The index of the unconstrained pT; CMSSW writes 0 where there is none."""
    return np.where(values > 0, _bin(scales.MUON_PT_UNCONSTRAINED)(values), 0)


PHYSICAL: Final[dict[str, dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[np.int64]]]]]] = {
    "muon": {
        "pt": ("pt", _bin(scales.MUON_PT)),
        "eta": ("etaAtVtx", _bin(scales.MUON_ETA)),
        "phi": ("phiAtVtx", _bin(scales.MUON_PHI)),
        "phi_raw": ("phi", _bin(scales.MUON_PHI)),
        "pt_unconstrained": ("ptUnconstrained", _unconstrained),
    },
    "eg": {
        "et": ("pt", _bin(scales.EG_ET)),
        "eta": ("eta", _bin(scales.CALO_ETA)),
        "phi": ("phi", _bin(scales.CALO_PHI)),
    },
    "tau": {
        "et": ("pt", _bin(scales.TAU_ET)),
        "eta": ("eta", _bin(scales.CALO_ETA)),
        "phi": ("phi", _bin(scales.CALO_PHI)),
    },
    "jet": {
        "et": ("pt", _bin(scales.JET_ET)),
        "eta": ("eta", _bin(scales.CALO_ETA)),
        "phi": ("phi", _bin(scales.CALO_PHI)),
    },
    "sums": {"et": ("pt", _bin(scales.SUM_ET)), "phi": ("phi", _bin(scales.CALO_PHI))},
}
"""Where a hardware integer is not stored: the branch in physical units, and how it becomes one."""


@dataclass(frozen=True)
class NanoLayout:
    """What the files of a source have; the same for all of them.

    Attributes:
        hardware: the branch of each field that is stored as hardware integer, by object column and `sums`.
        physical: the branch of each other field that is stored in physical units.
        times: the branch of each time column that is there.
        crossings: whether objects say which crossing they belong to.
        charge_valid: whether muons say that their charge is known.
        pileup: whether the pile-up is there.
    """

    hardware: dict[str, dict[str, str]]
    physical: dict[str, dict[str, str]]
    times: dict[str, str]
    crossings: bool
    charge_valid: bool
    pileup: bool

    @property
    def is_thin(self) -> bool:
        """Whether energies or places have to be made from physical units, as in central NanoAOD."""
        return any(set(NEEDED_FIELDS) & set(fields) for fields in self.physical.values())


@contextmanager
def nano_tree(path: Path) -> Iterator[Tree]:
    """The tree `Events` of a file.

    Raises:
        FileUnreadable: the file is damaged, or has no such tree.
    """
    with root_trees(path, (TREE,)) as found:
        if TREE not in found:
            raise FileUnreadable(path, f"has no tree '{TREE}'", "give a NanoAOD file or an L1 ntuple")
        yield found[TREE]


def is_nanoaod(path: Path) -> bool:
    """Whether a ROOT file has a tree `Events`.

    Raises:
        FileUnreadable: the file is damaged.
    """
    with root_trees(path, (TREE,)) as found:
        return TREE in found


def nano_layout(tree: Tree) -> NanoLayout:
    """What an open file has.

    Raises:
        FileUnreadable: a collection is missing, or a branch without which no crossing can be made.
    """
    hardware: dict[str, dict[str, str]] = {}
    physical: dict[str, dict[str, str]] = {}
    prefixes = {**COLLECTIONS, "sums": SUMS}
    for column, prefix in prefixes.items():
        named = {field: f"{prefix}_{name}" for field, name in HARDWARE[column].items()}
        hardware[column] = {field: name for field, name in named.items() if tree.has(name)}
        floats = {field: f"{prefix}_{name}" for field, (name, _) in PHYSICAL[column].items()}
        tree.need([name for field, name in floats.items() if field in NEEDED_FIELDS and field not in hardware[column]])
        physical[column] = {
            field: name for field, name in floats.items() if field not in hardware[column] and tree.has(name)
        }
    tree.need([f"{SUMS}_{HARDWARE['sums']['type']}"])
    return NanoLayout(
        hardware=hardware,
        physical=physical,
        times={ours: theirs for ours, theirs in TIME_BRANCHES.items() if tree.has(theirs)},
        crossings=all(tree.has(f"{prefix}_{CROSSING}") for prefix in prefixes.values()),
        charge_valid=tree.has(f"{COLLECTIONS['muon']}_{CHARGE_VALID}"),
        pileup=tree.has(PILEUP),
    )
