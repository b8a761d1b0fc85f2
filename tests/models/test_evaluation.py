"""An evaluation: samples, thresholds, pure rates, profiles, report; and calibration of a new version."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation import evaluate, rate_points
from models.evaluation_calibration import (
    add_calibrated,
    calibrated_points,
    check_known,
    check_reachable,
    weighted_distribution,
)
from models.evaluation_errors import RateUnreachable, SampleUnfit, TooFewAbove
from models.evaluation_menu import CutBasedMenu
from models.evaluation_profiles import Quantity, stability
from models.evaluation_report import write_report
from models.evaluation_result import Evaluation, Options, RateKind
from models.evaluation_sample import score_sample
from models.evaluation_scorers import Arithmetic, LeftOut, Scorer, scorers
from models.evaluation_tables import summary
from models.repository import Repository
from tests.models.evaluation_samples import background, signal
from triggers.decision.prescales import read_prescales
from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.synthetic import SyntheticSource
from triggers.menu.load import load_menu
from triggers.shipped import find_file

VERSION = Repository().load("axol1tl", "demo-v1")
TARGETS = (20_000.0, 100_000.0, 1_000_000.0)
FIXED = "axol1tl/demo-v1"
FLOAT = "axol1tl/demo-v1 (float)"


def demo_menu() -> CutBasedMenu:
    table = read_prescales(find_file("shipped:prescales/demo.csv"))
    return CutBasedMenu.of(load_menu("shipped:menus/demo.yaml"), table, "physics")


def columns(*wanted: Arithmetic) -> list[Scorer | LeftOut]:
    return list(scorers(VERSION, wanted or (Arithmetic.FIXED,)))


def fixed_scorer() -> Scorer:
    (found,) = columns()
    assert isinstance(found, Scorer)
    return found


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    sections = np.repeat(np.arange(1, 9), 5000).astype(np.uint32)
    options = Options(TARGETS, menu=demo_menu())
    both = columns(Arithmetic.FIXED, Arithmetic.FLOAT)
    samples = {"hard": signal(), "same": SyntheticSource(4000, seed=15)}
    return evaluate(both, background(lumi_section=sections), samples, options)


def test_a_rate_is_the_fraction_of_zero_bias_times_that_of_the_beam(evaluation: Evaluation) -> None:
    scores = evaluation.background.scores[FIXED]
    for point in evaluation.rates:
        if (point.scorer, point.kind) == (FIXED, RateKind.TOTAL):
            selected = np.count_nonzero(scores >= point.threshold)
            assert point.rate_hz == pytest.approx(selected / 40_000 * 2544 * 11245.5)
            assert point.rate_hz <= point.target_hz
            assert point.effective == pytest.approx(selected)
            assert point.looser <= point.threshold <= point.tighter


def test_a_pure_rate_counts_what_the_menu_does_not_keep(evaluation: Evaluation) -> None:
    missed = evaluation.background.missed
    assert missed is not None
    assert missed.min() == 0
    assert 0.9999 < missed.max() < 1  # prescaled zero bias keeps every crossing with a small chance
    scores = evaluation.background.scores[FIXED]
    point = evaluation.rate(FIXED, RateKind.PURE, 100_000.0)
    assert point.rate_hz == pytest.approx(missed[scores >= point.threshold].sum() / 40_000 * 2544 * 11245.5)
    assert point.threshold <= evaluation.rate(FIXED, RateKind.TOTAL, 100_000.0).threshold


def test_a_signal_that_is_zero_bias_has_the_efficiency_that_the_rate_says(evaluation: Evaluation) -> None:
    for target_hz in TARGETS:
        found = evaluation.efficiency(FIXED, "same", RateKind.TOTAL, target_hz)
        reached = evaluation.rate(FIXED, RateKind.TOTAL, target_hz).rate_hz / evaluation.options.collisions_hz
        assert abs(found.efficiency - reached) < 4 * max(found.error, 1 / 4000)
    same, hard = evaluation.separations[1], evaluation.separations[0]
    assert (same.signal, hard.signal) == ("same", "hard")
    assert abs(same.auc - 0.5) < 4 * same.auc_error
    assert hard.auc > 0.8


def test_what_is_added_to_the_menu_is_a_part_of_the_efficiency(evaluation: Evaluation) -> None:
    for row in evaluation.efficiencies:
        assert row.added is not None
        assert row.menu is not None
        assert 0 <= row.added <= row.efficiency + 1e-6
        assert row.added <= 1 - row.menu + 1e-6


def test_few_crossings_above_a_threshold_are_warned_of(evaluation: Evaluation) -> None:
    assert any("20000 Hz total: only 27 effective" in sentence for sentence in evaluation.warnings)
    assert not any("1e+06 Hz" in sentence for sentence in evaluation.warnings)


def test_float_and_fixed_point_stand_side_by_side(evaluation: Evaluation) -> None:
    (difference,) = evaluation.differences
    assert difference.scorer == FLOAT
    assert 0 < difference.differing <= difference.crossings == 40_000
    exact, free = (evaluation.efficiency(name, "hard", RateKind.TOTAL, 1e6).efficiency for name in (FIXED, FLOAT))
    assert exact == pytest.approx(free, abs=0.02)


def test_profiles_cover_all_crossings(evaluation: Evaluation) -> None:
    for quantity in Quantity:
        bins = [row for row in evaluation.profiles if row.quantity is quantity and row.scorer == FIXED]
        assert sum(row.crossings for row in bins) == 40_000
        assert len(bins) > 1
    busy = [row for row in evaluation.profiles if row.quantity is Quantity.OBJECTS and row.scorer == FIXED]
    assert busy[-1].mean_score > busy[0].mean_score


def test_a_rate_that_drifts_over_the_fill_is_seen() -> None:
    sections = np.repeat(np.arange(1, 11), 4000).astype(np.uint32)
    steady = score_sample(background(lumi_section=sections), [fixed_scorer()])
    threshold = steady.curve(FIXED).threshold(0.05)
    calm = stability(steady, FIXED, threshold)
    drifting = np.linspace(0.2, 3.0, 40_000)  # later crossings are rarer the lower their score
    moved = {FIXED: (steady.scores[FIXED] * drifting).astype(np.int64)}
    wild = stability(replace(steady, scores=moved, _curves={}), FIXED, threshold)
    assert calm is not None
    assert wild is not None
    assert calm.bins == wild.bins == 10
    assert calm.chi_squared < 30 < wild.chi_squared
    assert calm.excess_spread < 0.1 < wild.excess_spread


def test_weights_are_respected() -> None:
    weights = np.where(np.arange(20_000) % 2, 0.25, 4.0).astype(np.float32)
    plain = score_sample(background(20_000), [fixed_scorer()])
    sample = score_sample(background(20_000, weight=weights), [fixed_scorer()])
    point = rate_points(FIXED, sample, Options((1e6,)))[0]
    above = plain.scores[FIXED] >= point.threshold
    assert point.rate_hz == pytest.approx(weights[above].sum() / weights.sum() * 2544 * 11245.5)
    assert point.effective == pytest.approx(weights[above].sum() ** 2 / (weights[above] ** 2).sum(), rel=1e-6)
    assert sample.effective == pytest.approx(20_000 * 4.25**2 / 2 / (0.0625 + 16), rel=1e-6)


def test_context_rows_are_neighbours_only() -> None:
    context = np.arange(1000) % 10 == 0
    sample = score_sample(background(1000, context=context), [fixed_scorer()], demo_menu())
    assert sample.n_crossings == 900


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SyntheticSource(0), "has no crossings"),
        (background(100, weight=np.zeros(100, np.float32)), "weights that are negative, infinite, NaN or all 0"),
        (background(100, weight=np.full(100, np.nan, np.float32)), "weights that are negative, infinite, NaN or all 0"),
        (
            background(
                50,
                **{name: np.zeros((50, n), t) for name, n, t in (
                    ("jet", 12, np.uint32), ("eg", 12, np.uint32), ("tau", 12, np.uint32),
                    ("muon", 8, np.uint64), ("sums", 12, np.uint32))},
            ),
            "has only empty crossings",
        ),
    ],
)  # fmt: skip
def test_a_sample_that_says_nothing_is_refused(source: Any, message: str) -> None:
    with pytest.raises(SampleUnfit, match=message):
        score_sample(source, [fixed_scorer()])


def test_scores_that_are_no_numbers_are_refused() -> None:
    broken = Scorer("axol1tl/nan", Arithmetic.FLOAT, ("jet",), lambda columns: np.full(len(columns["jet"]), np.nan))
    with pytest.raises(SampleUnfit, match="100 crossings whose score by axol1tl/nan .float. is no finite number"):
        score_sample(background(100), [broken])


def test_a_network_whose_inputs_the_sample_lacks_is_refused() -> None:
    wants_regions = Scorer("cicada/v1", Arithmetic.FIXED, ("regions",), lambda columns: column_view(columns["x"]))
    with pytest.raises(SampleUnfit, match="has no column 'regions', which cicada/v1 reads"):
        score_sample(background(100), [wants_regions])


def test_a_menu_that_keeps_everything_leaves_nothing_pure() -> None:
    everything = CutBasedMenu.of(load_menu("shipped:menus/demo.yaml"))
    with pytest.raises(SampleUnfit, match="no crossing that the menu does not keep"):
        evaluate(columns(), background(1000), {}, Options(TARGETS, menu=everything))


def test_prescales_need_a_column() -> None:
    with pytest.raises(BadValue, match="table and column belong together"):
        CutBasedMenu.of(load_menu("shipped:menus/demo.yaml"), None, "physics")


def test_tables_and_report_hold_the_same_numbers(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    with (tmp_path / "efficiencies.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(evaluation.efficiencies) == 2 * 2 * 2 * len(TARGETS)
    assert float(rows[0]["efficiency"]) == evaluation.efficiencies[0].efficiency
    stated = json.loads((tmp_path / "evaluation.json").read_text())
    assert stated["rates"][0]["threshold"] == evaluation.rates[0].threshold
    assert stated == json.loads(json.dumps(summary(evaluation)))
    page = (tmp_path / "report.html").read_text()
    assert f"{100 * evaluation.efficiencies[0].efficiency:.2f} ± " in page
    assert page.count("<svg") == 10
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")


def test_a_calibrated_version_is_new_and_says_on_what(tmp_path: Path) -> None:
    options = Options((1e5, 1e6))
    sample = score_sample(background(20_000), [fixed_scorer()])
    names = {1e5: "nominal", 1e6: "loose"}
    points = calibrated_points(names, rate_points(FIXED, sample, options), RateKind.TOTAL, sample, options)
    repository = Repository(tmp_path)
    distribution = weighted_distribution(sample, FIXED)
    add_calibrated(repository, VERSION, "v2", points, distribution)
    made = repository.load("axol1tl", "v2")
    assert made.manifest.working_points == points
    assert made.files == VERSION.files
    assert made.manifest.histogram == distribution
    assert "20,000 crossings, 2544 bunches" in points["nominal"].calibrated_on
    assert points["nominal"].rate_hz <= 1e5 < 2 * points["nominal"].rate_hz
    assert VERSION.label in made.manifest.description


def test_a_rate_below_that_of_the_greatest_score_has_no_threshold() -> None:
    options = Options((1e5,))
    sample = score_sample(background(5000), [fixed_scorer()])
    points = calibrated_points({1e5: "a"}, rate_points(FIXED, sample, options), RateKind.TOTAL, sample, options)
    with pytest.raises(RateUnreachable, match="more than 100000 Hz of the sample have the greatest score, 10"):
        check_reachable(FIXED, points, {1e5: "a"}, 10)


def test_a_rate_that_hardly_a_crossing_lies_above_is_no_working_point() -> None:
    options = Options((1e3, 1e6))
    sample = score_sample(background(5000), [fixed_scorer()])
    low, high = rate_points(FIXED, sample, options)[:2]
    check_known(sample, [high])
    with pytest.raises(TooFewAbove, match="of its 5,000 crossings 0 effective ones lie above the threshold of 1000 Hz"):
        check_known(sample, [low, high])


def test_the_reference_distribution_respects_weights() -> None:
    weights = np.where(np.arange(20_000) % 2, 0.0, 2.0).astype(np.float32)
    weighted = score_sample(background(20_000, weight=weights), [fixed_scorer()])
    halved = {FIXED: weighted.scores[FIXED][::2]}
    plain = replace(weighted, scores=halved, weights=np.ones(10_000), _curves={})
    assert weighted_distribution(weighted, FIXED) == weighted_distribution(plain, FIXED)
