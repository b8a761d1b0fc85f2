"""Small files in the layouts of other projects, written with the libraries that those use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

ALL_ONES_32 = 2**32 - 1
ALL_ONES_64 = 2**64 - 1

OPEN_DATA_LISTS: dict[str, list[list[int]]] = {
    # Three crossings: two muons in the order of the readout, none, one saturated muon of unknown charge.
    "muons_muonIPhiAtVtx": [[399, 10], [], [575]],
    "muons_muonIEt": [[11, 45], [], [511]],
    "muons_muonQual": [[12, 8], [], [15]],
    "muons_muonIEtaAtVtx": [[159, -225], [], [0]],
    "muons_muonChg": [[1, -1], [], [0]],
    "muons_muonTfMuonIdx": [[9, 107], [], [36]],
    "muons_muonIPhi": [[367, 20], [], [570]],
    "muons_muonIEta": [[160, -220], [], [1]],
    "muons_muonIEtUnconstrained": [[2, 0], [], [255]],
    "jets_jetIEt": [[161, 40], [60], []],
    "jets_jetIEta": [[-9, 114], [-115], []],
    "jets_jetIPhi": [[37, 0], [143], []],
    "jets_jetHwQual": [[0, 1], [2], []],
    "jets_jetRawEt": [[0, 0], [0], []],
    "egammas_egIEt": [[60], [20, 10], []],
    "egammas_egIEta": [[-1], [5, 6], []],
    "egammas_egIPhi": [[72], [1, 2], []],
    "egammas_egIso": [[3], [1, 0], []],
    "taus_tauIEt": [[], [88], [12, 11]],
    "taus_tauIEta": [[], [-20], [3, 4]],
    "taus_tauIPhi": [[], [100], [5, 6]],
    "taus_tauIso": [[], [1], [0, 2]],
    "ET_Et": [[900], [4095], [0]],
    "ET_ETTEM": [[400], [300], [0]],
    "HT_Et": [[200], [60], [0]],
    "HT_tower_count": [[8191], [7], [0]],
    "MET_Et": [[72], [10], [0]],
    "MET_phi": [[82], [143], [0]],
    "MHT_Et": [[30], [60], [0]],
    "MHT_phi": [[1], [71], [0]],
    "FET_Et": [[75], [11], [0]],
    "FET_phi": [[83], [0], [0]],
    "FHT_Et": [[31], [61], [0]],
    "FHT_phi": [[2], [72], [0]],
}
_UNSIGNED = ("muons_muonQual", "muons_muonTfMuonIdx")


def open_data_table(n_copies: int = 1, make_list: Any = pa.large_list) -> pa.Table:
    """The crossings above, several times over, as the Hugging Face mirror has them; bx rises by ten."""
    columns: dict[str, pa.Array] = {}
    for name, lists in OPEN_DATA_LISTS.items():
        item = pa.uint16() if name in _UNSIGNED else pa.int16()
        columns[name] = pa.array(lists * n_copies, make_list(item))
    n = 3 * n_copies
    row = np.arange(n)
    columns |= {
        "run": pa.array(np.full(n, 396102, np.uint32)),
        "lumi": pa.array((40 + row // 6).astype(np.uint32)),
        "event": pa.array((1000 + 7 * row).astype(np.uint64)),
        "bx": pa.array((10 * row % 3000).astype(np.uint32)),
        "orbit": pa.array((5_000_000 + 10 * row // 3000).astype(np.uint64)),
        "time": pa.array(np.full(n, 7 << 32, np.uint64)),
        "nPV_True": pa.array(np.full(n, 62.25, np.float32)),
        "split": pa.array(["train"] * n),
        "order": pa.array(np.where(row % 3 == 1, -1, row).astype(np.int64)),
        "L1bit": pa.array(row % 2 == 0),
        "dataset": pa.array(["ZB_run396102"] * n),
        "label": pa.array(np.zeros(n, np.int16)),
    }
    return pa.table(columns)


def replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def write_open_data(folder: Path, table: pa.Table, name: str = "train-00000-of-00001.parquet") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name, compression="snappy", row_group_size=5)
    return folder / name


def write_seeds(data: Path, table: pa.Table, seeds: Mapping[str, Sequence[bool]]) -> Path:
    """The seeds file of a data file; row groups are cut elsewhere than those of the data."""
    columns = {name: pa.array(values) for name, values in seeds.items()}
    others = {name: table.column(name) for name in ("L1bit", "dataset", "event", "order")}
    target = data.parent / "seeds" / data.name
    target.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({**columns, **others}), target, row_group_size=4)
    return target


NTUPLE_COUNTERS = {"muon": "nMuons", "eg": "nEGs", "tau": "nTaus", "jet": "nJets", "sum": "nSums"}
NTUPLE: dict[str, dict[str, list[list[float]]]] = {
    # Two entries; objects of other crossings stand between those of the central one.
    "muon": {
        "Et": [[5.0, 22.0, 2.5], []],
        "IEt": [[11, 45, 6], []],
        "IEta": [[160, -220, 3], []],
        "IPhi": [[367, 20, 4], []],
        "IEtaAtVtx": [[159, -225, 3], []],
        "IPhiAtVtx": [[399, 10, 4], []],
        "IEtUnconstrained": [[2, 0, 9], []],
        "IDXY": [[1, 3, 2], []],
        "Chg": [[1, -1, 1], []],
        "Qual": [[12, 8, 4], []],
        "Iso": [[0, 1, 3], []],
        "TfMuonIdx": [[9, 107, 36], []],
        "Bx": [[0, 0, -1], []],
    },
    "eg": {
        "Et": [[10.0, 30.0], [5.0]],
        "IEt": [[20, 60], [10]],
        "IEta": [[5, -1], [6]],
        "IPhi": [[1, 72], [2]],
        "Iso": [[1, 3], [0]],
        "Bx": [[-1, 0], [0]],
    },
    "tau": {"IEt": [[], [88]], "IEta": [[], [-20]], "IPhi": [[], [100]], "Iso": [[], [1]], "Bx": [[], [0]]},
    "jet": {
        "IEt": [[161, 3000, 4], [60]],
        "IEta": [[-9, 114, 1], [-115]],
        "IPhi": [[37, 0, 1], [143]],
        "HwQual": [[0, 1, 0], [2]],
        "Bx": [[0, 0, 2], [0]],
    },
    "sum": {
        # 4, 15 and 17 are types that the global trigger is not sent.
        "Type": [[0, 16, 1, 21, 2, 3, 8, 20, 4, 15, 17, 2], [0, 11, 12, 13, 14, 22, 23, 24, 25, 26]],
        "IEt": [[900, 400, 200, 8191, 72, 30, 75, 31, -5, 901, 202, 99], [5000, 1, 2, 3, 4, 0xA5, 6, 7, 8, 9]],
        "IPhi": [[0, 0, 0, 0, 82, 1, 83, 2, 0, 0, 0, 3], [0] * 10],
        "Bx": [[0.0] * 11 + [1.0], [0.0] * 10],
    },
}
NTUPLE_TIMES = {
    "run": np.full(2, 396102, np.uint32),
    "lumi": np.full(2, 40, np.uint32),
    "event": np.array([71, 72], np.uint64),
    "bx": np.array([100, 200], np.uint32),
    "orbit": np.full(2, 1234, np.uint64),
    "nPV_True": np.full(2, 55, np.int32),
}


def _records(lists: Mapping[str, list[list[float]]]) -> ak.Array:
    def array(name: str, values: list[list[float]]) -> ak.Array:
        dtype = np.float32 if name in ("Et", "Bx") and isinstance((sum(values, [0]) or [0])[-1], float) else np.int16
        return ak.values_astype(ak.Array(values), dtype)

    return ak.zip({name: array(name, values) for name, values in lists.items()})


def write_ntuple(
    path: Path,
    objects: Mapping[str, Mapping[str, list[list[float]]]] = NTUPLE,
    times: Mapping[str, np.ndarray] | None = NTUPLE_TIMES,
    tree: str = "l1UpgradeTree/L1UpgradeTree",
    decisions: np.ndarray | None = None,
    copies: int = 1,
    repeats: int = 1,
) -> Path:
    """The entries above, `copies` times in each of `repeats` baskets."""
    arrays = {name: _records(lists) for name, lists in objects.items()}
    arrays = {name: array[np.arange(2 * copies) % 2] for name, array in arrays.items()}
    with uproot.recreate(path) as file:
        types = {name: array.type.content for name, array in arrays.items()}
        made = file.mktree(
            tree, types, counter_name=NTUPLE_COUNTERS.__getitem__, field_name=lambda outer, inner: outer + inner
        )
        for _ in range(repeats):
            made.extend(arrays)
        if times is not None:
            types = {name: values.dtype for name, values in times.items()}
            file.mktree("l1EventTree/L1EventTree", types).extend(dict(times))
        if decisions is not None:
            types = {"m_algoDecisionInitial": np.dtype(("?", decisions.shape[1:]))}
            file.mktree("l1uGTTree/L1uGTTree", types).extend({"m_algoDecisionInitial": decisions})
    return path


def write_nano(path: Path, branches: Mapping[str, Any]) -> Path:
    """Branches `COLLECTION_name` of the tree Events: lists become jagged branches with the collection's counter."""
    flat = {name: values for name, values in branches.items() if isinstance(values, np.ndarray)}
    collections: dict[str, dict[str, ak.Array]] = {}
    for name, values in branches.items():
        if name not in flat:
            collection, _, field = name.partition("_")
            collections.setdefault(collection, {})[field] = values
    records = {name: ak.zip(fields) for name, fields in collections.items()}
    with uproot.recreate(path) as file:
        types = {name: values.dtype for name, values in flat.items()}
        types |= {name: values.type.content for name, values in records.items()}
        tree = file.mktree("Events", types, field_name=lambda outer, inner: f"{outer}_{inner}")
        tree.extend({**flat, **records})
    return path


def int16(lists: list[list[int]]) -> ak.Array:
    return ak.values_astype(ak.Array(lists), np.int16)


def float32(lists: list[list[float]]) -> ak.Array:
    return ak.values_astype(ak.Array(lists), np.float32)


def write_adc2021(path: Path, particles: np.ndarray, **others: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("Particles", data=particles, compression="gzip")
        file["Particles_Names"] = [b"Pt", b"Eta", b"Phi", b"Class"]
        file["Particles_Classes"] = [b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4"]
        for name, values in others.items():
            file[name] = values
    return path
