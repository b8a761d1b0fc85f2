"""`l1chain prescales suggest` (docs/replay.md, "Suggested prescales")."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from stream.cli.app import app
from triggers.decision.prescales import read_prescales


def test_a_column_for_a_rate_is_written_and_reached(tmp_path: Path) -> None:
    events, table = tmp_path / "events.parquet", tmp_path / "new.csv"
    runner = CliRunner()
    made = runner.invoke(app, ["events", "convert", "--synthetic", "20000", "--seed", "5", "--out", str(events)])
    assert made.exit_code == 0, made.output
    arguments = ["prescales", "suggest", str(events), "--menu", "shipped:menus/demo.yaml", "--prescales"]
    arguments += ["shipped:prescales/demo.csv", "--column", "unprescaled", "--target-rate-hz", "50000", "--json"]
    done = runner.invoke(app, [*arguments, "--out", str(table), "--name", "fifty"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert 45_000 < result["total_hz"] <= 50_000 < result["base_hz"]
    read = read_prescales(table)
    assert read.columns["fifty"] == {name: round(100 * p) for name, p in result["prescales"].items()}
    assert set(read.columns) == {"emergency", "physics", "unprescaled", "fifty"}
