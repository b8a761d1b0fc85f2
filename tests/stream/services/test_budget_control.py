"""Budgets that hold their rate while the beam changes (docs/budgets.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.cli.ctl_budgets import show_budgets
from stream.services.budget_metrics import BudgetControlMetrics
from stream.services.changes import Change
from tests.stream.services.acting_budgets import (
    BATCH,
    COLUMNS,
    POINTS,
    SECTION,
    SECTION_S,
    Fill,
    actions,
    rates_hz,
    version,
)
from triggers.errors import L1ChainError

TARGET_HZ = 100_000.0
AD = {"name": "ad", "algorithms": ["L1_AD"], "rate_hz": 300_000, "control": {"by": "threshold", "target_hz": TARGET_HZ}}
L1 = {
    "name": "l1",
    "algorithms": ["*"],
    "rate_hz": 100_000,
    "control": {"by": "column", "target_hz": 90_000, "columns": COLUMNS},
}
SMALL_AD = AD | {"control": AD["control"] | {"target_hz": 20_000.0, "emergency_factor": None}}
DRIFT = {n: 66.0 - 0.4 * n for n in range(1, 60)}
STEP = {n: 60.0 if n < 8 else 75.0 for n in range(1, 60)}


def budget(section: dict[str, Any], **control: Any) -> dict[str, Any]:
    return section | {"control": section["control"] | control}


def settings(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row["budget_control"][name]["setting"] for row in rows]


def states(rows: list[dict[str, Any]], name: str) -> list[str]:
    return [str(row["budget_control"][name]["state"]) for row in rows]


def test_the_threshold_follows_a_pile_up_that_drifts(tmp_path: Path) -> None:
    rows = Fill(tmp_path, [AD]).run(40, DRIFT)
    assert all(0.8 * TARGET_HZ < rate < 1.2 * TARGET_HZ for rate in rates_hz(rows, "ad")[2:])
    moved = actions(rows, "ad")
    assert {str(action["action"]) for action in moved[1:]} == {"loosen"}  # never to and fro
    assert settings(rows, "ad")[-1] < settings(rows, "ad")[5] - 80
    free = Fill(tmp_path, [budget(AD, by="cap", emergency_factor=None)]).run(40, DRIFT)
    assert rates_hz(free, "ad")[-1] < 0.4 * TARGET_HZ


def test_a_sudden_step_is_held_after_two_lumi_sections_and_nothing_swings(tmp_path: Path) -> None:
    rows = Fill(tmp_path, [AD]).run(40, STEP)
    rates = rates_hz(rows, "ad")
    assert rates[7] > 2 * TARGET_HZ  # the lumi section of the step
    assert all(0.8 * TARGET_HZ < rate < 1.2 * TARGET_HZ for rate in rates[8:])
    assert [str(action["action"]) for action in actions(rows, "ad")] == ["tighten"]


def test_a_step_within_a_lumi_section_is_held_after_two_more(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [AD])
    fill.decide(range(4 * 3 + 2), 60.0)
    fill.decide(range(4 * 3 + 2, 4 * 10), 75.0)
    fill.end()
    assert all(0.8 * TARGET_HZ < rate < 1.2 * TARGET_HZ for rate in rates_hz(fill.rows, "ad")[5:])


def test_noise_is_not_chased(tmp_path: Path) -> None:
    """36 crossings of the group a lumi section: one of two rates is wrong by more than 10 %, and nothing moves."""
    rows = Fill(tmp_path, [budget(AD, target_hz=4_000.0)]).run(2, 60.0)
    settled = actions(rows, "ad")[-1]["after"]
    points = {**POINTS, "nominal": settled}
    fill = Fill(tmp_path, [budget(AD, target_hz=4_000.0)])
    fill.command("swap", 1, model="axol1tl", version=version("v2", points).as_json())
    rows = fill.run(60, 60.0)
    assert sum(abs(rate - 4_000) > 400 for rate in rates_hz(rows, "ad")) > 15
    assert len(actions(rows, "ad")) <= 2


def test_every_action_is_recorded_with_the_rate_that_caused_it(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [AD])
    rows = fill.run(12, STEP)
    (action,) = actions(rows, "ad")
    row = rows[7]["budget_control"]["ad"]
    assert action == row["action"]
    assert action["lumi_section"] == 9
    assert action["rate_hz"] == row["rate_hz"] == pytest.approx(rates_hz(rows, "ad")[7])
    assert action["target_hz"] == TARGET_HZ
    assert (action["before"], action["after"]) == (470, settings(rows, "ad")[8])
    (summary,) = fill.fold.budgets.summary()
    assert summary["last_actions"] == [action]
    assert summary["actions"] == {"tighten": 1}


def test_the_total_stays_below_100_khz_and_is_held_by_the_column(tmp_path: Path) -> None:
    """Beside a controller of the anomaly detection, which is part of the total."""
    rows = Fill(tmp_path, [SMALL_AD, L1]).run(24, STEP)
    assert all(row["accepted_hz"] <= 100_000 for row in rows)  # by the cap, whatever comes
    for name, target_hz in (("ad", 20_000), ("l1", 90_000)):
        rates = rates_hz(rows, name)
        assert rates[0] > 1.2 * target_hz
        assert rates[7] > 1.2 * target_hz
        for held in (rates[2:7], rates[9:]):
            assert all(0.8 * target_hz < rate < 1.2 * target_hz for rate in held)
        assert len(actions(rows, name)) <= 6
    chosen = settings(rows, "l1")
    assert [row["prescale_column"] for row in rows] == chosen
    assert COLUMNS.index(chosen[-1]) > COLUMNS.index(chosen[6])


def test_working_points_are_the_only_steps_of_their_controller(tmp_path: Path) -> None:
    rows = Fill(tmp_path, [budget(AD, by="working_point")]).run(12, STEP)
    assert set(settings(rows, "ad")) == {POINTS["nominal"], POINTS["tight"]}
    assert len(actions(rows, "ad")) == 1  # hysteresis: the looser point would be above the target again


def test_the_threshold_stays_between_its_working_points(tmp_path: Path) -> None:
    rows = Fill(tmp_path, [budget(AD, target_hz=1e6, between=["nominal", "tight"])]).run(4)
    assert set(settings(rows, "ad")) == {POINTS["nominal"]}
    assert not actions(rows, "ad")


def test_a_pure_rate_can_be_held(tmp_path: Path) -> None:
    everything = dict.fromkeys(range(1, 40), 60.0)
    rows = Fill(tmp_path, [budget(AD, rate="pure", target_hz=50_000.0)]).run(8, everything)
    pure = [row["budgets"]["ad"]["pure"] * 100 / 100 for row in rows]
    assert all(0.8 * 50_000 < rate < 1.2 * 50_000 for rate in rates_hz(rows, "ad")[2:])
    assert rates_hz(rows, "ad")[-1] == pytest.approx(pure[-1] / (100 / 11_245.5))


def test_far_above_the_target_the_group_is_switched_off_until_it_is_released(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [budget(AD, emergency_factor=3.0)])
    fill.command("budget-release", 9, budget="ad")
    rows = fill.run(14, {n: 60.0 if n < 4 else 90.0 for n in range(1, 20)})
    assert states(rows, "ad") == ["acting"] * 4 + ["off"] * 4 + ["acting"] * 6
    assert [str(action["action"]) for action in actions(rows, "ad")] == ["off"]
    kept = [row["budgets"]["ad"]["final"] for row in rows]
    assert kept[4:8] == [0] * 4
    assert [row["masked"] for row in rows][3:9] == [[], *[["L1_AD"]] * 4, []]
    # It comes back at a threshold that is right for what it saw.
    assert all(0.8 * TARGET_HZ < rate < 1.2 * TARGET_HZ for rate in rates_hz(rows, "ad")[8:])


def test_a_budget_that_moves_nothing_still_switches_off(tmp_path: Path) -> None:
    capped = budget(AD | {"rate_hz": 50_000}, by="cap", target_hz=None, emergency_factor=3.0)
    rows = Fill(tmp_path, [capped]).run(14, {n: 60.0 if n < 4 else 90.0 for n in range(1, 20)})
    kept_hz = [row["budgets"]["ad"]["final"] / SECTION_S for row in rows]
    assert all(rate <= 50_000 for rate in kept_hz)
    assert states(rows, "ad") == ["acting"] * 4 + ["off"] * 10


# Operators


def test_an_operators_column_holds_until_the_controller_is_released(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [SMALL_AD, L1])
    fill.command("prescale", 5, column="c25")
    fill.command("budget-release", 9, budget="l1")
    rows = fill.run(14)
    assert settings(rows, "l1")[4:9] == ["c25"] * 5
    assert states(rows, "l1") == ["acting"] * 4 + ["held"] * 4 + ["acting"] * 6
    assert all(0.8 * 90_000 < rate < 1.2 * 90_000 for rate in rates_hz(rows, "l1")[10:])


def test_a_controller_that_is_held_leaves_its_setting(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [AD])
    fill.command("budget-hold", 6, budget="ad")
    rows = fill.run(12, STEP)
    assert states(rows, "ad") == ["acting"] * 5 + ["held"] * 7
    assert len(set(settings(rows, "ad"))) == 1
    assert rates_hz(rows, "ad")[-1] > 2 * TARGET_HZ


def test_a_group_that_is_masked_by_command_says_nothing_to_its_controller(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [AD])
    fill.command("emergency-off", 3)
    fill.command("unmask", 6, algorithm="L1_AD")
    rows = fill.run(10)
    assert states(rows, "ad") == ["acting"] * 2 + ["masked"] * 3 + ["acting"] * 5
    assert not actions(rows, "ad")


def test_the_total_is_held_while_one_algorithm_is_masked_by_command(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [L1])
    fill.command("mask", 3, algorithm="L1_AD")
    rows = fill.run(14, STEP)
    assert states(rows, "l1") == ["acting"] * 14
    assert all(0.8 * 90_000 < rate < 1.2 * 90_000 for rate in rates_hz(rows, "l1")[9:])


def test_the_rate_that_is_held_is_that_of_what_no_veto_forbids(tmp_path: Path) -> None:
    """The score's algorithm, 100 kHz, vetoes: it keeps nothing, and no column changes that."""
    fill = Fill(tmp_path, [budget(L1, emergency_factor=None)], veto=(0,))
    rows = fill.run(6)
    assert all(0.8 * 90_000 < rate < 1.2 * 90_000 for rate in rates_hz(rows, "l1")[1:])
    free = Fill(tmp_path, [budget(L1 | {"rate_hz": 1e6}, by="cap", target_hz=None, columns=())], veto=(0,)).run(2)
    assert rates_hz(free, "l1") == pytest.approx([row["accepted_hz"] for row in free], rel=1e-3)


