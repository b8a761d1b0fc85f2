"""`l1chain bench swap` measures on any two versions of a model (docs/run-control.md, "Measuring swaps")."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.run.swap_timing import Trace, Window, timing
from tests.stream.run.conftest import l1chain
from tests.stream.run.model_versions import prepare


def test_swaps_at_full_speed_lose_double_and_mix_nothing(tmp_path: Path) -> None:
    prepare(tmp_path)
    arguments = ["--a", "axol1tl/first", "--b", "axol1tl/second", "--repository", str(tmp_path / "models")]
    ended = l1chain("bench", "swap", *arguments, "--swaps", "2", "--transport", "inproc", "--json")
    assert ended.code == 0, ended.err
    result = ended.result
    assert [result[key] for key in ("swaps", "lost", "doubled", "mixed")] == [2, 0, 0, 0]
    assert result["throughput_ratio"] > 0
    assert result["pause_ratio"] > 0


@pytest.mark.heavy
def test_shipped_versions_are_swapped_without_being_named() -> None:
    ended = l1chain("bench", "swap", "--swaps", "2", "--json")
    assert ended.code == 0, ended.err
    assert (ended.result["a"], ended.result["b"]) == ("axol1tl/sim-v4", "axol1tl/sim-v5")
    assert [run["transport"] for run in ended.result["runs"]] == ["inproc", "ipc"]
    assert [ended.result[key] for key in ("swaps", "lost", "doubled", "mixed")] == [2, 0, 0, 0]


def test_versions_of_two_models_are_refused() -> None:
    ended = l1chain("bench", "swap", "--a", "axol1tl/demo-v1", "--b", "axol1tl/demo-v1")
    assert ended.code == 2
    assert "are not two versions of one model" in ended.err


def trace(**changed: list[int]) -> Trace:
    """Ten batches of 100 crossings, two a lumi section, 1 ms apart, each 5 ms long."""
    places = np.arange(10, dtype=np.int64)
    columns = {
        "lumi_section": 1 + places // 2,
        "first": places % 2 * 100,
        "crossings": np.full(10, 100, np.int64),
        "made_ns": places * 1_000_000,
        "decided_ns": places * 1_000_000 + 5_000_000,
    }
    columns |= {name: np.array(values, np.int64) for name, values in changed.items()}
    return Trace(**columns, versions=tuple("m/a" if section < 3 else "m/b" for section in columns["lumi_section"]))


def test_crossings_of_another_version_are_found() -> None:
    assert trace().of_other_versions({1: "m/a", 2: "m/a", 3: "m/b", 4: "m/a", 5: "m/b"}) == {4: 200}
    assert trace().of_other_versions({1: "m/a", 2: "m/a", 3: "m/b", 4: "m/b", 5: "m/b"}) == {}


def test_crossings_that_were_decided_count_once() -> None:
    assert trace().distinct(200) == 1000
    assert trace(first=[0, 100] * 4 + [0, 50]).distinct(200) == 950
    assert trace(lumi_section=[1, 1, 2, 2, 3, 3, 4, 4, 4, 4]).distinct(200) == 800


def test_throughput_and_pauses_around_a_swap() -> None:
    window = Window(begun_ns=8_500_000, agreed_ns=9_000_000, lumi_section=3)
    usual = timing(trace(), [window], begun_ns=4_500_000)
    assert usual["throughput_ratio"] == pytest.approx(4 / 3.5)
    assert usual["pause_ratio"] == pytest.approx(1.0)
    assert usual["undisturbed_ratio"] == pytest.approx(1.0)
    late = [5, 6, 7, 8, 9, 30, 31, 32, 33, 34]
    slow = timing(trace(decided_ns=[ms * 1_000_000 for ms in late]), [window], begun_ns=4_500_000)
    assert slow["longest_pause_ms"] == 25
    assert slow["pause_ratio"] == pytest.approx(5.0)
    assert slow["longest_gap_ms"] == 21
    assert slow["throughput_ratio"] < 0.2
