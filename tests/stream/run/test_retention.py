"""Old runs are removed within limits (docs/run-folder.md, "Keeping runs")."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.errors import FolderUnwritable
from stream.run.config import KeepSection
from stream.run.folder import RunState
from stream.run.retention import keep_within, latest_ended, runs_in, surplus
from tests.stream.run.conftest import Ended, l1chain
from triggers.errors import FileMissing

MEGABYTE = 1_000_000


def make_run(out: Path, hour: int, state: str = "ended") -> Path:
    """A run of a megabyte."""
    folder = out / f"run-{hour}"
    folder.mkdir(parents=True)
    started = datetime(2026, 11, 22, hour, tzinfo=UTC).isoformat()
    record = {"state": state, "started": started, "config": {}, "menu": {"name": "m"}, "models": []}
    content = json.dumps(record)
    (folder / "run.json").write_text(content)
    (folder / "accepted.parquet").write_bytes(bytes(MEGABYTE - len(content)))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three ended runs, one that can be resumed, and something else."""
    folder = tmp_path / "runs"
    for hour, state in ((1, "ended"), (2, "open"), (3, "ended"), (4, "ended")):
        make_run(folder, hour, state)
    (folder / "notes").mkdir()
    return folder


def names(runs: list) -> list[str]:
    return [kept.run.folder.name for kept in runs]


def test_the_latest_that_has_ended(out: Path, tmp_path: Path) -> None:
    make_run(out, 5, "open")
    assert latest_ended(out).folder.name == "run-4"
    with pytest.raises(FileMissing, match="no such run that has ended"):
        latest_ended(make_run(tmp_path, 6, "open"))


def test_runs_are_listed_latest_first_with_state_and_size(out: Path) -> None:
    runs = runs_in(out)
    assert names(runs) == ["run-4", "run-3", "run-2", "run-1"]
    assert [kept.state for kept in runs] == ["ended", "ended", "open", "ended"]
    assert {kept.bytes for kept in runs} == {MEGABYTE}
    with pytest.raises(FileMissing):
        runs_in(out / "none")


@pytest.mark.parametrize(
    ("most_runs", "most_bytes", "removed"),
    [
        (None, None, []),
        (4, None, []),
        (3, None, ["run-1"]),
        (1, None, ["run-1", "run-3", "run-4"]),
        (None, 4 * MEGABYTE, []),
        (None, 2 * MEGABYTE, ["run-1", "run-3"]),
        (3, 2 * MEGABYTE, ["run-1", "run-3"]),
    ],
)
def test_the_oldest_ended_runs_go_first_and_others_count(
    out: Path, most_runs: int | None, most_bytes: int | None, removed: list[str]
) -> None:
    assert names(surplus(runs_in(out), most_runs, most_bytes)) == removed


def test_a_running_run_is_never_removed(out: Path) -> None:
    folder = out / "run-1"
    with RunState(folder).locked():
        runs = runs_in(out)
        assert runs[-1].state == "running"
        assert names(surplus(runs, 0, None)) == ["run-3", "run-4"]


def test_prune_removes_and_a_dry_run_only_tells(out: Path) -> None:
    told = l1chain("runs", "prune", "--out", str(out), "--keep-runs", "2", "--dry-run", "--json").result
    assert [Path(run["folder"]).name for run in told["runs"]] == ["run-1", "run-3"]
    assert len(runs_in(out)) == 4
    assert l1chain("runs", "prune", "--out", str(out), "--keep-mb", "3", "--json").code == 0
    assert names(runs_in(out)) == ["run-4", "run-3", "run-2"]
    ended = l1chain("runs", "prune", "--out", str(out))
    assert (ended.code, "no limit" in ended.err) == (2, True)
    assert "run-2" in l1chain("runs", "list", "--out", str(out)).out


def test_the_run_that_has_just_ended_stays(out: Path) -> None:
    assert names(keep_within(KeepSection(runs=1), out, out / "run-4")) == ["run-1", "run-3"]
    assert names(runs_in(out)) == ["run-4", "run-2"]


def test_a_run_that_ends_removes_what_the_configuration_says(chain: Callable[..., Ended], tmp_path: Path) -> None:
    make_run(tmp_path / "runs", 1)
    ended = chain("run.keep.runs=1")
    assert ended.code == 0, ended.err
    assert [kept.run.folder for kept in runs_in(tmp_path / "runs")] == [Path(ended.result["run_dir"])]
    assert "as run.keep says" in ended.err


def test_what_cannot_be_removed_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("stream.run.retention.shutil.rmtree", refuse)
    with pytest.raises(FolderUnwritable, match="cannot be removed"):
        keep_within(KeepSection(runs=1), out, out / "run-4")
