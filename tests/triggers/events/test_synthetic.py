"""The synthetic source: reproducible from anywhere, legal words, and numbers and rates like those of real zero bias."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.errors import BadValue
from triggers.events import packing, schema
from triggers.events.crossings import column_view, slots
from triggers.events.synthetic import MAX_CROSSINGS, SyntheticSource, allocate

MULTIPLICITIES_AT_60 = {"jet": 3.5, "eg": 5.0, "tau": 9.0, "muon": 0.1}
"""Mean numbers of objects in a zero-bias crossing at pile-up 60, CMS data of 2025."""

MEASURED = {
    "L1_SingleEG36er2p5": 4.409e-4,
    "L1_SingleEG45er2p5": 2.123e-4,
    "L1_SingleIsoEG28er2p5": 6.756e-4,
    "L1_SingleIsoEG30er2p1": 4.533e-4,
    "L1_SingleIsoEG34er2p5": 4.705e-4,
    "L1_SingleLooseIsoEG28er2p5": 8.575e-4,
    "L1_SingleJet180": 8.435e-5,
    "L1_SingleJet180er2p5": 7.875e-5,
    "L1_SingleMu22": 2.379e-4,
    "L1_SingleMu25": 1.859e-4,
    "L1_SingleTau120er2p1": 7.556e-5,
    "L1_SingleTau130er2p1": 5.717e-5,
    "L1_ETM150": 3.198e-5,
    "L1_ETMHF100": 7.755e-5,
    "L1_ETMHF120": 4.118e-5,
    "L1_ETMHF140": 2.958e-5,
    "L1_HTT360er": 9.874e-5,
}
"""Probability that a seed fires in a zero-bias crossing: LHC fill 7005 (2018), pile-up 41.8."""

ER2P1, ER2P5 = 48, 57
TIGHT, LOOSE = (1, 3), (2, 3)


def whole(source: SyntheticSource, n_rows: int) -> pa.Table:
    return pa.Table.from_batches(list(source.batches(n_rows))).combine_chunks()


def objects(table: pa.Table, column: str) -> np.ndarray:
    return column_view(table.column(column).chunk(0))


@pytest.fixture(scope="module")
def at_60() -> dict[str, np.ndarray]:
    columns = allocate(200_000)
    SyntheticSource(0, seed=3).fill(columns, 0)
    return columns


@settings(max_examples=30)
@given(
    first=st.one_of(st.integers(0, 5000), st.just(MAX_CROSSINGS - 500)),
    skip=st.integers(0, 200),
    n_rows=st.integers(1, 700),
    seed=st.integers(0, 2**64 - 1),
)
def test_a_crossing_is_the_same_in_any_batch_from_any_start(first: int, skip: int, n_rows: int, seed: int) -> None:
    all_at_once = whole(SyntheticSource(500, seed, first=first), 500)
    resumed = whole(SyntheticSource(500 - skip, seed, first=first + skip), n_rows)
    assert resumed.equals(all_at_once.slice(skip).combine_chunks())


def test_fill_writes_what_batches_yield_into_any_rows() -> None:
    source = SyntheticSource(100, seed=9, first=40)
    columns = allocate(150)
    source.fill({name: values[50:] for name, values in columns.items()}, 40)
    expected = whole(source, 33)
    for name, values in columns.items():
        assert np.array_equal(values[50:], objects(expected, name))


def test_seeds_give_unrelated_crossings() -> None:
    one, two = (objects(whole(SyntheticSource(2000, seed), 2000), "tau") for seed in (1, 2))
    assert (one == two)[(one != 0) & (two != 0)].mean() < 0.001


def test_batches_have_the_schema_and_strangers_are_never_neighbours() -> None:
    source = SyntheticSource(5000, first=1000)
    sizes = []
    for batch in source.batches(1024):
        assert batch.schema.equals(schema.schema_with(source.info.optional_columns))
        sizes.append(batch.num_rows)
    assert sizes == [1024] * 4 + [904]
    table = whole(source, 5000)
    assert np.diff(slots(table.to_batches()[0])).min() >= 3
    assert np.array_equal(objects(table, "event"), np.arange(1000, 6000))
    assert objects(table, "bx").max() < schema.SLOTS_PER_ORBIT
    assert (objects(table, "run") == 1).all()
    assert (objects(table, "lumi_section") == 1).all()


def test_an_empty_source_yields_one_empty_batch() -> None:
    assert [batch.num_rows for batch in SyntheticSource(0).batches(10)] == [0]


def test_colliding_bunches_set_the_beam_channels(at_60: dict[str, np.ndarray]) -> None:
    assert (at_60["external"] == [0xF0, 0, 0, 0]).all()


@pytest.mark.parametrize("column", ["muon", "eg", "tau", "jet"])
def test_objects_are_sorted_and_come_before_empty_slots(column: str, at_60: dict[str, np.ndarray]) -> None:
    words = at_60[column]
    energy = packing.unpack(column, words)["pt" if column == "muon" else "et"]
    assert (np.diff(energy, axis=1) <= 0).all()
    assert ((energy > 0) == (words != 0)).all()


@pytest.mark.parametrize(("column", "max_eta"), [("eg", 69), ("tau", 53), ("jet", 114)])
def test_calorimeter_objects_are_inside_the_detector_all_around(
    column: str, max_eta: int, at_60: dict[str, np.ndarray]
) -> None:
    words = at_60[column]
    fields = packing.unpack(column, words[words != 0])
    assert np.abs(fields["eta"]).max() <= max_eta
    assert abs(fields["eta"].mean()) < 1
    assert set(np.unique(fields["phi"])) == set(range(144))
    assert np.bincount(fields["phi"]).min() > 0.8 * np.bincount(fields["phi"]).mean()
    if column != "jet":
        assert 0.4 < (fields["isolation"] > 0).mean() < 0.99


def test_muon_fields_agree_with_each_other(at_60: dict[str, np.ndarray]) -> None:
    words = at_60["muon"]
    muon = packing.unpack("muon", words[words != 0])
    assert np.abs(muon["eta"]).max() <= 225
    assert max(muon["phi"].max(), muon["phi_raw"].max()) < 576
    assert set(np.unique(muon["quality"])) == set(range(4, 16))
    assert (muon["charge_valid"] == 1).all()
    assert 0.45 < muon["charge_negative"].mean() < 0.55
    assert (muon["shower"] == 0).all()
    parts = [(0, 17, 114, 225), (18, 35, 76, 113), (36, 71, -75, 75), (72, 89, -113, -76), (90, 107, -225, -114)]
    for first, last, low, high in parts:
        there = (muon["index"] >= first) & (muon["index"] <= last)
        assert there.any()
        assert ((muon["eta"][there] >= low) & (muon["eta"][there] <= high)).all()
    turn = (muon["phi_raw"] - muon["phi"] + 288) % 576 - 288
    assert np.abs(turn).max() <= 60
    assert ((turn > 0) == (muon["charge_negative"] == 1))[turn != 0].all()
    assert len(np.unique(muon["pt_unconstrained"])) > 10
    assert Counter(muon["impact_parameter"].tolist()).keys() == {0, 1, 2, 3}


def test_sums_follow_from_the_jets(at_60: dict[str, np.ndarray]) -> None:
    jet = packing.unpack("jet", at_60["jet"])
    counted = np.where(jet["et"] >= 60, jet["et"], 0)
    central = np.where((jet["eta"] >= -57) & (jet["eta"] < 57), counted, 0)
    value = {quantity: packing.sum_values(at_60["sums"], quantity) for quantity in packing.SUMS}
    assert np.array_equal(value["htt"], np.minimum(central.sum(axis=1), 4095))
    assert (value["htm"] <= value["htt"]).all()
    angle = (jet["phi"] + 0.5) * 2 * np.pi / 144
    for quantity, energy in (("htm", central), ("htmhf", counted)):
        size = np.hypot((energy * np.cos(angle)).sum(axis=1), (energy * np.sin(angle)).sum(axis=1))
        assert np.abs(value[quantity] - np.minimum(size, 4095)).max() < 0.51
    assert (value["ettem"] <= value["ett"]).all()
    for quantity in ("etm_phi", "htm_phi", "etmhf_phi", "htmhf_phi"):
        assert value[quantity].max() == 143
    assert 16 < 0.5 * np.median(value["etm"]) < 21
    assert not at_60["sums"][:, 6:].any()


@pytest.mark.parametrize("column", MULTIPLICITIES_AT_60)
def test_numbers_of_objects_at_pileup_60_are_those_of_zero_bias(column: str, at_60: dict[str, np.ndarray]) -> None:
    mean = (at_60[column] != 0).sum(axis=1).mean()
    assert MULTIPLICITIES_AT_60[column] <= mean <= 1.2 * MULTIPLICITIES_AT_60[column]


def test_pileup_fluctuates_and_more_of_it_gives_more_of_everything(at_60: dict[str, np.ndarray]) -> None:
    at_20 = allocate(50_000)
    SyntheticSource(0, seed=3, pileup=20).fill(at_20, 0)
    for columns, mean in ((at_20, 20), (at_60, 60)):
        assert columns["pileup"].mean() == pytest.approx(mean, rel=0.01)
        assert columns["pileup"].var() == pytest.approx(mean, rel=0.05)
    for column in MULTIPLICITIES_AT_60:
        number_20, number_60 = ((columns[column] != 0).sum(axis=1).mean() for columns in (at_20, at_60))
        assert number_20 < 0.5 * number_60
    n_tau = (at_60["tau"] != 0).sum(axis=1)
    assert n_tau[at_60["pileup"] > 68].mean() > n_tau[at_60["pileup"] < 52].mean() + 0.5
    ett_20, ett_60 = (packing.sum_values(columns["sums"], "ett").mean() for columns in (at_20, at_60))
    assert ett_20 < 0.5 * ett_60


def test_no_interaction_leaves_nothing() -> None:
    table = whole(SyntheticSource(1000, pileup=0), 1000)
    for column in MULTIPLICITIES_AT_60:
        assert not objects(table, column).any()
    assert not packing.sum_values(objects(table, "sums"), "ett").any()


def test_the_greatest_pileup_fills_the_slots_without_overflow() -> None:
    table = whole(SyntheticSource(20_000, pileup=300), 20_000)
    assert (objects(table, "tau") != 0).all()
    assert (packing.unpack("tau", objects(table, "tau"))["et"] < 511).mean() > 0.999


def fired(columns: dict[str, np.ndarray]) -> dict[str, int]:
    """How many crossings fire each seed of `MEASURED`; thresholds as in the menu Collisions2018 v2_1_0."""
    eg, tau, jet, muon = (packing.unpack(column, columns[column]) for column in ("eg", "tau", "jet", "muon"))

    def count(et: np.ndarray, gev: float, eta: np.ndarray | None = None, within: int = 127) -> np.ndarray:
        passes = et >= 2 * gev
        return passes if eta is None else passes & (eta >= -within - 1) & (eta <= within)

    def single_eg(gev: float, within: int, isolation: tuple[int, ...] = (0, 1, 2, 3)) -> int:
        passes = count(eg["et"], gev, eg["eta"], within) & np.isin(eg["isolation"], isolation)
        return int(passes.any(axis=1).sum())

    def single(found: np.ndarray) -> int:
        return int(found.any(axis=1).sum())

    def energy_sum(quantity: str, gev: float) -> int:
        return int(count(packing.sum_values(columns["sums"], quantity), gev).sum())

    good_muon = muon["quality"] >= 12
    return {
        "L1_SingleEG36er2p5": single_eg(36, ER2P5),
        "L1_SingleEG45er2p5": single_eg(45, ER2P5),
        "L1_SingleIsoEG28er2p5": single_eg(28, ER2P5, TIGHT),
        "L1_SingleIsoEG30er2p1": single_eg(30, ER2P1, TIGHT),
        "L1_SingleIsoEG34er2p5": single_eg(34, ER2P5, TIGHT),
        "L1_SingleLooseIsoEG28er2p5": single_eg(28, ER2P5, LOOSE),
        "L1_SingleJet180": single(count(jet["et"], 180)),
        "L1_SingleJet180er2p5": single(count(jet["et"], 180, jet["eta"], ER2P5)),
        "L1_SingleMu22": single(good_muon & (muon["pt"] >= 2 * 22 + 1)),
        "L1_SingleMu25": single(good_muon & (muon["pt"] >= 2 * 25 + 1)),
        "L1_SingleTau120er2p1": single(count(tau["et"], 120, tau["eta"], ER2P1)),
        "L1_SingleTau130er2p1": single(count(tau["et"], 130, tau["eta"], ER2P1)),
        "L1_ETM150": energy_sum("etm", 150),
        "L1_ETMHF100": energy_sum("etmhf", 100),
        "L1_ETMHF120": energy_sum("etmhf", 120),
        "L1_ETMHF140": energy_sum("etmhf", 140),
        "L1_HTT360er": energy_sum("htt", 360),
    }


def test_single_object_and_sum_seeds_fire_like_in_2018_data() -> None:
    """Within a factor 2 of the measured probability at the same pile-up, from 4 million crossings."""
    source, columns, n_batches = SyntheticSource(0, seed=11, pileup=41.81), allocate(65_536), 64
    total: Counter[str] = Counter()
    for batch in range(n_batches):
        source.fill(columns, batch * 65_536)
        total.update(fired(columns))
    for seed, probability in MEASURED.items():
        expected = probability * n_batches * 65_536
        assert expected / 2 < total[seed] < expected * 2, seed


@pytest.mark.parametrize(
    ("settings_", "what"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed 18446744073709551616"),
        ({"pileup": 301.0}, "pile-up 301"),
        ({"pileup": float("nan")}, "pile-up nan"),
        ({"first": -1}, "crossings -1 to 9"),
        ({"first": MAX_CROSSINGS}, "crossings"),
    ],
)
def test_settings_out_of_range_are_refused(settings_: dict[str, float], what: str) -> None:
    with pytest.raises(BadValue, match=what):
        SyntheticSource(10, **settings_)


def test_batches_without_rows_are_refused() -> None:
    with pytest.raises(BadValue, match="batches of 0 rows"):
        next(SyntheticSource(10).batches(0))
