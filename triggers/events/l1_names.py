"""The names that CMS's L1 ntuples give to the fields of objects; the open data set took them over (`docs/formats.md`).

`charge` and `hw_quality` stand for more than one field of a word; `readers/object_lists.py` says how.
"""

from __future__ import annotations

from typing import Final

L1_NAMES: Final = {
    "muon": {
        "pt": "muonIEt",
        "eta": "muonIEtaAtVtx",
        "phi": "muonIPhiAtVtx",
        "quality": "muonQual",
        "charge": "muonChg",
        "index": "muonTfMuonIdx",
        "phi_raw": "muonIPhi",
        "pt_unconstrained": "muonIEtUnconstrained",
    },
    "eg": {"et": "egIEt", "eta": "egIEta", "phi": "egIPhi", "isolation": "egIso"},
    "tau": {"et": "tauIEt", "eta": "tauIEta", "phi": "tauIPhi", "isolation": "tauIso"},
    "jet": {"et": "jetIEt", "eta": "jetIEta", "phi": "jetIPhi", "hw_quality": "jetHwQual"},
}
"""The name of each field of an object column."""

NEEDED_FIELDS: Final = ("pt", "et", "eta", "phi")
"""Fields without which an object is none; formats may lack the others."""

LACKING_PARTS: Final = {"hw_quality": "displaced"}
"""What is lacking when a field is not there, where it has another name than the field."""
