"""Model versions that tests swap: their scores are the transverse energy of a jet, so anybody can work them out."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.distribution import distribution_of_scores
from models.importing import import_network
from models.manifest import REFERENCE_FILE, WorkingPoint
from models.repository import Repository, open_repository
from models.repository_changes import add_version, set_alias
from triggers.events import packing
from triggers.events.crossings import column_view
from triggers.events.synthetic import SyntheticSource

RANKS = {"first": 0, "second": 1}
THRESHOLDS = {"first": 100, "second": 40, "muons": 20}
SEED = 3
MENU = """
name: models
externals: {EXT_ZeroBias: 4}
algorithms:
  - {index: 0, name: L1_AD, expression: "axol1tl@production:nominal"}
  - {index: 1, name: L1_ADNoJet, expression: "axol1tl@production:nominal AND JET150"}
  - {index: 2, name: L1_Seldom, expression: JET300}
"""
CONFIG = """
run: {{out: {folder}/runs, colliding_bunches: 1000, orbits_per_lumi_section: 20, lumi_sections: 1000000}}
source: {{format: synthetic, seed: {seed}}}
menu: {{path: {folder}/menu.yaml}}
models: {{repository: {folder}/models}}
scores: [{{name: axol1tl, backend: native}}]
batch: {{crossings: 1024, window: 8}}
delivery: {{lost_after_s: 4}}
metrics: {{address: null}}
"""
SECTION = 20_000


def jets(crossings: int) -> np.ndarray:
    """The transverse energies of the source's jets, `(n, 12)`."""
    return _objects(crossings, "jet")["et"]


def scores(crossings: int) -> dict[str, np.ndarray]:
    """The score of each crossing of the source by each version, `(n,)`; that of `muons` is of another column."""
    energies = jets(crossings).astype(np.int64)
    by_version = {version: energies[:, rank] for version, rank in RANKS.items()}
    return by_version | {"muons": _objects(crossings, "muon")["pt"][:, 0].astype(np.int64)}


def _objects(crossings: int, kind: str) -> dict[str, np.ndarray]:
    table = pa.Table.from_batches(list(SyntheticSource(crossings, seed=SEED, pileup=60).batches(1 << 14)))
    return packing.unpack(kind, column_view(table[kind].combine_chunks()))


def prepare(folder: Path) -> Path:
    """A configuration, with a repository of `first` (production) and `second`, and versions that are not fit."""
    repository = open_repository(folder / "models", make=True)
    sample = jets(5_000)
    for name, rank in RANKS.items():
        import_version(repository, folder, name, "jet", rank, THRESHOLDS[name])
        loaded = repository.load("axol1tl", name)
        manifest = loaded.manifest.model_copy(
            update={"version": f"{name}-drift", "histogram": distribution_of_scores(sample[:, rank], "test")}
        )
        add_version(repository, manifest, loaded.files)
    import_version(repository, folder, "muons", "muon", 0, THRESHOLDS["muons"])
    import_network(folder / "jet.json", repository, "axol1tl", "pointless")
    _with_wrong_reference(repository)
    set_alias(repository, "axol1tl", "production", "first")
    set_alias(repository, "axol1tl", "candidate", "second")
    (folder / "menu.yaml").write_text(MENU)
    path = folder / "chain.yaml"
    path.write_text(CONFIG.format(folder=folder, seed=SEED))
    return path


def import_version(repository: Repository, folder: Path, name: str, kind: str, rank: int, threshold: int) -> None:
    number = "ap_uint<12>"
    document = {
        "schema": "l1chain-network/1",
        "name": name,
        "inputs": {
            "tensor": "x",
            "elements": [{"object": kind, "rank": rank, "quantity": "pt", "unit": "hw"}],
            "type": number,
        },
        "layers": [{"op": "linear", "input": "x", "output": "y", "output_type": number}],
        "score": {"kind": "network_output", "of": "y", "type": number},
    }
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(document))
    points = {"nominal": WorkingPoint(threshold=threshold, rate_hz=1.0, calibrated_on="nothing")}
    import_network(path, repository, "axol1tl", name, working_points=points)


def _with_wrong_reference(repository: Repository) -> None:
    """A version, complete and with good digests, that does not give the scores that it states."""
    loaded = repository.load("axol1tl", "second")
    inputs, score = loaded.reference()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, inputs=inputs, score=score + 1)
    files = {**loaded.files, REFERENCE_FILE: buffer.getvalue()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    add_version(repository, loaded.manifest.model_copy(update={"version": "wrong", "files": digests}), files)
