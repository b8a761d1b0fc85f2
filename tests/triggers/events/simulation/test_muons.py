"""Muons: from sources to tracks."""

from __future__ import annotations

import numpy as np
import pytest

from triggers.events import packing
from triggers.events.simulation import crossing_kernel, muons_kernel
from triggers.events.simulation.detector import record_of
from triggers.events.simulation.level1 import MuonNumbers
from triggers.events.synthetic_random import mix

PERFECT = MuonNumbers(
    barrel_resolution=0.0,
    overlap_resolution=0.0,
    endcap_resolution=0.0,
    barrel_efficiency=1.0,
    scale=1.0,
    tail=0.0,
    wrong_charge=0.0,
    ghost=0.0,
    angle=0.0,
    single_quality=1.0,
)


def tracks_of(
    muons: list[tuple[float, float, float, int]], numbers: MuonNumbers = PERFECT, seed: int = 1
) -> np.ndarray:
    rows = np.zeros((muons_kernel.MAX_MUONS, 6))
    for i, (pt, eta, phi, charge) in enumerate(muons):
        rows[i] = pt, eta, phi, charge, 0.0, 1.0
    found = np.zeros((muons_kernel.MAX_MUONS, muons_kernel.FIELDS), np.int64)
    stream = np.array([mix(np.uint64(seed))], np.uint64)
    n = muons_kernel.measure(rows, len(muons), record_of(numbers), stream, found)
    return found[:n]


def words_of(tracks: np.ndarray) -> dict[str, np.ndarray]:
    words = np.zeros(8, np.uint64)
    padded = np.zeros((muons_kernel.MAX_MUONS, muons_kernel.FIELDS), np.int64)
    padded[: len(tracks)] = tracks
    crossing_kernel.pack_muons(padded, len(tracks), words)
    return packing.unpack("muon", words)


def test_a_muon_becomes_its_hardware_integers():
    fields = words_of(tracks_of([(20.1, -0.5, 1.0, -1)]))
    assert fields["pt"][0] == 41
    assert fields["eta"][0] == -46
    assert fields["phi"][0] == int(1.0 / (2 * np.pi) * 576)
    assert fields["charge_negative"][0] == 1
    assert fields["charge_valid"][0] == 1
    assert fields["quality"][0] >= 12
    assert 36 <= fields["index"][0] < 72
    assert fields["pt"][1:].sum() == 0


@pytest.mark.parametrize(
    ("eta", "low", "high"), [(2.0, 0, 17), (1.0, 18, 35), (0.3, 36, 71), (-1.0, 72, 89), (-2.0, 90, 107)]
)
def test_the_index_tells_the_track_finder(eta: float, low: int, high: int):
    for seed in range(8):
        for track in tracks_of([(30.0, eta, 2.0, 1)], seed=seed):
            assert low <= track[6] <= high


def test_beyond_the_chambers_there_is_none():
    assert not len(tracks_of([(30.0, 2.6, 0.0, 1)]))


def test_the_best_quality_then_the_hardest_comes_first():
    tracks = tracks_of([(5.0, 0.1, 0.0, 1), (50.0, 0.2, 2.0, 1), (20.0, 0.3, 4.0, 1)])
    assert sorted(tracks[:, 0], reverse=True) == tracks[:, 0].tolist()


def test_muons_too_near_to_each_other_are_one():
    assert len(tracks_of([(20.0, 0.1, 1.0, 1), (20.0, 0.11, 1.01, -1)])) == 1
    assert len(tracks_of([(20.0, 0.1, 1.0, 1), (20.0, 0.11, 1.3, -1)])) == 2


def test_slow_muons_do_not_arrive():
    numbers = MuonNumbers()
    slow = sum(len(tracks_of([(1.5, 0.1, 1.0, 1)], numbers, seed)) for seed in range(100))
    fast = sum(len(tracks_of([(20.0, 0.1, 1.0, 1)], numbers, seed)) for seed in range(100))
    assert slow < 5
    assert fast > 85


def drawn(code: int, pt: float, chance: float, n: int = 3000) -> np.ndarray:
    """Muons of `n` sources, with one kind of decay at rest: along z with 1 GeV."""
    decays = (
        np.array([521], np.int64),
        np.array([5.28]),
        np.array([chance]),
        np.array([0, 1], np.int64),
        np.array([1], np.int64),
        np.array([[[0.0, 0.0, 1.0]]]),
        np.array([[1]], np.int64),
    )
    stream = np.array([mix(np.uint64(3))], np.uint64)
    found = []
    muons = np.zeros((muons_kernel.MAX_MUONS, 6))
    for _ in range(n):
        k = muons_kernel.from_source(
            code, pt, 0.5, 1.0, 0.0, decays, record_of(MuonNumbers(punch_through=0.0)), stream, muons, 0
        )
        found.extend(muons[:k].tolist())
    return np.array(found).reshape(-1, 6)


def test_heavy_hadrons_decay_as_often_as_they_should():
    muons = drawn(521, 10.0, 0.25)
    assert len(muons) / 3000 == pytest.approx(0.25, abs=0.03)
    assert set(muons[:, 3]) == {1.0}
    assert set(drawn(-521, 10.0, 0.25)[:, 3]) == {-1.0}


def test_a_boosted_decay_gives_the_mean_momentum_of_kinematics():
    muons = drawn(521, 20.0, 1.0)
    energy = np.hypot(1.0, 0.10566)
    pt = muons[:, 0] * np.cos(muons[:, 2] - 1.0)
    assert pt.mean() == pytest.approx(20.0 * energy / 5.28, rel=0.03)


def test_kaons_decay_in_flight_more_often_than_pions_and_slow_ones_more_often():
    kaons, pions, fast = (len(drawn(code, pt, 0.0, 20_000)) for code, pt in ((321, 4.0), (211, 4.0), (321, 16.0)))
    assert kaons > 2 * pions > 0
    assert fast < 0.5 * kaons


def test_muons_of_the_record_are_taken_as_they_are():
    assert drawn(13, 12.0, 0.0, 5)[:, :4].tolist() == [[12.0, 0.5, 1.0, -1.0]] * 5
