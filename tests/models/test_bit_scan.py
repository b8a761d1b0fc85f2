"""The scan of bits, and the two numbers that it compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models import zoo
from models.training.rank_metrics import area_under_curve, true_positive_rate
from models.training.settings import TrainingSettings
from models.zoo.adc2021 import Adc2021
from models.zoo.bit_scan import ScanPoint, ScanSamples, scan_bits
from stream.cli.app import app
from tests.models.training_data import random_data, random_inputs
from triggers.errors import BadValue

pytestmark = pytest.mark.train


def test_the_area_is_the_chance_of_a_right_order() -> None:
    background, signal = np.array([0, 1, 1, 3]), np.array([1, 4])
    pairs = [0.5 if s == b else float(s > b) for s in signal for b in background]
    assert area_under_curve(background, signal) == pytest.approx(np.mean(pairs))


def test_the_threshold_selects_at_most_the_part_of_the_background() -> None:
    background = np.array([0, 1, 2, 3, 3, 3, 9, 10, 11, 12])
    signal = np.array([3, 9, 12, 13])
    assert true_positive_rate(background, signal, 0.1) == 0.5  # the 12 of the background is selected, and no other
    assert true_positive_rate(background, signal, 0.5) == 0.75
    with pytest.raises(BadValue, match="background: has 10 crossings, 100 are needed for 0.01; give more"):
        true_positive_rate(background, signal, 0.01)


def adc2021(name: str) -> Adc2021:
    recipe = zoo.recipe(name)
    assert isinstance(recipe, Adc2021)
    return recipe


def samples_of(recipe: Adc2021) -> ScanSamples:
    loud = np.clip(random_inputs(recipe.layout, 300, seed=5) * 3, -288, 511).astype(np.int16)
    return ScanSamples(random_inputs(recipe.layout, 2000, seed=4), {"loud": loud}, (0.01, 0.1))


def test_a_scan_compares_each_number_of_bits_with_float() -> None:
    recipe = adc2021("adc2021_dense_ae")
    settings = TrainingSettings(epochs=2, batch_rows=256)
    points = scan_bits(recipe, random_data(recipe.layout), samples_of(recipe), settings, bits=(2, 12))
    assert [(point.bits, point.score, point.signal) for point in points] == [
        (bits, "mse", "loud") for bits in (None, 2, 12)
    ]
    assert points[0].auc_ratio == 1.0
    assert points[2].auc_ratio == pytest.approx(1.0, abs=0.05)
    assert all(0 <= point.tpr[0.01] <= point.tpr[0.1] <= 1 for point in points)
    row = points[1].as_row()
    assert row["tpr_ratio_at_0.1"] == pytest.approx(points[1].tpr[0.1] / points[0].tpr[0.1])


def test_one_training_of_a_variational_autoencoder_serves_all_its_scores() -> None:
    recipe, told = adc2021("adc2021_dense_vae"), []
    settings = TrainingSettings(epochs=1, batch_rows=256)
    points = scan_bits(recipe, random_data(recipe.layout), samples_of(recipe), settings, (6,), told.append)
    assert [(point.bits, point.score) for point in points] == [(n, s) for n in (None, 6) for s in ("mse", "kl", "r_z")]
    assert [len(found) for found in told] == [3, 3]


def test_what_cannot_be_judged_is_refused_before_it_is_trained() -> None:
    recipe = adc2021("adc2021_dense_ae")
    data, settings, few = random_data(recipe.layout), TrainingSettings(), random_inputs(recipe.layout, 500, seed=4)
    with pytest.raises(BadValue, match="background: has 500 crossings, 100000 are needed for 1e-05"):
        scan_bits(recipe, data, ScanSamples(few, {"loud": few}), settings)
    with pytest.raises(BadValue, match="signal none: has no crossing that passes the preselection"):
        scan_bits(recipe, data, ScanSamples(few, {"none": few[:0]}, (0.01,)), settings)


def test_the_plot_has_a_column_for_each_score(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the [train] extra")
    from models.zoo.bit_scan_plot import write_plot

    reference = ScanPoint(None, "mse", "loud", 0.8, {0.01: 0.5})
    points = [ScanPoint(n, s, "loud", 0.8, {0.01: 0.4}).relative_to(reference) for s in ("mse", "kl") for n in (2, 4)]
    write_plot([reference, *points], "adc2021_dense_vae", tmp_path / "scan.svg")
    content = (tmp_path / "scan.svg").read_text()
    assert all(f"<!-- {text} -->" in content for text in ("mse", "kl", "adc2021_dense_vae", "loud"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["axol1tl_v4"], "axol1tl_v4 is not scanned; name one of the adc2021"),
        (["adc2021_dense_ae", "--bits", "1-99"], "--bits: '1-99' is no list of numbers of bits"),
        (["adc2021_dense_ae", "--false-positives", "2"], "--false-positives: '2' is no list of parts"),
    ],
)
def test_a_scan_that_cannot_be_is_refused(arguments: list[str], words: str, tmp_path: Path) -> None:
    files = ["--data", "d.parquet", "--background", "b.parquet", "--signals", "s=s.parquet", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["models", "scan-bits", *arguments, *files])
    assert isinstance(done.exception, BadValue)
    assert words in str(done.exception)