def test_a_column_is_held_while_all_of_its_group_is_switched_off_by_another_budget(tmp_path: Path) -> None:
    """What the group would spend still tells what each column lets pass."""
    jets = L1 | {"algorithms": ["L1_Jet"]}
    off = {"name": "off", "algorithms": ["L1_Jet"], "rate_hz": 1e6, "control": {"target_hz": 100.0}}
    rows = Fill(tmp_path, [jets, off]).run(8)
    assert states(rows, "off") == ["acting"] + ["off"] * 7
    assert all(0.8 * 90_000 < rate < 1.2 * 90_000 for rate in rates_hz(rows, "l1")[1:])


def test_a_group_that_is_switched_off_leaves_other_controllers_acting(tmp_path: Path) -> None:
    far_above = budget(AD, target_hz=2_000)
    rows = Fill(tmp_path, [far_above, L1]).run(10, 75.0)
    assert states(rows, "ad") == ["acting"] + ["off"] * 9
    assert states(rows, "l1") == ["acting"] * 10
    assert len(set(settings(rows, "l1"))) > 1


def test_a_version_that_is_swapped_in_begins_at_its_own_working_point(tmp_path: Path) -> None:
    other = version("v2", {"loose": 100, "nominal": 545, "tight": 2000})
    fill = Fill(tmp_path, [AD])
    fill.command("swap", 4, model="axol1tl", version=other.as_json())
    fill.command("swap", 8, model="axol1tl", version=version("v1").as_json())
    rows = fill.run(12, 70.0)
    thresholds = settings(rows, "ad")
    assert (thresholds[0], thresholds[3], thresholds[7]) == (470, 545, 470)
    assert thresholds[3:7] == [545] * 4  # it is right, and nothing of the other version's comes back after it
    for after in (1, 3, 8):
        assert 0.8 * TARGET_HZ < rates_hz(rows, "ad")[after] < 1.2 * TARGET_HZ


