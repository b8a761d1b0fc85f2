"""Writes menus in our YAML and in CMS's XML; what is read back is the same menu (`docs/menu-format.md`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from xml.sax.saxutils import escape

import yaml

from triggers.menu.build import MINIMA, VALUE_KINDS
from triggers.menu.model import (
    Algorithm,
    Comparison,
    Cut,
    CutKind,
    ExternalCondition,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    ScaleSet,
    WorkingPointCondition,
    conditions_of,
)
from triggers.menu.words import EXTERNAL_PREFIX
from triggers.menu.xml import CHANNELS_PER_CABLE, N_CHANNELS
from triggers.menu.yaml import KINDS, SCALES

_KEYS: Final[Mapping[CutKind, str]] = {kind: key for key, kind in KINDS.items()}
_CODE_KINDS: Final = frozenset({CutKind.QUALITY, CutKind.ISOLATION, CutKind.IMPACT_PARAMETER})
_WHOLE_NUMBERS: Final = frozenset({CutKind.COUNT, CutKind.ADT_SCORE, CutKind.SCORE})
_ONE_LINE: Final = 1 << 20
_NAMESPACE: Final = "http://www.cern.ch/tmxsd/1.0.0"
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cuts_of(algorithm: Algorithm) -> Iterator[Cut]:
    """Every cut of an algorithm, from left to right; those used twice stand twice."""
    for condition in conditions_of(algorithm.expression):
        if isinstance(condition, ObjectCondition):
            for requirement in condition.requirements:
                yield from requirement.cuts
            yield from condition.cuts


def signals_of(menu: Menu) -> dict[str, int | None]:
    """The channel of every external signal that the menu uses, by name; None where it has none."""
    conditions = (condition for algorithm in menu.algorithms for condition in conditions_of(algorithm.expression))
    used = {c.signal: c.channel for c in conditions if isinstance(c, ExternalCondition)}
    return dict(sorted(used.items()))


def yaml_menu(menu: Menu) -> str:
    """The menu as YAML: reading it gives a menu that differs in source and digest only."""
    cuts = {cut.name: cut for algorithm in menu.algorithms for cut in cuts_of(algorithm)}
    parts = [_block({"name": menu.name})]
    if menu.comment:
        parts.append(_block({"comment": menu.comment}))
    if menu.scales != SCALES:
        parts.append(f"scales: {_flow(_scales_entry(menu.scales))}\n")
    if cuts:
        parts.append("\ncuts:\n" + "".join(f"  {_flow({n: _cut_entry(cuts[n])})[1:-1]}\n" for n in sorted(cuts)))
    if signals := signals_of(menu):
        parts.append("\n" + _block({"externals": signals}))
    parts.append("\n" + _block({"algorithms": [_algorithm_entry(algorithm) for algorithm in menu.algorithms]}))
    if menu.groups:
        groups = {name: list(members) for name, members in menu.groups.items()}
        parts.append("\n" + _block({"groups": groups}))
    return "".join(parts)


def _block(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_ONE_LINE))


def _flow(content: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_ONE_LINE, default_flow_style=True)
    return str(text).strip()


def _scales_entry(scales: ScaleSet) -> dict[str, Any]:
    return {
        "name": scales.name,
        "muon_pt_offset": scales.muon_pt_offset,
        "unconstrained_pt_zero": scales.unconstrained_pt_zero,
    }


def _algorithm_entry(algorithm: Algorithm) -> dict[str, Any]:
    entry = {"index": algorithm.index, "name": algorithm.name, "expression": algorithm.text}
    return {**entry, "comment": algorithm.comment} if algorithm.comment else entry


def _cut_entry(cut: Cut) -> dict[str, Any]:
    named_after_object = cut.object is None or cut.name.partition("-")[0] == cut.object
    entry: dict[str, Any] = {} if named_after_object else {"object": str(cut.object)}
    return {**entry, _KEYS[cut.kind]: _cut_value(cut)}


def _cut_value(cut: Cut) -> Any:
    if cut.kind in _CODE_KINDS:
        return [int(value) for value in cut.values]
    if cut.kind is CutKind.DISPLACED:
        return cut.values[0] == "1"
    if cut.kind in VALUE_KINDS:
        return cut.values[0]
    if cut.kind in MINIMA:
        return math.ceil(cut.minimum) if cut.kind in _WHOLE_NUMBERS else cut.minimum
    return [cut.minimum, cut.maximum]


def not_in_xml(menu: Menu) -> tuple[str, ...]:
    """What CMS's XML has no place for, one sentence each; `xml_menu` leaves it out."""
    sentences = [
        f"{algorithm.name}: the working point {point.model}@{point.alias}:{point.working_point}"
        for algorithm in menu.algorithms
        for point in _working_points(algorithm)
    ]
    return (*sentences, f"the groups {', '.join(menu.groups)}") if menu.groups else tuple(sentences)


