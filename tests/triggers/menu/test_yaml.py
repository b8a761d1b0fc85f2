"""Menus in YAML: strict, named errors, groups; the shipped menu and the documentation's examples load."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.errors import BadValue, FileUnreadable, L1ChainError, MenuSyntax, UnknownName
from triggers.menu.load import load_menu
from triggers.menu.model import (
    Cut,
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    Operation,
    WorkingPointCondition,
    conditions_of,
)
from triggers.menu.yaml import CutEntry, read_yaml_menu

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "menu-format.md"
_GROUPS = {"zero_bias", "muon", "egamma", "jet", "tau", "sums", "cross", "ad"}

_MENU = """\
name: test
comment: a menu
cuts:
  MU-QLTY_SNGL: {quality: [15, 12]}
  central: {object: JET, eta: [-2.523, 2.523]}
externals:
  EXT_ZeroBias: 4
algorithms:
  - {index: 7, name: L1_Mu, expression: "MU22[MU-QLTY_SNGL]", comment: a muon}
  - {index: 1, name: L1_Jet, expression: "JET90[central]"}
  - {index: 3, name: L1_MuJet, expression: "MU3-1 AND JET30"}
  - {index: 0, name: L1_ZeroBias, expression: EXT_ZeroBias}
groups:
  objects: [L1_MuJet, L1_*Mu*, "L1_J?t"]
