"""`l1chain report`: one page about a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.run.finished import FinishedRun
from stream.run.report_remarks import remarks
from tests.stream.run.conftest import CROSSINGS, Ended, l1chain

Chain = Callable[..., Ended]
ENTRY = {
    "time": "2026-11-22T21:00:00.123+00:00",
    "id": "1",
    "who": "<b>anna</b>",
    "command": "mask",
    "arguments": {"algorithm": "L1_X"},
}


def test_the_page_tells_what_ran_and_needs_no_network(chain: Chain) -> None:
    schedule = "schedule: [{from_lumi_section: 3, column: emergency}]"
    table = f"prescales={{path: shipped:prescales/demo.csv, column: physics, {schedule}}}"
    result = chain(table).result
    folder = Path(result["run_dir"])
    refused = {"ok": False, "error": {"where": "menu", "what": "unknown algorithm 'L1_X'", "remedy": "check it"}}
    (folder / "audit.jsonl").write_text(json.dumps(ENTRY | refused) + "\n")
    ended = l1chain("report", "--json", cwd=folder.parents[1])  # the latest that has ended below ./runs
    assert ended.code == 0, ended.err
    assert ended.result["report"] == f"runs/{folder.name}/report.html"
    page = (folder / "report.html").read_text()
    assert not re.search(r"<(script|link|img|iframe)|\bsrc=|@import|url\((?!#)", page)
    headings = ["What ran", "Rates", "Anomaly detection", "Dead time", "Services", "In hardware", "Actions"]
    assert re.findall(r"<h2>(.*?)</h2>", page) == headings
    for told in (
        f"{CROSSINGS:,} of {CROSSINGS:,} crossings decided in 5 lumi sections",
        f"{result['accepted']:,} L1 accepts",
        result["menu"]["digest"],
        "<td>1–2</td><td>physics</td><td>–</td><td>axol1tl/demo-v1</td>",
        "<td>3–5</td><td>emergency</td>",
        "&lt;b&gt;anna&lt;/b&gt;",
        "refused: menu: unknown algorithm",
        "prescale column",
        "orbits_per_lumi_section: 7",
    ):
        assert told in page, told
    assert page.index("Budgets, per second of beam") < page.index("<h2>Anomaly")  # also of menus without scores
    assert page.count("<svg") >= 4
    assert "<b>anna" not in page


def test_scores_of_versions_that_a_run_swapped_are_not_mixed(tmp_path: Path) -> None:
    scores = {"score_m": [1, 2, 900], "version_m": ["v1", "v1", "v2"]}
    pq.write_table(pa.table(scores), tmp_path / "accepted.parquet")
    found = FinishedRun(tmp_path, {"models": [{"name": "m"}]}).scores()
    assert {version: values.to_pylist() for version, values in found.items()} == {"m/v1": [1, 2], "m/v2": [900]}


def test_a_folder_that_is_no_run_and_a_run_that_goes_on_are_refused(tmp_path: Path) -> None:
    ended = l1chain("report", str(tmp_path))
    assert (ended.code, "no such run record" in ended.err) == (2, True)
    record = {"state": "open", "started": "", "config": {}, "menu": {}, "models": []}
    (tmp_path / "run.json").write_text(json.dumps(record))
    ended = l1chain("report", str(tmp_path))
    assert (ended.code, "the run has not ended" in ended.err) == (2, True)


def record(**changes: Any) -> dict[str, Any]:
    """A run with nothing to remark on."""
    row = {"lumi_section": 1, "accepted_hz": 90_000.0, "accepted_error_hz": 100.0}
    usual = {
        "failure": None,
        "produced": 1000,
        "decided": 1000,
        "dead": {},
        "dead_time": 0.02,
        "expected": None,
        "restarts": {},
        "lumi_sections": [row],
        "config": {"metrics": {"l1_rate_limit_hz": 100_000.0}},
        "menu": {"not_evaluated": {}},
    }
    return usual | changes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"failure": "file: damaged; fetch it"}, "The run failed: file: damaged; fetch it."),
        ({"decided": 990}, "10 crossings were neither decided nor counted as dead time."),
        ({"decided": 900, "dead": {"stages": 100}}, "10.0% of the crossings were not taken (dead time)."),
        ({"dead_time": 0.08}, "Trigger rules blocked 8.0% of the final OR."),
        ({"restarts": {"seeds.0": 2}}, "seeds.0 was started again 2 times."),
        ({"expected": {"differing_bits": {"L1_A": 3}}}, "Bits differ from those that the source knows: L1_A: 3."),
        (
            {"menu": {"not_evaluated": {"L1_A": "no score", "L1_B": "no score"}}},
            "Not evaluated (no score): L1_A, L1_B.",
        ),
        (
            {"lumi_sections": [{"lumi_section": 4, "accepted_hz": 120_000.0, "accepted_error_hz": 100.0}]},
            "The rate of L1 accepts was above 100 kHz in the lumi sections 4.",
        ),
    ],
)
def test_remarks_tell_what_was_out_of_the_ordinary(changes: dict[str, Any], sentence: str) -> None:
    assert list(remarks(record())) == []
    assert list(remarks(record(**changes))) == [sentence]
