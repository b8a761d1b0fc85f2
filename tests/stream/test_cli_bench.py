"""`l1chain bench menu`: what it reports, on a few crossings."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.run.menu_benchmark import measure_menu
from triggers.errors import BadValue
from triggers.events.synthetic import SyntheticSource

DEMO = "shipped:menus/demo.yaml"


def test_the_stages_make_up_the_whole():
    speed = measure_menu(DEMO, SyntheticSource(40_000, seed=3), 30_000)
    assert speed.crossings == 30_000
    assert set(speed.stages_ns) == {"objects", "sums_and_signals", "correlations", "outputs"}
    assert sum(speed.stages_ns.values()) == pytest.approx(speed.ns, rel=0.5)
    assert speed.crossings_per_s == pytest.approx(1e9 / speed.ns)
    assert speed.oracle_crossings_per_s < speed.crossings_per_s
    assert 0 < speed.load_s < 1


def test_the_command_prints_text_or_json():
    shown = CliRunner().invoke(app, ["bench", "menu", DEMO, "--crossings", "2000", "--json"])
    assert json.loads(shown.stdout)["crossings"] == 2000
    shown = CliRunner().invoke(app, ["bench", "menu", DEMO, "--synthetic", "1000"])
    assert "crossings/s on one thread" in shown.stdout
    assert "sums and signals" in shown.stdout


def test_files_and_synthetic_crossings_do_not_go_together():
    with pytest.raises(BadValue, match="does not go with files"):
        CliRunner().invoke(app, ["bench", "menu", DEMO, "x.parquet", "--synthetic", "5"], catch_exceptions=False)
