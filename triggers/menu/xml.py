"""Reads menus in CMS's XML (`docs/menu-format.md`, section 2)."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterator
from xml.parsers import expat

from triggers.errors import BadValue, FileUnreadable, L1ChainError, MenuSyntax, UnknownName
from triggers.menu.build import Entry, Report, build_algorithms, build_cut, raise_at_once
from triggers.menu.model import Cut, CutKind, Menu, ObjectType, ScaleSet
from triggers.menu.rules import CUT_OBJECTS
from triggers.menu.words import EXTERNAL_PREFIX

CHANNELS_PER_CABLE = 64
N_CHANNELS = 256
_NAMESPACE_SEPARATOR = " "
_UNUSED = frozenset({"bin", "object_requirement", "external_requirement"})
"""Elements whose content follows from others: they are most of a file, and are skipped."""

_CHARGE_CORRELATION_CODES = {"0": "ls", "1": "os"}
_MUON_OFFSET_SINCE = datetime.date(2016, 3, 11)
_UNCONSTRAINED_PT_WITHOUT_OFFSET = (2020, 10)


class _Element:
    """An element with the line it begins at; `text` is that of a leaf."""

    __slots__ = ("children", "line", "tag", "text")

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line, self.text = tag, line, ""
        self.children: list[_Element] = []

    def all(self, tag: str) -> Iterator[_Element]:
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> _Element | None:
        return next(self.all(tag), None)

    def value(self, tag: str) -> str:
        """The text of a child on one line, empty where there is none."""
        child = self.first(tag)
        return "" if child is None else " ".join(child.text.split())


def read_xml_menu(content: bytes, source: str, digest: str | None = None, report: Report = raise_at_once) -> Menu:
    """The menu of an XML document.

    Args:
        content: the document, not compressed.
        source: the file it came from, as messages name it.
        digest: SHA-256 of the file, where that is not the document itself.
        report: takes the error of an algorithm or cut, which is then left out.

    Raises:
        FileUnreadable: it is not XML.
        MenuSyntax: it is not a menu, or an element or expression is missing or malformed.
        UnknownName: a cut's type or object, or a name in an expression, does not exist.
        BadValue: a value is not allowed where it stands, or an index or name is used twice.
    """
    root = _elements(content, source)
    if root.tag != "menu":
        raise MenuSyntax(
            f"{source}, line {root.line}", f"the root is <{root.tag}>, expected <menu>", "name a menu file"
        )
    cuts: dict[str, Cut] = {}
    entries = []
    for algorithm in root.all("algorithm"):
        try:
            entries.append(_entry(algorithm, source))
            for element in algorithm.all("cut"):
                _add_cut(cuts, element, source)
        except L1ChainError as error:
            report(error)
    return Menu(
        name=_needed(root, "name", source),
        source=source,
        digest=digest or hashlib.sha256(content).hexdigest(),
        algorithms=build_algorithms(source, entries, cuts, _channels(root, source), report),
        scales=_scales(root, source),
        comment=root.value("comment"),
    )


def _elements(content: bytes, source: str) -> _Element:
    """The document's root; text is kept, attributes are not."""
    parser = expat.ParserCreate(namespace_separator=_NAMESPACE_SEPARATOR)
    parser.buffer_text = True
    document = _Element("", 0)
    open_elements = [document]
    skipped = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal skipped
        tag = name.rpartition(_NAMESPACE_SEPARATOR)[2]
        is_root = len(open_elements) == 1
        if skipped or (tag in _UNUSED and not is_root):
            skipped += 1
            return
        element = _Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        nonlocal skipped
        if skipped:
            skipped -= 1
        else:
            open_elements.pop()

    def text(data: str) -> None:
        if not skipped:
            open_elements[-1].text += data

    def doctype(*_declaration: object) -> None:
        raise FileUnreadable(
            f"{source}, line {parser.CurrentLineNumber}",
            "a document type or entity declaration, which menus have not",
            "remove it",
        )

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise FileUnreadable(
            f"{source}, line {parser.ErrorLineNumber}", f"not well-formed XML ({_reason(error)})"
        ) from error
    return document.children[0]


def _reason(error: Exception) -> str:
    return expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)


def _needed(element: _Element, tag: str, source: str) -> str:
    value = element.value(tag)
    if not value:
        name = element.value("name")
        raise MenuSyntax(
            f"{source}, line {element.line}",
            f"<{element.tag}>{f' {name}' if name else ''} lacks its <{tag}>",
            "add it",
        )
    return value


