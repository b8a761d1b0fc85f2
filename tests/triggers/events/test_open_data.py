"""The CMS L1 anomaly-detection open data set (docs/formats.md, "Open data set")."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.triggers.events.events_data import rows_of, same_rows, view
from tests.triggers.events.foreign_files import (
    ALL_ONES_32,
    ALL_ONES_64,
    open_data_table,
    replaced,
    write_open_data,
    write_seeds,
)
from triggers.errors import BadValue, FileUnreadable
from triggers.events import packing
from triggers.events.open import SourceFormat, open_source
from triggers.events.packing import sum_values
from triggers.events.readers.open_data import OpenDataSource
from triggers.events.source import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ZB_run396102"


def first_objects(source: Source, column: str) -> dict[str, list[int]]:
    words = view(rows_of(source), column)
    return {name: values.tolist() for name, values in packing.unpack(column, words[0][words[0] != 0]).items()}


class TestObjects:
    @pytest.mark.parametrize("make_list", [pa.large_list, pa.list_], ids=["large list", "list"])
    def test_muons_keep_the_order_of_the_readout(self, folder: Path, make_list: type) -> None:
        muons = first_objects(open_source([write_open_data(folder, open_data_table(1, make_list))]), "muon")
        assert muons["pt"] == [11, 45]
        assert muons["quality"] == [12, 8]
        assert muons["index"] == [9, 107]
        assert muons["pt_unconstrained"] == [2, 0]

    def test_muons_stand_where_they_are_at_the_vertex(self, folder: Path) -> None:
        muons = first_objects(open_source([write_open_data(folder, open_data_table())]), "muon")
        assert muons["eta"] == [159, -225]
        assert muons["phi"] == [399, 10]
        assert muons["phi_raw"] == [367, 20]

    def test_a_charge_is_a_sign_or_not_known(self, folder: Path) -> None:
        words = view(rows_of(open_source([write_open_data(folder, open_data_table())])), "muon")
        fields = packing.unpack("muon", words[[0, 0, 2], [0, 1, 0]])
        assert fields["charge_valid"].tolist() == [1, 1, 0]
        assert fields["charge_negative"].tolist() == [0, 1, 0]

    def test_calorimeter_objects(self, folder: Path) -> None:
        source = open_source([write_open_data(folder, open_data_table())])
        assert first_objects(source, "eg") == {"et": [60], "eta": [-1], "phi": [72], "isolation": [3]}
        assert first_objects(source, "tau")["et"] == []
        table = rows_of(source)
        jets = packing.unpack("jet", view(table, "jet")[[0, 0, 1], [0, 1, 0]])
        assert jets["eta"].tolist() == [-9, 114, -115]
        assert jets["displaced"].tolist() == [0, 1, 0]
        assert jets["quality"].tolist() == [0, 0, 1]

    def test_sums_come_one_by_one(self, folder: Path) -> None:
        sums = view(rows_of(open_source([write_open_data(folder, open_data_table())])), "sums")
        first = {name: int(sum_values(sums, name)[0]) for name in packing.SUMS if sum_values(sums, name)[0]}
        assert first == {
            "ett": 900,
            "ettem": 400,
            "htt": 200,
            "towercount": 8191,
            "etm": 72,
            "etm_phi": 82,
            "htm": 30,
            "htm_phi": 1,
            "etmhf": 75,
            "etmhf_phi": 83,
            "htmhf": 31,
            "htmhf_phi": 2,
        }

    def test_saturated_crossings_are_kept(self, folder: Path) -> None:
        source = open_source([write_open_data(folder, open_data_table())])
        assert sum_values(view(rows_of(source), "sums"), "ett")[1] == 4095
        assert any("order: left out" in sentence for sentence in source.info.missing)

    def test_energies_beyond_the_field_are_overflows(self, folder: Path) -> None:
        table = replaced(open_data_table(), "jets_jetIEt", pa.array([[4095, 1], [2], []], pa.large_list(pa.int16())))
        jets = view(rows_of(open_source([write_open_data(folder, table)])), "jet")
        assert packing.unpack("jet", jets)["et"][0, :2].tolist() == [2047, 1]

    def test_lists_of_length_one_may_be_plain_values(self, folder: Path) -> None:
        plain = pa.array([900, 4095, 0], pa.int16())
        run = pa.array([[396102]] * 3, pa.large_list(pa.uint32()))
        table = replaced(replaced(open_data_table(), "ET_Et", plain), "run", run)
        one = rows_of(open_source([write_open_data(folder, table)]))
        other = rows_of(open_source([write_open_data(folder / "b", open_data_table())]))
        assert one["sums"].to_pylist() == other["sums"].to_pylist()
        assert one["run"].to_pylist() == [396102] * 3


class TestTimesAndNames:
    def test_times_in_order_are_kept(self, folder: Path) -> None:
        table = open_data_table(700)
        rows = rows_of(open_source([write_open_data(folder, table)]), 100)
        for ours, theirs in (("lumi_section", "lumi"), ("orbit", "orbit"), ("bx", "bx"), ("event", "event")):
            assert rows[ours].to_pylist() == table[theirs].to_pylist()

    def test_all_ones_are_no_times(self, folder: Path) -> None:
        table = replaced(open_data_table(), "bx", pa.array([ALL_ONES_32] * 3, pa.uint32()))
        table = replaced(table, "orbit", pa.array([ALL_ONES_64] * 3, pa.uint64()))
        source = open_source([write_open_data(folder, table)])
        assert rows_of(source)["orbit"].to_pylist() == [1, 1, 1]
        assert rows_of(source)["bx"].to_pylist() == [0, 3, 6]
        assert any("not known there (all ones)" in sentence for sentence in source.info.missing)

    def test_rows_out_of_order_get_new_slots_but_keep_run_and_event(self, folder: Path) -> None:
        table = open_data_table(2)
        shuffled = table.take([3, 1, 0, 5, 4, 2])
        source = open_source([write_open_data(folder, shuffled)])
        rows = rows_of(source, 4)
        assert rows["bx"].to_pylist() == [0, 3, 6, 9, 12, 15]
        assert rows["event"].to_pylist() == shuffled["event"].to_pylist()
        assert set(rows["run"].to_pylist()) == {396102}
        assert any("not in time order (" in sentence for sentence in source.info.missing)
        assert rows["lumi_section"].to_pylist() == [40] * 6

    def test_lumi_sections_that_go_back_are_made_too(self, folder: Path) -> None:
        table = replaced(open_data_table(), "lumi", pa.array([41, 40, 42], pa.uint32()))
        rows = rows_of(open_source([write_open_data(folder, table)]))
        assert rows["lumi_section"].to_pylist() == [1, 1, 1]

    def test_files_are_one_run(self, folder: Path) -> None:
        table = open_data_table(4)
        write_open_data(folder, table.slice(0, 6), "train-00000-of-00002.parquet")
        write_open_data(folder, table.slice(6), "train-00001-of-00002.parquet")
        whole = rows_of(open_source([write_open_data(folder / "whole", table)]))
        source = open_source([folder / "train-*.parquet"])
        assert source.info.n_crossings == 12
        assert same_rows(rows_of(source, 5), whole)

    def test_pileup_and_process(self, folder: Path) -> None:
        rows = rows_of(open_source([write_open_data(folder, open_data_table())]))
        assert rows["pileup"].to_pylist() == [62.25] * 3
        assert rows["process"].to_pylist() == ["ZB_run396102"] * 3

    def test_without_a_name_the_folder_gives_it(self, folder: Path) -> None:
        table = open_data_table().drop_columns(["dataset"])
        rows = rows_of(open_source([write_open_data(folder.parent / "WtoTauto3Mu", table)]))
        assert rows["process"].to_pylist() == ["WtoTauto3Mu"] * 3

    def test_an_integer_pileup_and_a_negative_one(self, folder: Path) -> None:
        table = replaced(open_data_table(), "nPV_True", pa.array([50, 51, 52], pa.int32()))
        assert rows_of(open_source([write_open_data(folder, table)]))["pileup"].to_pylist() == [50, 51, 52]
        table = replaced(open_data_table(), "nPV_True", pa.array([-1.0] * 3, pa.float32()))
        source = open_source([write_open_data(folder / "b", table)])
        assert "pileup" not in source.info.optional_columns
        assert "pileup" not in rows_of(source).schema.names

    def test_what_it_lacks_is_named(self, folder: Path) -> None:
        info = open_source([write_open_data(folder, open_data_table())]).info
        assert {"muon.isolation", "muon.impact_parameter", "external", "neighbours"} <= set(info.lacking)
        assert {"sums.asymet", "sums.mbt0hfp", "sums.cicada_3"} <= set(info.lacking)
        assert not {"jet.displaced", "sums.towercount", "muon.charge"} & set(info.lacking)
        assert any("(ISO) cannot be evaluated" in sentence for sentence in info.missing)


SEEDS = {"L1_A": [True, False, False], "L1_B": [False, True, False], "L1_OLD": [True, True, True]}
MENU = {"L1_A": 3, "L1_B": 200, "L1_C": 4}


class TestSeeds:
    @pytest.fixture
    def data(self, folder: Path) -> Path:
        table = open_data_table(4)
        data = write_open_data(folder, table)
        write_seeds(data, table, {name: values * 4 for name, values in SEEDS.items()})
        return data

    def test_decisions_get_the_bits_of_a_menu(self, data: Path) -> None:
        source = open_source([data], algorithms=MENU)
        rows = rows_of(source, 5)
        expected, known = view(rows, "expected"), view(rows, "expected_known")
        assert [packing.set_bits(words).tolist() for words in expected[:3]] == [[3], [200], []]
        assert same_rows(rows, rows_of(source, 12))
        assert [packing.set_bits(words).tolist() for words in known] == [[3, 200]] * 12

    def test_names_that_the_menu_does_not_have_are_told(self, data: Path) -> None:
        info = open_source([data], algorithms=MENU).info
        assert info.expected_names == ("L1_A", "L1_B", "L1_OLD")
        assert any("the menu has no L1_OLD" in sentence for sentence in info.missing)

    def test_without_a_menu_there_are_names_but_no_bits(self, data: Path) -> None:
        info = open_source([data]).info
        assert "expected" not in info.optional_columns
        assert any("3 seeds are known by name" in sentence for sentence in info.missing)

    def test_globs_may_take_the_seeds_files_in(self, data: Path) -> None:
        assert open_source([data.parent / "**" / "*.parquet"], algorithms=MENU).info.n_crossings == 12

    def test_a_seeds_file_alone_is_refused(self, data: Path) -> None:
        with pytest.raises(BadValue, match="holds decisions only; name the data file"):
            open_source([data.parent / "seeds" / data.name])

    def test_files_that_do_not_belong_together(self, data: Path) -> None:
        table = open_data_table(4)
        write_seeds(data, table.slice(0, 9), {name: values * 3 for name, values in SEEDS.items()})
        with pytest.raises(BadValue, match=r"has 9 rows, but .* has 12"):
            open_source([data], algorithms=MENU)
        other = table.take([0, 1, 2, 4, 3, *range(5, 12)])
        write_seeds(data, other, {name: values * 4 for name, values in SEEDS.items()})
        with pytest.raises(BadValue, match=r"seeds/.*row 3: 'event' is 1028, but 1021 in the data file"):
            rows_of(open_source([data], algorithms=MENU))

    def test_one_file_of_several_without_seeds_leaves_all_without(self, data: Path) -> None:
        other = write_open_data(data.parent, open_data_table(), "valid-00000-of-00001.parquet")
        info = open_source([data, other], algorithms=MENU).info
        assert "expected" not in info.optional_columns
        assert any("valid-00000-of-00001.parquet has no seeds file" in sentence for sentence in info.missing)


class TestBadFiles:
    def test_a_missing_column(self, folder: Path) -> None:
        path = write_open_data(folder, open_data_table().drop_columns(["jets_jetIEta"]))
        with pytest.raises(FileUnreadable, match="has no column 'jets_jetIEta'"):
            open_source([path])

    def test_a_column_that_may_be_missing_is_lacking(self, folder: Path) -> None:
        path = write_open_data(folder, open_data_table().drop_columns(["egammas_egIso", "HT_tower_count"]))
        lacking = open_source([path]).info.lacking
        assert {"eg.isolation", "sums.towercount"} <= set(lacking)
        assert rows_of(open_source([path])).num_rows == 3

    @pytest.mark.parametrize(
        ("name", "values", "sentence"),
        [
            ("jets_jetIEt", pa.array([1, 2, 3], pa.int16()), "is int16, not a list of integers"),
            ("jets_jetIEt", pa.array([[1.0, 2.0], [3.0], []]), "is list<.*double>, not a list of integers"),
            ("run", pa.array([1.0, 1.0, 1.0]), "column 'run' is double, not integers"),
            ("nPV_True", pa.array(["a"] * 3), "column 'nPV_True' is string, not numbers"),
        ],
    )
    def test_a_column_of_another_type(self, folder: Path, name: str, values: pa.Array, sentence: str) -> None:
        path = write_open_data(folder, replaced(open_data_table(), name, values))
        with pytest.raises(FileUnreadable, match=sentence):
            open_source([path])

    @pytest.mark.parametrize(
        ("name", "lists", "sentence"),
        [
            ("jets_jetIEta", [[-9], [-115], []], r"row 0: column 'jets_jetIEta' has 1 values, but 'jets_jetIEt' has 2"),
            ("ET_Et", [[1], [], [1]], "row 1: column 'ET_Et' has 0 values instead of one"),
            ("ET_Et", [[1], [-1], [1]], "row 1: the sum 'ett' is -1, but the field holds 0 to 4095"),
            ("egammas_egIPhi", [[72], [1, 300], []], r"row 1: 'eg' has phi 300, but the field holds 0 to 255"),
            ("muons_muonIEt", [[11, 45], None, [511]], "row 1: column 'muons_muonIEt' has no value"),
        ],
    )
    def test_a_bad_value(self, folder: Path, name: str, lists: list[list[int]], sentence: str) -> None:
        path = write_open_data(folder, replaced(open_data_table(), name, pa.array(lists, pa.large_list(pa.int16()))))
        with pytest.raises(BadValue, match=sentence):
            rows_of(open_source([path]))

    def test_more_objects_than_the_link_has_slots(self, folder: Path) -> None:
        table = open_data_table()
        for name in ("jetIEt", "jetIEta", "jetIPhi", "jetHwQual"):
            table = replaced(table, f"jets_{name}", pa.array([[1] * 13, [], []], pa.large_list(pa.int16())))
        with pytest.raises(BadValue, match="row 0: has 13 objects in 'jet', but the link carries 12"):
            rows_of(open_source([write_open_data(folder, table)]))

    def test_a_truncated_file(self, folder: Path) -> None:
        path = write_open_data(folder, open_data_table(50))
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(FileUnreadable, match="is no readable"):
            open_source([path])

    def test_a_damaged_page(self, folder: Path) -> None:
        path = write_open_data(folder, open_data_table(200))
        content = bytearray(path.read_bytes())
        start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
        content[start + 1 : start + 40] = b"\xff" * 39
        path.write_bytes(content)
        with pytest.raises((FileUnreadable, BadValue)):
            rows_of(open_source([path]))

    def test_the_format_may_be_named(self, folder: Path) -> None:
        path = write_open_data(folder, open_data_table())
        assert isinstance(open_source([path], SourceFormat.OPEN_DATA), OpenDataSource)
        assert np.count_nonzero(view(rows_of(open_source([path])), "muon")) == 3
