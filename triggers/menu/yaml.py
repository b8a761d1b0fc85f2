"""Reads menus in our YAML (`docs/menu-format.md`, section 1)."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from triggers.errors import BadValue, L1ChainError, UnknownName
from triggers.menu.build import Entry, Report, build_algorithms, build_cut, raise_at_once
from triggers.menu.model import Algorithm, Cut, CutKind, Menu, ObjectType, ScaleSet
from triggers.menu.rules import CUT_OBJECTS
from triggers.menu.tokens import is_word
from triggers.menu.words import EXTERNAL_PREFIX
from triggers.strict_yaml import StrictModel, read_yaml

SCALES = ScaleSet("scales_2024_05_15")
"""The scale set whose conventions YAML menus follow unless they state another."""

Window = Annotated[list[float], Field(min_length=2, max_length=2)]
Codes = Annotated[list[int], Field(min_length=1)]

_WINDOWS: Mapping[str, CutKind] = {
    "eta": CutKind.ETA,
    "phi_rad": CutKind.PHI,
    "unconstrained_pt_gev": CutKind.UNCONSTRAINED_PT,
    "slice": CutKind.SLICE,
    "index": CutKind.INDEX,
    "delta_eta": CutKind.DELTA_ETA,
    "delta_phi_rad": CutKind.DELTA_PHI,
    "delta_r": CutKind.DELTA_R,
    "mass_gev": CutKind.MASS,
    "mass_unconstrained_gev": CutKind.MASS_UNCONSTRAINED,
    "overlap_delta_eta": CutKind.OVERLAP_DELTA_ETA,
    "overlap_delta_phi_rad": CutKind.OVERLAP_DELTA_PHI,
    "overlap_delta_r": CutKind.OVERLAP_DELTA_R,
}
_MINIMA: Mapping[str, CutKind] = {
    "count": CutKind.COUNT,
    "adt_score": CutKind.ADT_SCORE,
    "score": CutKind.SCORE,
    "cicada_score": CutKind.CICADA_SCORE,
    "mass_over_delta_r_gev": CutKind.MASS_OVER_DELTA_R,
    "two_body_pt_gev": CutKind.TWO_BODY_PT,
}
_CODES: Mapping[str, CutKind] = {
    "quality": CutKind.QUALITY,
    "isolation": CutKind.ISOLATION,
    "impact_parameter": CutKind.IMPACT_PARAMETER,
}
_WORDS: Mapping[str, CutKind] = {
    "charge": CutKind.CHARGE,
    "charge_correlation": CutKind.CHARGE_CORRELATION,
    "model": CutKind.MODEL,
}
_DISPLACED = "displaced"
KINDS: Mapping[str, CutKind] = {**_WINDOWS, **_MINIMA, **_CODES, **_WORDS, _DISPLACED: CutKind.DISPLACED}
"""The kind of cut that each key of a cut means."""
_MAY_WRAP = frozenset({CutKind.PHI, CutKind.ETA})


class CutEntry(StrictModel):
    """A cut: exactly one restriction, and the object type where the cut's name does not begin with it."""

    object: str | None = None
    eta: Window | None = None
    phi_rad: Window | None = None
    quality: Codes | None = None
    isolation: Codes | None = None
    impact_parameter: Codes | None = None
    charge: Literal["positive", "negative"] | None = None
    unconstrained_pt_gev: Window | None = None
    displaced: bool | None = None
    slice: Window | None = None
    index: Window | None = None
    count: int | None = None
    adt_score: int | None = None
    score: int | None = None
    cicada_score: float | None = None
    model: str | None = None
    delta_eta: Window | None = None
    delta_phi_rad: Window | None = None
    delta_r: Window | None = None
    mass_gev: Window | None = None
    mass_unconstrained_gev: Window | None = None
    mass_over_delta_r_gev: float | None = None
    two_body_pt_gev: float | None = None
    charge_correlation: Literal["ls", "os"] | None = None
    overlap_delta_eta: Window | None = None
    overlap_delta_phi_rad: Window | None = None
    overlap_delta_r: Window | None = None


class AlgorithmEntry(StrictModel):
    """An algorithm: its bit, name and expression."""

    name: str
    index: int
    expression: str
    comment: str = ""


class ScalesEntry(StrictModel):
    """The conventions of another year's scale set."""

    name: str = ""
    muon_pt_offset: Literal[0, 1] = 1
    unconstrained_pt_zero: Literal[0, 1] = 1


class MenuFile(StrictModel):
    """A menu as YAML writes it."""

    name: Annotated[str, Field(min_length=1)]
    comment: str = ""
    cuts: dict[str, CutEntry] = Field(default_factory=dict)
    externals: dict[str, Annotated[int, Field(ge=0, le=255)] | None] = Field(default_factory=dict)
    algorithms: list[AlgorithmEntry]
    groups: dict[str, list[str]] = Field(default_factory=dict)
    scales: ScalesEntry | None = None