def test_two_controllers_of_one_threshold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(L1ChainError, match="budget 'pure': moves the same threshold as budget 'ad'"):
        Fill(tmp_path, [AD, budget(AD, rate="pure") | {"name": "pure"}])


def test_a_version_without_working_points_to_move_between_is_refused(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [AD])
    pointless = version("v9", {"nominal": 400})
    with pytest.raises(L1ChainError, match="nothing to move between"):
        fill.fold.check(Change("s", "swap", {"model": "axol1tl", "version": pointless.as_json()}))
    with pytest.raises(L1ChainError, match="budget with a controller 'none'"):
        fill.fold.check(Change("r", "budget-release", {"budget": "none"}))


# The state

COMMANDS = (
    ("prescale", 6, {"column": "c20"}),
    ("budget-release", 8, {"budget": "l1"}),
    ("budget-hold", 10, {"budget": "ad"}),
    ("budget-release", 11, {"budget": "ad"}),
    ("swap", 12, {"model": "axol1tl", "version": version("v2", {"loose": 90, "nominal": 380, "tight": 700}).as_json()}),
)
BOTH = [budget(SMALL_AD, emergency_factor=5.5), L1]


def commanded(folder: Path) -> Fill:
    fill = Fill(folder, BOTH)
    for kind, lumi_section, arguments in COMMANDS:
        fill.command(kind, lumi_section, **arguments)
    return fill


