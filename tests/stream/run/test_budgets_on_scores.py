"""Which budgets are of algorithms on scores alone: page and report draw them with anomaly detection (docs/page.md)."""

from __future__ import annotations

from typing import Any

from stream.run.budgets_on_scores import budgets_on_scores
from triggers.menu.load import load_menu
from triggers.shipped import find_file

MENU = find_file("shipped:menus/demo.yaml")
BUDGETS = {
    "group": ["ad"],
    "one": ["L1_AXO_Nominal"],
    "mixed": ["L1_AXO_Nominal", "L1_SingleMu22"],
    "all": ["*"],
    "muons": ["L1_SingleMu22"],
}


def record(path: str) -> dict[str, Any]:
    budgets = [{"name": name, "algorithms": algorithms} for name, algorithms in BUDGETS.items()]
    on_scores = [algorithm.name for algorithm in load_menu(str(MENU)).algorithms if "AXO" in algorithm.name]
    return {"config": {"budgets": budgets}, "menu": {"path": path, "on_scores": on_scores}}


def test_a_group_counts_by_its_members() -> None:
    assert budgets_on_scores(record(str(MENU))) == ["group", "one"]


def test_without_the_menu_only_that_of_everything_is_told_apart() -> None:
    assert budgets_on_scores(record("nowhere.yaml")) == ["group", "one", "mixed", "muons"]
