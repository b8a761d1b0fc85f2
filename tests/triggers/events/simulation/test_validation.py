"""Rates against measured ones."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import REPOSITORY
from triggers.errors import BadValue, FileExists, FileMissing, SchemaMismatch
from triggers.events import packing
from triggers.events.crossings import batch_of
from triggers.events.simulation.rates_table import MeasuredRate, pooled, read_rates
from triggers.events.simulation.spectra import spectra_of, spectra_rows
from triggers.events.simulation.validation import (
    Comparison,
    Half,
    SeedKind,
    agreement,
    compare_rates,
    half_of,
    kind_of,
)
from triggers.events.simulation.validation_report import Validation, write_report
from triggers.events.source import SourceInfo
from triggers.menu.load import load_menu

MENU = load_menu("shipped:menus/validation-2018.yaml")
HEADER = "algorithm,pileup_mean,n_zero_bias,n_fired\n"


@dataclass
class Jets:
    """1000 crossings with pile-up 40; every tenth has a jet of 200 GeV, of weight 0.5."""

    optional: tuple[str, ...] = ("pileup", "weight", "process")

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("jets", 1000, self.optional)

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        index = np.arange(1000)
        hard = index % 10 == 0
        jet = np.zeros((1000, 12), np.uint32)
        jet[hard, 0] = packing.pack("jet", et=400, eta=5, phi=3)
        columns = {
            "jet": jet,
            "event": ((index % 50).astype(np.uint64) << np.uint64(32)) | index.astype(np.uint64),
            "pileup": np.full(1000, 40.0, np.float32),
            "weight": np.where(hard, 0.5, 1.0).astype(np.float32),
            "lumi_section": np.ones(1000, np.uint32),
        }
        names = pa.array(["zero_bias"])
        process = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int32)), names)
        yield batch_of(
            {**{k: v for k, v in columns.items() if k != "pileup" or k in self.optional}, "process": process}
        )


RATES = tuple(MeasuredRate("L1_SingleJet180", pileup, 1000, 50) for pileup in (5.0, 38.0, 42.0))


def test_probability_error_and_distinct_interactions_are_those_of_the_weights():
    (row,) = compare_rates(Jets(), MENU, RATES)
    total = 900 + 50
    assert row.simulated == pytest.approx(50 / total)
    assert row.simulated_error == pytest.approx(math.sqrt(100 * 0.25) / total)
    assert row.n_distinct == 5
    assert (row.n_measured, row.measured) == (100, 0.05)
    assert row.kind is SeedKind.SINGLE
    assert row.within(1.5)


def test_a_source_that_does_not_tell_its_pileup_needs_it():
    source = Jets(("weight", "process"))
    with pytest.raises(BadValue, match="--pileup"):
        compare_rates(source, MENU, RATES)
    assert len(compare_rates(source, MENU, RATES, pileup=5.0)) == 1


def test_without_a_measured_bin_nearby_nothing_is_compared():
    with pytest.raises(BadValue, match="no measured pile-up"):
        compare_rates(Jets(), MENU, RATES[:1])


def comparison(ratio: float, error: float, **changes: object) -> Comparison:
    row = Comparison("L1_X", SeedKind.SINGLE, Half.TUNED, 40.0, 1e-4, 0.0, 100, ratio * 1e-4, error * ratio * 1e-4, 200)
    return replace(row, **changes)


@pytest.mark.parametrize(
    ("ratio", "error", "within"),
    [(1.4, 0.0, True), (1.6, 0.0, False), (1.6, 0.1, True), (0.6, 0.0, False), (0.6, 0.1, True), (0.0, 0.0, False)],
)
def test_agreement_allows_two_standard_deviations(ratio: float, error: float, within: bool):
    assert comparison(ratio, error).within(1.5) is within


def test_only_well_measured_rates_are_judged():
    rows = [comparison(1.0, 0.0), comparison(2.0, 0.0), comparison(9.0, 0.0, n_measured=29)]
    found = agreement(rows)
    assert (found.n, found.within, found.supported) == (2, (1, 2), 2)


def test_the_half_is_fixed_by_the_name():
    halves = [half_of(algorithm.name) for algorithm in MENU.algorithms]
    assert half_of("L1_SingleEG36er2p5") is Half.TUNED
    assert half_of("L1_SingleMu22") is Half.UNTUNED
    assert 20 < halves.count(Half.TUNED) < 55


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("L1_SingleMu22", SeedKind.SINGLE),
        ("L1_DoubleMu_15_7", SeedKind.DOUBLE),
        ("L1_DoubleMu4_SQ_OS_dR_Max1p2", SeedKind.DOUBLE),
        ("L1_ETMHF120", SeedKind.SUM),
        ("L1_HTT360er", SeedKind.SUM),
        ("L1_TripleMu_5_5_3", SeedKind.OTHER),
        ("L1_Mu6_HTT240er", SeedKind.OTHER),
    ],
)
def test_kinds_follow_from_the_expression(name: str, kind: SeedKind):
    (algorithm,) = (a for a in MENU.algorithms if a.name == name)
    assert kind_of(algorithm) is kind


def test_bins_are_added_with_the_mean_pileup_of_their_crossings():
    rates = (MeasuredRate("A", 38.0, 100, 5), MeasuredRate("A", 42.0, 300, 7), MeasuredRate("A", 60.0, 9, 9))
    assert pooled(rates, (38.0, 42.0)) == {"A": MeasuredRate("A", 41.0, 400, 12)}


def test_a_table_of_rates_is_read(tmp_path: Path):
    path = tmp_path / "rates.csv"
    path.write_text(HEADER + "L1_X,40.0,1000,3\n", encoding="utf-8-sig")
    assert read_rates(path) == (MeasuredRate("L1_X", 40.0, 1000, 3),)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("algorithm,pileup_mean\n", SchemaMismatch, "n_zero_bias"),
        (HEADER, BadValue, "no rates"),
        (HEADER + "A,40,1000,many\n", BadValue, "line 2"),
        (HEADER + "A,40,10,11\n", BadValue, "line 2"),
        (HEADER + "A,40\n", BadValue, "line 2"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, error: type[Exception], says: str):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(error, match=says):
        read_rates(path)


def test_a_missing_table_is_told(tmp_path: Path):
    with pytest.raises(FileMissing):
        read_rates(tmp_path / "none.csv")


def test_spectra_count_objects_with_their_weights():
    found = spectra_of(Jets())
    assert found.crossings == 950
    assert found.multiplicity["jet"][:2].tolist() == [900.0, 50.0]
    assert found.energy["jet"][400] == 50.0
    rows = {row["quantity"]: row for row in spectra_rows(found, found)}
    assert rows["jet energy"]["mean"] == rows["jet energy"]["reference_mean"] == 200.0


def test_the_report_is_whole_and_shows_both_halves(tmp_path: Path):
    rows = (comparison(1.2, 0.1), comparison(0.9, 0.1, half=Half.UNTUNED))
    spectra = spectra_of(Jets())
    result = Validation("jets", "real", "rates.csv", rows, (spectra, spectra))
    path = tmp_path / "report.html"
    write_report(result, path)
    text = path.read_text()
    assert "The tuned half" in text
    assert "The untuned half" in text
    assert "<svg" in text
    assert result.record()["agreement"]["all"]["n"] == 2
    with pytest.raises(FileExists):
        write_report(result, path)


@pytest.mark.conformance
def test_every_measured_seed_is_in_the_shipped_menu(conformance: Path):
    path = Path(os.environ.get("L1CHAIN_REFERENCE", conformance.parent / "reference")) / "l1-seed-rates.csv"
    if not path.exists():
        pytest.skip(f"no measured rates at {path} (beside {REPOSITORY})")
    measured = {rate.algorithm for rate in read_rates(path)}
    # L1APhysics counts accepts of all seeds together: no seed.
    assert measured - {algorithm.name for algorithm in MENU.algorithms} == {"L1APhysics"}
