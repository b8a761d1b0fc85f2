"""NanoAOD with L1 objects (docs/formats.md, "NanoAOD")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from tests.triggers.events.events_data import rows_of, same_rows, view
from tests.triggers.events.foreign_files import float32, int16, write_nano
from triggers.errors import BadValue, FileUnreadable
from triggers.events import packing
from triggers.events.crossings import slots
from triggers.events.open import open_source
from triggers.events.packing import sum_values

# Two events: the first with muons in the crossing before and in its own, and sums two crossings later.
L1NANO: dict[str, Any] = {
    "run": np.full(2, 396102, np.uint32),
    "luminosityBlock": np.full(2, 40, np.uint32),
    "event": np.array([71, 72], np.uint64),
    "bunchCrossing": np.array([100, 200], np.uint32),
    "orbitNumber": np.full(2, 1234, np.uint32),
    "L1Mu_hwPt": int16([[6, 11, 45], []]),
    "L1Mu_hwEta": int16([[3, 160, -220], []]),
    "L1Mu_hwPhi": int16([[4, 367, 20], []]),
    "L1Mu_hwEtaAtVtx": int16([[3, 159, -225], []]),
    "L1Mu_hwPhiAtVtx": int16([[4, 399, 10], []]),
    "L1Mu_hwQual": int16([[4, 12, 8], []]),
    "L1Mu_hwIso": int16([[3, 0, 1], []]),
    "L1Mu_hwCharge": int16([[0, 0, 1], []]),
    "L1Mu_hwChargeValid": int16([[0, 1, 1], []]),
    "L1Mu_ptUnconstrained": float32([[8.0, 1.0, 0.0], []]),
    "L1Mu_hwDXY": int16([[2, 1, 3], []]),
    "L1Mu_tfMuonIndex": int16([[36, 9, 107], []]),
    "L1Mu_bx": int16([[-1, 0, 0], []]),
    "L1EG_hwPt": int16([[60], [10]]),
    "L1EG_hwEta": int16([[-1], [6]]),
    "L1EG_hwPhi": int16([[72], [2]]),
    "L1EG_hwIso": int16([[3], [0]]),
    "L1EG_bx": int16([[0], [0]]),
    "L1Tau_hwPt": int16([[], [88]]),
    "L1Tau_hwEta": int16([[], [-20]]),
    "L1Tau_hwPhi": int16([[], [100]]),
    "L1Tau_hwIso": int16([[], [1]]),
    "L1Tau_bx": int16([[], [1]]),
    "L1Jet_hwPt": int16([[161, 40], [60]]),
    "L1Jet_hwEta": int16([[-9, 114], [-115]]),
    "L1Jet_hwPhi": int16([[37, 0], [143]]),
    "L1Jet_hwQual": int16([[0, 1], [2]]),
    "L1Jet_bx": int16([[0, 0], [0]]),
    "L1EtSum_etSumType": int16([[0, 2, 2, 4], [21]]),
    "L1EtSum_hwPt": int16([[900, 72, 50, -3], [77]]),
    "L1EtSum_hwPhi": int16([[0, 82, 9, 0], [0]]),
    "L1EtSum_bx": int16([[0, 0, 2, 0], [0]]),
}


def nano(tmp_path: Path, name: str = "nano.root", **branches: Any) -> Path:
    return write_nano(tmp_path / name, {**L1NANO, **branches})


def test_the_crossing_of_an_event_is_decided_and_its_neighbours_are_context(tmp_path: Path) -> None:
    source = open_source([nano(tmp_path)])
    rows = rows_of(source)
    assert rows["context"].to_pylist() == [True, False, True, False, True]
    assert rows["bx"].to_pylist() == [99, 100, 102, 200, 201]
    assert rows["event"].to_pylist() == [71, 71, 71, 72, 72]
    assert source.info.n_crossings == 2
    muons = packing.unpack("muon", view(rows, "muon")[:2])
    assert muons["pt"][:, :2].tolist() == [[6, 0], [11, 45]]
    assert sum_values(view(rows, "sums"), "etm").tolist() == [0, 72, 50, 0, 0]
    assert np.count_nonzero(view(rows, "tau"), axis=1).tolist() == [0, 0, 0, 0, 1]


def test_muons_have_all_their_fields(tmp_path: Path) -> None:
    fields = packing.unpack("muon", view(rows_of(open_source([nano(tmp_path)])), "muon")[1, :2])
    assert {name: values.tolist() for name, values in fields.items()} == {
        "phi": [399, 10],
        "pt": [11, 45],
        "quality": [12, 8],
        "eta": [159, -225],
        "isolation": [0, 1],
        "charge_negative": [0, 1],
        "charge_valid": [1, 1],
        "index": [9, 107],
        "phi_raw": [367, 20],
        "pt_unconstrained": [2, 0],
        "shower": [0, 0],
        "impact_parameter": [1, 3],
    }


def test_a_charge_that_is_not_valid_is_not_known(tmp_path: Path) -> None:
    before = packing.unpack("muon", view(rows_of(open_source([nano(tmp_path)])), "muon")[0, :1])
    assert (before["charge_valid"].tolist(), before["charge_negative"].tolist()) == ([0], [0])
    branches = {name: values for name, values in L1NANO.items() if name != "L1Mu_hwChargeValid"}
    source = open_source([write_nano(tmp_path / "b.root", branches)])
    assert packing.unpack("muon", view(rows_of(source), "muon")[0, :1])["charge_valid"].tolist() == [1]
    assert any("hwChargeValid is not stored" in sentence for sentence in source.info.missing)


def test_a_neighbour_that_is_an_event_itself_is_there_once(tmp_path: Path) -> None:
    path = nano(tmp_path, bunchCrossing=np.array([100, 101], np.uint32))
    rows = rows_of(open_source([path]))
    assert rows["bx"].to_pylist() == [99, 100, 101, 102]
    assert rows["context"].to_pylist() == [True, False, False, True]


@pytest.mark.parametrize("spacing", [1, 2, 3, 4, 5, 6])
def test_slots_are_unique_and_rise_whatever_the_spacing(tmp_path: Path, spacing: int) -> None:
    """With all five crossings stored in every event."""
    n, five = 40, [-2, -1, 0, 1, 2]
    branches: dict[str, Any] = {name: values[[1] * n] for name, values in L1NANO.items()}
    branches["bunchCrossing"] = np.arange(n, dtype=np.uint32) * spacing
    sums = {"etSumType": [0] * 5, "hwPt": [1, 2, 3, 4, 5], "hwPhi": [0] * 5, "bx": five}
    branches |= {f"L1EtSum_{name}": int16([values] * n) for name, values in sums.items()}
    branches |= {name: int16([[]] * n) if name.startswith("L1Tau") else values for name, values in branches.items()}
    source = open_source([write_nano(tmp_path / "nano.root", branches)])
    (batch,) = source.batches(1000)
    steps = np.diff(slots(batch))
    assert steps.min() == 1
    assert batch.num_rows == min(spacing, 5) * (n - 1) + 5
    decided = ~np.array(batch.column("context").to_pylist())
    assert decided.sum() == n
    assert sum_values(view(rows_of(source), "sums"), "ett")[decided].tolist() == [3] * n


def test_files_and_batches_of_any_size_give_the_same_rows(tmp_path: Path) -> None:
    paths = [nano(tmp_path, "a.root"), nano(tmp_path, "b.root", bunchCrossing=np.array([203, 300], np.uint32))]
    source = open_source(paths)
    assert rows_of(source, 100)["bx"].to_pylist() == [99, 100, 102, 200, 202, 203, 205, 300, 301]
    assert same_rows(rows_of(source, 2), rows_of(source, 100))


def test_events_out_of_order_get_slots_far_enough_apart(tmp_path: Path) -> None:
    rows = rows_of(open_source([nano(tmp_path, bunchCrossing=np.array([200, 100], np.uint32))]))
    assert rows["bx"].to_pylist() == [3563, 0, 2, 7, 8]
    assert rows["orbit"].to_pylist() == [0, 1, 1, 1, 1]


def test_central_nanoaod_has_no_hardware_integers(tmp_path: Path) -> None:
    kept = ("run", "luminosityBlock", "event", "bunchCrossing", "orbitNumber")
    step = 2 * np.pi / 144
    branches = {name: L1NANO[name] for name in kept} | {
        "L1Mu_pt": float32([[22.0], []]),
        "L1Mu_eta": float32([[1.74], []]),
        "L1Mu_phi": float32([[-0.01], []]),
        "L1Mu_etaAtVtx": float32([[159 * 0.010875], []]),
        "L1Mu_phiAtVtx": float32([[399 * step / 4 - 2 * np.pi], []]),
        "L1Mu_hwQual": int16([[12], []]),
        "L1Mu_hwCharge": int16([[1], []]),
        "L1EG_pt": float32([[30.0], [12.5]]),
        "L1EG_eta": float32([[-0.0435], [114 * 0.0435]]),
        "L1EG_phi": float32([[72 * step - 2 * np.pi], [2.5 * step]]),
        "L1EG_hwIso": int16([[3], [1]]),
        "L1Tau_pt": float32([[], [44.0]]),
        "L1Tau_eta": float32([[], [-0.87]]),
        "L1Tau_phi": float32([[], [1.0]]),
        "L1Jet_pt": float32([[80.5], []]),
        "L1Jet_eta": float32([[-9 * 0.0435], []]),
        "L1Jet_phi": float32([[37 * step], []]),
        "L1EtSum_etSumType": int16([[1, 8], [2]]),
        "L1EtSum_pt": float32([[100.0, 36.5], [10.0]]),
        "L1EtSum_phi": float32([[0.0, 83 * step], [-step]]),
    }
    source = open_source([write_nano(tmp_path / "central.root", branches)])
    rows = rows_of(source)
    muon = packing.unpack("muon", view(rows, "muon")[0, :1])
    assert [int(muon[name][0]) for name in ("pt", "eta", "phi", "phi_raw")] == [45, 159, 399, 575]
    assert [int(muon[name][0]) for name in ("quality", "charge_negative", "isolation")] == [12, 1, 0]
    eg = packing.unpack("eg", view(rows, "eg")[:, 0])
    assert [eg[name].tolist() for name in ("et", "eta", "phi")] == [[60, 25], [-1, 114], [72, 2]]
    jet = packing.unpack("jet", view(rows, "jet")[0, :1])
    assert [int(jet[name][0]) for name in ("et", "eta", "phi")] == [161, -9, 37]
    sums = view(rows, "sums")
    assert sum_values(sums, "htt").tolist() == [200, 0]
    assert [sum_values(sums, name).tolist() for name in ("etmhf_phi", "etm_phi")] == [[83, 0], [0, 143]]
    assert any("models such as AXOL1TL cannot be evaluated bit for bit" in s for s in source.info.missing)
    assert {"neighbours", "muon.isolation", "muon.index", "jet.displaced", "sums.ett"} <= set(source.info.lacking)


def test_full_l1nano_says_nothing_of_the_kind(tmp_path: Path) -> None:
    info = open_source([nano(tmp_path)]).info
    assert not any("central NanoAOD" in sentence for sentence in info.missing)
    assert not {"neighbours", "muon.index", "muon.isolation"} & set(info.lacking)


def test_the_pileup_of_simulation(tmp_path: Path) -> None:
    path = nano(tmp_path, Pileup_nTrueInt=np.array([40.5, 61.0], np.float32))
    assert rows_of(open_source([path]))["pileup"].to_pylist() == [40.5, 40.5, 40.5, 61.0, 61.0]


@pytest.mark.parametrize("missing", ["L1Jet_hwPhi", "L1EtSum_etSumType", "L1Mu_hwPhiAtVtx"])
def test_a_missing_branch(tmp_path: Path, missing: str) -> None:
    branches = {name: values for name, values in L1NANO.items() if name != missing}
    with pytest.raises(FileUnreadable, match=r"tree 'Events' has no branch 'L1"):
        open_source([write_nano(tmp_path / "nano.root", branches)])


def test_a_charge_instead_of_its_bit(tmp_path: Path) -> None:
    path = nano(tmp_path, L1Mu_hwCharge=int16([[1, 1, -1], []]))
    with pytest.raises(BadValue, match="row 0: a muon's hwCharge is neither 0"):
        rows_of(open_source([path]))


def test_lists_of_floats_where_integers_should_be(tmp_path: Path) -> None:
    path = nano(tmp_path, L1EG_hwIso=ak.Array([[3.5], [0.0]]))
    with pytest.raises((FileUnreadable, BadValue), match="hwIso|isolation"):
        rows_of(open_source([path]))


def test_a_truncated_file(tmp_path: Path) -> None:
    path = nano(tmp_path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileUnreadable, match="is no readable ROOT file"):
        open_source([path])
