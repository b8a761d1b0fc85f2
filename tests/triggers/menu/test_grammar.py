"""Expressions become trees as `docs/menu-format.md`, sections 3 to 5, says."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.errors import BadValue, L1ChainError, MenuSyntax, UnknownName
from triggers.menu.build import build_cut
from triggers.menu.grammar import DEEPEST_NESTING, FUNCTIONS, parse
from triggers.menu.model import (
    COUNTS,
    ENERGY_SUMS,
    PARTICLES,
    SINGLE_BITS,
    VECTOR_SUMS,
    Comparison,
    Cut,
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    Operation,
    Operator,
    WorkingPointCondition,
)
from triggers.menu.rules import FUNCTION_RULES
from triggers.menu.tokens import LONGEST_EXPRESSION

CHANNELS: Mapping[str, int | None] = {
    "EXT_ZeroBias": 4,
    "EXT_BPTX_plus_AND_minus.v0": 7,
    "EXT_Trap": 8,
    "EXT_Trap+1": 9,
    "EXT_Dummy": None,
}
_WHERE = "menu.yaml, algorithm L1_x"


def _cut(
    name: str, kind: CutKind, object_type: ObjectType | None = None, values: tuple[str, ...] = (), maximum: float = 2.0
) -> Cut:
    return build_cut("test", name, kind, object_type, (1.0, maximum) if not values else (0.0, 0.0), values)


_DEFINED = [
    _cut("MU-ETA_A", CutKind.ETA, ObjectType.MU),
    _cut("MU-ETA_B", CutKind.ETA, ObjectType.MU, maximum=3.0),
    _cut("MU-QLTY_SNGL", CutKind.QUALITY, ObjectType.MU, ("12", "13")),
    _cut("MU-QLTY_DBLE", CutKind.QUALITY, ObjectType.MU, ("8",)),
    _cut("JET-ETA_2p5", CutKind.ETA, ObjectType.JET),
    _cut("EG-ISO_0xA", CutKind.ISOLATION, ObjectType.EG, ("1", "3")),
    _cut("AXO-MODEL_v5", CutKind.MODEL, ObjectType.AXO, ("v5",)),
    _cut("AXO-SCORE_T", CutKind.SCORE, ObjectType.AXO),
    _cut("ADT-ASCORE_T", CutKind.ADT_SCORE, ObjectType.ADT),
    _cut("CICADA-CSCORE_T", CutKind.CICADA_SCORE, ObjectType.CICADA),
    _cut("CHGCOR_OS", CutKind.CHARGE_CORRELATION, None, ("os",)),
    _cut("DR_1", CutKind.DELTA_R),
    _cut("DPHI_1", CutKind.DELTA_PHI),
    _cut("MASS_1", CutKind.MASS),
    _cut("MASSUPT_1", CutKind.MASS_UNCONSTRAINED),
    _cut("MASSDR_1", CutKind.MASS_OVER_DELTA_R),
    _cut("TBPT_1", CutKind.TWO_BODY_PT),
    _cut("ORMDR_1", CutKind.OVERLAP_DELTA_R),
    _cut("ORMDPHI_1", CutKind.OVERLAP_DELTA_PHI),
]
CUTS = {cut.name: cut for cut in _DEFINED}


def _parsed(text: str) -> Expression:
    return parse(text, _WHERE, CUTS, CHANNELS)


def _object(text: str) -> ObjectRequirement:
    condition = _parsed(text)
    assert isinstance(condition, ObjectCondition)
    assert condition.function is Function.SINGLE
    return condition.requirements[0]


def _shape(expression: Expression) -> str:
    """The structure of a tree with its objects' names, fully in parentheses."""
    if isinstance(expression, Operation):
        return f"{expression.operator}({' '.join(_shape(operand) for operand in expression.operands)})"
    assert isinstance(expression, ObjectCondition)
    requirement = expression.requirements[0]
    return f"{requirement.object}{requirement.threshold}"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("MU1 OR MU2 AND MU3", "OR(MU1 AND(MU2 MU3))"),
        ("MU1 AND MU2 OR MU3", "OR(AND(MU1 MU2) MU3)"),
        ("MU1 XOR MU2 AND MU3", "XOR(MU1 AND(MU2 MU3))"),
        ("MU1 OR MU2 XOR MU3", "OR(MU1 XOR(MU2 MU3))"),
        ("NOT MU1 AND MU2", "AND(NOT(MU1) MU2)"),
        ("NOT (MU1 AND MU2)", "NOT(AND(MU1 MU2))"),
        ("NOT NOT MU1", "NOT(NOT(MU1))"),
        ("(MU1 OR MU2) AND MU3", "AND(OR(MU1 MU2) MU3)"),
        ("MU1 AND MU2 AND MU3", "AND(MU1 MU2 MU3)"),
        ("MU1 AND (MU2 AND MU3)", "AND(MU1 MU2 MU3)"),
        ("(MU1 XOR MU2) XOR MU3", "XOR(MU1 MU2 MU3)"),
        ("((MU1))", "MU1"),
        ("(MU1)AND(NOT MU2)", "AND(MU1 NOT(MU2))"),
        ("  MU1\n  OR\tMU2 ", "OR(MU1 MU2)"),
    ],
)
def test_not_binds_stronger_than_and_than_xor_than_or(text: str, shape: str) -> None:
    assert _shape(_parsed(text)) == shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MU3p5", ObjectRequirement(ObjectType.MU, Decimal("3.5"))),
        ("MU0", ObjectRequirement(ObjectType.MU, Decimal(0))),
        ("MU3-1", ObjectRequirement(ObjectType.MU, Decimal(3), bx_offset=-1)),
        ("JET35p5+2", ObjectRequirement(ObjectType.JET, Decimal("35.5"), bx_offset=2)),
        ("EG.ge.20", ObjectRequirement(ObjectType.EG, Decimal(20))),
        ("TAU.eq.20p5-2", ObjectRequirement(ObjectType.TAU, Decimal("20.5"), Comparison.EQUAL, -2)),
        ("ETMHF100", ObjectRequirement(ObjectType.ETMHF, Decimal(100))),
        ("ETTEM10", ObjectRequirement(ObjectType.ETTEM, Decimal(10))),
        ("ZDCP22", ObjectRequirement(ObjectType.ZDCP, Decimal(22))),
        ("MBT0HFP1", ObjectRequirement(ObjectType.MBT0HFP, Decimal(1))),
        ("ASYMETHF3", ObjectRequirement(ObjectType.ASYMETHF, Decimal(3))),
        ("CENT0", ObjectRequirement(ObjectType.CENT0, None)),
        ("CENT7+1", ObjectRequirement(ObjectType.CENT7, None, bx_offset=1)),
        ("MUS0", ObjectRequirement(ObjectType.MUS0, None)),
        ("MUSOOT1", ObjectRequirement(ObjectType.MUSOOT1, None)),
    ],
)
def test_an_object_states_type_comparison_threshold_and_offset(text: str, expected: ObjectRequirement) -> None:
    assert _object(text) == expected