def _working_points(algorithm: Algorithm) -> list[WorkingPointCondition]:
    return [c for c in conditions_of(algorithm.expression) if isinstance(c, WorkingPointCondition)]


def xml_menu(menu: Menu) -> str:
    """The menu as CMS XML, without what `not_in_xml` tells.

    Scales are written as far as l1chain reads them: what limits mean to the firmware, CMS's tools add.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>',
        f'<tmxsd:menu xmlns:tmxsd="{_NAMESPACE}">',
        *_indented(_element("name", menu.name), _element("comment", menu.comment)),
    ]
    for algorithm in menu.algorithms:
        if not _working_points(algorithm):
            lines += _indented(*_group("algorithm", *_algorithm_lines(algorithm)))
    lines += _indented(*_group("scale_set", _element("name", menu.scales.name), *_scale_lines(menu.scales)))
    signals = [line for name, channel in signals_of(menu).items() for line in _signal_lines(name, channel)]
    lines += _indented(*_group("ext_signal_set", _element("name", menu.name), *signals))
    return "\n".join([*lines, "</tmxsd:menu>", ""])


def _algorithm_lines(algorithm: Algorithm) -> Iterator[str]:
    yield _element("name", algorithm.name)
    yield _element("expression", algorithm.text)
    yield _element("index", algorithm.index)
    yield _element("module_id", 0)
    yield _element("module_index", algorithm.index)
    yield _element("comment", algorithm.comment)
    for cut in dict.fromkeys(cuts_of(algorithm)):
        yield from _group("cut", *_cut_lines(cut))
    conditions = list(dict.fromkeys(conditions_of(algorithm.expression)))
    requirements = [r for c in conditions if isinstance(c, ObjectCondition) for r in c.requirements]
    for bare in dict.fromkeys(replace(requirement, cuts=()) for requirement in requirements):
        yield from _group("object_requirement", *_requirement_lines(bare))
    for condition in conditions:
        if isinstance(condition, ExternalCondition):
            name = _element("name", condition.signal + _offset(condition.bx_offset))
            yield from _group("external_requirement", name, _element("bx_offset", condition.bx_offset))


def _cut_lines(cut: Cut) -> Iterator[str]:
    yield _element("name", cut.name)
    yield _element("object", cut.object or "")
    yield _element("type", cut.kind)
    yield _element("minimum", _number(cut.minimum))
    yield _element("maximum", _number(cut.maximum))
    yield _element("data", ",".join(cut.values))


def _requirement_lines(requirement: ObjectRequirement) -> Iterator[str]:
    yield _element("name", object_word(requirement))
    yield _element("type", requirement.object)
    yield _element("comparison_operator", requirement.comparison)
    yield _element("threshold", _number(float(requirement.threshold or 0)))
    yield _element("bx_offset", requirement.bx_offset)


def _scale_lines(scales: ScaleSet) -> Iterator[str]:
    for kind, minimum in (("ET", -0.5 * scales.muon_pt_offset), ("UPT", -1.0 * scales.unconstrained_pt_zero)):
        limits = _element("minimum", _number(minimum))
        yield from _group("scale", _element("object", ObjectType.MU), _element("type", kind), limits)


def _signal_lines(name: str, channel: int | None) -> list[str]:
    """A signal without a channel stands on a cable that does not exist, as in the test menus of CMS."""
    cable, line = divmod(N_CHANNELS if channel is None else channel, CHANNELS_PER_CABLE)
    bare = _element("name", name.removeprefix(EXTERNAL_PREFIX))
    return _group("ext_signal", bare, _element("cable", cable), _element("channel", line))


def object_word(requirement: ObjectRequirement) -> str:
    """A requirement as expressions write it, without cuts: `MU3p5-1`."""
    comparison = "" if requirement.comparison is Comparison.AT_LEAST else requirement.comparison.value
    threshold = "" if requirement.threshold is None else str(requirement.threshold).replace(".", "p")
    return f"{requirement.object}{comparison}{threshold}{_offset(requirement.bx_offset)}"


def _offset(bx_offset: int) -> str:
    return f"{bx_offset:+d}" if bx_offset else ""


def _number(value: float) -> str:
    return f"{value:+.16E}"


def _element(tag: str, value: object) -> str:
    text = escape(_NOT_IN_XML.sub(" ", str(value)))
    return f"<{tag}>{text}</{tag}>" if text else f"<{tag}/>"


def _group(tag: str, *lines: str) -> list[str]:
    return [f"<{tag}>", *_indented(*lines), f"</{tag}>"]


def _indented(*lines: str) -> list[str]:
    return [f"  {line}" for line in lines]
