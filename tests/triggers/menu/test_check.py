"""`menu check`: what it finds, and what it does not take for a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from triggers.errors import FileMissing
from triggers.menu.check import check_file
from triggers.menu.check_values import Finding, Severity

CUTS = {
    "MU-QLTY_SNGL": "{quality: [12, 13, 14, 15]}",
    "MU-ETA_UP": "{eta: [1.2, 2.1]}",
    "MU-ETA_DOWN": "{eta: [2.1, 1.2]}",
    "MU-PHI_WRAP": "{phi_rad: [6.0, 0.5]}",
    "MU-INDEX_FAR": "{index: [108, 120]}",
    "MU-INDEX_PART": "{index: [90, 120]}",
    "MU-UPT_FAR": "{unconstrained_pt_gev: [300, 400]}",
    "JET-ETA_FAR": "{eta: [5.1, 5.3]}",
    "JET-ETA_PART": "{eta: [3.0, 9.0]}",
    "JET-SLICE_FAR": "{slice: [12, 13]}",
    "JET-SLICE_ONE": "{slice: [2, 2]}",
    "CICADA-CSCORE_FAR": "{cicada_score: 256.0}",
    "AXO-SCORE_FAR": "{score: 262144}",
    "AXO-MODEL_v3": "{model: v3}",
    "AXO-SCORE_1": "{score: 100}",
    "DETA_FAR": "{delta_eta: [11, 12]}",
    "DR_1": "{delta_r: [0, 1]}",
}


@pytest.fixture
def check(tmp_path: Path):
    """Checks a menu of the given expressions, named A0, A1 …"""

    def run(*expressions: str, more: str = "") -> list[Finding]:
        lines = ["name: m", "cuts:", *(f"  {name}: {cut}" for name, cut in CUTS.items()), "algorithms:"]
        lines += [f'  - {{index: {i}, name: A{i}, expression: "{text}"}}' for i, text in enumerate(expressions)]
        path = tmp_path / "menu.yaml"
        path.write_text("\n".join([*lines, more]))
        return list(check_file(path))

    return run


def texts(findings: list[Finding], severity: Severity) -> list[str]:
    return [f"{finding.where}: {finding.what}" for finding in findings if finding.severity is severity]


def test_a_sound_menu_has_no_findings(check):
    assert check("MU22[MU-QLTY_SNGL]", "comb{JET30, JET30} AND NOT EG30", "MU3[MU-PHI_WRAP]", "MU0 OR HTT0p5") == []


@pytest.mark.parametrize(
    ("expression", "where", "what"),
    [
        ("EG256", "EG256", "[512] is off the scale, which ends at [511]"),
        ("MU300", "MU300", "off the scale"),
        ("HTT2048", "HTT2048", "off the scale"),
        ("MBT0HFP16", "MBT0HFP16", "off the scale"),
        ("MU3[MU-INDEX_FAR]", "MU-INDEX_FAR", "off the scale"),
        ("MU3[MU-UPT_FAR]", "MU-UPT_FAR", "upside down"),
        ("JET30[JET-ETA_FAR]", "JET-ETA_FAR", "[117 to 121] is off the scale, which is [-115 to 114]"),
        ("JET30[JET-SLICE_FAR]", "JET-SLICE_FAR", "off the scale"),
        ("CICADA[CICADA-CSCORE_FAR]", "CICADA-CSCORE_FAR", "[65536] is off the scale"),
        ("dist{JET30, JET30}[DETA_FAR]", "DETA_FAR", "begins beyond 10, the most that there is"),
    ],
)
def test_what_lets_nothing_pass_is_an_error_and_so_is_its_seed(check, expression, where, what):
    errors = texts(check(expression, "MU3"), Severity.ERROR)
    assert len(errors) == 2
    assert errors[0].startswith(f"{where}: ")
    assert what in errors[0]
    assert errors[1] == "A0: can never fire"


def test_a_seed_with_another_way_to_fire_is_not_unreachable(check):
    assert len(texts(check("EG256 OR MU3"), Severity.ERROR)) == 1


def test_the_largest_threshold_is_on_the_scale(check):
    assert check("EG255p5", "MU254p5", "JET1023p5", "HTT2047p5", "MBT0HFP15") == []


def test_an_eta_window_upside_down_is_an_error_as_firmware_and_emulator_differ(check):
    (error,) = texts(check("MU3[MU-ETA_DOWN]", "MU3[MU-ETA_UP]"), Severity.ERROR)
    assert error.startswith("MU-ETA_DOWN: ")
    assert "the CMS emulator accepts what is outside the gap, the firmware nothing" in error


def test_a_finding_about_a_cut_names_every_seed_that_uses_it_once(check):
    (error,) = [
        f for f in check("MU3[MU-ETA_DOWN]", "comb{MU3[MU-ETA_DOWN], MU9[MU-ETA_DOWN]}") if f.where == "MU-ETA_DOWN"
    ]
    assert error.algorithms == ("A0", "A1")


@pytest.mark.parametrize(
    "expression",
    [
        "MU22 AND NOT MU22",
        "MU22 AND NOT MU20",
        "MU3[MU-QLTY_SNGL] AND NOT MU3",
        "EXT_a AND (NOT EXT_a OR EG300)",
        "comb{JET30[JET-SLICE_ONE], JET30[JET-SLICE_ONE]}",
    ],
)
def test_contradictions_never_fire(check, expression):
    found = check(expression, "MU7", more="externals: {EXT_a: 3}")
    assert "A0: can never fire" in texts(found, Severity.ERROR)


def test_what_is_always_true_is_a_warning(check):
    found = texts(check("EXT_a OR NOT EXT_a", "HTT0", "MU7", more="externals: {EXT_a: 3}"), Severity.WARNING)
    assert found == ["A0: fires in every crossing", "A1: fires in every crossing"]


def test_what_an_empty_slot_satisfies_is_a_warning(check):
    assert "EG0: is satisfied by an empty slot, that is, without any object" in texts(
        check("EG0", "MU0"), Severity.WARNING
    )


def test_thresholds_between_two_steps_and_partial_windows_are_told(check):
    found = check("MU22p3", "MU5[MU-INDEX_PART]")
    assert texts(found, Severity.NOTE) == ["MU22p3: the threshold 22.3 GeV is applied as 22.5 GeV"]
    (warning,) = texts(found, Severity.WARNING)
    assert "partly off the scale, which is [0 to 107]" in warning
    (warning,) = texts(check("JET30[JET-ETA_PART]"), Severity.WARNING)
    assert "the eta window 3 to 9 [69 to 206] is partly off the scale, which is [-115 to 114]" in warning


def test_seeds_that_mean_the_same_are_found_whatever_their_order(check):
    found = check(
        "MU3 AND (JET30 OR EG20)", "(EG20 OR JET30) AND MU3", "dist{JET30, EG20}[DR_1]", "dist{EG20, JET30}[DR_1]"
    )
    assert texts(found, Severity.WARNING) == ["A0: means the same as A1", "A2: means the same as A3"]


def test_signals_without_channel_and_scores_are_told(check):
    found = check("EXT_missing", "AXO[AXO-MODEL_v3, AXO-SCORE_1]", "AXO[AXO-MODEL_v3, AXO-SCORE_FAR]")
    assert texts(found, Severity.WARNING) == [
        "A0: is not evaluated: the menu gives the external signal EXT_missing no channel"
    ]
    assert texts(found, Severity.NOTE) == ["axol1tl/v3: is a network's score: evaluated where that version is given"]
    assert "[262144] is off the scale, which is [0 to 262143]" in texts(found, Severity.ERROR)[0]


def test_every_mistake_that_stops_reading_is_listed(tmp_path):
    path = tmp_path / "menu.yaml"
    path.write_text(
        "name: m\n"
        "cuts:\n  MU-A: {quality: [16]}\n  MU-B: {quality: [12]}\n"
        "algorithms:\n"
        "  - {index: 0, name: A, expression: 'MU3[MU-Q]'}\n"
        "  - {index: 1, name: B, expression: 'MU3 AND'}\n"
        "  - {index: 1, name: C, expression: 'MU3[MU-B]'}\n"
        "  - {index: 1, name: D, expression: 'MU3[MU-B]'}\n"
        "groups:\n  g: [X*]\n"
    )
    errors = texts(list(check_file(path)), Severity.ERROR)
    for part in ("'16' is not a QLTY code", "unknown cut 'MU-Q'", "where the expression ends", "index 1 of D", "'X*'"):
        assert sum(part in error for error in errors) == 1, (part, errors)
    assert len(errors) == 5


def test_every_mistake_of_an_xml_menu_is_listed(tmp_path):
    def algorithm(name: str, expression: str, index: int = 0, cut: str = "") -> str:
        named = f"<name>{name}</name><index>{index}</index><expression>{expression}</expression>"
        return f"<algorithm>{named}{cut}</algorithm>"

    bad = "<cut><name>MU-A</name><object>MU</object><type>QUALITY</type></cut>"
    path = tmp_path / "menu.xml"
    path.write_text(
        f"<menu><name>m</name>{algorithm('A', 'MU3', cut=bad)}{algorithm('B', 'MU', 1)}{algorithm('C', 'MU7')}</menu>"
    )
    errors = texts(list(check_file(path)), Severity.ERROR)
    assert len(errors) == 3
    for part in ("unknown cut type 'QUALITY'", "'MU' lacks its threshold", "index 0 of C belongs to A"):
        assert sum(part in error for error in errors) == 1


def test_what_is_no_menu_is_one_error_and_a_missing_file_is_none(tmp_path):
    path = tmp_path / "menu.yaml"
    path.write_text("name: [")
    assert len(check_file(path)) == 1
    with pytest.raises(FileMissing):
        check_file(tmp_path / "none.yaml")


@pytest.mark.conformance
def test_the_known_mistake_of_a_menu_of_2024_is_found(conformance):
    errors = texts(list(check_file(conformance / "menus" / "L1Menu_Collisions2024_v1_2_0-d1.xml")), Severity.ERROR)
    assert [error.partition(":")[0] for error in errors] == ["MU-ETA_EMTF_NEG_er2p0"]
