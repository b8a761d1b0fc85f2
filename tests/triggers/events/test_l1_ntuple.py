"""CMS L1 ntuples (docs/formats.md, "L1 ntuples")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from tests.triggers.events.events_data import rows_of, same_rows, view
from tests.triggers.events.foreign_files import NTUPLE, NTUPLE_TIMES, write_ntuple
from triggers.errors import BadValue, FileUnreadable
from triggers.events import packing
from triggers.events.open import SourceFormat, open_source
from triggers.events.packing import sum_values

EMULATED = "l1UpgradeEmuTree/L1UpgradeTree"


@pytest.fixture
def ntuple(tmp_path: Path) -> Path:
    return write_ntuple(tmp_path / "L1Ntuple.root")


def changed(name: str, **lists: list[list[int]]) -> dict[str, Any]:
    return {**NTUPLE, name: {**NTUPLE[name], **lists}}


def test_only_the_central_crossing_is_kept(ntuple: Path) -> None:
    rows = rows_of(open_source([ntuple]))
    counts = {name: np.count_nonzero(view(rows, name), axis=1).tolist() for name in ("muon", "eg", "tau", "jet")}
    assert counts == {"muon": [2, 0], "eg": [1, 1], "tau": [0, 1], "jet": [2, 1]}
    eg = packing.unpack("eg", view(rows, "eg")[:, 0])
    assert eg["et"].tolist() == [60, 10]
    assert eg["isolation"].tolist() == [3, 0]


def test_muons_have_all_their_fields(ntuple: Path) -> None:
    fields = packing.unpack("muon", view(rows_of(open_source([ntuple])), "muon")[0, :2])
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


def test_the_impact_parameter_has_had_two_names(tmp_path: Path) -> None:
    muons = {"Dxy" if name == "IDXY" else name: lists for name, lists in NTUPLE["muon"].items()}
    rows = rows_of(open_source([write_ntuple(tmp_path / "n.root", {**NTUPLE, "muon": muons})]))
    assert packing.unpack("muon", view(rows, "muon")[0, :2])["impact_parameter"].tolist() == [1, 3]


def test_a_jets_quality_holds_the_displaced_bit_and_its_energy_saturates(ntuple: Path) -> None:
    jets = packing.unpack("jet", view(rows_of(open_source([ntuple])), "jet")[:, :2])
    assert jets["et"].tolist() == [[161, 2047], [60, 0]]
    assert jets["displaced"].tolist() == [[0, 1], [0, 0]]
    assert jets["quality"].tolist() == [[0, 0], [1, 0]]


def test_sums_are_told_by_their_type(ntuple: Path) -> None:
    sums = view(rows_of(open_source([ntuple])), "sums")
    found = [{name: int(sum_values(sums, name)[k]) for name in packing.SUMS} for k in range(2)]
    first = {
        "ett": 900,
        "ettem": 400,
        "htt": 200,
        "towercount": 8191,
        "etm": 72,
        "etm_phi": 82,
        "htm": 30,
        "htm_phi": 1,
    }
    first |= {"etmhf": 75, "etmhf_phi": 83, "htmhf": 31, "htmhf_phi": 2}
    second = {"ett": 4095, "mbt0hfp": 1, "mbt0hfm": 2, "mbt1hfp": 3, "mbt1hfm": 4, "centrality_low": 5}
    second |= {"centrality_high": 10, "asymet": 6, "asymht": 7, "asymethf": 8, "asymhthf": 9}
    assert [{name: value for name, value in each.items() if value} for each in found] == [first, second]


def test_times_and_pileup_come_from_the_event_tree(ntuple: Path) -> None:
    (first, second) = rows_of(open_source([ntuple])).to_pylist()
    assert [first[name] for name in ("run", "lumi_section", "orbit", "bx", "event")] == [396102, 40, 1234, 100, 71]
    assert (second["bx"], second["pileup"]) == (200, 55.0)


def test_without_an_event_tree_times_are_made(tmp_path: Path) -> None:
    source = open_source([write_ntuple(tmp_path / "n.root", times=None)])
    assert rows_of(source)["bx"].to_pylist() == [0, 3]
    assert any("orbit, bx: not in the file" in sentence for sentence in source.info.missing)


def test_data_do_not_know_the_pileup(tmp_path: Path) -> None:
    times = {**NTUPLE_TIMES, "nPV_True": np.full(2, -1, np.int32)}
    assert "pileup" not in open_source([write_ntuple(tmp_path / "n.root", times=times)]).info.optional_columns


def test_decisions_before_prescales_are_expected_bits(tmp_path: Path) -> None:
    decisions = np.zeros((2, 512), np.bool_)
    decisions[0, [0, 63, 64, 511]] = True
    source = open_source([write_ntuple(tmp_path / "n.root", decisions=decisions)])
    expected = view(rows_of(source), "expected")
    assert [packing.set_bits(words).tolist() for words in expected] == [[0, 63, 64, 511], []]
    assert any("in the menu that the ntuple was made with" in sentence for sentence in source.info.missing)


def objects_of(path: Path) -> dict[str, Any]:
    """Every list of a file's object tree."""
    with uproot.open(path) as file:
        tree = file["l1UpgradeTree/L1UpgradeTree"]
        return {branch.name: branch.array() for branch in tree.branches if not branch.name.startswith("n")}


