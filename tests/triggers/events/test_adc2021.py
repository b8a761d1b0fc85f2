"""The data set ADC2021 (docs/formats.md, "ADC2021")."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.triggers.events.events_data import rows_of, same_rows, view
from tests.triggers.events.foreign_files import write_adc2021
from triggers.errors import BadValue, FileUnreadable
from triggers.events import packing, scales
from triggers.events.open import open_source
from triggers.events.packing import sum_values


def crossings(n: int) -> np.ndarray:
    """MET, one electron, two muons, one jet in each of n crossings; zero-padded."""
    particles = np.zeros((n, 19, 4), np.float32)
    particles[:, 0] = [36.2, 0.0, -2.5, 1]
    particles[:, 1] = [30.7, -1.3, 3.0, 2]
    particles[:, 5] = [25.1, 2.05, -0.01, 3]
    particles[:, 6] = [4.2, -0.4, 1.0, 3]
    particles[:, 9] = [1500.0, 3.9, 0.5, 4]
    return particles


def test_particles_become_objects_in_the_bins_of_the_trigger(tmp_path: Path) -> None:
    rows = rows_of(open_source([write_adc2021(tmp_path / "bkg.h5", crossings(2))]))
    muons = packing.unpack("muon", view(rows, "muon")[0, :2])
    assert muons["pt"].tolist() == [51, 9]
    assert muons["eta"].tolist() == [round(2.05 / 0.010875), round(-0.4 / 0.010875)]
    assert muons["phi"].tolist() == [575, int(1.0 / (2 * np.pi / 576))]
    eg = packing.unpack("eg", view(rows, "eg")[0, :1])
    assert [int(eg[name][0]) for name in ("et", "eta", "phi")] == [61, -30, 68]
    assert np.count_nonzero(view(rows, "jet")) == 2
    assert packing.unpack("jet", view(rows, "jet")[0, :1])["et"].tolist() == [scales.JET_ET.highest]


def test_the_one_missing_energy_is_both_of_the_triggers(tmp_path: Path) -> None:
    sums = view(rows_of(open_source([write_adc2021(tmp_path / "bkg.h5", crossings(1))])), "sums")
    assert sum_values(sums, "etm").tolist() == sum_values(sums, "etmhf").tolist() == [72]
    expected = int((2 * np.pi - 2.5) / (2 * np.pi / 144))
    assert sum_values(sums, "etm_phi").tolist() == sum_values(sums, "etmhf_phi").tolist() == [expected]


def test_strangers_are_no_neighbours_and_rates_are_warned_of(tmp_path: Path) -> None:
    source = open_source([write_adc2021(tmp_path / "bkg.h5", crossings(3))])
    assert rows_of(source)["bx"].to_pylist() == [0, 3, 6]
    assert source.info.n_crossings == 3
    assert any("are not trigger rates" in sentence for sentence in source.info.missing)
    assert {"tau", "muon.quality", "sums.htt", "external"} <= set(source.info.lacking)


def test_the_black_box_keeps_its_event_numbers(tmp_path: Path) -> None:
    path = write_adc2021(tmp_path / "box.h5", crossings(3), EvtId=np.array([9, 7, 8]))
    assert rows_of(open_source([path]))["event"].to_pylist() == [9, 7, 8]


def test_batches_do_not_depend_on_their_size_or_on_the_files_chunks(tmp_path: Path) -> None:
    particles = crossings(100)
    particles[:, 9, 0] = np.arange(100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("Particles", data=particles, chunks=(7, 19, 4))
    write_adc2021(tmp_path / "b.h5", particles[:10])
    source = open_source([tmp_path / "a.h5", tmp_path / "b.h5"])
    assert source.info.n_crossings == 110
    assert same_rows(rows_of(source, 3), rows_of(source, 1000))


@pytest.mark.parametrize(
    ("particles", "sentence"),
    [
        (np.zeros((3, 18, 4), np.float32), r"is float32 \(3, 18, 4\), not floating-point \(N, 19, 4\)"),
        (np.zeros((3, 19, 4), np.int32), "is int32"),
    ],
)
def test_another_shape_or_type(tmp_path: Path, particles: np.ndarray, sentence: str) -> None:
    with pytest.raises(FileUnreadable, match=sentence):
        open_source([write_adc2021(tmp_path / "bkg.h5", particles)])


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ((1, 5, 3), 2.0, r"row 1: a particle stands where only class 3 \(muon\) may stand"),
        ((2, 0, 3), 4.0, r"row 2: .* class 1 \(met\)"),
        ((0, 9, 0), np.nan, "row 0: a value is not a finite number"),
    ],
)
def test_a_bad_particle(tmp_path: Path, place: tuple[int, int, int], value: float, sentence: str) -> None:
    particles = crossings(3)
    particles[place] = value
    with pytest.raises(BadValue, match=sentence):
        rows_of(open_source([write_adc2021(tmp_path / "bkg.h5", particles)]))


def test_files_that_are_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["Jets"] = np.zeros(3)
    with pytest.raises(FileUnreadable, match="has no data set 'Particles'"):
        open_source([tmp_path / "other.h5"])
    path = write_adc2021(tmp_path / "cut.h5", crossings(500))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileUnreadable, match="is no readable ADC2021 file"):
        rows_of(open_source([path]))
    with pytest.raises(FileUnreadable, match="EvtId"):
        open_source([write_adc2021(tmp_path / "box.h5", crossings(3), EvtId=np.arange(4))])
