"""Where crossings stand in the orbit: filling schemes, crossing masks, trigger rules (docs/decision.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triggers.decision.filling import read_filling, train_filling
from triggers.decision.masks import no_masks, read_crossing_masks, with_calibration_gap
from triggers.decision.rules import DEFAULT_RULES, TriggerRule, checked_rules, parse_rule
from triggers.errors import BadValue, FileMissing, FileUnreadable, UnknownName
from triggers.menu.model import Algorithm, ExternalCondition, Menu, ScaleSet

MENU = Menu(
    "m",
    "m.yaml",
    "0",
    tuple(Algorithm(i, name, "EXT_x", ExternalCondition("x", 0)) for i, name in ((3, "L1_A"), (70, "L1_B"))),
    ScaleSet("s"),
    {"both": ("L1_A", "L1_B")},
)


@pytest.mark.parametrize("n", [1, 48, 49, 2544, 2634])
def test_the_default_scheme_has_trains_and_an_abort_gap(n: int) -> None:
    slots = train_filling(n).slots
    assert len(slots) == n
    assert (np.diff(slots) > 0).all()
    assert slots[-1] < 3564 - 120
    assert set(np.diff(slots).tolist()) <= {1, 8, 32}
    assert (np.diff(slots[:144]) == 8).sum() == len(slots[:144]) // 48 - (len(slots[:144]) % 48 == 0)


def test_more_bunches_than_trains_hold_stand_side_by_side() -> None:
    assert train_filling(3564).slots.tolist() == list(range(3564))


@pytest.mark.parametrize("n", [0, 3565])
def test_a_scheme_that_does_not_fit_the_orbit_is_refused(n: int) -> None:
    with pytest.raises(BadValue, match=f"{n} colliding bunches"):
        train_filling(n)


def test_a_scheme_is_read_from_a_list_of_slots(tmp_path: Path) -> None:
    path = tmp_path / "scheme.txt"
    path.write_text("# slots\n5, 3\n3563 # last\n")
    scheme = read_filling(path)
    assert scheme.slots.tolist() == [3, 5, 3563]
    assert scheme.colliding_bunches == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [("3564", "line 1: '3564' is not a slot"), ("1\n1", "line 2: slot 1 stands twice"), ("# none", "has no slot")],
)
def test_a_scheme_that_cannot_be_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "scheme.txt"
    path.write_text(content)
    with pytest.raises(BadValue, match=message):
        read_filling(path)


def test_the_calibration_gap_suppresses_every_algorithm_from_3480_to_3505() -> None:
    masks = with_calibration_gap(no_masks())
    assert np.flatnonzero(masks.any(axis=1)).tolist() == list(range(3480, 3506))
    assert (masks[3490] == np.uint64(2**64 - 1)).all()


def test_masks_are_ranges_of_algorithms_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "masks.csv"
    path.write_text("algorithm,first_bx,last_bx\nL1_A,10,12\nboth,12,12\n")
    masks = read_crossing_masks(path, MENU)
    assert masks[10].tolist() == [1 << 3, 0, 0, 0, 0, 0, 0, 0]
    assert masks[12].tolist() == [1 << 3, 1 << 6, 0, 0, 0, 0, 0, 0]
    assert np.flatnonzero(masks.any(axis=1)).tolist() == [10, 11, 12]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("name,a,b\n", FileUnreadable, "no header"),
        ("algorithm,first_bx,last_bx\nL1_A,12,10\n", BadValue, "line 2: '12' to '10' is no range"),
        ("algorithm,first_bx,last_bx\nL1_A,0,3564\n", BadValue, "is no range"),
        ("algorithm,first_bx,last_bx\nL1_A,0\n", BadValue, "2 values, expected 3"),
        ("algorithm,first_bx,last_bx\nL1_C,0,1\n", UnknownName, "L1_C"),
    ],
)
def test_damaged_masks_are_one_sentence(tmp_path: Path, content: str, error: type[Exception], message: str) -> None:
    path = tmp_path / "masks.csv"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_crossing_masks(path, MENU)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="no such filling scheme"):
        read_filling(tmp_path / "none")
    with pytest.raises(FileMissing, match="no such crossing masks"):
        read_crossing_masks(tmp_path / "none", MENU)


def test_rules_are_held_in_order_of_their_window() -> None:
    assert checked_rules(reversed(DEFAULT_RULES)) == DEFAULT_RULES
    assert parse_rule("4/240") == TriggerRule(4, 240)


@pytest.mark.parametrize("rule", [TriggerRule(0, 3), TriggerRule(3, 3), TriggerRule(17, 100)])
def test_a_rule_that_cannot_be_is_refused(rule: TriggerRule) -> None:
    with pytest.raises(BadValue, match=f"'{rule}' is no rule"):
        checked_rules([rule])


@pytest.mark.parametrize("text", ["1", "1/", "a/3", "1 in 3", "-1/3"])
def test_a_rule_has_one_form(text: str) -> None:
    with pytest.raises(BadValue, match="is no rule"):
        parse_rule(text)