def read_yaml_menu(content: bytes, source: str, digest: str | None = None, report: Report = raise_at_once) -> Menu:
    """The menu of a YAML document.

    Args:
        content: the document, UTF-8.
        source: the file it came from, as messages name it.
        digest: SHA-256 of the file, where that is not the document itself.
        report: takes the error of a cut, algorithm or group, which is then left out.

    Raises:
        FileUnreadable: it is not YAML, or has a key twice.
        MenuSyntax: an expression does not parse, or there are no algorithms.
        UnknownName: a key, or a name in an expression or group, does not exist.
        BadValue: a value is missing or not allowed where it stands, or an index or name is used twice.
    """
    file = read_yaml(content, source, MenuFile)
    _check_externals(file.externals, source)
    cuts: dict[str, Cut] = {}
    for name, cut in file.cuts.items():
        try:
            cuts[name] = _cut(f"{source}, cuts.{name}", name, cut)
        except L1ChainError as error:
            report(error)
    entries = [
        Entry(f"algorithms.{position}", entry.name, entry.index, entry.expression, entry.comment)
        for position, entry in enumerate(file.algorithms)
    ]
    algorithms = build_algorithms(source, entries, cuts, file.externals, report)
    groups: dict[str, tuple[str, ...]] = {}
    for name, group in file.groups.items():
        try:
            groups[name] = _members(f"{source}, groups.{name}", group, algorithms)
        except L1ChainError as error:
            report(error)
    return Menu(
        name=file.name,
        source=source,
        digest=digest or hashlib.sha256(content).hexdigest(),
        algorithms=algorithms,
        scales=SCALES if file.scales is None else ScaleSet(**file.scales.model_dump()),
        groups=groups,
        comment=file.comment,
    )


def _check_externals(externals: Mapping[str, int | None], source: str) -> None:
    for name in externals:
        if not (name.startswith(EXTERNAL_PREFIX) and is_word(name)):
            raise BadValue(
                f"{source}, externals.{name}",
                "not the name of an external signal",
                f"write {EXTERNAL_PREFIX} and the signal's name, as expressions do",
            )


def _cut(where: str, name: str, entry: CutEntry) -> Cut:
    stated = {key: value for key in KINDS if (value := getattr(entry, key)) is not None}
    if len(stated) != 1:
        found = ", ".join(stated) or "none"
        raise BadValue(where, f"a cut has one restriction, found {found}", f"write one of {', '.join(KINDS)}")
    ((key, value),) = stated.items()
    kind = KINDS[key]
    object_type = _object_type(where, name, entry.object, kind)
    if key in _WINDOWS:
        return build_cut(where, name, kind, object_type, limits=_window(where, kind, value))
    if key in _MINIMA:
        return build_cut(where, name, kind, object_type, limits=(float(value), 0.0))
    if key in _CODES:
        return build_cut(where, name, kind, object_type, values=[str(code) for code in value])
    word = str(int(value)) if key == _DISPLACED else value
    return build_cut(where, name, kind, object_type, values=[word])


def _object_type(where: str, name: str, stated: str | None, kind: CutKind) -> ObjectType | None:
    """The type stated, or else the one that the cut's name begins with; none for cuts of a condition."""
    if stated is None and kind not in CUT_OBJECTS:
        return None
    type_name = stated if stated is not None else name.partition("-")[0]
    if type_name in set(ObjectType):
        return ObjectType(type_name)
    if stated is None:
        raise BadValue(where, "the object type is not clear", "begin the name with it, or add object: (such as MU)")
    raise UnknownName(where, "object", type_name, list(ObjectType))


def _window(where: str, kind: CutKind, limits: Sequence[float]) -> tuple[float, float]:
    low, high = limits
    if low > high and kind not in _MAY_WRAP:
        raise BadValue(where, f"the window [{low:g}, {high:g}] is empty", "write the lower limit first")
    return low, high


def _members(where: str, group: Sequence[str], algorithms: Sequence[Algorithm]) -> tuple[str, ...]:
    """The algorithm names that a group's names and shell-style patterns stand for, each once, in order of index."""
    names = [algorithm.name for algorithm in algorithms]
    chosen: set[str] = set()
    for pattern in group:
        found = fnmatch.filter(names, pattern)
        if not found and any(character in pattern for character in "*?["):
            raise BadValue(where, f"'{pattern}' matches no algorithm", "correct or remove the pattern")
        if not found:
            raise UnknownName(where, "algorithm", pattern, names)
        chosen.update(found)
    return tuple(name for name in names if name in chosen)
