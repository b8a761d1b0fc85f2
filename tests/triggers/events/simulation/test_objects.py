"""Towers → objects."""

from __future__ import annotations

import numpy as np

from triggers.events import packing
from triggers.events.simulation import clusters_kernel, crossing_kernel, geometry, jets_kernel, sums_kernel
from triggers.events.simulation.detector import record_of
from triggers.events.simulation.level1 import ClusterNumbers, JetNumbers, SumNumbers

JETS = record_of(JetNumbers(scale=1.0, scale_low=0.0, endcap_scale=1.0, forward_scale=1.0, subtracted=1.0))
CLUSTERS = record_of(ClusterNumbers(eg_scale=1.0, eg_scale_low=0.0, tau_scale=1.0, tau_scale_low=0.0))
SUMS = record_of(SumNumbers())
NO_LATE = np.zeros((geometry.ROWS, geometry.COLUMNS), np.float32)
ROW = 44
"""|eta| 0.35 to 0.435."""


def towers(**energies: int) -> np.ndarray:
    """Towers that are empty but for `r44c10=20` and such."""
    total = np.zeros((geometry.ROWS, geometry.COLUMNS), np.int32)
    for place, energy in energies.items():
        row, _, column = place.removeprefix("r").partition("c")
        total[int(row), int(column)] = energy
    return total


def jets_of(total: np.ndarray, late: np.ndarray = NO_LATE) -> np.ndarray:
    found = jets_kernel.empty_jets()
    n = jets_kernel.find_jets(total, late, bool(late.any()), JETS, found)
    return found[:n]


def test_a_jet_is_the_sum_of_its_window_at_its_seed():
    assert jets_of(towers(r44c10=40, r46c13=20, r41c7=10)).tolist() == [[70, 44, 10, 0]]


def test_windows_go_round_in_phi():
    assert jets_of(towers(r44c0=40, r44c70=30)).tolist() == [[70, 44, 0, 0]]


def test_of_two_equal_towers_one_is_the_seed():
    assert len(jets_of(towers(r44c10=40, r45c11=40))) == 1
    assert len(jets_of(towers(r44c10=40, r43c11=40))) == 1


def test_distant_energy_makes_two_jets_ordered_by_energy():
    assert jets_of(towers(r44c10=40, r44c40=60))[:, 0].tolist() == [60, 40]


def test_even_pileup_is_taken_off():
    total = np.full((geometry.ROWS, geometry.COLUMNS), 2, np.int32)
    total[44, 10] = 100
    assert jets_of(total)[:, 0].tolist() == [98]


def test_a_tower_below_four_gev_is_no_seed():
    assert not len(jets_of(towers(r44c10=7, r44c11=7, r45c10=7)))


def test_late_energy_makes_a_displaced_jet():
    late = NO_LATE.copy()
    late[44, 10] = 64 * 30
    assert jets_of(towers(r44c10=80), late)[0, 3] == 1
    assert jets_of(towers(r44c10=800), late * 0.1)[0, 3] == 0


def eg_of(em: np.ndarray, had: np.ndarray, near: int = 0) -> np.ndarray:
    found = np.zeros((clusters_kernel.MAX_CLUSTERS, 4), np.int64)
    n = clusters_kernel.find_eg(em, had, em + had, near, CLUSTERS, found)
    return found[:n]


def test_a_lonely_electron_is_isolated():
    assert eg_of(towers(r44c10=60, r44c11=10), towers()).tolist() == [[70, 44, 10, 3]]


def test_energy_around_spoils_isolation_unless_pileup_explains_it():
    em, around = towers(r44c10=60), towers(r47c13=50)
    assert eg_of(em, around)[0, 3] == 0
    assert eg_of(em, around, near=300)[0, 3] == 3


def test_hadronic_energy_behind_is_no_electron_unless_it_is_hard():
    assert not len(eg_of(towers(r44c10=60), towers(r44c10=30)))
    assert len(eg_of(towers(r44c10=400), towers(r44c10=30))) == 1


def test_a_tau_takes_both_calorimeters():
    found = np.zeros((clusters_kernel.MAX_CLUSTERS, 4), np.int64)
    n = clusters_kernel.find_taus(towers(r44c10=50, r45c10=20), 0, CLUSTERS, found)
    assert found[:n].tolist() == [[70, 44, 10, 1]]


def sums_of(total: np.ndarray, em: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    words, regions = np.zeros(12, np.uint32), np.zeros(252, np.uint16)
    phi = (np.arange(geometry.COLUMNS) + 0.5) * 2 * np.pi / geometry.COLUMNS
    found = np.zeros((jets_kernel.MAX_JETS, 4), np.int64)
    n = jets_kernel.find_jets(total, NO_LATE, False, JETS, found)
    electromagnetic = total if em is None else em
    sums_kernel.fill_sums(total, electromagnetic, 0, found, n, np.cos(phi), np.sin(phi), SUMS, words, regions)
    return words, regions


def value(words: np.ndarray, name: str) -> int:
    return int(packing.sum_values(words[None, :], name)[0])


def test_missing_energy_balances_one_tower():
    words, _ = sums_of(towers(r44c0=100))
    assert value(words, "ett") == value(words, "ettem") == 100
    assert value(words, "htt") == 100
    assert value(words, "etm") in (99, 100)
    assert value(words, "etm_phi") == 73
    assert value(words, "htm_phi") == 73
    assert value(words, "towercount") == 1


def test_balanced_energy_leaves_nothing_missing():
    words, _ = sums_of(towers(r44c0=100, r44c36=100))
    assert value(words, "etm") == 0
    assert value(words, "htt") == 200


def test_forward_energy_is_only_in_the_sums_with_hf():
    words, _ = sums_of(towers(r75c10=100))
    assert value(words, "ett") == 0
    assert value(words, "etm") == 0
    assert value(words, "etmhf") in (99, 100)
    assert value(words, "mbt0hfp") == 1


def test_sums_saturate():
    words, _ = sums_of(np.full((geometry.ROWS, geometry.COLUMNS), 511, np.int32))
    assert value(words, "ett") == 4095


def test_regions_are_four_by_four_towers():
    _, regions = sums_of(towers(r12c0=5, r15c3=6, r67c71=9))
    assert regions[0] == 11
    assert regions[251] == 9
    assert regions.sum() == 20


def test_words_hold_the_twelve_best():
    objects = np.zeros((20, 4), np.int64)
    objects[:, 0] = np.arange(100, 80, -1)
    objects[:, 1], objects[:, 2], objects[:, 3] = 39, 71, 1
    words = np.zeros(12, np.uint32)
    crossing_kernel.pack_calo(objects, 20, 19, 27, geometry.row_eta_hw(), words, 11)
    fields = packing.unpack("jet", words)
    assert fields["et"].tolist() == list(range(100, 88, -1))
    assert set(fields["eta"]) == {-1}
    assert set(fields["phi"]) == {143}
    assert set(fields["displaced"]) == {1}
