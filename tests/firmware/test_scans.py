"""Accuracy against resources (docs/firmware.md, "Scan")."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware.hls_strategies import Strategy
from firmware.requantise import BIT_WIDTHS, Variant, observed_ranges, requantised
from firmware.scan_report import write_scan
from firmware.scans import Hardware, Point, Sample, designs, pareto, scan, signal_names
from firmware.selection import Selection, selection
from models.backends import fixed
from models.evaluation_curves import Part, Separation
from models.intervals import analyse
from models.network import NETWORK_FILE
from models.network_layers import Conv2D, Dense
from stream.cli.app import app
from tests.models.conftest import write_version
from tests.models.encoder_networks import encoder_document, network_from, region_document, version_from
from tests.models.random_networks import random_inputs, random_network
from triggers.errors import BadValue
from triggers.events.schema import ORBITS_PER_SECOND
from triggers.events.synthetic import SyntheticSource

ENCODER = encoder_document(4, (6, 3))


def _inputs(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-100, 300, (n, 57))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(BIT_WIDTHS), st.sampled_from([0.0, 0.3, 0.9]))
def test_every_network_can_be_requantised(seed: int, bits: int, pruned: float) -> None:
    network = random_network(seed)
    inputs = random_inputs(network, 20, seed)
    made = requantised(network, observed_ranges(network, inputs), Variant(bits, pruned))
    assert fixed.score(made, inputs).shape == (20,)
    for layer in made.layers:
        if isinstance(layer, Dense | Conv2D):
            codes = layer.weights.codes
            assert np.abs(codes).max(initial=0) <= 1 << (bits - 1)


def test_no_change_is_none() -> None:
    network = network_from(ENCODER)
    made = requantised(network, {}, Variant(None))
    assert made.to_json() == network.to_json()


def test_many_bits_change_little_and_few_change_much() -> None:
    network, inputs = network_from(ENCODER), _inputs(500)
    ranges, expected = observed_ranges(network, inputs), fixed.score(network, inputs)
    spread = [np.abs(fixed.score(requantised(network, ranges, Variant(b)), inputs) - expected).mean() for b in (16, 2)]
    assert spread[0] < 0.1 * spread[1]


@pytest.mark.parametrize("document", [ENCODER, region_document(2)])
def test_accumulators_of_a_requantised_network_lose_nothing(document: dict[str, object]) -> None:
    network = network_from(document)
    inputs = np.random.default_rng(1).integers(0, 300, (50, network.n_inputs))
    made = requantised(network, observed_ranges(network, inputs), Variant(5))
    ranges = analyse(made)
    for layer in made.layers:
        if isinstance(layer, Dense | Conv2D):
            used = ranges[layer.output].accumulator
            assert used is not None
            assert not used.rounds
            assert not used.overflows


def test_activations_that_products_read_have_the_width() -> None:
    network, inputs = network_from(region_document(2)), np.random.default_rng(1).integers(0, 300, (50, 252))
    made = requantised(network, observed_ranges(network, inputs), Variant(5))
    assert {made.tensors[name].types[0].bits for name in ("r", "flat", "out")} == {5}


def test_pruning_takes_the_smallest_weights() -> None:
    network = network_from(ENCODER)
    made = requantised(network, {}, Variant(None, 0.5))
    for before, after in zip(network.layers, made.layers, strict=True):
        if isinstance(before, Dense) and isinstance(after, Dense):
            kept = after.weights.codes != 0
            n = np.count_nonzero(before.weights.codes)
            assert np.count_nonzero(kept) == n - n // 2
            lost = (before.weights.codes != 0) & ~kept
            assert np.abs(before.weights.codes[lost]).max() <= np.abs(before.weights.codes[kept]).min()


@pytest.mark.parametrize("settings_", [{"bits": 1}, {"bits": 17}, {"bits": 4, "pruned": 1.0}])
def test_variants_that_do_not_exist_are_refused(settings_: Mapping[str, float]) -> None:
    with pytest.raises(BadValue):
        Variant(**settings_)  # type: ignore[arg-type]


def test_the_rate_of_zero_bias_is_that_of_the_beam() -> None:
    background = np.arange(1000)
    hz = 100 * ORBITS_PER_SECOND / 1000
    found = selection(background, {"s": np.array([0, 995, 2000])}, 5.5 * hz, 100)
    assert found.threshold == 995
    assert found.rate_hz == pytest.approx(5 * hz)
    assert found.rate_error_hz == pytest.approx(5**0.5 * hz, rel=0.01)
    assert found.efficiencies["s"].fraction == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), min_size=1), st.floats(0, 1))
def test_the_threshold_is_the_least_that_keeps_the_rate(background: list[int], signal: list[int], part: float) -> None:
    allowed = part * 2544 * ORBITS_PER_SECOND
    found = selection(np.array(background), {"s": np.array(signal)}, allowed, 2544)
    above = [np.mean(np.array(background) >= threshold) for threshold in range(23)]
    fits = [threshold for threshold, fraction in enumerate(above) if part * (1 - 1e-9) >= fraction]
    assert found.rate_hz <= allowed + 1e-6
    assert found.threshold <= max(fits[0], min(background))
    pairs = [(s > b) + 0.5 * (s == b) for s in signal for b in background]
    assert found.areas["s"].auc == pytest.approx(np.mean(pairs))


def test_no_crossings_are_refused() -> None:
    with pytest.raises(BadValue, match="no crossings"):
        selection(np.array([], np.int64), {"s": np.array([1])}, 1000, 2544)


def _point(luts: float, efficiency: float, latency_ns: float = 50.0) -> Point:
    chosen = Selection(1, 0.0, 0.0, {"s": Part(efficiency, 0.0, 1.0)}, {"s": Separation(0.5, 0.0)})
    return Point(Variant(4), Hardware(), luts, 2, latency_ns, 1, chosen)


def test_the_front_is_what_no_other_design_surpasses() -> None:
    best, small, slow = _point(100, 0.9), _point(50, 0.5), _point(20, 0.5, 100.0)
    worse = [_point(100, 0.8), _point(120, 0.9), _point(60, 0.5), _point(30, 0.5, 100.0)]
    assert pareto([*worse, best, slow, small], "efficiency") == (small, best, slow)


def test_the_front_has_no_two_equal_designs_and_none_that_selects_nothing() -> None:
    good, same, blind = _point(100, 0.9), _point(100, 0.9), _point(10, 0.0)
    (found,) = pareto([blind, good, same], "efficiency")
    assert found is good
    assert pareto([blind], "efficiency") == (blind,)


def test_only_resource_shares_multipliers() -> None:
    made = designs([Strategy.DISTRIBUTED_ARITHMETIC, Strategy.RESOURCE], [1, 4])
    assert made == (
        Hardware(Strategy.DISTRIBUTED_ARITHMETIC, 1),
        Hardware(Strategy.RESOURCE, 1),
        Hardware(Strategy.RESOURCE, 4),
    )


def test_fewer_bits_take_fewer_look_up_tables(tmp_path: Path) -> None:
    sample = Sample(_inputs(400), {"s": _inputs(50) * 2}, 2544, 1e6)
    variants = [Variant(None), Variant(8), Variant(3)]
    hardware = designs(list(Strategy), [1, 2])
    points = list(scan(version_from(ENCODER), sample, variants, hardware, "xc7vx690tffg1927-2", 25.0))
    assert len(points) == len(variants) * len(hardware)
    by_da4ml = [p.luts for p in points if p.hardware.strategy is Strategy.DISTRIBUTED_ARITHMETIC]
    assert by_da4ml[2] < by_da4ml[1]
    shared = [p for p in points if p.hardware == Hardware(Strategy.RESOURCE, 2)]
    assert all(p.luts == p.bit_operations / 2 for p in shared)
    front = pareto(points, "auc")
    settings_ = {"background_crossings": 400, "rate_hz": 1e6, "collisions_hz": 2544 * ORBITS_PER_SECOND}
    written = write_scan(tmp_path, "Trade-offs <of> small", settings_, points, front, "auc")
    assert [path.name for path in written] == ["scan.csv", "scan.json", "pareto.svg", "scan.html"]
    rows = list(csv.DictReader((tmp_path / "scan.csv").read_text().splitlines()))
    assert [float(row["luts"]) for row in rows] == [point.luts for point in points]
    shown = json.loads((tmp_path / "scan.json").read_text())
    assert sum(point["pareto"] for point in shown["points"]) == len(front)
    html = (tmp_path / "scan.html").read_text()
    assert "<svg" in html
    assert "Trade-offs &lt;of&gt; small" in html


def test_signals_are_named_by_their_files() -> None:
    assert signal_names(["a/hh.parquet", "b/tt.parquet"]) == ("hh", "tt")
    assert signal_names(["a/hh.parquet", "b/hh.parquet"]) == ("a/hh.parquet", "b/hh.parquet")


def test_the_command_scans(tmp_path: Path) -> None:
    write_version(tmp_path, "small", "v1", {NETWORK_FILE: json.dumps(ENCODER).encode()})
    pq.write_table(pa.Table.from_batches(SyntheticSource(500, pileup=150).batches(500)), tmp_path / "busy.parquet")
    arguments = ["firmware", "scan", "small/v1", "--signal", str(tmp_path / "busy.parquet"), "--synthetic", "2000"]
    arguments += ["--bits", "3,6-7", "--pruned", "0,0.5", "--repository", str(tmp_path), "--json"]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    shown = json.loads(ended.stdout.splitlines()[-1])
    assert shown["points"] == 7 * 4
    assert shown["signal_crossings"] == {"busy": 500}
    assert all(Path(path).is_file() for path in shown["files"])


@pytest.mark.parametrize(
    ("option", "value"), [("--bits", "many"), ("--pruned", "x"), ("--metric", "beauty"), ("--strategy", "luck")]
)
def test_bad_options_are_one_sentence(tmp_path: Path, option: str, value: str) -> None:
    write_version(tmp_path, "small", "v1", {NETWORK_FILE: json.dumps(ENCODER).encode()})
    arguments = ["firmware", "scan", "small/v1", "--signal", "none", option, value, "--repository", str(tmp_path)]
    ended = CliRunner().invoke(app, arguments)
    assert option in str(ended.exception)
