"""Menus in words: thresholds and cuts in physical units, with the integers that the hardware compares in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triggers.menu import limits
from triggers.menu.build import MINIMA
from triggers.menu.conditions.measured import scale_of
from triggers.menu.conditions.score import score_condition
from triggers.menu.conditions.tuples import OVERLAPS
from triggers.menu.correlation_limits import UNLIMITED, correlation_window
from triggers.menu.luts import Scale
from triggers.menu.model import (
    COUNTS,
    NETWORK_SCORES,
    SINGLE_BITS,
    Algorithm,
    Comparison,
    Condition,
    Cut,
    CutKind,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
    WorkingPointCondition,
    conditions_of,
)
from triggers.menu.rules import FUNCTION_RULES

QUANTITIES: Final[Mapping[CutKind, tuple[str, str]]] = {
    CutKind.ETA: ("eta", ""),
    CutKind.PHI: ("phi", "rad"),
    CutKind.QUALITY: ("quality", ""),
    CutKind.ISOLATION: ("isolation", ""),
    CutKind.IMPACT_PARAMETER: ("impact parameter", ""),
    CutKind.CHARGE: ("charge", ""),
    CutKind.UNCONSTRAINED_PT: ("unconstrained pT", "GeV"),
    CutKind.DISPLACED: ("displaced", ""),
    CutKind.SLICE: ("slot", ""),
    CutKind.INDEX: ("index", ""),
    CutKind.COUNT: ("count", ""),
    CutKind.ADT_SCORE: ("score", ""),
    CutKind.SCORE: ("score", ""),
    CutKind.CICADA_SCORE: ("CICADA score", ""),
    CutKind.MODEL: ("model", ""),
    CutKind.DELTA_ETA: ("delta eta", ""),
    CutKind.DELTA_PHI: ("delta phi", "rad"),
    CutKind.DELTA_R: ("delta R", ""),
    CutKind.MASS: ("mass", "GeV"),
    CutKind.MASS_UNCONSTRAINED: ("mass of unconstrained pT", "GeV"),
    CutKind.MASS_OVER_DELTA_R: ("mass over delta R", "GeV"),
    CutKind.TWO_BODY_PT: ("two-body pT", "GeV"),
    CutKind.CHARGE_CORRELATION: ("charges", ""),
    CutKind.OVERLAP_DELTA_ETA: ("overlap in delta eta", ""),
    CutKind.OVERLAP_DELTA_PHI: ("overlap in delta phi", "rad"),
    CutKind.OVERLAP_DELTA_R: ("overlap in delta R", ""),
}
"""What a cut restricts, in words, and its unit."""

COMPARED: Final[Mapping[CutKind, str]] = {
    CutKind.DELTA_R: "ΔR² ",
    CutKind.OVERLAP_DELTA_R: "ΔR² ",
    CutKind.MASS: "m²/2 ",
    CutKind.MASS_UNCONSTRAINED: "m²/2 ",
    CutKind.MASS_OVER_DELTA_R: "m²/2ΔR² ",
    CutKind.TWO_BODY_PT: "pT² ",
}
"""What the hardware compares where it is not the quantity itself."""

WINDOWS: Final = frozenset({CutKind.ETA, CutKind.PHI, CutKind.UNCONSTRAINED_PT, CutKind.INDEX, CutKind.SLICE})
"""Cuts of an object that are windows."""
_RELATIONS: Final = {
    limits.ChargeRelation.LIKE_SIGN: "all equal, each valid",
    limits.ChargeRelation.OPPOSITE_SIGN: "not all equal, each valid",
}
_OFFSETS: Final = {
    -2: "two crossings earlier",
    -1: "one crossing earlier",
    1: "one crossing later",
    2: "two crossings later",
}


def number(value: float) -> str:
    """A number as people write it: whole, or of six digits; no minus zero."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.6g}"