def test_cuts_stand_after_objects_and_after_braces() -> None:
    condition = _parsed("comb{ MU3 [MU-QLTY_SNGL ,MU-ETA_A,MU-ETA_B], MU0-0 } [CHGCOR_OS]")
    assert isinstance(condition, ObjectCondition)
    assert [cut.name for cut in condition.requirements[0].cuts] == ["MU-QLTY_SNGL", "MU-ETA_A", "MU-ETA_B"]
    assert condition.requirements[1].cuts == ()
    assert condition.cuts == (CUTS["CHGCOR_OS"],)


def test_score_objects_take_their_threshold_from_cuts() -> None:
    assert _object("AXO[AXO-MODEL_v5, AXO-SCORE_T]").cuts == (CUTS["AXO-MODEL_v5"], CUTS["AXO-SCORE_T"])
    assert _object("ADT-1[ADT-ASCORE_T]").bx_offset == -1
    assert _object("CICADA[CICADA-CSCORE_T]").threshold is None


@pytest.mark.parametrize(
    ("text", "function", "n_objects"),
    [
        ("comb{MU3, MU3}", Function.COMB, 2),
        ("comb{EG3, EG2, EG1, EG0}", Function.COMB, 4),
        ("comb{" + ", ".join(["JET20"] * 12) + "}", Function.COMB, 12),
        ("comb_orm{TAU26, TAU26, JET55}[ORMDR_1]", Function.COMB_ORM, 3),
        ("comb_orm{TAU26, JET55}[ORMDR_1]", Function.COMB_ORM, 2),
        ("dist{MU3-1, MU3}[DPHI_1]", Function.DIST, 2),
        ("dist{JET60, ETMHF90}[DPHI_1]", Function.DIST, 2),
        ("dist_orm{JET35, JET35, TAU45}[DPHI_1, ORMDR_1]", Function.DIST_ORM, 3),
        ("mass_inv{MU3, EG3}[MASS_1, DR_1]", Function.MASS_INV, 2),
        ("mass{MU3, MU3}[MASS_1, CHGCOR_OS]", Function.MASS_INV, 2),
        ("mass_inv_orm{JET35, TAU45}[MASS_1, ORMDR_1]", Function.MASS_INV_ORM, 2),
        ("mass_inv_upt{MU0, MU0}[MASSUPT_1]", Function.MASS_INV_UPT, 2),
        ("mass_inv_dr{MU0, MU0}[MASSDR_1]", Function.MASS_INV_DR, 2),
        ("mass_inv_3{MU0, MU0, MU0}[MASS_1, CHGCOR_OS]", Function.MASS_INV_3, 3),
        ("mass_trv{EG32[EG-ISO_0xA], ETM10}[MASS_1]", Function.MASS_TRV, 2),
        ("mass_trv_orm{EG32, ETM10, JET30}[MASS_1, ORMDR_1]", Function.MASS_TRV_ORM, 3),
        ("mass_trv_orm{EG32, JET30}[MASS_1, ORMDR_1]", Function.MASS_TRV_ORM, 2),
        ("mass_trv_orm{EG32, ETM10}[MASS_1, ORMDPHI_1]", Function.MASS_TRV_ORM, 2),
    ],
)
def test_every_function_parses(text: str, function: Function, n_objects: int) -> None:
    condition = _parsed(text)
    assert isinstance(condition, ObjectCondition)
    assert condition.function is function
    assert len(condition.requirements) == n_objects


