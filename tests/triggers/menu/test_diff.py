"""`menu diff`: changes in words."""

from __future__ import annotations

import pytest

from triggers.menu.diff import ChangeKind, diff_menus
from triggers.menu.model import Menu
from triggers.menu.yaml import read_yaml_menu

CUTS = """
  MU-SQ: {quality: [12, 13, 14, 15]}
  MU-ETA_2p1: {eta: [-2.1, 2.1]}
  MU-ETA_1p5: {eta: [-1.5, 1.5]}
  DR_1p2: {delta_r: [0, 1.2]}
  DR_1p4: {delta_r: [0, 1.4]}
  OS: {charge_correlation: os}
"""


def menu(*algorithms: tuple[int, str, str], cuts: str = CUTS, more: str = "") -> Menu:
    lines = [f'  - {{index: {index}, name: {name}, expression: "{text}"}}' for index, name, text in algorithms]
    text = f"name: m\ncuts:{cuts}algorithms:\n" + "\n".join(lines) + f"\n{more}\n"
    return read_yaml_menu(text.encode(), "menu.yaml")


def details(old: str, new: str) -> list[str]:
    """What changed inside one seed."""
    changes = diff_menus(menu((0, "A", old)), menu((0, "A", new)))
    assert all(change.kind is ChangeKind.CHANGED for change in changes)
    return [detail for change in changes for detail in change.details]


def test_equal_menus_have_no_differences():
    assert diff_menus(menu((0, "A", "MU3")), menu((0, "A", "MU3"))) == ()


def test_added_removed_renamed_and_moved_seeds_are_told_apart():
    old = menu((0, "A", "MU3"), (1, "B", "EG20 AND JET30"), (2, "C", "TAU30"))
    new = menu((0, "D", "HTT100"), (1, "B2", "JET30 AND EG20"), (7, "C", "TAU30"))
    changes = {change.kind: (change.name, change.text) for change in diff_menus(old, new)}
    assert changes == {
        ChangeKind.REMOVED: ("A", "was index 0: MU3"),
        ChangeKind.ADDED: ("D", "at index 0: HTT100"),
        ChangeKind.RENAMED: ("B", "is now B2, with the same expression"),
        ChangeKind.MOVED: ("C", "index 2 → 7"),
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("MU22", "MU25", ["MU: pT threshold 22 → 25 GeV [45 → 51]"]),
        ("HTT100", "HTT120p5", ["HTT: ET threshold 100 → 120.5 GeV [200 → 241]"]),
        ("EG20", "EG.eq.20", ["EG: ET ≥ 20 GeV [≥ 40] → ET = 20 GeV [= 40]"]),
        ("MU3", "MU3-1", ["MU: the same crossing → one crossing earlier"]),
        (
            "MU3[MU-ETA_2p1]",
            "MU3[MU-ETA_1p5]",
            ["MU: eta -2.1 to 2.1 [-193 to 193] (MU-ETA_2p1) → eta -1.5 to 1.5 [-138 to 138] (MU-ETA_1p5)"],
        ),
        ("MU3", "MU3[MU-SQ]", ["MU: none → quality 12, 13, 14, 15 (MU-SQ)"]),
        ("MU3[MU-SQ]", "MU3", ["MU: quality 12, 13, 14, 15 (MU-SQ) → none"]),
        ("comb{MU3, MU3}", "comb{MU5, MU5}", ["MU: pT threshold 3 → 5 GeV [7 → 11]"]),
        ("comb{MU9, MU3}", "comb{MU3, MU12}", ["MU: pT threshold 9 → 12 GeV [19 → 25]"]),
        (
            "dist{MU3, MU3}[DR_1p2]",
            "dist{MU3, MU3}[DR_1p4, OS]",
            [
                "dist: delta R 0 to 1.2 [ΔR² 0 to 1441000] (DR_1p2) → delta R 0 to 1.4 [ΔR² 0 to 1961000] (DR_1p4)",
                "dist: none → charges not all equal, each valid (OS)",
            ],
        ),
        ("MU3 AND EG20", "MU3 AND EG20 AND HTT100", ["needs also HTT100"]),
        (
            "MU3 AND EG20 AND HTT100",
            "HTT120 AND MU3",
            ["HTT: ET threshold 100 → 120 GeV [200 → 240]", "no longer needs EG20"],
        ),
        ("MU3", "MU3 OR EG20", ["takes also EG20"]),
        ("MU3", "comb{MU3[MU-SQ], MU3}", ["MU3 becomes comb{MU3[MU-SQ], MU3}"]),
        ("NOT MU3", "NOT MU5", ["MU: pT threshold 3 → 5 GeV [7 → 11]"]),
        ("MU3 AND EG20", "MU3 OR EG20", ["(MU3 AND EG20) becomes (MU3 OR EG20)"]),
    ],
)
def test_changes_inside_a_seed_are_told_in_words(old, new, expected):
    assert details(old, new) == expected


def test_another_order_or_other_names_of_equal_cuts_are_no_change():
    assert details("dist{MU3, EG20}[DR_1p2] AND HTT100", "HTT100 AND dist{EG20, MU3}[DR_1p2]") == []
    copy = CUTS.replace("MU-SQ", "MU-QLTY_SNGL")
    assert diff_menus(menu((0, "A", "MU3[MU-SQ]")), menu((0, "A", "MU3[MU-QLTY_SNGL]"), cuts=copy)) == ()


def test_a_redefined_cut_is_told_once_with_its_seeds():
    seeds = ((0, "A", "MU3[MU-SQ]"), (1, "B", "MU7[MU-SQ]"), (2, "C", "EG20"))
    (change,) = diff_menus(menu(*seeds), menu(*seeds, cuts=CUTS.replace("[12, 13,", "[8, 12, 13,")))
    assert (change.kind, change.name, change.algorithms) == (ChangeKind.CUT, "MU-SQ", ("A", "B"))
    assert change.text == "quality 12, 13, 14, 15 → quality 8, 12, 13, 14, 15"


def test_groups_and_scales_are_compared():
    seeds = ((0, "A", "MU3"), (1, "B", "EG20"))
    old = menu(*seeds, more="groups: {muon: [A], gone: [B]}")
    new = menu(*seeds, more="groups: {muon: [A, B], new: [A]}\nscales: {name: s, muon_pt_offset: 0}")
    assert [change.text for change in diff_menus(old, new)] == [
        "group now with B",
        "group removed",
        "group added: A",
        "scale set scales_2024_05_15 → s",
        "offset of the muon pT 1 → 0 bins",
    ]
