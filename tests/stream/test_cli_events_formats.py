"""`l1chain events` on the formats of other projects, and the browsing of crossings by score and seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from models.repository import open_repository
from stream.cli.app import app
from stream.run.browse import highest_scores
from stream.run.offline import exact_backend
from tests.triggers.events.foreign_files import open_data_table, write_ntuple, write_open_data, write_seeds
from triggers.errors import L1ChainError
from triggers.events.crossings import column_view
from triggers.events.synthetic import SyntheticSource

DEMO_MENU = "shipped:menus/demo.yaml"
SEEDS = {"L1_SingleJet35": [True, False, False], "L1_NotThere": [False, False, True]}


def run_json(*arguments: str | Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["events", *map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def text(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["events", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def failure(*arguments: str | Path) -> str:
    with pytest.raises(L1ChainError) as caught:
        CliRunner().invoke(app, ["events", *map(str, arguments)], catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def open_data(tmp_path: Path) -> Path:
    table = open_data_table(2)
    data = write_open_data(tmp_path / "ZB_run396102", table)
    write_seeds(data, table, {name: values * 2 for name, values in SEEDS.items()})
    return data


class TestInfo:
    def test_what_is_lacking_and_which_seeds_are_known(self, open_data: Path) -> None:
        answer = run_json("info", open_data)
        assert answer["n_crossings"] == 6
        assert answer["expected_names"] == list(SEEDS)
        assert {"external", "neighbours", "muon.isolation"} <= set(answer["lacking"])
        assert "expected" not in answer["columns"]

    def test_a_menu_gives_bits_and_tells_what_looks_at_zeros(self, open_data: Path) -> None:
        answer = run_json("info", open_data, "--menu", DEMO_MENU)
        assert answer["n_algorithms_known"] == 1
        assert answer["menu"]["not_in_menu"] == ["L1_NotThere"]
        assert answer["menu"]["look_at_lacking"]["L1_ZeroBias"] == ["external"]
        shown = text("info", open_data, "--menu", DEMO_MENU)
        assert "algorithms look at what is not known" in shown
        assert "external, neighbours (" in shown
        assert "seeds that the menu does not have: L1_NotThere" in shown

    def test_the_menus_bits_are_compared_by_name(self, open_data: Path) -> None:
        arguments = ["menu", "verify", DEMO_MENU, str(open_data), "--json"]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        (mismatch,) = json.loads(result.stdout.splitlines()[-1])["mismatches"] or [None]
        # JET35 fires in the first crossing of three, as its seed says; the second has no jet of 35 GeV.
        assert mismatch is None


class TestConvert:
    def test_to_the_open_data_set_and_back(self, tmp_path: Path) -> None:
        ntuple, out = write_ntuple(tmp_path / "n.root"), tmp_path / "zb.parquet"
        answer = run_json("convert", ntuple, "--to", "open_data", "--out", out)
        assert answer["crossings"] == 2
        assert any("muon isolation" in sentence for sentence in answer["not_held"])
        assert run_json("show", out)["crossings"][0]["objects"] != []

    def test_seeds_become_expected_bits_with_a_menu(self, open_data: Path, tmp_path: Path) -> None:
        out = tmp_path / "zb.parquet"
        run_json("convert", open_data, "--menu", DEMO_MENU, "--out", out)
        answer = run_json("info", out)
        assert (answer["n_algorithms_known"], answer["n_algorithms_set"], answer["n_expected_or"]) == (1, 1, 2)
        assert "external" in answer["lacking"]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--out", "x.parquet", "--to", "nanoaod"), "nanoaod is not written; choose one of"),
            (("--out", "x.parquet", "--to", "csv"), "--to: unknown format 'csv'"),
        ],
    )
    def test_formats_that_are_not_written(self, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
        ntuple = write_ntuple(tmp_path / "n.root")
        assert sentence in failure("convert", ntuple, *(a.replace("x.", f"{tmp_path}/x.") for a in arguments))


class TestBrowsing:
    def test_the_highest_scores_first(self) -> None:
        source = SyntheticSource(40_000, seed=2)
        version = open_repository(None).load("axol1tl", "production")
        backend = exact_backend(version)
        (batch,) = source.batches(40_000)
        scores = backend.score({name: column_view(batch.column(name)) for name in backend.needed_columns})
        order = np.argsort(-scores.astype(np.int64), kind="stable")[:5]
        picked = highest_scores(source, version, 5)
        assert [found.number for found in picked] == order.tolist()
        assert [found.score for found in picked] == scores[order].tolist()
        arguments = ("show", "--synthetic", 40_000, "--seed", 2, "--top", "score:axol1tl", "--first", 5)
        answer = run_json(*arguments)["crossings"]
        assert [(c["number"], c["score"]) for c in answer] == [(p.number, p.score) for p in picked]
        assert f"score:axol1tl = {picked[0].score}\ncrossing {picked[0].number}:" in text(*arguments)

    def test_crossings_in_which_a_seed_fires(self, open_data: Path) -> None:
        arguments = ("show", open_data, "--fired", "L1_SingleJet35", "--menu", DEMO_MENU)
        assert [c["number"] for c in run_json(*arguments, "--first", 9)["crossings"]] == [0, 3]
        (second,) = run_json(*arguments, "--crossing", 1)["crossings"]
        assert second["number"] == 3
        assert any(entry["object"] == "JET" and entry["et_gev"] >= 35 for entry in second["objects"])

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--top", "score:axol1tl", "--fired", "L1_X"), "does not go with --fired"),
            (("--top", "axol1tl"), "'axol1tl' names no score; write score:NAME"),
            (("--top", "score:nothing"), "nothing"),
            (("--top", "score:axol1tl", "--crossing", "3"), "does not go with --crossing"),
            (("--fired", "L1_SingleJet35"), "needs a menu to find the seed in"),
            (("--fired", "L1_Nothing", "--menu", DEMO_MENU), "unknown algorithm 'L1_Nothing'"),
            (("--fired", "L1_SingleJet35", "--menu", DEMO_MENU, "--crossing", "5"), "fires in no crossing from 5 on"),
        ],
    )
    def test_bad_input_is_one_sentence(self, open_data: Path, arguments: tuple[str, ...], sentence: str) -> None:
        assert sentence in failure("show", open_data, *arguments)