def test_functions_and_rules_are_complete() -> None:
    assert set(FUNCTION_RULES) == set(FUNCTIONS.values()) == set(Function) - {Function.SINGLE}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EXT_ZeroBias", ExternalCondition("EXT_ZeroBias", 4)),
        ("EXT_ZeroBias+2", ExternalCondition("EXT_ZeroBias", 4, 2)),
        ("EXT_BPTX_plus_AND_minus.v0-1", ExternalCondition("EXT_BPTX_plus_AND_minus.v0", 7, -1)),
        ("EXT_Trap+1", ExternalCondition("EXT_Trap+1", 9)),
        ("EXT_Trap+1-2", ExternalCondition("EXT_Trap+1", 9, -2)),
        ("EXT_Trap-1", ExternalCondition("EXT_Trap", 8, -1)),
        ("EXT_Unlisted", ExternalCondition("EXT_Unlisted", None)),
        ("EXT_Unlisted-1", ExternalCondition("EXT_Unlisted", None, -1)),
        ("EXT_Dummy", ExternalCondition("EXT_Dummy", None)),
    ],
)
def test_an_external_signal_is_its_full_name_before_it_is_a_name_with_offset(
    text: str, expected: ExternalCondition
) -> None:
    assert _parsed(text) == expected


def test_a_working_point_names_model_alias_and_point() -> None:
    expected = WorkingPointCondition("axol1tl", "production", "nominal")
    assert _parsed("axol1tl@production:nominal") == expected
    assert _parsed("NOT axol1tl@production:nominal") == Operation(Operator.NOT, (expected,))
    assert _parsed("axol1tl@v5.1:vtight-2") == WorkingPointCondition("axol1tl", "v5.1", "vtight-2")