"""


def _read(text: str) -> Menu:
    return read_yaml_menu(text.encode(), "menu.yaml")


def _with_cut(name: str, definition: str) -> str:
    return f"name: m\ncuts:\n  {name}: {definition}\nalgorithms:\n  - {{index: 0, name: L1_X, expression: MU3}}\n"


def test_yaml_gives_the_same_menu_as_xml_would() -> None:
    menu = _read(_MENU)
    assert (menu.name, menu.source) == ("test", "menu.yaml")
    assert menu.digest == hashlib.sha256(_MENU.encode()).hexdigest()
    assert [(a.index, a.name, a.comment) for a in menu.algorithms] == [
        (0, "L1_ZeroBias", ""),
        (1, "L1_Jet", ""),
        (3, "L1_MuJet", ""),
        (7, "L1_Mu", "a muon"),
    ]
    assert menu.algorithms[0].expression == ExternalCondition("EXT_ZeroBias", 4)
    muon = menu.algorithms[3].expression
    assert isinstance(muon, ObjectCondition)
    assert muon.requirements[0].cuts == (Cut("MU-QLTY_SNGL", CutKind.QUALITY, ObjectType.MU, values=("12", "15")),)
    jet = menu.algorithms[1].expression
    assert isinstance(jet, ObjectCondition)
    assert jet.requirements[0].cuts == (Cut("central", CutKind.ETA, ObjectType.JET, -2.523, 2.523),)
    assert (menu.scales.muon_pt_offset, menu.scales.unconstrained_pt_zero) == (1, 1)


def test_a_group_is_resolved_in_order_of_index_without_repetition() -> None:
    assert _read(_MENU).groups == {"objects": ("L1_Jet", "L1_MuJet", "L1_Mu")}


@pytest.mark.parametrize(
    ("use", "definition", "expected"),
    [
        ("MU3[MU-A]", "{eta: [0, 1.5]}", Cut("MU-A", CutKind.ETA, ObjectType.MU, 0, 1.5)),
        ("JET3[JET-A]", "{phi_rad: [6.0, 0.5]}", Cut("JET-A", CutKind.PHI, ObjectType.JET, 6.0, 0.5)),
        ("EG3[EG-A]", "{isolation: [3, 1]}", Cut("EG-A", CutKind.ISOLATION, ObjectType.EG, values=("1", "3"))),
        ("MU3[MU-A]", "{impact_parameter: [0]}", Cut("MU-A", CutKind.IMPACT_PARAMETER, ObjectType.MU, values=("0",))),
        ("MU3[MU-A]", "{charge: negative}", Cut("MU-A", CutKind.CHARGE, ObjectType.MU, values=("negative",))),
        ("MU3[MU-A]", "{unconstrained_pt_gev: [5, 255]}", Cut("MU-A", CutKind.UNCONSTRAINED_PT, ObjectType.MU, 5, 255)),
        ("MU3[MU-A]", "{index: [36, 71]}", Cut("MU-A", CutKind.INDEX, ObjectType.MU, 36, 71)),
        ("JET3[JET-A]", "{displaced: true}", Cut("JET-A", CutKind.DISPLACED, ObjectType.JET, values=("1",))),
        ("TAU3[TAU-A]", "{slice: [0, 3]}", Cut("TAU-A", CutKind.SLICE, ObjectType.TAU, 0, 3)),
        ("ZDCP3[ZDCP-A]", "{count: 5}", Cut("ZDCP-A", CutKind.COUNT, ObjectType.ZDCP, 5)),
        ("ADT[ADT-A]", "{adt_score: 15717}", Cut("ADT-A", CutKind.ADT_SCORE, ObjectType.ADT, 15717)),
        ("CICADA[CICADA-A]", "{cicada_score: 10.5}", Cut("CICADA-A", CutKind.CICADA_SCORE, ObjectType.CICADA, 10.5)),
        ("dist{MU3, MU3}[A]", "{delta_eta: [0, 1.5]}", Cut("A", CutKind.DELTA_ETA, None, 0, 1.5)),
        ("dist{MU3, MU3}[A]", "{delta_phi_rad: [2.6, 3.142]}", Cut("A", CutKind.DELTA_PHI, None, 2.6, 3.142)),
        ("dist{MU3, MU3}[A]", "{delta_r: [0, 0.8]}", Cut("A", CutKind.DELTA_R, None, 0, 0.8)),
        ("mass_inv{MU3, MU3}[A]", "{mass_gev: [7, 18]}", Cut("A", CutKind.MASS, None, 7, 18)),
        (
            "mass_inv_upt{MU3, MU3}[A]",
            "{mass_unconstrained_gev: [7, 18]}",
            Cut("A", CutKind.MASS_UNCONSTRAINED, None, 7, 18),
        ),
        ("mass_inv_dr{MU3, MU3}[A]", "{mass_over_delta_r_gev: 12}", Cut("A", CutKind.MASS_OVER_DELTA_R, None, 12)),
        ("comb{MU3, MU3}[A]", "{two_body_pt_gev: 40}", Cut("A", CutKind.TWO_BODY_PT, None, 40)),
        (
            "comb{MU3, MU3}[MU-OS]",
            "{charge_correlation: os}",
            Cut("MU-OS", CutKind.CHARGE_CORRELATION, None, values=("os",)),
        ),
        (
            "comb_orm{TAU3, TAU3, JET3}[A]",
            "{overlap_delta_eta: [0, 0.2]}",
            Cut("A", CutKind.OVERLAP_DELTA_ETA, None, 0, 0.2),
        ),
        (
            "comb_orm{TAU3, TAU3, JET3}[A]",
            "{overlap_delta_phi_rad: [0, 0.2]}",
            Cut("A", CutKind.OVERLAP_DELTA_PHI, None, 0, 0.2),
        ),
        (
            "comb_orm{TAU3, TAU3, JET3}[A]",
            "{overlap_delta_r: [0, 0.5]}",
            Cut("A", CutKind.OVERLAP_DELTA_R, None, 0, 0.5),
        ),
    ],
)
def test_every_cut_key_makes_its_cut(use: str, definition: str, expected: Cut) -> None:
    text = _with_cut(expected.name, definition).replace("expression: MU3", f'expression: "{use}"')
    (condition,) = conditions_of(_read(text).algorithms[0].expression)
    assert isinstance(condition, ObjectCondition)
    assert expected in condition.cuts + condition.requirements[0].cuts


def test_a_network_score_has_its_model_and_threshold_from_two_cuts() -> None:
    text = """\
name: m
cuts:
  AXO-M: {model: v5}
  AXO-S: {score: 2010}
algorithms:
  - {index: 0, name: L1_AXO, expression: "AXO[AXO-M, AXO-S]"}
