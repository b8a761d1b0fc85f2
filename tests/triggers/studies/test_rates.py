"""Normalisation, selection, curves and texts of a replay (docs/replay.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from triggers.errors import BadValue, FileMissing, FileUnreadable, UnknownName
from triggers.events.crossings import batch_of
from triggers.events.packing import pack
from triggers.menu.evaluate import Evaluator
from triggers.menu.load import load_menu
from triggers.studies import html
from triggers.studies.curves import CurveTally, curve_of
from triggers.studies.normalisation import from_bunches, from_lumi_sections, luminosity_scale
from triggers.studies.selection import Selection, parse_ranges, read_good_runs
from triggers.studies.study import Crossings

DEMO = "shipped:menus/demo.yaml"


def test_a_rate_from_bunches_is_the_fraction_times_the_collision_rate() -> None:
    normalisation = from_bunches(2000.0, 2544)
    rates, errors = normalisation.rate(np.array([20.0, 0.0]), np.array([40.0, 0.0]), mean_square=2.0)
    assert rates.tolist() == pytest.approx([0.01 * 2544 * 11_245.5, 0])
    assert errors[0] == pytest.approx(np.sqrt(40) / 2000 * 2544 * 11_245.5)
    assert errors[1] == pytest.approx(np.sqrt(2) / 2000 * 2544 * 11_245.5)
    assert "2544 colliding bunches × 11,245.5 Hz" in normalisation.sentences[0]


def test_a_rate_from_lumi_sections_takes_the_samples_prescale() -> None:
    normalisation = from_lumi_sections(1e6, 10, 290.0)
    assert normalisation.hz_per_weight == pytest.approx(290 / (10 * 2**18 / 11_245.5))
    assert "290" in normalisation.sentences[0]
    assert "10 lumi sections × 23.31 s" in normalisation.sentences[0]


def test_scaling_to_a_luminosity_is_linear_and_stated() -> None:
    given = luminosity_scale(2e34, 1e34, None, 2544)
    assert given.factor == pytest.approx(2)
    assert "linearly by 2" in given.sentence
    from_pileup = luminosity_scale(2e34, None, 60.0, 2544)
    assert from_pileup.factor == pytest.approx(2e34 / (60 * 2544 * 11_245.5 / 69.2e-27))
    assert "pile-up of 60.0" in from_pileup.sentence


@pytest.mark.parametrize(
    "bad",
    [
        lambda: from_bunches(0.0, 2544),
        lambda: from_lumi_sections(1.0, 0, 1.0),
        lambda: from_lumi_sections(1.0, 1, 0.5),
        lambda: luminosity_scale(2e34, None, None, 2544),
        lambda: luminosity_scale(-1.0, 1e34, None, 2544),
    ],
)
def test_a_normalisation_that_cannot_be_is_refused(bad: object) -> None:
    with pytest.raises(BadValue):
        bad()  # type: ignore[operator]


def batch(n: int = 12) -> pa.RecordBatch:
    k = np.arange(n)
    return batch_of(
        {
            "run": (1 + k // 6).astype(np.uint32),
            "lumi_section": (k % 6).astype(np.uint32),
            "event": k.astype(np.uint64),
            "pileup": k.astype(np.float32),
        }
    )


def events(batches: list[pa.RecordBatch]) -> list[int]:
    return [e for b in batches for e in b.column("event").to_pylist()]


def test_good_runs_lumi_sections_and_pileup_select_crossings(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    path.write_text(json.dumps({"1": [[1, 2], [4, 4]], "2": [[0, 9]]}))
    good = read_good_runs(path)
    assert events(list(Selection(good_runs=good).batches(iter([batch()]), False))) == [1, 2, 4, 6, 7, 8, 9, 10, 11]
    lumi = Selection(lumi_sections=parse_ranges("--lumi", "0,4-5"))
    assert events(list(lumi.batches(iter([batch()]), False))) == [0, 4, 5, 6, 10, 11]
    both = Selection(good_runs=good, pileup=(3.0, 7.5))
    assert events(list(both.batches(iter([batch()]), False))) == [4, 6, 7]
    assert both.text == "good lumi sections of 2 runs; pile-up 3 to 7.5"


def test_neighbours_of_selected_crossings_stay_as_context() -> None:
    chosen = Selection(pileup=(20.0, 20.0))
    (kept,) = chosen.batches(iter([batch(40)]), True)
    shown = dict(zip(kept.column("event").to_pylist(), kept.column("context").to_pylist(), strict=True))
    assert shown == {k: k != 20 for k in (0, 1, 18, 19, 20, 21, 22, 38, 39)}


@pytest.mark.parametrize("text", ["a", "3-1", "", "1-b"])
def test_ranges_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(BadValue, match="range"):
        parse_ranges("--lumi", text)


def test_good_run_lists_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="good-run list"):
        read_good_runs(tmp_path / "none.json")
    path = tmp_path / "bad.json"
    for content in ("[]", "{", '{"a": [[1, 2]]}', '{"1": [1]}'):
        path.write_text(content)
        with pytest.raises(FileUnreadable):
            read_good_runs(path)


def test_a_curve_varies_one_threshold_around_the_seeds_own() -> None:
    curve = curve_of(load_menu(DEMO), "L1_SingleMu22")
    assert curve.own == 22
    assert curve.unit == "GeV"
    assert 22.0 in curve.thresholds
    assert 11 <= curve.thresholds[0] <= 13
    assert 42 <= curve.thresholds[-1] <= 44
    assert all(threshold % 0.5 == 0 for threshold in curve.thresholds)
    assert len(curve.thresholds) <= 34
    assert list(curve.thresholds) == sorted(set(curve.thresholds))


def test_each_point_of_a_curve_is_the_seed_with_that_threshold() -> None:
    menu = load_menu(DEMO)
    curve = curve_of(menu, "L1_SingleJet180")
    et_gev = np.arange(60, 400, 4)
    jets = pack("jet", et=np.pad(2 * et_gev[:, None], ((0, 0), (0, 11))))
    crossings = Crossings(0, np.ones(len(et_gev)), True, np.zeros(len(et_gev), np.int64))
    tally = CurveTally(curve)
    variants = Evaluator(curve.menu).evaluate(batch_of({"jet": jets}))
    others = np.array([10, 11], np.uint32)
    own = np.zeros((2, 8), np.uint64)
    own[0, 0] = 1
    own[1, curve.index // 64] = np.uint64(1 << curve.index % 64)
    tally.add(crossings, variants, others, own)
    for entity, threshold in enumerate(curve.thresholds):
        passing = et_gev >= threshold
        assert tally.total.total[0][entity] == passing.sum()
        assert tally.added.total[0][entity] == passing.sum() - passing[10]


@pytest.mark.parametrize("seed", ["L1_DoubleMu0er1p5_SQ_OS", "L1_ZeroBias"])
def test_only_a_seed_with_one_threshold_has_a_curve(seed: str) -> None:
    with pytest.raises(BadValue, match=seed):
        curve_of(load_menu(DEMO), seed)


def test_the_seed_of_a_curve_must_exist() -> None:
    with pytest.raises(UnknownName, match="L1_SingleMu22"):
        curve_of(load_menu(DEMO), "L1_SingleMu23")


@pytest.mark.parametrize(
    ("rate", "error", "text"),
    [
        (1234.0, 56.0, "1.234 ± 0.056 kHz"),
        (0.0, 12.0, "0"),
        (None, None, "–"),
        (2.5e7, None, "25 MHz"),
        (3.0, 14.0, "3 ± 14 Hz"),
    ],
)
def test_rates_are_written_in_the_unit_that_suits_them(rate: float | None, error: float | None, text: str) -> None:
    assert html.rate_text(rate, error) == text


def test_signs_are_shown_where_asked_for() -> None:
    assert html.rate_text(1234.0, 56.0, sign=True) == "+1.234 ± 0.056 kHz"
    assert html.rate_text(-1234.0, 56.0, sign=True) == "−1.234 ± 0.056 kHz"


def test_text_in_a_page_is_escaped() -> None:
    page = html.page("<a>", [html.paragraph("<b> & c"), html.table(["<h>"], [["<cell>"]])])
    assert "<b>" not in page
    assert "&lt;b&gt; &amp; c" in page
    assert "&lt;cell&gt;" in page