def test_trees_may_be_of_the_new_kind(ntuple: Path, tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "rntuple.root") as file:
        file.mkrntuple("l1UpgradeTree/L1UpgradeTree", objects_of(ntuple))
        file.mkrntuple("l1EventTree/L1EventTree", NTUPLE_TIMES)
    assert same_rows(rows_of(open_source([tmp_path / "rntuple.root"])), rows_of(open_source([ntuple])))


def test_emulated_objects_are_there_for_the_asking(tmp_path: Path) -> None:
    path = write_ntuple(tmp_path / "emulated.root", tree=EMULATED)
    assert any(EMULATED in sentence for sentence in open_source([path]).info.missing)
    assert same_rows(rows_of(open_source([path])), rows_of(open_source([path], SourceFormat.L1_NTUPLE_EMULATED)))
    with pytest.raises(FileUnreadable, match="has no tree 'l1UpgradeEmuTree/L1UpgradeTree'"):
        open_source([write_ntuple(tmp_path / "unpacked.root")], SourceFormat.L1_NTUPLE_EMULATED)


def test_files_are_one_run(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "n-0.root")
    later = {**NTUPLE_TIMES, "orbit": np.full(2, 1235, np.uint64)}
    write_ntuple(tmp_path / "n-1.root", times=later)
    source = open_source([tmp_path / "n-*.root"])
    assert source.info.n_crossings == 4
    assert rows_of(source)["orbit"].to_pylist() == [1234, 1234, 1235, 1235]
    assert same_rows(rows_of(source, 1), rows_of(source, 3))


class TestBadFiles:
    def test_a_missing_branch(self, tmp_path: Path) -> None:
        jets = {name: lists for name, lists in NTUPLE["jet"].items() if name != "IPhi"}
        with pytest.raises(FileUnreadable, match="tree 'l1UpgradeTree/L1UpgradeTree' has no branch 'jetIPhi'"):
            open_source([write_ntuple(tmp_path / "n.root", {**NTUPLE, "jet": jets})])

    def test_a_branch_that_may_be_missing_is_lacking(self, tmp_path: Path) -> None:
        jets = {name: lists for name, lists in NTUPLE["jet"].items() if name != "HwQual"}
        source = open_source([write_ntuple(tmp_path / "n.root", {**NTUPLE, "jet": jets})])
        assert "jet.displaced" in source.info.lacking
        assert np.count_nonzero(view(rows_of(source), "jet")) == 3

    def test_a_file_with_other_trees(self, tmp_path: Path) -> None:
        with uproot.recreate(tmp_path / "other.root") as file:
            file["CollectionTree"] = {"x": np.arange(3)}
        with pytest.raises(FileUnreadable, match=r"other.root: has no tree 'l1UpgradeTree/L1UpgradeTree or "):
            open_source([tmp_path / "other.root"])

    def test_files_with_different_branches(self, tmp_path: Path) -> None:
        paths = [write_ntuple(tmp_path / "a.root"), write_ntuple(tmp_path / "b.root", times=None)]
        with pytest.raises(BadValue, match=r"b.root: has other trees or branches than .*a.root"):
            open_source(paths)

    def test_trees_of_different_lengths(self, tmp_path: Path) -> None:
        times = {name: values[:1] for name, values in NTUPLE_TIMES.items()}
        with pytest.raises(BadValue, match="has 1 entries, but 'l1UpgradeTree/L1UpgradeTree' has 2"):
            open_source([write_ntuple(tmp_path / "n.root", times=times)])

    @pytest.mark.parametrize(
        ("objects", "sentence"),
        [
            (changed("sum", Type=[[0, 0, *range(30, 40)], [0] + [40] * 9]), r"row 0: has more than one sum of type 0"),
            (changed("eg", IPhi=[[1, 256], [2]]), "row 0: 'eg' has phi 256, but the field holds 0 to 255"),
            (changed("muon", IEt=[[-1, 45, 6], []]), "row 0: 'muon' has pt -1"),
        ],
    )
    def test_a_bad_value(self, tmp_path: Path, objects: dict[str, Any], sentence: str) -> None:
        with pytest.raises(BadValue, match=sentence):
            rows_of(open_source([write_ntuple(tmp_path / "n.root", objects)]))

    def test_floats_where_integers_should_be(self, ntuple: Path, tmp_path: Path) -> None:
        arrays = objects_of(ntuple)
        arrays["tauIEt"] = arrays["tauIEt"] * np.float32(0.5)
        with uproot.recreate(tmp_path / "floats.root") as file:
            file.mkrntuple("l1UpgradeTree/L1UpgradeTree", arrays)
        with pytest.raises(FileUnreadable, match="branch 'tauIEt' of tree .* holds float32, not integers"):
            rows_of(open_source([tmp_path / "floats.root"]))

    def test_truncated_and_damaged_files(self, ntuple: Path) -> None:
        content = ntuple.read_bytes()
        for bad in (content[: len(content) // 2], content[:3000] + b"\xff" * 3000 + content[6000:]):
            ntuple.write_bytes(bad)
            with pytest.raises((FileUnreadable, BadValue)) as caught:
                rows_of(open_source([ntuple]))
            assert "\n" not in str(caught.value)