"""
    (condition,) = conditions_of(_read(text).algorithms[0].expression)
    assert isinstance(condition, ObjectCondition)
    assert condition.requirements[0].cuts == (
        Cut("AXO-M", CutKind.MODEL, ObjectType.AXO, values=("v5",)),
        Cut("AXO-S", CutKind.SCORE, ObjectType.AXO, 2010.0),
    )


@pytest.mark.parametrize(
    ("text", "error", "parts"),
    [
        ("", BadValue, ["holds None", "name, comment, cuts"]),
        ("just text", BadValue, ["holds 'just text'"]),
        ("name: [", FileUnreadable, ["line 1", "not valid YAML"]),
        ("name: m\n\tcuts: {}", FileUnreadable, ["line 2, column 1", "not valid YAML"]),
        ("name: !!python/object:os.system x", FileUnreadable, ["line 1", "not valid YAML", "constructor"]),
        ("[" * 3000, FileUnreadable, ["not valid YAML"]),
        (_MENU + "name: again\n", FileUnreadable, ["line 15, column 1", "key 'name' stands twice"]),
        (_MENU.replace("central:", "MU-QLTY_SNGL:"), FileUnreadable, ["line 5", "'MU-QLTY_SNGL' stands twice"]),
        (_MENU.replace("comment: a menu", "coment: a menu"), UnknownName, ["key 'coment'", "comment"]),
        (
            _MENU.replace("expression: EXT_", "expresion: EXT_"),
            UnknownName,
            ["menu.yaml, algorithms.3:", "unknown key 'expresion'", "use one of: expression"],
        ),
        (_MENU.replace("eta:", "etta:"), UnknownName, ["cuts.central", "'etta'", "eta"]),
        ("name: m\n", BadValue, ["key 'algorithms' is missing"]),
        (_MENU.replace("index: 7, ", ""), BadValue, ["menu.yaml, algorithms.0", "key 'index' is missing"]),
        (_MENU.replace("index: 7", "index: seven"), BadValue, ["algorithms.0.index", "found 'seven'", "integer"]),
        (_MENU.replace("index: 7", "index: 7.0"), BadValue, ["algorithms.0.index", "found 7.0"]),
        (_MENU.replace("index: 7", "index: 512"), BadValue, ["algorithms.0", "index 512 of L1_Mu", "0 to 511"]),
        (_MENU.replace("index: 7", "index: 1"), BadValue, ["algorithms.1", "index 1 of L1_Jet belongs to L1_Mu"]),
        (_MENU.replace("L1_Jet,", "L1_Mu,"), BadValue, ["algorithms.1", "a second algorithm L1_Mu"]),
        (_MENU.replace("[-2.523, 2.523]", "[2.523]"), BadValue, ["cuts.central.eta", "at least 2 items"]),
        (_with_cut("A", "{delta_r: [2.5, 1.0]}"), BadValue, ["cuts.A", "[2.5, 1] is empty"]),
        (_MENU.replace("[-2.523, 2.523]", "[-.inf, .inf]"), BadValue, ["cuts.central", "not finite"]),
        (_MENU.replace("[15, 12]", "[15, 16]"), BadValue, ["cuts.MU-QLTY_SNGL", "'16' is not a QLTY code"]),
        (_MENU.replace("object: JET", "object: JTE"), UnknownName, ["cuts.central", "unknown object 'JTE'", "JET"]),
        (_MENU.replace("object: JET, ", ""), BadValue, ["cuts.central", "object type is not clear"]),
        (_with_cut("MU-A", "{}"), BadValue, ["cuts.MU-A", "one restriction, found none", "quality"]),
        (_with_cut("MU-A", "{quality: [1], eta: [0, 1]}"), BadValue, ["one restriction, found eta, quality"]),
        (_with_cut("A", "{object: MU, delta_r: [0, 1]}"), BadValue, ["DR cut belongs to a condition"]),
        (_with_cut("EG-A", "{quality: [1]}"), BadValue, ["cuts.EG-A", "one of MU; found EG"]),
        (_with_cut("MU A", "{quality: [1]}"), BadValue, ["object type is not clear"]),
        (_with_cut("A B", "{delta_r: [0, 1]}"), BadValue, ["cuts.A B", "not a name that expressions can use"]),
        (_MENU.replace("EXT_ZeroBias: 4", "ZeroBias: 4"), BadValue, ["externals.ZeroBias", "EXT_"]),
        (_MENU.replace("EXT_ZeroBias: 4", "EXT_ZeroBias: 256"), BadValue, ["externals.EXT_ZeroBias", "found 256"]),
        (_MENU.replace("MU3-1 AND", "MU3-1 ADN"), MenuSyntax, ["menu.yaml, algorithm L1_MuJet", "column 7"]),
        (_MENU.replace('"MU3-1 AND JET30"', "''"), MenuSyntax, ["algorithm L1_MuJet", "expression ends"]),
        (_MENU.replace("JET90[central]", "JET90[centrl]"), UnknownName, ["unknown cut 'centrl'", "central"]),
        (_MENU.replace("L1_MuJet, L1_*", "L1_MuJt, L1_*"), UnknownName, ["groups.objects", "'L1_MuJt'", "L1_MuJet"]),
        (_MENU.replace("L1_*Mu*", "L1_*Tau*"), BadValue, ["groups.objects", "'L1_*Tau*' matches no algorithm"]),
        ("name: m\nalgorithms: []\n", MenuSyntax, ["no algorithms"]),
        ("name: ''\nalgorithms: []\n", BadValue, ["menu.yaml, name", "at least 1 character"]),
    ],
)
def test_a_mistake_is_one_sentence_with_its_path(text: str, error: type[L1ChainError], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        _read(text)
    message = str(caught.value)
    assert message.startswith("menu.yaml")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_text_must_be_utf8() -> None:
    with pytest.raises(FileUnreadable, match="not UTF-8"):
        read_yaml_menu(b"name: \xff", "menu.yaml")


@given(position=st.integers(0, len(_MENU) - 1), length=st.integers(0, 20), replacement=st.text(max_size=6))
def test_any_damage_is_read_or_is_an_error_of_ours(position: int, length: int, replacement: str) -> None:
    damaged = _MENU[:position] + replacement + _MENU[position + length :]
    with contextlib.suppress(L1ChainError):
        read_yaml_menu(damaged.encode("utf-8", "surrogatepass"), "menu.yaml")


def test_the_documentation_lists_every_key_and_its_example_loads() -> None:
    document = _DOCUMENT.read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    menu = _read(example)
    assert menu.groups == {"muon": ("L1_DoubleMu0_SQ_OS_Jet60er2p5",), "ad": ("L1_AXO_Nominal",)}
    keys = set(CutEntry.model_fields) - {"object"}
    assert {key for key in keys if f"`{key}`" in document} == keys


def test_the_shipped_menu_has_its_groups_and_working_points() -> None:
    menu = load_menu("shipped:menus/demo.yaml")
    assert set(menu.groups) == _GROUPS
    members = [name for names in menu.groups.values() for name in names]
    assert sorted(members) == sorted(algorithm.name for algorithm in menu.algorithms)
    assert [
        condition.working_point
        for name in menu.groups["ad"]
        for condition in _conditions(menu, name)
        if isinstance(condition, WorkingPointCondition)
        and (condition.model, condition.alias) == ("axol1tl", "production")
    ] == ["vloose", "loose", "nominal", "tight", "vtight"]


def test_the_shipped_menu_uses_only_kinds_that_are_evaluated() -> None:
    menu = load_menu("shipped:menus/demo.yaml")
    conditions = [condition for algorithm in menu.algorithms for condition in conditions_of(algorithm.expression)]
    assert {c.function for c in conditions if isinstance(c, ObjectCondition)} == {Function.SINGLE, Function.COMB}
    assert all(c.channel is not None for c in conditions if isinstance(c, ExternalCondition))


@pytest.mark.conformance
def test_the_shipped_menus_seeds_are_those_that_cms_gives_their_names(conformance: Path) -> None:
    public: dict[str, Expression] = {}
    for name in ("L1Menu_Collisions2018_v2_1_0-d1.xml", "L1Menu_Collisions2024_v1_2_0-d1.xml"):
        public |= {a.name: a.expression for a in load_menu(conformance / "menus" / name).algorithms}
    ours = load_menu("shipped:menus/demo.yaml")
    own = {"L1_CosmicMu3_er1p2_TOP120_BOTTOM120"}
    assert {a.name for a in ours.algorithms} - public.keys() == own
    written_with_xor = {"L1_BptxXOR"}
    for algorithm in ours.algorithms:
        if algorithm.name not in own | written_with_xor | set(ours.groups["ad"]):
            assert _meaning(algorithm.expression) == _meaning(public[algorithm.name]), algorithm.name


def _conditions(menu: Menu, name: str) -> Iterator[Expression]:
    algorithm = menu.algorithm(name)
    assert algorithm is not None
    return conditions_of(algorithm.expression)


def _meaning(expression: Expression) -> object:
    """A tree without the names of its cuts, whose limits are rounded as this menu rounds them."""
    if isinstance(expression, Operation):
        return expression.operator, [_meaning(operand) for operand in expression.operands]
    if isinstance(expression, ObjectCondition):
        return (
            expression.function,
            [_requirement_meaning(requirement) for requirement in expression.requirements],
            sorted(_cut_meaning(cut) for cut in expression.cuts),
        )
    return expression


def _requirement_meaning(requirement: ObjectRequirement) -> object:
    cuts = sorted(_cut_meaning(cut) for cut in requirement.cuts)
    return requirement.object, requirement.threshold, requirement.comparison, requirement.bx_offset, cuts


def _cut_meaning(cut: Cut) -> tuple[object, ...]:
    return cut.kind, round(cut.minimum, 4), round(cut.maximum, 4), cut.values
