"""The demo: AXOL1TL v5 and CICADA beside the seeds, on crossings that have what both read."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.run.assembly import Assembly
from stream.run.config import load_config
from tests.stream.run.conftest import l1chain
from triggers.decision.prescales import read_prescales
from triggers.errors import BadValue
from triggers.menu.load import load_menu
from triggers.shipped import find_file

SHORT = ("run.lumi_sections=2", "run.orbits_per_lumi_section=10", "metrics.address=null")
NETWORKS = {"L1_CICADA_VLoose", "L1_CICADA_Loose", "L1_CICADA_Nominal", "L1_CICADA_Tight", "L1_CICADA_VTight"}


def test_the_demo_scores_every_crossing_with_both_networks(tmp_path: Path) -> None:
    settings = [argument for setting in SHORT for argument in ("--set", setting)]
    ended = l1chain("demo", "--out", str(tmp_path), "--json", *settings, timeout_s=400)
    assert ended.code == 0, ended.err
    result = ended.result
    assert result["produced"] == result["decided"] == 2 * 10 * 2544
    assert {"score:axol1tl", "score:cicada"} <= set(result["cpu_ns_per_crossing"])
    assert [model["version"].split("-")[0] for model in result["models"]] == ["sim", "sim"]
    assert result["menu"]["not_evaluated"] == {}
    accepted = ended.accepted
    assert accepted.num_rows == result["accepted"] > 0


def test_a_source_without_regions_is_refused_before_the_start() -> None:
    config = load_config("shipped:chains/demo.yaml", ("source={format: synthetic}", *SHORT))
    with pytest.raises(BadValue, match=r"cicada/sim-[\w.]+ reads regions, which .* does not have"):
        Assembly(config).check()


def test_both_menus_of_the_demo_have_the_same_seeds_and_one_prescale_table() -> None:
    plain, anomaly = load_menu("shipped:menus/demo.yaml"), load_menu("shipped:menus/demo-anomaly.yaml")
    expressions = {algorithm.name: algorithm.expression for algorithm in anomaly.algorithms}
    assert expressions.keys() - {algorithm.name for algorithm in plain.algorithms} == NETWORKS
    assert all(expressions[algorithm.name] == algorithm.expression for algorithm in plain.algorithms)
    table = read_prescales(find_file("shipped:prescales/demo.csv"))
    assert not table.lacking([*plain.algorithms, *anomaly.algorithms])