@pytest.mark.parametrize("cut", [1, 29, 31, 32, 33, 44, 47, 49, 60])
def test_a_fold_that_is_resumed_acts_as_if_nothing_had_been(tmp_path: Path, cut: int) -> None:
    batches = 16 * SECTION // BATCH
    whole, first, second = commanded(tmp_path), commanded(tmp_path), Fill(tmp_path, BOTH)
    expected = whole.decide(range(batches), STEP)
    begun = first.decide(range(cut), STEP)
    second.fold.restore(first.fold.position, first.put_aside())
    for kind, lumi_section, arguments in COMMANDS:  # heard after the commit is read
        second.command(kind, lumi_section, **arguments)
    assert begun + second.decide(range(cut, batches), STEP) == expected
    assert second.end() == whole.end()
    assert first.rows + second.rows == whole.rows
    assert len(actions(whole.rows, "ad")) + len(actions(whole.rows, "l1")) >= 4


def test_going_back_undoes_actions(tmp_path: Path) -> None:
    whole, made = Fill(tmp_path, BOTH), Fill(tmp_path, BOTH)
    expected = whole.decide(range(48), STEP)
    made.decide(range(26), STEP)
    position, state, rows = made.fold.position, made.put_aside(), list(made.rows)
    made.decide(range(26, 44), STEP)
    made.rows = rows
    made.fold.restore(position, state)
    assert made.decide(range(26, 48), STEP) == expected[26:]
    assert made.end() == whole.end()
    assert made.rows == whole.rows


def test_rows_of_a_run_without_controllers_say_nothing_of_them(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [{"name": "ad", "algorithms": ["L1_AD"], "rate_hz": 1000}])
    assert all("budget_control" not in row for row in fill.run(2))
    assert "budget_control" not in fill.end()


# What is told of it


def test_metrics_and_status_tell_what_controllers_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill = Fill(tmp_path, [AD, L1])
    rows = fill.run(10, STEP)
    families = {family.name: family for family in BudgetControlMetrics(fill.fold.budgets).collect()}

    def values(name: str) -> dict[tuple[str, ...], float]:
        return {tuple(sample.labels.values()): sample.value for sample in families[name].samples}

    assert values("l1chain_budget_target_hz") == {("ad",): TARGET_HZ, ("l1",): 90_000.0}
    assert values("l1chain_budget_controlled_hz")["ad",] == rates_hz(rows, "ad")[-1]
    assert ("ad", "threshold", "acting") in values("l1chain_budget_controller_info")
    assert values("l1chain_budget_threshold") == {("ad", "axol1tl", "nominal"): settings(rows, "ad")[-1]}
    assert values("l1chain_budget_actions")["ad", "tighten"] == 1
    show_budgets(fill.fold.budgets.summary())
    out = " ".join(capsys.readouterr().out.split())
    (action,) = actions(rows, "ad")
    assert "budget ad: acting, total rate" in out
    assert f"tighten 470 → {action['after']} from lumi section 9: {action['rate_hz']:,.0f} Hz, target 100,000 Hz" in out
