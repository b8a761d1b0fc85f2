"""Accepted crossings as the event display shows them (docs/page.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.page.crossings import MOST_SHOWN, AcceptedCrossings
from stream.services.sinks.accepted import accepted_batch, accepted_schema, encode_accepted
from triggers.events.show import crossing_record
from triggers.events.synthetic import SyntheticSource
from triggers.menu.load import load_menu

MENU = """
name: two
externals: {EXT_ZeroBias: 4}
algorithms:
  - {index: 0, name: L1_Jet, expression: JET100}
  - {index: 70, name: L1_AD, expression: "axol1tl@production:nominal"}
"""
ROWS = 40
STAGE = "score:axol1tl"


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "menu.yaml"
    path.write_text(MENU)
    menu = load_menu(str(path))
    return {"menu": {"path": str(path), "digest": menu.digest, "on_scores": ["L1_AD"]}}


@pytest.fixture(scope="module")
def batch() -> pa.RecordBatch:
    """Of 40 crossings, all kept by L1_Jet and each tenth by L1_AD, too."""
    (events,) = SyntheticSource(ROWS, seed=2, pileup=60).batches(ROWS)
    schema = accepted_schema((), (STAGE,))
    final = np.zeros((ROWS, 8), np.uint64)
    final[:, 0] = 1
    final[::10, 1] = 1 << 6
    numbers = np.arange(ROWS, dtype=np.uint64)
    scores = {STAGE: np.arange(ROWS, dtype=np.int32)}
    return accepted_batch(schema, events, 3, numbers, final, final, scores, {STAGE: "v4"})


def test_the_latest_and_the_latest_that_a_score_kept(record: dict[str, Any], batch: pa.RecordBatch) -> None:
    accepted = AcceptedCrossings(record)
    accepted.add_told(encode_accepted(batch.schema, [batch]).to_pybytes())
    shown = accepted.shown()
    assert [crossing["crossing"] for crossing in shown] == [39, 38, 37, 30, 20, 10]
    assert [crossing["by_scores"] for crossing in shown] == [False] * 3 + [True] * 3
    assert shown[0]["algorithms"] == ["L1_Jet"]
    assert shown[3]["algorithms"] == ["L1_Jet", "L1_AD"]
    assert shown[3]["scores"] == [{"model": "axol1tl", "version": "v4", "score": 30}]


def test_objects_are_in_physical_units(record: dict[str, Any], batch: pa.RecordBatch) -> None:
    accepted = AcceptedCrossings(record)
    accepted.add([batch])
    shown = accepted.shown()[0]
    expected = crossing_record(batch, ROWS - 1)
    assert len(shown["objects"]) == len(expected["objects"])
    for told, known in zip(shown["objects"], expected["objects"], strict=True):
        assert (told["object"], told["eta"], told["phi_rad"]) == (known["object"], known["eta"], known["phi_rad"])
        assert told["pt_gev"] == (known["pt_gev"] if known["object"] == "MU" else known["et_gev"])
    assert shown["sums"]["etm"] == expected["sums"]["etm"]


def test_few_are_kept(record: dict[str, Any], batch: pa.RecordBatch) -> None:
    accepted = AcceptedCrossings(record)
    for _ in range(2 * MOST_SHOWN):
        accepted.add([batch])
    assert len(accepted.shown()) <= 2 * MOST_SHOWN


def test_those_of_a_run_that_has_ended(tmp_path: Path, record: dict[str, Any], batch: pa.RecordBatch) -> None:
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "accepted.parquet", row_group_size=25)
    accepted = AcceptedCrossings(record)
    accepted.add_last(tmp_path / "accepted.parquet")
    assert accepted.shown()[0]["crossing"] == 39
    accepted.add_last(tmp_path / "none.parquet")


def test_bits_without_names_if_the_menu_is_another_one_now(record: dict[str, Any], batch: pa.RecordBatch) -> None:
    record["menu"]["digest"] = "another"
    accepted = AcceptedCrossings(record)
    accepted.add([batch.slice(30, 1)])
    assert accepted.shown()[0]["algorithms"] == ["0", "70"]
