"""Chaos is thorough, and sees what differs (docs/protocol.md, "Chaos")."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.run.chaos import SUPERVISOR, Deck, Fault, differences
from tests.stream.run.conftest import l1chain
from tests.stream.run.running import write_config

SERVICES = ("producer", "combiner", "seeds.0", "score:axol1tl.0")


@pytest.mark.parametrize("seed", range(5))
def test_every_fault_strikes_every_service_and_the_supervisor_before_any_comes_again(seed: int) -> None:
    deck = Deck(random.Random(seed))  # noqa: S311
    drawn = Counter(deck.draw(SERVICES, SERVICES) for _ in range(3 * 12))
    expected = {(name, fault) for name in SERVICES for fault in Fault} - {("producer", Fault.CUT)}
    assert drawn == dict.fromkeys(expected | {(SUPERVISOR, Fault.KILL)}, 3)


def test_a_service_that_is_not_there_is_left_alone() -> None:
    deck = Deck(random.Random(1))  # noqa: S311
    drawn = [deck.draw(SERVICES, ("combiner",)) for _ in range(12)]
    assert Counter(fault[0] for fault in drawn if fault) == {"combiner": 3, SUPERVISOR: 1}


def test_a_run_that_is_just_being_resumed_is_left_alone() -> None:
    deck = Deck(random.Random(1))  # noqa: S311
    assert {deck.draw(SERVICES, ()) for _ in range(24)} == {None}


def record(folder: Path, **changed: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"crossing": changed.pop("accepted", [1, 5, 9])}), folder / "accepted.parquet")
    pq.write_table(pa.table({"fired": changed.pop("fired", [7])}), folder / "rates.parquet")
    rows = [{"lumi_section": 1, "decided": 100, "accepted": 3}]
    return {"run_dir": str(folder), "decided": 100, "produced": 100, "lumi_sections": rows, **changed}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"produced": 101}, ["produced and decided"]),
        ({"accepted": [1, 5, 8]}, ["accepted crossings"]),
        ({"accepted": [1, 5]}, ["accepted crossings"]),
        ({"fired": [8]}, ["counts of algorithms"]),
        ({"lumi_sections": [{"lumi_section": 1, "decided": 100, "accepted": 2}]}, ["lumi sections"]),
        # Ended early: compared as far as it went.
        ({"produced": 60, "decided": 60, "accepted": [1, 5], "fired": [4], "lumi_sections": []}, []),
    ],
)
def test_what_differs_is_named(tmp_path: Path, changed: dict[str, Any], found: list[str]) -> None:
    assert differences(record(tmp_path / "one"), record(tmp_path / "other", **changed)) == found


def test_crossings_that_never_end_are_not_prepared(tmp_path: Path) -> None:
    ended = l1chain("chaos", str(write_config(tmp_path)), "--minutes", "1")
    assert ended.code == 2
    assert "without an end cannot be prepared" in ended.err


@pytest.mark.heavy
def test_a_run_under_fire_decides_what_an_undisturbed_one_does(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ended = l1chain(
        "chaos",
        str(config),
        "--set",
        "source.crossings=100000",
        "--minutes",
        "2",
        "--every",
        "4s",
        "--json",
        timeout_s=900,
    )
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out.splitlines()[-1])
    assert result["identical"], result
    assert result["produced"] == result["decided"] > 0
    assert result["kills"] + result["stops"] + result["cuts"] >= 3
