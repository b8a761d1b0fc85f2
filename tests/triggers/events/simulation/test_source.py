"""Simulated crossings as a source: the same again, in any batches, on any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from triggers.errors import BadValue, L1ChainError
from triggers.events import packing, schema
from triggers.events.crossings import column_view, slots
from triggers.events.simulation.fill import FillProfile
from triggers.events.simulation.sample import Sample, load_samples
from triggers.events.simulation.simulator import Simulator
from triggers.events.simulation.source import HARDEST_SHIFT, SimulatedSource
from triggers.strict_yaml import validated

N = 600


def table(source: SimulatedSource, n_rows: int = 1000) -> pa.Table:
    return pa.Table.from_batches(source.batches(n_rows)).combine_chunks()


def test_content_does_not_depend_on_batches_or_threads(zero_bias: Simulator):
    sample = Sample(crossings=N, pileup=20.0, seed=5)
    whole = table(SimulatedSource(sample, zero_bias, workers=1))
    assert table(SimulatedSource(sample, zero_bias, workers=2), n_rows=77).equals(whole)
    assert not table(SimulatedSource(sample.model_copy(update={"seed": 6}), zero_bias)).equals(whole)


def test_rows_are_in_the_event_format(zero_bias: Simulator):
    source = SimulatedSource(Sample(crossings=50, pileup=20.0), zero_bias)
    assert table(source).schema == schema.schema_with(source.info.optional_columns)
    assert source.info.n_crossings == 50
    assert "zero_bias" in source.info.name


def test_pileup_is_the_number_of_interactions(zero_bias: Simulator):
    pileup = table(SimulatedSource(Sample(crossings=N, pileup=12.0), zero_bias))["pileup"].to_numpy()
    assert pileup.mean() == pytest.approx(12.0, abs=0.6)
    assert pileup.var() == pytest.approx(12.0, rel=0.25)


def test_strangers_are_no_neighbours(zero_bias: Simulator):
    (batch,) = SimulatedSource(Sample(crossings=50, pileup=2.0), zero_bias).batches(50)
    assert (np.diff(slots(batch)) >= 3).all()


def test_weights_have_mean_one_and_make_rare_classes_frequent(zero_bias: Simulator):
    sample = Sample(crossings=6000, pileup=20.0, weighted=True, regions=False)
    weighted = table(SimulatedSource(sample, zero_bias))
    weight = weighted["weight"].to_numpy()
    assert weight.mean() == pytest.approx(1.0, abs=0.15)
    hardest = weighted["event"].to_numpy() >> np.uint64(HARDEST_SHIFT)
    component = np.searchsorted(zero_bias.mixture.first, hardest, side="right") - 1
    counts = np.bincount(component, minlength=len(zero_bias.mixture.names))
    assert counts.min() > 100


def test_a_weighted_mean_is_that_of_nature(zero_bias: Simulator):
    def mean_ett(weighted: bool) -> float:
        sample = Sample(crossings=6000, pileup=20.0, weighted=weighted, regions=False)
        rows = table(SimulatedSource(sample, zero_bias))
        sums = np.concatenate([column_view(chunk) for chunk in rows["sums"].chunks])
        weight = rows["weight"].to_numpy() if weighted else np.ones(6000)
        return float(np.average(packing.sum_values(sums, "ett"), weights=weight))

    assert mean_ett(True) == pytest.approx(mean_ett(False), rel=0.06)


def test_a_signal_has_its_interaction_in_each_crossing(ttbar: Simulator):
    rows = table(SimulatedSource(Sample(process="ttbar", crossings=N, pileup=5.0), ttbar))
    first, number = ttbar.signal_rows
    hardest = rows["event"].to_numpy() >> np.uint64(HARDEST_SHIFT)
    assert (hardest >= first).all()
    assert len(np.unique(hardest)) == number
    assert rows["pileup"].to_numpy().mean() == pytest.approx(5.0, abs=0.4)
    assert rows["process"].unique().to_pylist() == ["ttbar"]
    muons = np.concatenate([column_view(chunk) for chunk in rows["muon"].chunks])
    assert (muons[:, 0] != 0).mean() > 0.8


def test_a_profile_is_followed(zero_bias: Simulator):
    sample = Sample(crossings=N, pileup_profile=((5.0, 1.0), (40.0, 3.0)), regions=False)
    pileup = table(SimulatedSource(sample, zero_bias))["pileup"].to_numpy()
    assert (pileup > 20).mean() == pytest.approx(0.75, abs=0.06)


def fill(**changes: object) -> FillProfile:
    numbers = {
        "colliding_bunches": 96,
        "orbits_per_lumi_section": 2,
        "lumi_section_minutes": 30.0,
        "ramp_minutes": 30.0,
        "levelled_minutes": 60.0,
        "decay_hours": 2.0,
        "dump_minutes": 240.0,
        "pileup": 30.0,
    }
    return FillProfile(**{**numbers, **changes})


def test_pileup_of_a_fill_rises_stays_and_decays():
    pileup = fill().pileup_of(np.arange(1, 9))
    assert pileup[0] == 15.0
    assert set(pileup[1:3]) == {30.0}
    assert (np.diff(pileup[2:]) < 0).all()
    assert pileup[-1] == pytest.approx(30.0 * np.exp(-135 / 120))


def test_a_fill_is_a_run_in_time_order_with_neighbours(zero_bias: Simulator):
    source = SimulatedSource(Sample(fill=fill(), regions=False), zero_bias)
    rows = pa.RecordBatch.from_struct_array(table(source).to_struct_array().chunk(0))
    assert rows.num_rows == 8 * 2 * 96 == source.info.n_crossings
    steps = np.diff(slots(rows))
    assert (steps > 0).all()
    assert (steps == 1).mean() > 0.9
    section = rows["lumi_section"].to_numpy()
    pileup = rows["pileup"].to_numpy()
    means = [pileup[section == k].mean() for k in (1, 2, 8)]
    assert means[0] < means[1] > means[2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"crossings": 10}, "give one of pileup"),
        ({"crossings": 10, "pileup": 40.0, "fill": {}}, "give one of pileup"),
        ({"pileup": 40.0}, "how many crossings"),
        ({"crossings": 10, "pileup": -1.0}, "pileup"),
        ({"crossings": 10, "pileup": 1000.0}, "pileup"),
        ({"crossings": 0, "pileup": 40.0}, "crossings"),
        ({"crossings": 10, "pileup": 40.0, "weighted": True, "process": "ttbar"}, "only zero bias"),
        ({"crossings": 10, "pileup_profile": [[20.0, -1.0]]}, "shares"),
        ({"crossings": 10, "pileup_profile": [[20.0, 0.0]]}, "more than 0"),
        ({"fill": {"dump_minutes": 5.0}}, "dump_minutes"),
        ({"fill": {"decay_hours": 0.0}}, "decay_hours"),
        ({"crossings": 10, "pileup": 40.0, "sed": 1}, "unknown key 'sed'"),
    ],
)
def test_unphysical_samples_are_refused(content: dict[str, object], says: str):
    with pytest.raises(L1ChainError, match=says):
        validated(content, "my.yaml", Sample)


def test_batches_of_nothing_are_refused(zero_bias: Simulator):
    with pytest.raises(BadValue, match="at least 1"):
        next(SimulatedSource(Sample(crossings=1, pileup=1.0), zero_bias).batches(0))


def test_shipped_samples_are_what_the_file_says():
    from triggers.events.open import open_source
    from triggers.shipped import CONFIGS

    samples = load_samples("shipped:samples/samples.yaml").samples
    assert len([name for name, sample in samples.items() if sample.process != "zero_bias"]) >= 6
    total = 0
    for name, sample in samples.items():
        path = CONFIGS / "samples" / name
        source = open_source([path])
        assert source.info.n_crossings == sample.n_crossings
        (batch,) = list(source.batches(100))[:1]
        assert batch["process"].to_pylist() == [sample.process] * batch.num_rows
        total += path.stat().st_size
    assert total <= 20e6


def test_a_file_of_samples_names_plain_files(tmp_path: Path):
    path = tmp_path / "samples.yaml"
    path.write_text("samples: {../x.parquet: {crossings: 1, pileup: 1}}")
    with pytest.raises(BadValue, match="no file name"):
        load_samples(path)
