"""The rows of lumi sections, as a run commits them (docs/run-folder.md, "Checkpoints")."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream.page.lumi_sections import MOST_ROWS, LumiSections


def line(number: int, decided: int = 10) -> str:
    return json.dumps({"lumi_section": number, "decided": decided}) + "\n"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    return folder


def test_rows_are_read_as_they_come(tmp_path: Path, checkpoint: Path) -> None:
    rows = LumiSections(tmp_path)
    rows.read_on()
    assert rows.rows() == []
    file = checkpoint / "lumi_sections-000002.jsonl"
    file.write_text(line(1) + line(2)[:9])
    rows.read_on()
    assert [row["lumi_section"] for row in rows.rows()] == [1]
    file.write_text(line(1) + line(2) + line(3))
    rows.read_on()
    assert [row["lumi_section"] for row in rows.rows()] == [1, 2, 3]


def test_another_incarnation_of_the_combiner_goes_on(tmp_path: Path, checkpoint: Path) -> None:
    rows = LumiSections(tmp_path)
    (checkpoint / "lumi_sections-000002.jsonl").write_text(line(1) + line(2, 7))
    rows.read_on()
    (checkpoint / "lumi_sections-000009.jsonl").write_text(line(2, 8) + line(3))
    rows.read_on()
    assert [(row["lumi_section"], row["decided"]) for row in rows.rows()] == [(1, 10), (2, 8), (3, 10)]


def test_a_commit_that_was_written_again(tmp_path: Path, checkpoint: Path) -> None:
    rows = LumiSections(tmp_path)
    file = checkpoint / "lumi_sections-000002.jsonl"
    file.write_text(line(1) + line(2))
    rows.read_on()
    file.write_text(line(1) + line(22) + line(3))
    for _ in range(2):  # the first time tells that it begins in the middle
        rows.read_on()
    assert [row["lumi_section"] for row in rows.rows()] == [1, 2, 3, 22]


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    rows = LumiSections(tmp_path)
    rows.add([{"lumi_section": number} for number in range(1, 2 * MOST_ROWS)])
    assert [row["lumi_section"] for row in rows.rows()] == list(range(MOST_ROWS, 2 * MOST_ROWS))
