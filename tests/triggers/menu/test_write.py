"""Menus written as YAML and XML are read back as equal menus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from triggers.menu.load import load_menu
from triggers.menu.model import ExternalCondition, Menu, ScaleSet, WorkingPointCondition, conditions_of
from triggers.menu.write import not_in_xml, object_word, signals_of, xml_menu, yaml_menu
from triggers.menu.xml import read_xml_menu
from triggers.menu.yaml import read_yaml_menu

EVERY_CUT = r"""
name: every cut
comment: "Written for a test: with <marks> & 'quotes'."
cuts:
  MU-ETA_A: {eta: [-2.1, 0.1]}
  gap: {object: MU, eta: [1.0, -1.0]}
  MU-PHI_A: {phi_rad: [6.0, 0.1]}
  MU-Q: {quality: [8, 12]}
  MU-I: {isolation: [1]}
  MU-IP: {impact_parameter: [1, 2, 3]}
  MU-C: {charge: negative}
  MU-U: {unconstrained_pt_gev: [0, 255]}
  MU-X: {index: [36, 71]}
  JET-D: {displaced: true}
  JET-S: {slice: [0, 3]}
  ZDCP-N: {count: 5}
  ADT-S: {adt_score: 9773}
  AXO-S: {score: 2010}
  AXO-M: {model: v5}
  CICADA-S: {cicada_score: 3.5}
  DE: {delta_eta: [0, 1.0e-05]}
  DP: {delta_phi_rad: [2.0, 3.142]}
  DR: {delta_r: [0, 1.4]}
  M: {mass_gev: [5, 1.0e+20]}
  MU_: {mass_unconstrained_gev: [5, 17]}
  MDR: {mass_over_delta_r_gev: 20.0}
  PT: {two_body_pt_gev: 12.5}
  OS: {charge_correlation: os}
  OE: {overlap_delta_eta: [0, 0.2]}
  OP: {overlap_delta_phi_rad: [0, 0.2]}
  ORMR: {overlap_delta_r: [0, 0.2]}
externals: {EXT_a-1: 7, EXT_none: null, EXT_high: 255}
algorithms:
  - index: 3
    name: L1_A
    expression: MU3p5-1[MU-ETA_A, gap, MU-PHI_A, MU-Q, MU-I, MU-IP, MU-C, MU-U, MU-X]
    comment: "yes: no"
  - index: 4
    name: L1_B
    expression: JET.eq.30[JET-D, JET-S] OR ZDCP3[ZDCP-N] XOR NOT (ADT[ADT-S] AND AXO[AXO-S, AXO-M])
  - {index: 5, name: L1_C, expression: "EXT_a-1 AND EXT_none+2 AND EXT_high AND EXT_unlisted AND CICADA[CICADA-S]"}
  - {index: 6, name: L1_D, expression: "dist{MU3, MU3}[DE, DP, DR, OS, PT] AND mass{MU3, JET30}[M]"}
  - {index: 7, name: L1_E, expression: "mass_inv_upt{MU3, MU3}[MU_] AND mass_inv_dr{MU3, MU3}[MDR]"}
  - {index: 511, name: "null", expression: "comb_orm{TAU20, TAU20, JET30}[OE, OP, ORMR]"}
groups: {some: [L1_A, L1_C], "on": ["null"]}
scales: {name: "2015", muon_pt_offset: 0, unconstrained_pt_zero: 0}
"""


def same(one: Menu, other: Menu) -> bool:
    return replace(one, source="", digest="") == replace(other, source="", digest="")


@pytest.fixture
def every_cut() -> Menu:
    return read_yaml_menu(EVERY_CUT.encode(), "every.yaml")


def test_every_cut_survives_yaml(every_cut):
    assert same(read_yaml_menu(yaml_menu(every_cut).encode(), "back.yaml"), every_cut)


def test_every_cut_survives_xml(every_cut):
    back = read_xml_menu(xml_menu(every_cut).encode(), "back.xml")
    assert same(back, replace(every_cut, groups={}))
    assert not_in_xml(every_cut) == ("the groups some, on",)


def test_a_signal_without_channel_stays_one_and_keeps_its_name(every_cut):
    assert signals_of(every_cut)["EXT_none"] is None
    back = read_xml_menu(xml_menu(every_cut).encode(), "back.xml")
    conditions = [c for a in back.algorithms for c in conditions_of(a.expression) if isinstance(c, ExternalCondition)]
    assert ExternalCondition("EXT_a-1", 7) in conditions
    assert ExternalCondition("EXT_none", None, 2) in conditions


def test_the_shipped_menu_survives_yaml_with_comments_and_groups():
    menu = load_menu("shipped:menus/demo.yaml")
    text = yaml_menu(menu)
    assert same(read_yaml_menu(text.encode(), "back.yaml"), menu)
    assert "comment: one beam only" in text
    assert menu.comment in text


def test_xml_has_no_place_for_working_points():
    menu = load_menu("shipped:menus/demo.yaml")
    back = read_xml_menu(xml_menu(menu).encode(), "back.xml")
    of_points = [
        a for a in menu.algorithms if any(isinstance(c, WorkingPointCondition) for c in conditions_of(a.expression))
    ]
    assert of_points
    assert set(back.algorithms) == set(menu.algorithms) - set(of_points)
    told = " ".join(not_in_xml(menu))
    assert all(algorithm.name in told for algorithm in of_points)


def test_standard_scales_are_not_written(every_cut):
    assert "scales:" in yaml_menu(every_cut)
    assert "scales:" not in yaml_menu(replace(every_cut, scales=ScaleSet("scales_2024_05_15")))


def test_words_of_objects_read_as_the_menus_write_them(every_cut):
    (requirement,) = every_cut.algorithms[0].expression.requirements
    assert object_word(requirement) == "MU3p5-1"
    equal = every_cut.algorithms[1].expression.operands[0].requirements[0]
    assert object_word(equal) == "JET.eq.30"


@pytest.mark.conformance
@pytest.mark.parametrize("folder", ["menus", "menus-latest"])
def test_menus_of_cms_survive_both_syntaxes(conformance: Path, folder: str):
    files = sorted((conformance / folder).iterdir())
    assert files
    for file in files:
        menu = load_menu(file)
        assert same(read_yaml_menu(yaml_menu(menu).encode(), "back.yaml"), menu), file.name
        assert same(read_xml_menu(xml_menu(menu).encode(), "back.xml"), menu), file.name