def _whole_number(element: _Element, tag: str, source: str) -> int:
    text = _needed(element, tag, source)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadValue(_place(element, source), f"<{tag}> is '{text}'", "write a whole number")
    return int(text)


def _number(element: _Element, tag: str, source: str) -> float:
    text = element.value(tag) or "0"
    try:
        return float(text)
    except ValueError:
        raise BadValue(_place(element, source), f"<{tag}> is '{text}'", "write a number") from None


def _place(element: _Element, source: str) -> str:
    return f"{source}, line {element.line}, {element.tag} {element.value('name')}"


def _entry(algorithm: _Element, source: str) -> Entry:
    return Entry(
        place=f"line {algorithm.line}",
        name=_needed(algorithm, "name", source),
        index=_whole_number(algorithm, "index", source),
        text=_needed(algorithm, "expression", source),
        comment=algorithm.value("comment"),
    )


def _add_cut(cuts: dict[str, Cut], element: _Element, source: str) -> None:
    """Adds a cut; a cut stands in every algorithm that uses it, each time with the same definition."""
    name = _needed(element, "name", source)
    cut = _cut(element, name, source)
    if cuts.setdefault(name, cut) != cut:
        raise BadValue(_place(element, source), "the cut has another definition earlier in the file", "rename one")


def _cut(element: _Element, name: str, source: str) -> Cut:
    where = _place(element, source)
    type_name = _needed(element, "type", source)
    if type_name not in set(CutKind):
        raise UnknownName(where, "cut type", type_name, list(CutKind))
    kind = CutKind(type_name)
    object_type = None
    if kind in CUT_OBJECTS:
        object_name = _needed(element, "object", source)
        if object_name not in set(ObjectType):
            raise UnknownName(where, "object", object_name, list(ObjectType))
        object_type = ObjectType(object_name)
    data = element.value("data")
    if kind is CutKind.CHARGE_CORRELATION:
        data = _CHARGE_CORRELATION_CODES.get(data, data)
    values = [value.strip() for value in data.split(",")] if data else []
    limits = (_number(element, "minimum", source), _number(element, "maximum", source))
    return build_cut(where, name, kind, object_type, limits, values)


def _channels(root: _Element, source: str) -> dict[str, int | None]:
    """The channel of each external signal, by the name that expressions use; None for the dummies of test menus."""
    channels: dict[str, int | None] = {}
    signals = root.first("ext_signal_set")
    for signal in signals.all("ext_signal") if signals else ():
        name = EXTERNAL_PREFIX + _needed(signal, "name", source)
        channel = _whole_number(signal, "cable", source) * CHANNELS_PER_CABLE + _whole_number(signal, "channel", source)
        if name in channels:
            raise BadValue(_place(signal, source), "the signal stands twice", "remove one")
        channels[name] = channel if channel < N_CHANNELS else None
    return channels


def _scales(root: _Element, source: str) -> ScaleSet:
    """The conventions of the scale set: what its muon scales begin with, or else its date."""
    scale_set = root.first("scale_set")
    if scale_set is None:
        return ScaleSet("")
    name = scale_set.value("name")
    date = _date(name)
    lowest = {
        scale.value("type"): _number(scale, "minimum", source)
        for scale in scale_set.all("scale")
        if scale.value("object") == ObjectType.MU
    }
    pt_minimum, unconstrained_minimum = lowest.get("ET"), lowest.get("UPT")
    if pt_minimum is None:
        pt_minimum = 0.0 if date is not None and date < _MUON_OFFSET_SINCE else -0.5
    if unconstrained_minimum is None:
        old = date is not None and (date.year, date.month) == _UNCONSTRAINED_PT_WITHOUT_OFFSET
        unconstrained_minimum = 0.0 if old else -1.0
    return ScaleSet(name, muon_pt_offset=int(pt_minimum < 0), unconstrained_pt_zero=int(unconstrained_minimum < 0))


def _date(scale_set_name: str) -> datetime.date | None:
    """The date in names such as `scales_2024_05_15` and `2016-03-11`."""
    match = re.search(r"(\d{4})[-_](\d{2})[-_](\d{2})$", scale_set_name)
    if match is None:
        return None
    try:
        return datetime.date(*(int(part) for part in match.groups()))
    except ValueError:
        return None