@pytest.mark.parametrize(
    ("text", "error", "parts"),
    [
        ("", MenuSyntax, ["expected an object", "column 1, where the expression ends"]),
        ("MU3 AND", MenuSyntax, ["expected an object", "column 8, where the expression ends"]),
        ("AND MU3", MenuSyntax, ["expected an object", "column 1, near 'AND MU3'"]),
        ("MU3 MU4", MenuSyntax, ["expected AND, XOR, OR or the end", "column 5, near 'MU4'"]),
        ("MU3 and MU4", MenuSyntax, ["expected AND", "column 5"]),
        ("(MU3 OR MU4", MenuSyntax, ["expected ')'", "column 12, where the expression ends"]),
        ("MU3)", MenuSyntax, ["expected AND", "column 4, near ')'"]),
        ("MU3[MU-QLTY_SNGL", MenuSyntax, ["expected ',' or ']'", "column 17"]),
        ("MU3[]", MenuSyntax, ["expected a cut", "column 5, near ']'"]),
        ("MU3[MU-QLTY_SNGL,]", MenuSyntax, ["expected a cut", "column 18"]),
        ("comb{MU3, MU3", MenuSyntax, ["expected ',' or '}'", "column 14"]),
        ("comb{MU3,}", MenuSyntax, ["expected an object", "column 10, near '}'"]),
        ("comb", MenuSyntax, ["expected '{'", "column 5"]),
        ("EXT_ZeroBias[MU-QLTY_SNGL]", MenuSyntax, ["expected AND", "column 13"]),
        ("MU3 & MU4", MenuSyntax, ["unexpected character '&' at column 5"]),
        ("MU3\nOR MU4 MU5", MenuSyntax, ["column 12, near 'MU5'"]),
        ("MU3 " + "x" * 50, MenuSyntax, ["near '" + "x" * 20 + "…'"]),
        ("MU3[MU-QLTY_SGNL]", UnknownName, ["column 5", "unknown cut 'MU-QLTY_SGNL'", "MU-QLTY_SNGL"]),
        ("EG1 OR JETT30", UnknownName, ["column 8", "unknown object 'JETT'", "JET"]),
        ("mu22", UnknownName, ["unknown object 'mu'"]),
        ("EG1 OR combi{MU3, MU3}", UnknownName, ["column 8", "unknown function 'combi'", "comb"]),
        ("comb{EXT_ZeroBias, MU3}", UnknownName, ["column 6", "unknown object"]),
        ("MU", BadValue, ["column 1", "lacks its threshold"]),
        ("MU3p", BadValue, ["'3p'", "not a threshold"]),
        ("MU3.5", BadValue, ["'3.5'", "'p' for the decimal point"]),
        ("MU.gt.3", BadValue, ["unknown comparison", ".ge."]),
        ("MU3+3", BadValue, ["column 1", "crossing offset +3", "-2 to +2"]),
        ("EXT_ZeroBias-3", BadValue, ["crossing offset -3"]),
        ("EXT_", BadValue, ["names no signal"]),
        ("MUS05", BadValue, ["MUS0 has no threshold"]),
        ("AXO3[AXO-MODEL_v5,AXO-SCORE_T]", BadValue, ["AXO has no threshold"]),
        ("TOWERCOUNT3p5", BadValue, ["is a count", "whole number"]),
        ("AXO[AXO-SCORE_T]", BadValue, ["AXO lacks its MODEL cut"]),
        ("ADT", BadValue, ["ADT lacks its ASCORE cut"]),
        ("axol1tl@production", BadValue, ["not a working point", "axol1tl@production:nominal"]),
        ("axol1tl@a@b:c", BadValue, ["not a working point"]),
        ("EG3[MU-QLTY_SNGL]", BadValue, ["column 5", "is for MU, not for EG"]),
        ("MU3[CHGCOR_OS]", BadValue, ["column 5", "belongs to a condition", "closing brace"]),
        ("comb{MU3, MU3}[MU-QLTY_SNGL]", BadValue, ["column 16", "belongs to an object, not to comb"]),
        ("comb{MU3, MU3}[MASS_1]", BadValue, ["column 16", "comb takes no MASS cut", "CHGCOR, TBPT"]),
        ("MU3[MU-QLTY_SNGL,MU-QLTY_DBLE]", BadValue, ["2 QLTY cuts, at most 1"]),
        ("MU3[" + ",".join(["MU-ETA_A"] * 6) + "]", BadValue, ["6 ETA cuts, at most 5"]),
        ("dist{MU3, MU3}[DR_1, DR_1]", BadValue, ["2 DR cuts"]),
        ("MU1 OR comb{MU3}", BadValue, ["column 8", "comb takes 2 to 12 objects, found 1"]),
        ("comb{MU3,MU3,MU3,MU3,MU3}", BadValue, ["2 to 4 muons, found 5"]),
        ("comb{JET3,JET3,JET3,JET3,JET4}", BadValue, ["different thresholds or cuts"]),
        ("comb{" + ",".join(["JET3"] * 13) + "}", BadValue, ["found 13"]),
        ("comb{MU3, EG3}", BadValue, ["differ in type or crossing"]),
        ("comb{MU3, MU3+1}", BadValue, ["differ in type or crossing"]),
        ("comb{EG3, ETM20}", BadValue, ["column 11", "comb takes no ETM as object 2"]),
        ("comb{JET3, JET3}[CHGCOR_OS]", BadValue, ["CHGCOR cut needs muons"]),
        ("comb{MU3, MU3, MU3}[TBPT_1]", BadValue, ["TBPT cut needs a pair"]),
        ("dist{MU3}[DR_1]", BadValue, ["dist takes 2 objects, found 1"]),
        ("dist{MU3, HTT100}[DPHI_1]", BadValue, ["column 11", "dist takes no HTT"]),
        ("dist{JET3, ETM100}[DR_1]", BadValue, ["DR cut needs eta, which ETM has not"]),
        ("comb_orm{TAU3, TAU3, JET3}", BadValue, ["comb_orm lacks a cut that says what overlaps", "ORMDR"]),
        ("comb_orm{TAU3, EG3, JET3}[ORMDR_1]", BadValue, ["differ in type"]),
        ("mass_inv_upt{MU3, EG3}[MASSUPT_1]", BadValue, ["mass_inv_upt takes no EG"]),
        ("mass_inv_dr{MU3, EG3}[MASSDR_1]", BadValue, ["differ in type"]),
        ("mass_inv_3{MU3, MU3}[MASS_1]", BadValue, ["mass_inv_3 takes 3 objects"]),
        ("mass_trv{EG3, JET3}[MASS_1]", BadValue, ["column 15", "mass_trv takes no JET as object 2", "ETM"]),
        ("mass_trv_orm{EG3, ETM3}[MASS_1, ORMDR_1]", BadValue, ["the ORMDR cut needs eta, which ETM has not"]),
        ("mass_trv_orm{EG3}[MASS_1, ORMDR_1]", BadValue, ["mass_trv_orm takes 2 to 3 objects"]),
        ("mass_trv_orm{EG3, JET3, TAU3}[MASS_1, ORMDR_1]", BadValue, ["mass_trv_orm takes no JET as object 2"]),
    ],
)
def test_a_mistake_is_one_sentence_with_its_column(text: str, error: type[L1ChainError], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        _parsed(text)
    message = str(caught.value)
    assert message.startswith(_WHERE)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_nesting_and_length_have_limits() -> None:
    assert _shape(_parsed("(" * DEEPEST_NESTING + "MU1" + ")" * DEEPEST_NESTING)) == "MU1"
    for text in ("(" * 5000 + "MU1", "NOT " * (DEEPEST_NESTING + 1) + "MU1"):
        with pytest.raises(MenuSyntax, match="inside one another"):
            _parsed(text)
    with pytest.raises(MenuSyntax, match="characters, more than"):
        _parsed("MU" + "1" * LONGEST_EXPRESSION)


# Random trees, rendered to text and parsed again.

_STRENGTH = {Operator.OR: 0, Operator.XOR: 1, Operator.AND: 2, Operator.NOT: 3}


def _render_object(requirement: ObjectRequirement) -> str:
    threshold = "" if requirement.threshold is None else str(requirement.threshold).replace(".", "p")
    comparison = Comparison.EQUAL.value if requirement.comparison is Comparison.EQUAL else ""
    offset = f"{requirement.bx_offset:+d}" if requirement.bx_offset else ""
    return f"{requirement.object}{comparison}{threshold}{offset}{_render_cuts(requirement.cuts)}"


def _render_cuts(cuts: tuple[Cut, ...]) -> str:
    return f"[{', '.join(cut.name for cut in cuts)}]" if cuts else ""


def _render(expression: Expression, *, all_parentheses: bool) -> str:
    if isinstance(expression, WorkingPointCondition):
        return f"{expression.model}@{expression.alias}:{expression.working_point}"
    if isinstance(expression, ExternalCondition):
        return expression.signal + (f"{expression.bx_offset:+d}" if expression.bx_offset else "")
    if isinstance(expression, ObjectCondition):
        objects = ", ".join(_render_object(requirement) for requirement in expression.requirements)
        if expression.function is Function.SINGLE:
            return objects
        return f"{expression.function}{{{objects}}}{_render_cuts(expression.cuts)}"
    parts = []
    for operand in expression.operands:
        text = _render(operand, all_parentheses=all_parentheses)
        weaker = isinstance(operand, Operation) and _STRENGTH[operand.operator] < _STRENGTH[expression.operator]
        parts.append(f"({text})" if weaker or all_parentheses else text)
    if expression.operator is Operator.NOT:
        return f"NOT {parts[0]}"
    return f" {expression.operator} ".join(parts)


_halves = st.integers(0, 511).map(lambda n: Decimal(n) / 2)
_offsets = st.integers(-2, 2)
_comparisons = st.sampled_from(Comparison)


def _cuts_for(object_type: ObjectType) -> st.SearchStrategy[tuple[Cut, ...]]:
    names = {cut.kind: cut for cut in _DEFINED if cut.object is object_type}
    return st.lists(st.sampled_from(list(names.values())), unique=True).map(tuple) if names else st.just(())


def _requirements(object_type: ObjectType) -> st.SearchStrategy[ObjectRequirement]:
    if object_type in SINGLE_BITS:
        return st.builds(ObjectRequirement, st.just(object_type), st.none(), bx_offset=_offsets)
    thresholds = st.integers(0, 8191).map(Decimal) if object_type in COUNTS else _halves
    return st.builds(
        ObjectRequirement, st.just(object_type), thresholds, _comparisons, _offsets, _cuts_for(object_type)
    )


_singles = st.sampled_from(sorted(PARTICLES | ENERGY_SUMS | COUNTS | SINGLE_BITS)).flatmap(
    lambda object_type: _requirements(object_type).map(lambda one: ObjectCondition(Function.SINGLE, (one,)))
)
_combs = st.builds(
    ObjectCondition,
    st.just(Function.COMB),
    st.lists(
        st.builds(ObjectRequirement, st.just(ObjectType.MU), _halves, cuts=_cuts_for(ObjectType.MU)),
        min_size=2,
        max_size=4,
    ).map(tuple),
    st.sampled_from([(), (CUTS["CHGCOR_OS"],)]),
)
_distances = st.builds(
    ObjectCondition,
    st.just(Function.DIST),
    st.tuples(
        st.sampled_from(sorted(PARTICLES)).flatmap(_requirements),
        st.sampled_from(sorted(VECTOR_SUMS)).flatmap(_requirements),
    ),
    st.just((CUTS["DPHI_1"],)),
)
_externals = st.builds(
    lambda name, offset: ExternalCondition(name, CHANNELS[name], offset),
    st.sampled_from(["EXT_ZeroBias", "EXT_BPTX_plus_AND_minus.v0", "EXT_Trap+1"]),
    _offsets,
)
_words = st.text("abcxyz_019", min_size=1, max_size=6)
_working_points = st.builds(WorkingPointCondition, _words, _words, _words)


def _operations(operands: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def of(operator: Operator) -> st.SearchStrategy[Operation]:
        others = operands.filter(lambda one: not (isinstance(one, Operation) and one.operator is operator))
        return st.builds(Operation, st.just(operator), st.lists(others, min_size=2, max_size=4).map(tuple))

    negations = st.builds(Operation, st.just(Operator.NOT), st.tuples(operands))
    return st.one_of(negations, of(Operator.AND), of(Operator.XOR), of(Operator.OR))


_trees = st.recursive(st.one_of(_singles, _combs, _distances, _externals, _working_points), _operations, max_leaves=12)


@given(tree=_trees, all_parentheses=st.booleans())
def test_a_tree_written_as_text_parses_to_itself(tree: Expression, all_parentheses: bool) -> None:
    assert _parsed(_render(tree, all_parentheses=all_parentheses)) == tree


_FRAGMENTS = ["MU3", "MU", "AND", "NOT", "(", ")", "{", "}", "[", "]", ",", "comb", "MU-QLTY_SNGL", "EXT_", "@:", "+1"]


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_FRAGMENTS), max_size=12).map(" ".join)))
def test_any_text_parses_or_is_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(L1ChainError):
        _parsed(text)