def amount(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{number(value)} {unit}".rstrip()


def offset_text(bx_offset: int) -> str:
    """Where another crossing than the one that is decided is meant, in words; else empty."""
    return _OFFSETS.get(bx_offset, "")


def value_name(object_type: ObjectType) -> tuple[str, str]:
    """What a threshold of the type is held against, and its unit."""
    if object_type is ObjectType.MU:
        return "pT", "GeV"
    if object_type in COUNTS:
        return "count", ""
    return "ET", "GeV"


def threshold_text(requirement: ObjectRequirement, scales: ScaleSet) -> str:
    """`pT ≥ 22 GeV [≥ 45]`; empty for objects without a threshold."""
    if requirement.threshold is None:
        return "set" if requirement.object in SINGLE_BITS else ""
    name, unit = value_name(requirement.object)
    sign = "=" if requirement.comparison is Comparison.EQUAL else "≥"
    hardware = limits.threshold_hw(requirement, scales)
    return f"{name} {sign} {amount(float(requirement.threshold), unit)} [{sign} {hardware}]"


def object_cut_text(cut: Cut, object_type: ObjectType, scales: ScaleSet) -> str:
    """What a cut asks of an object: `eta -2.10431 to 2.10431 [-193 to 193]`."""
    name, unit = QUANTITIES[cut.kind]
    if cut.kind in WINDOWS:
        low, high = limits.window_hw(cut, object_type, scales)
        ends = f"{number(cut.minimum)} to {amount(cut.maximum, unit)}"
        return f"{name} {ends} [{low} to {high}]{_inversion(cut, low, high)}"
    if cut.kind is CutKind.CICADA_SCORE:
        return f"{name} ≥ {number(cut.minimum)} [≥ {limits.cicada_threshold_hw(cut)}]"
    if cut.kind in MINIMA:
        return f"{name} ≥ {number(cut.minimum)} [≥ {limits.count_threshold(cut)}]"
    return f"{name} {', '.join(cut.values)}"


def _inversion(cut: Cut, low: int, high: int) -> str:
    if low <= high:
        return ""
    return ", outside the gap between them" if cut.kind in {CutKind.ETA, CutKind.PHI} else ", which is empty"


def measured_by_own_cuts(condition: ObjectCondition) -> tuple[ObjectRequirement, ...]:
    """The objects whose distance, mass, pT or charges a condition's cuts are about; a reference only as a partner."""
    objects = condition.requirements
    if not FUNCTION_RULES[condition.function].reference:
        return objects
    reference_is_partner = len(objects) == 2 and condition.function is not Function.COMB_ORM
    return objects if reference_is_partner else objects[:-1]


def _scale_of(condition: ObjectCondition, cut: Cut) -> Scale:
    """The grid on which a cut of a condition is computed: that of muons if one is involved."""
    objects = condition.requirements if cut.kind in OVERLAPS else measured_by_own_cuts(condition)
    return scale_of([requirement.object for requirement in objects])


def condition_cut_text(cut: Cut, condition: ObjectCondition) -> str:
    """What a cut asks of a condition's objects: `delta R 0 to 1.6 [0 to 2561000]`."""
    name, unit = QUANTITIES[cut.kind]
    if cut.kind is CutKind.CHARGE_CORRELATION:
        return f"{name} {_RELATIONS[limits.charge_relation(cut)]}"
    low, high = correlation_window(cut, _scale_of(condition, cut))
    compared = COMPARED.get(cut.kind, "")
    if high == UNLIMITED:
        return f"{name} ≥ {amount(cut.minimum, unit)} [{compared}≥ {low}]"
    return f"{name} {number(cut.minimum)} to {amount(cut.maximum, unit)} [{compared}{low} to {high}]"


def condition_title(condition: Condition) -> str:
    """A condition in a few words: `comb of MU, MU`, `MU`, `signal EXT_x, one crossing earlier`."""
    if isinstance(condition, WorkingPointCondition):
        return f"working point {condition.model}@{condition.alias}:{condition.working_point}"
    if isinstance(condition, ExternalCondition):
        return ", ".join(filter(None, (f"signal {condition.signal}", offset_text(condition.bx_offset))))
    if condition.function is Function.SINGLE:
        return condition.requirements[0].object.value
    return f"{condition.function} of {', '.join(requirement.object.value for requirement in condition.requirements)}"


def requirement_text(requirement: ObjectRequirement, scales: ScaleSet) -> str:
    """An object's threshold and crossing, without its cuts: `MU pT ≥ 3 GeV [≥ 7], one crossing earlier`."""
    threshold = threshold_text(requirement, scales)
    text = f"{requirement.object} {threshold}".rstrip()
    return ", ".join(filter(None, (text, offset_text(requirement.bx_offset))))


def condition_lines(condition: Condition, scales: ScaleSet) -> list[str]:
    """A condition in full, a line for each object, cut and integer, indented below its title."""
    single = isinstance(condition, ObjectCondition) and condition.function is Function.SINGLE
    lines, indent = ([], "") if single else ([condition_title(condition)], "  ")
    if isinstance(condition, ExternalCondition):
        channel = "no channel" if condition.channel is None else f"channel {condition.channel}"
        return [f"{lines[0]} [{channel}]"]
    if isinstance(condition, WorkingPointCondition):
        return [f"{lines[0]} (version and threshold are in the model's manifest)"]
    for requirement in condition.requirements:
        lines.append(f"{indent}{requirement_text(requirement, scales)}")
        lines += [
            f"{indent}  {cut.name}: {object_cut_text(cut, requirement.object, scales)}" for cut in requirement.cuts
        ]
    lines += [f"  {cut.name}: {condition_cut_text(cut, condition)}" for cut in condition.cuts]
    wanted = score_condition(condition)
    return lines if wanted is None else [*lines, f"  takes the score {wanted.score}"]


def groups_of(algorithm: Algorithm, menu: Menu) -> tuple[str, ...]:
    """The groups of the menu that an algorithm belongs to."""
    return tuple(name for name, members in menu.groups.items() if algorithm.name in members)


def algorithm_lines(algorithm: Algorithm, menu: Menu) -> list[str]:
    """An algorithm in full as text: its expression, and each condition with its objects, cuts and integers."""
    lines = [f"{algorithm.name} (index {algorithm.index})", f"  {algorithm.text}"]
    if algorithm.comment:
        lines.append(f"  comment: {algorithm.comment}")
    if groups := groups_of(algorithm, menu):
        lines.append(f"  groups: {', '.join(groups)}")
    for condition in dict.fromkeys(conditions_of(algorithm.expression)):
        lines += ["", *(f"  {line}" for line in condition_lines(condition, menu.scales))]
    return lines


def algorithm_record(algorithm: Algorithm, menu: Menu) -> dict[str, Any]:
    """An algorithm in full, ready for JSON: its expression, groups, and each condition's objects, cuts and integers."""
    conditions = dict.fromkeys(conditions_of(algorithm.expression))
    return {
        "index": algorithm.index,
        "name": algorithm.name,
        "expression": algorithm.text,
        "comment": algorithm.comment,
        "groups": list(groups_of(algorithm, menu)),
        "conditions": [_condition_record(condition, menu.scales) for condition in conditions],
    }


def _condition_record(condition: Condition, scales: ScaleSet) -> dict[str, Any]:
    record: dict[str, Any] = {"condition": condition_title(condition)}
    if isinstance(condition, ExternalCondition):
        return {**record, "signal": condition.signal, "channel": condition.channel, "bx_offset": condition.bx_offset}
    if isinstance(condition, WorkingPointCondition):
        return {**record, "model": f"{condition.model}@{condition.alias}", "working_point": condition.working_point}
    record["objects"] = [_requirement_record(requirement, scales) for requirement in condition.requirements]
    record["cuts"] = [_cut_record(cut, condition_cut_text(cut, condition)) for cut in condition.cuts]
    return record


def _requirement_record(requirement: ObjectRequirement, scales: ScaleSet) -> dict[str, Any]:
    threshold = requirement.threshold
    return {
        "object": requirement.object.value,
        "bx_offset": requirement.bx_offset,
        "comparison": requirement.comparison.value,
        "threshold": None if threshold is None else float(threshold),
        "threshold_hw": None if requirement.object in NETWORK_SCORES else limits.threshold_hw(requirement, scales),
        "cuts": [_cut_record(cut, object_cut_text(cut, requirement.object, scales)) for cut in requirement.cuts],
    }


def _cut_record(cut: Cut, text: str) -> dict[str, Any]:
    record: dict[str, Any] = {"name": cut.name, "kind": cut.kind.value, "text": text}
    if cut.values:
        return {**record, "values": list(cut.values)}
    return (
        {**record, "minimum": cut.minimum}
        if cut.kind in MINIMA
        else record
        | {
            "minimum": cut.minimum,
            "maximum": cut.maximum,
        }
    )
