"""What a run kept can be replayed (docs/replay.md, "What a run kept")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream.run.kept_sample import replayed_files
from tests.stream.run.conftest import Ended, l1chain
from triggers.errors import BadValue

MENU = "shipped:menus/demo.yaml"


def replayed(source: str, out: Path, *options: str) -> Ended:
    ended = l1chain("replay", source, "--menu", MENU, "--out", str(out), "--json", *options)
    assert ended.code == 0, ended.err
    return ended


@pytest.mark.heavy
@pytest.mark.parametrize("prepare", ["true", "false"])
def test_a_run_over_a_repeated_file_is_replayed_with_its_own_rates(
    chain: Callable[..., Ended], tmp_path: Path, crossings: Path, prepare: str
) -> None:
    ended = chain("source.repeat=3", f"source.prepare={prepare}")
    assert ended.code == 0, ended.err
    run = ended.result
    menu = replayed(run["run_dir"], tmp_path / "study").result["menus"][0]
    # Whatever the run kept, its menu without prescales keeps too.
    assert menu["total_hz"] == pytest.approx(run["accepted_hz"])
    assert menu["dead_time"] == 0
    again = replayed(f"{run['run_dir']}/accepted.parquet", tmp_path / "again").result["menus"][0]
    assert again["total_hz"] == menu["total_hz"]
    with pytest.raises(BadValue, match=r"is not what a run kept, but other sources are"):
        replayed_files([run["run_dir"], str(crossings)])
    refused = l1chain("replay", run["run_dir"], "--menu", MENU, "--out", str(tmp_path / "no"), "--trigger-rule", "1/3")
    assert refused.code == 2
    assert "the crossings that a run kept do not follow each other" in refused.err


def test_other_files_are_no_runs(crossings: Path) -> None:
    assert replayed_files([str(crossings)]) == ([str(crossings)], None)
